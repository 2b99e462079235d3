"""How selective a feature is: how much it prefers few images to the others."""

import numpy as np

from scratchgan.paper.ranks import ranks

FEW = 10
"""An attribute that fewer images have, or lack, says nothing here."""


def lifetime_sparseness(responses: np.ndarray) -> np.ndarray:
    """Return the sparseness of each feature's responses over images, in [0, 1].

    (1 - mean(r)² / mean(r²)) / (1 - 1/N), with responses below 0 taken as 0: 0 if all
    images excite it alike, 1 if a single one does. A feature that no image excites
    has 0.

    Source: Vinje and Gallant 2000, Science 287, after Treves and Rolls 1991.

    Parameters
    ----------
    responses : ndarray of shape (N, F)
        N is at least 2.

    Examples
    --------
    >>> lifetime_sparseness(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 5.0]]))
    array([0., 1.])
    """
    r = np.maximum(responses.astype(np.float64), 0)
    square = (r**2).mean(axis=0)
    evenness = r.mean(axis=0) ** 2 / np.where(square > 0, square, 1)
    sparseness = (1 - evenness) / (1 - 1 / len(r))
    return np.where(square > 0, np.clip(sparseness, 0, 1), 0)


def attribute_contrast(responses: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    """Return how well each feature alone tells each attribute, |2·AUC - 1|.

    AUC is the chance that an image with the attribute excites the feature more than
    one without it; 0.5, and so 0 here, for a feature that knows nothing of it.

    Parameters
    ----------
    responses : ndarray of shape (N, F)
    attributes : ndarray of shape (N, A), bool
        Each with some images of both kinds.

    Returns
    -------
    ndarray of shape (F, A), in [0, 1]

    Examples
    --------
    >>> responses = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> attribute_contrast(responses, np.array([[1, 1], [1, 0], [0, 1], [0, 0]]) == 1)
    array([[1. , 0.5]])
    """
    with_it = attributes.sum(axis=0)
    sums = ranks(responses).T @ attributes  # (F, A)
    wins = sums - with_it * (with_it + 1) / 2  # pairs won by the image with it
    return abs(2 * wins / (with_it * (len(attributes) - with_it)) - 1)


def without_linear_part(responses: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return responses less what a linear function of some other values explains.

    A random filter follows brightness and colour, and with them all that goes with
    brightness and colour, such as the hour of the day.

    Parameters
    ----------
    responses : ndarray of shape (N, F)
    of : ndarray of shape (N, C)

    Returns
    -------
    ndarray of shape (N, F), float64

    Examples
    --------
    >>> colour = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> without_linear_part(5 + 2 * colour, colour).round(9) + 0
    array([[0.], [0.], [0.], [0.]])
    """
    known = np.column_stack([np.ones(len(of)), of]).astype(np.float64)
    weights, *_ = np.linalg.lstsq(known, responses.astype(np.float64), rcond=None)
    return responses - known @ weights


def binary_attributes(
    values: np.ndarray, names: list[str]
) -> tuple[np.ndarray, list[str]]:
    """Return the attributes that an image has or has not, as bool (N, A), and names.

    Measured ones are left out, and those that nearly all images share.
    """
    chosen = [
        column
        for column in range(values.shape[1])
        if np.isin(values[:, column], (0, 1)).all()
        and FEW <= values[:, column].sum() <= len(values) - FEW
    ]
    return values[:, chosen] == 1, [names[column] for column in chosen]


def compare(trained: np.ndarray, control: np.ndarray) -> dict[str, float]:
    """Return both medians, and how often a trained feature beats a random one.

    The last is the Mann-Whitney statistic as a share of all pairs: 0.5 if they are
    alike, equal values counting half.

    Examples
    --------
    >>> compare(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    {'trained': 2.5, 'random': 1.5, 'share': 0.875}
    """
    both = np.concatenate([trained, control])[:, None]
    total = ranks(both)[: len(trained)].sum()
    wins = total - len(trained) * (len(trained) + 1) / 2
    return {
        "trained": float(np.median(trained)),
        "random": float(np.median(control)),
        "share": float(wins / (len(trained) * len(control))),
    }
