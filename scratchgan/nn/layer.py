"""The layer protocol: explicit forward and backward, nothing hidden in between.

``y, ctx = layer.forward(x)`` computes the output and everything backward will need;
``dx = layer.backward(dy, ctx)`` takes the gradient of the loss with respect to y to
the gradient with respect to x, and *adds* the gradients of the parameters to their
``grad``. The layer itself remembers nothing of a forward pass, so that several can be
in flight: a GAN has real images, fake images and a preview at once.

Rules that every layer keeps: arguments are never modified; a ctx may be used any
number of times; outputs have the dtype of the parameters.
"""

from typing import Any, ClassVar

import numpy as np

from scratchgan.backend import Array, Device, copy_to_device, to_host


class Parameter:
    """An array that the optimiser changes, beside the gradient of the loss.

    Attributes
    ----------
    data, grad : array
        Of the same shape, dtype and device; ``grad`` starts at zero and collects.
    """

    def __init__(self, data: Array) -> None:
        self.data = data
        self.grad = data * 0  # of its shape, dtype, device, and order in memory

    def zero_grad(self) -> None:
        """Set the gradient to zero in place."""
        self.grad[...] = 0


class Layer:
    """Base of all layers; see the module for the protocol.

    A subclass sets `Parameter` attributes in ``__init__``, names its running averages
    in ``buffer_names``, and defines ``forward`` and ``backward``.

    Attributes
    ----------
    training : bool
        Read by batch normalisation, batch statistics or running averages, and by
        dropout, which does nothing outside training.
    takes_labels : bool
        Whether ``forward`` has a second argument, the labels as one-hot rows.
    buffer_names : tuple of str
        Attributes that belong to the state but are not trained.
    """

    training = True
    takes_labels: ClassVar[bool] = False
    buffer_names: ClassVar[tuple[str, ...]] = ()

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Return (y, ctx)."""
        raise NotImplementedError(f"{type(self).__name__} is abstract")

    def backward(
        self, dy: Array, ctx: Any, *, need_dx: bool = True, need_dparams: bool = True
    ) -> Array | None:
        """Return dx, and add parameter gradients to each ``grad``.

        Parameters
        ----------
        dy : array
            Gradient of the loss with respect to y, of y's shape.
        ctx : object
            What ``forward`` returned beside y.
        need_dx : bool, default=True
            False returns None and skips the work; for a network's first layer.
        need_dparams : bool, default=True
            False leaves every ``grad`` alone and skips the work; for D while G learns.

        Raises
        ------
        ValueError, TypeError
            If dy has another shape or dtype than y.
        """
        raise NotImplementedError(f"{type(self).__name__} is abstract")

    def __call__(self, x: Array, *labels: Array) -> Array:
        """Return y alone: inference, nothing kept."""
        return self.forward(x, *labels)[0]

    def children(self) -> dict[str, "Layer"]:
        """Return the layers inside this one, in the order of their computation."""
        return {}

    def parameters(self) -> dict[str, Parameter]:
        """Return all parameters, names joined with dots: ``up1.conv.weight``."""
        own = {k: v for k, v in vars(self).items() if isinstance(v, Parameter)}
        for name, child in self.children().items():
            own |= {f"{name}.{k}": v for k, v in child.parameters().items()}
        return own

    def buffers(self) -> dict[str, Array]:
        """Return all running averages, names joined with dots."""
        own = {name: getattr(self, name) for name in self.buffer_names}
        for name, child in self.children().items():
            own |= {f"{name}.{k}": v for k, v in child.buffers().items()}
        return own

    def zero_grad(self) -> None:
        """Set every parameter's gradient to zero."""
        for parameter in self.parameters().values():
            parameter.zero_grad()

    def train(self, mode: bool = True) -> "Layer":
        """Compute as in training from now on (or as outside it) and return self."""
        self.training = mode
        for child in self.children().values():
            child.train(mode)
        return self

    def eval(self) -> "Layer":
        """Compute as outside training from now on and return self."""
        return self.train(False)

    def to(self, device: Device) -> "Layer":
        """Move parameters, gradients and buffers to the device and return self."""
        for parameter in vars(self).values():
            if isinstance(parameter, Parameter):
                parameter.data = device.put(parameter.data)
                parameter.grad = device.put(parameter.grad)
        for name in self.buffer_names:
            setattr(self, name, device.put(getattr(self, name)))
        for child in self.children().values():
            child.to(device)
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return copies of all parameters and buffers on the host."""
        arrays = {name: p.data for name, p in self.parameters().items()}
        arrays |= self.buffers()
        return {name: to_host(array).copy() for name, array in arrays.items()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Copy a `state_dict` into this layer's arrays, wherever they live.

        Raises
        ------
        ValueError
            If names or shapes differ; the message lists every difference, and
            nothing has been changed.
        """
        arrays = {name: p.data for name, p in self.parameters().items()}
        arrays |= self.buffers()
        problems = [f"missing {name}" for name in arrays if name not in state]
        problems += [f"unexpected {name}" for name in state if name not in arrays]
        problems += [
            f"{name} has shape {state[name].shape}, expected {array.shape}"
            for name, array in arrays.items()
            if name in state and state[name].shape != array.shape
        ]
        if problems:
            raise ValueError(f"{self}: state does not fit: {'; '.join(problems)}")
        for name, array in arrays.items():
            if isinstance(array, np.ndarray):
                array[...] = state[name]
            else:
                copy_to_device(array, state[name].astype(array.dtype))

    def _expect(self, x: Array, shape: tuple[int | None, ...], dtype: Any) -> None:
        """Raise unless x has this shape (None: any size) and dtype."""
        fits = x.ndim == len(shape) and all(
            want is None or have == want
            for have, want in zip(x.shape, shape, strict=True)
        )
        if not fits:
            names = ("N", "C", "H", "W") if len(shape) == 4 else ("N", "F")
            expected = ", ".join(
                name if want is None else str(want)
                for name, want in zip(names, shape, strict=True)
            )
            raise ValueError(
                f"{self}: x has shape {tuple(x.shape)}, expected ({expected})"
            )
        if x.dtype != dtype:
            raise TypeError(f"{self}: x is {x.dtype}, expected {dtype}")

    def _expect_gradient(
        self, dy: Array, shape: tuple[int, ...], dtype: Any = None
    ) -> None:
        """Raise unless dy has exactly the shape of y and, if given, its dtype."""
        if tuple(dy.shape) != tuple(shape):
            raise ValueError(
                f"{self}: dy has shape {tuple(dy.shape)}, expected that of y, "
                f"{tuple(shape)}"
            )
        if dtype is not None and dy.dtype != dtype:
            raise TypeError(f"{self}: dy is {dy.dtype}, expected {dtype}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
