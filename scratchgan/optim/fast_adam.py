"""Adam on all cores, and Adam in one kernel: the same numbers, sooner."""

from typing import Any

from scratchgan.backend import Array
from scratchgan.functional.parallel import update_in_parts
from scratchgan.kernels import adam as kernels
from scratchgan.kernels.launch import fill_zero, has_kernels
from scratchgan.nn.layer import Parameter
from scratchgan.optim.adam import Adam


def make_adam(parameters: dict[str, Parameter], **settings: Any) -> Adam:
    """Return the `Adam` that is fastest where the parameters live now."""
    on_gpu = any(has_kernels(p.data) for p in parameters.values())
    return (FlatAdam if on_gpu else ParallelAdam)(parameters, **settings)


class ParallelAdam(Adam):
    """`Adam` for a part of a parameter at a time, on all cores.

    The arrays in between stay in a core's cache.
    """

    def _update(self, theta: Array, g: Array, m: Array, v: Array) -> None:
        update_in_parts(super()._update, theta, g, m, v)


class FlatAdam(Adam):
    """`Adam` on a GPU: all parameters are parts of one array, and one kernel moves it.

    So are the gradients and the moments, which makes setting the gradients to zero one
    operation, too.
    """

    def __init__(self, parameters: dict[str, Parameter], **settings: Any) -> None:
        super().__init__(parameters, **settings)
        self._flat: _Flat | None = None
        self._begun = False
        self._flattened()

    def zero_grad(self) -> None:
        """Set all gradients to zero."""
        fill_zero(self._flattened().grad.whole)

    def step(self) -> None:
        """Update every parameter from its gradient; gradients are left as they are."""
        if not self._begun:
            self.begin_step()
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
        self._begun = False

    def begin_step(self) -> None:
        """Count a step, and send to the GPU what changes from step to step.

        `step` does it itself unless it was done before. Whoever repeats a recorded
        `step` has to, since only what the GPU did is repeated.
        """
        self.steps += 1
        self._begun = True
        kernels.set_rates(self._flattened().rates, *self._rates())

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
