"""The optimiser Adam, parameter by parameter as its authors write it."""

import math

import numpy as np

from scratchgan.backend import Array, copy_to_device, get_array_module, to_host
from scratchgan.nn.layer import Parameter


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
        self.steps = 0  # t
        self.m = {name: p.data * 0 for name, p in parameters.items()}
        self.v = {name: p.data * 0 for name, p in parameters.items()}

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        for parameter in self.parameters.values():
            parameter.zero_grad()

    def step(self) -> None:
        """Update every parameter from its gradient; gradients are left as they are."""
        self.steps += 1
        for name, parameter in self.parameters.items():
            self._update(parameter.data, parameter.grad, self.m[name], self.v[name])

    def _update(self, theta: Array, g: Array, m: Array, v: Array) -> None:
        """Change a parameter and its moments in place, arrays of one shape."""
        beta1, beta2 = self.betas
        step_size, root_correction = self._rates()
        if self.l2:
            g = g + self.l2 * theta  # the gradient of l2/2·θ², through both moments
        # In place: the moments are what the next step and a checkpoint find.
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * (g * g)
        root = get_array_module(v).sqrt(v) / root_correction  # sqrt(v / (1 - β2ᵗ))
        theta -= step_size * m / (root + self.eps)

    def _rates(self) -> tuple[float, float]:
        """Return lr/(1 - β1ᵗ) and √(1 - β2ᵗ): moments start at 0 and so too small."""
        beta1, beta2 = self.betas
        # Python floats: a NumPy scalar here would turn float32 arrays into float64.
        return (
            self.lr / (1 - beta1**self.steps),
            math.sqrt(1 - beta2**self.steps),
        )

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
