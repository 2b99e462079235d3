"""How well a judge reads attributes off images that it was not trained on."""

from typing import Any

import numpy as np


def rate_presence(
    judged: np.ndarray, truth: np.ndarray, share: float = 0.5
) -> dict[str, Any]:
    """Rate the probabilities of a 0/1 attribute.

    Accuracy says little of an attribute that nearly all images have: a constant answer
    is nearly always right. Balanced accuracy and AUC are 0.5 for a constant answer,
    whatever the share of images with the attribute (Fawcett 2006, An introduction to
    ROC analysis).

    Parameters
    ----------
    judged : ndarray of shape (N,)
        Probabilities.
    truth : ndarray of shape (N,)
        0 or 1.
    share : float, default=0.5
        For balanced accuracy, an image counts as showing it above this probability; see
        `Judge.present`.

    Returns
    -------
    dict
        ``images``, their number; ``accuracy`` of taking what is above 0.5 for 1, and
        ``majority``, which a constant answer would reach; ``balanced_accuracy``, the
        mean of the shares of ones and of zeros that are recognised; ``auc``, how often
        of a random one and a random zero the former has the higher probability. The
        last two are None where all images are of one kind.

    Examples
    --------
    >>> facts = rate_presence(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 1, 1, 0]))
    >>> facts["accuracy"], facts["balanced_accuracy"], facts["auc"]
    (0.75, 0.5, 1.0)
    """
    ones = truth > 0.5
    most = float(ones.mean())
    facts = {
        "images": len(truth),
        "accuracy": float(((judged > 0.5) == ones).mean()),
        "majority": max(most, 1 - most),
        "balanced_accuracy": None,
        "auc": None,
    }
    if ones.any() and not ones.all():
        shares = (
            float((judged[ones] > share).mean()),
            float((judged[~ones] <= share).mean()),
        )
        facts["balanced_accuracy"] = sum(shares) / 2
        facts["auc"] = _auc(judged[ones], judged[~ones])
    return facts


def rate_values(judged: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Rate the values of a measured attribute.

    Returns
    -------
    dict
        ``images``; ``mean_absolute_error`` and ``spread``, the mean absolute deviation
        from the median, which a constant answer would reach.
    """
    return {
        "images": len(truth),
        "mean_absolute_error": float(abs(judged - truth).mean()),
        "spread": float(abs(truth - np.median(truth)).mean()),
    }


def _auc(ones: np.ndarray, zeros: np.ndarray) -> float:
    """Return the share of pairs in which the one is higher; equal ones count half."""
    zeros = np.sort(zeros)
    below = np.searchsorted(zeros, ones, side="left")
    not_above = np.searchsorted(zeros, ones, side="right")
    return float((below + not_above).mean() / (2 * len(zeros)))
