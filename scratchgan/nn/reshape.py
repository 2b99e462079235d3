"""Layers that only rearrange: flatten, reshape, and labels beside the input."""

import math

from scratchgan.backend import Array, get_array_module
from scratchgan.kernels.arrays import packed_copy
from scratchgan.nn.layer import Layer


class Reshape(Layer):
    """Give each example another shape, elements in C order.

    The ctx is the shape of x.

    Parameters
    ----------
    *shape : int
        Shape of one example, without the batch axis.

    Examples
    --------
    >>> import numpy as np
    >>> Reshape(2, 1, 3)(np.zeros((5, 6))).shape
    (5, 2, 1, 3)
    """

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def forward(self, x: Array) -> tuple[Array, tuple[int, ...]]:
        """Return x as (N, *shape)."""
        return packed_copy(x).reshape(len(x), *self.shape), x.shape

    def backward(
        self,
        dy: Array,
        ctx: tuple[int, ...],
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
    ) -> Array | None:
        """Return dy in the shape of x.

        Raises
        ------
        ValueError
            If dy has another shape than y.
        """
        known = abs(math.prod(self.shape))
        rest = math.prod(ctx[1:]) // known  # what -1 stands for
        shape_of_one = (rest if size == -1 else size for size in self.shape)
        self._expect_gradient(dy, (ctx[0], *shape_of_one))
        if not need_dx:
            return None
        return packed_copy(dy).reshape(ctx)

    def __repr__(self) -> str:
        return f"Reshape{self.shape}"


class Flatten(Reshape):
    """Make each example a vector: (N, C, H, W) to (N, C·H·W)."""

    def __init__(self) -> None:
        super().__init__(-1)

    def __repr__(self) -> str:
        return "Flatten()"


class ConcatLabels(Layer):
    """Append labels to the input: units to a vector, constant planes to maps.

    This is how the conditional networks see the class: x (N, F) becomes (N, F + K) and
    x (N, C, H, W) becomes (N, C + K, H, W), where plane k is everywhere label k of its
    image. Labels get no gradient. The ctx is the shape of x.

    Source: Radford et al. 2016, section 8.1; Mirza and Osindero 2014, arXiv 1411.1784.

    Parameters
    ----------
    classes : int
        K, the width of the one-hot labels.
    """

    takes_labels = True

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def forward(self, x: Array, labels: Array) -> tuple[Array, tuple[int, ...]]:
        """Return x with labels (N, K) of x's dtype appended along axis 1.

        Raises
        ------
        ValueError
            If labels are missing or have another shape than (N, K).
        TypeError
            If they have another dtype than x.
        """
        xp = get_array_module(x)
        if labels is None or labels.shape != (len(x), self.classes):
            got = "none" if labels is None else f"shape {tuple(labels.shape)}"
            raise ValueError(
                f"{self}: labels are {got}, expected one-hot rows of shape "
                f"({len(x)}, {self.classes})"
            )
        if labels.dtype != x.dtype:
            raise TypeError(f"{self}: labels are {labels.dtype}, x is {x.dtype}")
        spatial = x.shape[2:]
        planes = labels.reshape(*labels.shape, *(1 for _ in spatial))
        planes = xp.broadcast_to(planes, (*labels.shape, *spatial))  # (N, K, H, W)
        return xp.concatenate([x, planes], axis=1), x.shape

    def backward(
        self,
        dy: Array,
        ctx: tuple[int, ...],
        *,
        need_dx: bool = True,
        need_dparams: bool = True,
    ) -> Array | None:
        """Return the part of dy that belongs to x.

        Raises
        ------
        ValueError
            If dy has another shape than y.
        """
        N, own, *spatial = ctx
        self._expect_gradient(dy, (N, own + self.classes, *spatial))
        return dy[:, :own] if need_dx else None

    def __repr__(self) -> str:
        return f"ConcatLabels({self.classes})"
