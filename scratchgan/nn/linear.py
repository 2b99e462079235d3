"""The matrix product layer."""

import numpy as np

from scratchgan.backend import Array
from scratchgan.nn import init
from scratchgan.nn.layer import Layer, Parameter


class Linear(Layer):
    """Matrix product, y = x·weightᵀ + bias.

    The ctx is x. dx = dy·weight, dweight = dyᵀ·x, dbias = Σ_n dy. G starts with one
    that projects z, D ends with one (Radford et al. 2016, section 3).

    Parameters
    ----------
    in_features, out_features : int
        F_in and F_out.
    bias : bool, default=False
        The paper's networks have none: batch-norm's shift does its work.
    weight_init : Initialiser, default=normal(0.02)
        Radford et al. 2016, section 4.
    rng : numpy.random.Generator, optional
        Draws the weights; fresh by default.
    dtype : str or dtype, default="float32"
        Of parameters, inputs and outputs.

    Attributes
    ----------
    weight : Parameter of shape (F_out, F_in)
    bias : Parameter of shape (F_out,) or None

    Examples
    --------
    >>> import numpy as np
    >>> Linear(100, 8)(np.zeros((2, 100), "float32")).shape
    (2, 8)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = False,
        weight_init: init.Initialiser | None = None,
        rng: np.random.Generator | None = None,
        dtype: str | np.dtype = "float32",
    ) -> None:
        self.in_features = in_features
        self.out_features = out_features
        draw = weight_init or init.normal(0.02)
        rng = rng or np.random.default_rng()
        weight = draw(rng, (out_features, in_features), in_features, out_features)
        self.weight = Parameter(weight.astype(dtype))
        self.bias = Parameter(np.zeros(out_features, dtype)) if bias else None

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Return y of shape (N, F_out) for x of shape (N, F_in), and x.

        Raises
        ------
        ValueError, TypeError
            If x has another shape or dtype.
        """
        self.expect(x)
        y = x @ self.weight.data.T  # (N, F_out)
        if self.bias is not None:
            y = y + self.bias.data
        return y, x

    def backward(
        self, dy: Array, ctx: Array, *, need_dx: bool = True, need_dparams: bool = True
    ) -> Array | None:
        """Return dx of shape (N, F_in).

        Raises
        ------
        ValueError, TypeError
            If dy has another shape or dtype than y.
        """
        x = ctx
        self._expect_gradient(dy, (len(x), self.out_features), x.dtype)
        if need_dparams:
            self.weight.grad += dy.T @ x  # (F_out, F_in)
            if self.bias is not None:
                self.bias.grad += dy.sum(axis=0)  # (F_out,)
        return dy @ self.weight.data if need_dx else None  # (N, F_in)

    def expect(self, x: Array) -> None:
        """Raise ValueError or TypeError unless x is what `forward` takes."""
        self._expect(x, (None, self.in_features), self.weight.data.dtype)

    def __repr__(self) -> str:
        return f"Linear({self.in_features}, {self.out_features})"
