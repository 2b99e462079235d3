"""The optimiser: Adam."""

import math

import numpy as np

from scratchgan.backend import Array, copy_to_device, get_array_module, to_host
from scratchgan.functional.parallel import update_in_parts
from scratchgan.kernels import adam as kernels
from scratchgan.kernels.launch import fill_zero, has_kernels
from scratchgan.nn.layer import Parameter


class _Flat:
    """The arrays of all parameters, joined, and the two numbers of a step."""

    def __init__(
        self,
        theta: kernels.FlatArrays,
        grad: kernels.FlatArrays,
        m: kernels.FlatArrays,
        v: kernels.FlatArrays,
    ) -> None:
        self.theta, self.grad, self.m, self.v = theta, grad, m, v
        self.rates = kernels.rates_array(theta.whole)

    def holds(self, *arrays: dict[str, Array]) -> bool:
        """Return whether theta, grad, m and v are these arrays."""
        flats = self.theta, self.grad, self.m, self.v
        return all(flat.are(part) for flat, part in zip(flats, arrays, strict=True))


class Adam:
    """Adam, Algorithm 1 of Kingma and Ba 2015 (arXiv 1412.6980).

    For every parameter θ with gradient g, at step t = 1, 2, ...::

        g ← g + l2·θ                        (only if l2 > 0)
        m ← β1·m + (1 - β1)·g
        v ← β2·v + (1 - β2)·g²
        θ ← θ - lr · m/(1 - β1ᵗ) / (sqrt(v/(1 - β2ᵗ)) + eps)

    The L2 term goes through the moments, as in the authors' code, unlike AdamW's.
    Moments are kept by the parameters' names, so that they can be saved and found.

    Parameters
    ----------
    parameters : dict of Parameter
        By name, as `Layer.parameters` returns them.
    lr : float, default=0.0002
        Learning rate; 0.001 was too high for GANs (Radford et al. 2016, section 4).
    betas : (float, float), default=(0.5, 0.999)
        Decay of the moments; β1 = 0.9 made training oscillate (section 4).
    eps : float, default=1e-8
        Outside the square root.
    l2 : float, default=0.0
        Strength of the penalty l2/2·θ² on all parameters.

    Raises
    ------
    ValueError
        If a number is outside its range.

    Examples
    --------
    The first step moves by lr, whatever the gradient's size:

    >>> import numpy as np
    >>> theta = Parameter(np.array([1.0]))
    >>> adam = Adam({"theta": theta}, lr=0.1)
    >>> theta.grad[...] = 1e-3
    >>> adam.step()
    >>> round(float(theta.data[0]), 4)
    0.9
    """

    def __init__(
        self,
        parameters: dict[str, Parameter],
        *,
        lr: float = 0.0002,
        betas: tuple[float, float] = (0.5, 0.999),
        eps: float = 1e-8,
        l2: float = 0.0,
    ) -> None:
        if lr < 0 or eps <= 0 or l2 < 0:
            raise ValueError(
                f"Adam: lr is {lr}, eps is {eps}, l2 is {l2}; expected lr >= 0, "
                "eps > 0, l2 >= 0"
            )
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"Adam: betas are {betas}, expected both in [0, 1)")
        self.parameters = parameters
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.l2 = l2
        self.steps = 0
        self.m: dict[str, Array] = {}
        self.v: dict[str, Array] = {}
        self._flat: _Flat | None = None
        self._begun = False
        if self._on_gpu():
            self._flattened()  # makes the moments too
        else:
            self.m = {name: p.data * 0 for name, p in parameters.items()}
            self.v = {name: p.data * 0 for name, p in parameters.items()}

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        if self._on_gpu():
            fill_zero(self._flattened().grad.whole)
            return
        for parameter in self.parameters.values():
            parameter.zero_grad()

    def step(self) -> None:
        """Update every parameter from its gradient; gradients are left as they are."""
        if not self._begun:
            self.begin_step()
        self._update()
        self._begun = False

    def begin_step(self) -> None:
        """Count a step, and on a GPU send there what changes from step to step.

        `step` does it itself unless it was done before. Whoever repeats a recorded
        `step` has to, since only what the GPU did is repeated.
        """
        self.steps += 1
        self._begun = True
        if self._on_gpu():
            kernels.set_rates(self._flattened().rates, *self._rates())

    def _update(self) -> None:
        if self._on_gpu():
            flat = self._flattened()
            kernels.adam(
                flat.theta.whole,
                flat.grad.whole,
                flat.m.whole,
                flat.v.whole,
                flat.rates,
                betas=self.betas,
                eps=self.eps,
                l2=self.l2,
            )
            return
        beta1, beta2 = self.betas
        step_size, root_correction = self._rates()

        def update(theta: Array, grad: Array, m: Array, v: Array) -> None:
            xp = get_array_module(theta)
            if self.l2:
                grad = grad + self.l2 * theta
            m *= beta1
            m += (1 - beta1) * grad
            v *= beta2
            v += (1 - beta2) * (grad * grad)
            theta -= step_size * m / (xp.sqrt(v) / root_correction + self.eps)

        for name, parameter in self.parameters.items():
            moments = self.m[name], self.v[name]
            update_in_parts(update, parameter.data, parameter.grad, *moments)

    def _rates(self) -> tuple[float, float]:
        """Return lr/(1 - β1ᵗ) and √(1 - β2ᵗ) for the step that was begun."""
        beta1, beta2 = self.betas
        # Python floats: a NumPy scalar here would turn float32 arrays into float64.
        return (
            self.lr / (1 - beta1**self.steps),
            math.sqrt(1 - beta2**self.steps),
        )

    def _on_gpu(self) -> bool:
        return any(has_kernels(p.data) for p in self.parameters.values())

    def _flattened(self) -> "_Flat":
        """Return all arrays as parts of flat ones; moved there if they are not.

        They are moved again if someone has given a parameter another array.
        """
        theta = {name: p.data for name, p in self.parameters.items()}
        grad = {name: p.grad for name, p in self.parameters.items()}
        if self._flat is None or not self._flat.holds(theta, grad, self.m, self.v):
            flat = _Flat(*(kernels.FlatArrays(theta) for _ in range(4)))
            for part, arrays in zip(
                (flat.theta, flat.grad, flat.m, flat.v),
                (theta, grad, self.m, self.v),
                strict=True,
            ):
                part.take(arrays)
            for name, parameter in self.parameters.items():
                parameter.data = flat.theta.views[name]
                parameter.grad = flat.grad.views[name]
            self.m, self.v = dict(flat.m.views), dict(flat.v.views)
            self._flat = flat
        return self._flat

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return copies of the moments on the host: ``m/NAME`` and ``v/NAME``."""
        return {
            f"{moment}/{name}": to_host(array).copy()
            for moment, arrays in (("m", self.m), ("v", self.v))
            for name, array in arrays.items()
        }

    def load_state_dict(self, state: dict[str, np.ndarray], steps: int) -> None:
        """Take over moments from `state_dict` and the number of steps made.

        Raises
        ------
        ValueError
            If a moment is missing or has another shape; nothing has been changed.
        """
        expected = self.state_dict()
        problems = [
            name
            for name, array in expected.items()
            if name not in state or state[name].shape != array.shape
        ]
        problems += [name for name in state if name not in expected]
        if problems:
            raise ValueError(f"Adam: moments do not fit: {', '.join(problems)}")
        for key, value in state.items():
            moment, name = key.split("/", 1)
            arrays = self.m if moment == "m" else self.v
            if isinstance(arrays[name], np.ndarray):
                arrays[name][...] = value
            else:
                copy_to_device(arrays[name], value.astype(arrays[name].dtype))
        self.steps = steps
