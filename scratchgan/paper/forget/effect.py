"""What dropping feature maps does to images: windows, other objects, the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scratchgan.paper.judges.judge import Judge
from scratchgan.paper.judges.window_judge import WindowJudge


@dataclass(frozen=True)
class Judges:
    """Who looks at the images.

    Attributes
    ----------
    windows : WindowJudge or None
    objects : Judge or None
        Of attributes, where the dataset has any.
    """

    windows: WindowJudge | None = None
    objects: Judge | None = None


@dataclass(frozen=True)
class Drawn:
    """What G draws from the same z.

    Attributes
    ----------
    before, after : ndarray of shape (N, H, W, C), uint8
        With all maps, and without those that were dropped.
    others : ndarray of shape (N, H, W, C), uint8
        Without all the others.
    control : sequence of M ndarrays of shape (N, H, W, C), uint8
        Without as many random maps, of M choices; their numbers are averaged.
    """

    before: np.ndarray
    after: np.ndarray
    others: np.ndarray
    control: Sequence[np.ndarray]


def measure_effect(drawn: Drawn, judges: Judges) -> dict:
    """Compare images with and without some maps.

    Returns
    -------
    dict
        ``windows``: of ``before``, ``after``, ``others`` and ``control`` the windows
        ``per_image`` and the ``share`` of images with one, and for the last three the
        ``reduction`` of the former, 1 for none left. ``objects``: for every 0/1
        attribute the share of images judged to show it (`Judge.present`), and ``kept``,
        the share of those that showed it before and do after. ``pixel_change``: mean
        absolute difference of pixels in [0, 255], ``outside`` and ``inside`` the
        windows found before. None stands for what cannot be said.
    """
    before = drawn.before
    boxes = None if judges.windows is None else judges.windows.boxes(before)
    return {
        "windows": None if boxes is None else _windows(boxes, drawn, judges.windows),
        "objects": None if judges.objects is None else _objects(drawn, judges.objects),
        "pixel_change": {
            "after": _pixel_change(before, drawn.after, boxes),
            "control": _averaged(
                _pixel_change(before, images, boxes) for images in drawn.control
            ),
        },
    }


def _windows(boxes: list[np.ndarray], drawn: Drawn, judge: WindowJudge) -> dict:
    seen = _window_numbers(np.array([len(found) for found in boxes]))
    found = {
        "before": seen,
        "after": _window_numbers(judge.counts(drawn.after)),
        "others": _window_numbers(judge.counts(drawn.others)),
        "control": _averaged(
            _window_numbers(judge.counts(images)) for images in drawn.control
        ),
    }
    for name in ("after", "others", "control"):
        if found[name] is not None:
            whole, left = seen["per_image"], found[name]["per_image"]
            found[name]["reduction"] = 1 - left / whole if whole else None
    return found


def _window_numbers(counts: np.ndarray) -> dict[str, float]:
    return {"per_image": float(counts.mean()), "share": float((counts > 0).mean())}


def _objects(drawn: Drawn, judge: Judge) -> dict:
    had, has = judge.present(drawn.before), judge.present(drawn.after)
    others = judge.present(drawn.others)
    random = [judge.present(images) for images in drawn.control]
    return {
        name: {
            "before": float(had[name].mean()),
            "after": float(has[name].mean()),
            "kept": _kept(had[name], has[name]),
            "others": float(others[name].mean()),
            "control": _mean(choice[name].mean() for choice in random),
            "control_kept": _mean(_kept(had[name], choice[name]) for choice in random),
        }
        for name in had
    }


def _kept(had: np.ndarray, has: np.ndarray) -> float | None:
    return float(has[had].mean()) if had.any() else None


def _pixel_change(
    before: np.ndarray, after: np.ndarray, boxes: list[np.ndarray] | None
) -> dict[str, float | None]:
    difference = abs(before.astype(np.int16) - after).mean(axis=-1)  # (N, H, W)
    inside = np.zeros(difference.shape, bool)
    for mask, found in zip(inside, boxes or [], strict=False):
        for left, top, right, bottom in found:
            mask[top:bottom, left:right] = True
    return {
        "outside": _mean(difference[~inside]),
        "inside": _mean(difference[inside]),
    }


def _mean(values: object) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _averaged(parts: object) -> dict | None:
    """Return the means of the numbers that several dicts have under each name."""
    parts = list(parts)
    if not parts:
        return None
    return {name: _mean(part[name] for part in parts) for name in parts[0]}


def verdict(dropped: int, maps: int, effect: dict) -> list[str]:
    """Say in words what `measure_effect` found, a line each."""
    lines = [f"{dropped} of {maps} feature maps dropped"]
    windows, objects = effect["windows"], effect["objects"]
    if windows is not None:
        after, control = windows["after"], windows["control"]
        line = (
            f"windows per image: {windows['before']['per_image']:.2f} before, "
            f"{after['per_image']:.2f} without these maps{_percent(after)}"
        )
        if control is not None:
            line += (
                f"; {control['per_image']:.2f} without as many random ones"
                f"{_percent(control)}"
            )
        rest = windows["others"]
        line += f"; {rest['per_image']:.2f} without the other {maps - dropped}"
        line += _percent(rest)
        lines.append(line)
    for name, shares in (objects or {}).items():
        if name in SHOWN:
            line = (
                f"images with {name}: {shares['before']:.0%} before, "
                f"{shares['after']:.0%} without these maps"
            )
            if shares["control"] is not None:
                line += f"; {shares['control']:.0%} without as many random ones"
            line += f"; {shares['others']:.0%} without the others"
            lines.append(line)
    return lines


def doubts(judge: Judge | None) -> list[str]:
    """Say which objects a judge can hardly tell."""
    if judge is None:
        return []
    accuracies = {
        name: facts.get("balanced_accuracy") for name, facts in judge.held_out.items()
    }
    poor = [
        f"{name} {share:.0%}"
        for name, share in accuracies.items()
        if share is not None and share < HARDLY_TOLD
    ]
    if not poor:
        return []
    return [
        f"the judge can hardly tell {', '.join(poor)} (balanced accuracy; 50% is chance"
        "); their shares say little"
    ]


HARDLY_TOLD = 0.65
"""Balanced accuracy below which what a judge says of an object means little."""
SHOWN = ("bed", "lamp", "picture", "door")
"""Objects worth a line; the JSON file has all."""


def _percent(found: dict) -> str:
    reduction = found["reduction"]
    return "" if reduction is None else f" ({-reduction:+.0%})"
