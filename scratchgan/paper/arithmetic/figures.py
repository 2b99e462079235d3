"""The paper's figure 7, and a sheet of candidates to choose exemplars from by eye."""

from collections.abc import Sequence

import numpy as np

from scratchgan.paper.arithmetic.arithmetic import Candidates, Control, Term, best
from scratchgan.paper.figure import Figure
from scratchgan.paper.judges.judge import Judge
from scratchgan.storage.pictures import captioned_grid, enlarge

MARGIN = 0.3
"""Tiles to the left of the first column, ..."""
TEXT_FITS = 15
"""... so that its heading has room for so many characters."""
SHEET = 24
"""Candidates of each concept on a sheet, in two rows, ..."""
SHEET_SIDE = 80
"""... at least so wide in pixels that captions have room."""


def draw_figure(
    terms: Sequence[Term], results: np.ndarray, control: Control
) -> np.ndarray:
    """Return the paper's figure 7, with the same arithmetic on pixels below.

    Parameters
    ----------
    terms : sequence of three Term
    results : ndarray of shape (9, H, W, C), uint8
        The result in the middle of its neighbours.
    control : Control
    """
    most = max(3, *(len(term.seeds) for term in terms))
    last = 2.3 + most  # row of the control
    figure = Figure(last + 1.1, MARGIN + 8.1, *results.shape[1:3])
    for i, term in enumerate(terms):
        column = MARGIN + 1.5 * i
        named = f"{'ABC'[i]}: {term.text}" if len(term.text) <= TEXT_FITS else "ABC"[i]
        figure.write(named, 0.2, column + 0.5, 11)
        for row, image in enumerate(term.images):
            figure.place(image, 0.4 + row, column)
        figure.place(control.of_mean_z[i], 0.8 + most, column)
        figure.place(control.pixel_means[i], last, column)
    figure.write("G of the mean z", 0.6 + most, MARGIN + 2)
    figure.write("the same with pixels", last - 0.2, MARGIN + 2)
    for row in (1.3 + most, last + 0.5):
        for sign, column in (("-", 1.25), ("+", 2.75), ("=", 4.4)):
            figure.write(sign, row, MARGIN + column, 28)
    figure.write("G(Y), framed", most - 1.4, MARGIN + 6.5)
    for position, image in enumerate(results):
        row, column = divmod(position, 3)
        figure.place(image, most - 1.2 + row, MARGIN + 5 + column, framed=position == 4)
    figure.place(control.pixels, last, MARGIN + 6)
    return figure.pixels()


def draw_sheet(
    terms: Sequence[Term], candidates: Candidates, judge: Judge
) -> np.ndarray:
    """Return the best candidates of each concept, captioned to be chosen by eye.

    For a term that was given by seeds: the first candidates.
    """
    rows, captions = [], []
    mentioned = {c.name: None for term in terms for c in term.conditions}
    names = list(mentioned or dict.fromkeys(judge.names[:3]))
    for letter, term in zip("ABC", terms, strict=True):
        if term.conditions:
            chosen = best(term.conditions, candidates, judge, SHEET)
        else:
            chosen = np.arange(min(SHEET, len(candidates.seeds)))
        for row in chosen:
            values = [f"{n} {candidates.judged[n][row]:.2f}" for n in names]
            captions.append("\n".join([f"{letter}: {candidates.seeds[row]}", *values]))
        rows.extend(chosen)
    images = candidates.images[rows]
    factor = -(-SHEET_SIDE // images.shape[2])
    return captioned_grid(enlarge(images, factor), captions, columns=SHEET // 2)
