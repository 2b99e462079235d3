"""How fast and how exact each convolution of a preset is, by implementation."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from scratchgan.functional.conv.primitives import (
    IMPLEMENTATIONS,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
)
from scratchgan.functional.conv.shapes import Padding, Pair
from scratchgan.functional.parallel import empty, one_blas_thread
from scratchgan.machine import reuse_freed_memory
from scratchgan.models.architecture import Stage, plan_discriminator, plan_generator
from scratchgan.training.config import TrainConfig

REFERENCE_IMAGES = 2
"""The definition is slow: a few images do."""
REPEATS = 3


@dataclass(frozen=True)
class Primitive:
    """One primitive of one layer, in one implementation.

    Attributes
    ----------
    layer : str
        As in parameter names, after "G." or "D.".
    shape : str
        Of the convolution: channels and sizes.
    primitive : {"forward", "input gradient", "weight gradient"}
        Of the layer; a transposed convolution's forward is `conv2d_input_grad`.
    impl : str
        Implementation; "fast" takes the matrix product where it gains nothing.
    milliseconds : float
        The best of a few runs, for a batch; the reference's is scaled up from a few
        images.
    gflops : float
        10⁹ operations a second, counted as the definition has them.
    error : float
        Root mean square of the difference from float64, by that of the result. The
        longer a sum, the larger: the reference's weight gradient is one of few images.
    """

    layer: str
    shape: str
    primitive: str
    impl: str
    milliseconds: float
    gflops: float
    error: float


@dataclass(frozen=True)
class _Geometry:
    """A stage seen as the convolution from its larger to its smaller images."""

    image: tuple[int, int, int]
    output: tuple[int, int, int]
    kernel_size: Pair
    stride: Pair
    padding: Padding

    def arrays(self, count: int, dtype: str) -> tuple[np.ndarray, ...]:
        """Return x, weight and dy, the same numbers for any dtype."""
        rng = np.random.default_rng(0)
        weight = 0.02 * rng.standard_normal(
            (self.output[0], self.image[0], *self.kernel_size), np.float32
        )
        x, dy = (
            rng.standard_normal((count, *shape), np.float32)
            for shape in (self.image, self.output)
        )
        return (
            _in_order(x.astype(dtype), (0, 2, 3, 1)),
            _in_order(weight.astype(dtype), (2, 3, 1, 0)),
            _in_order(dy.astype(dtype), (0, 2, 3, 1)),
        )


def measure_layers(config: TrainConfig) -> Iterator[Primitive]:
    """Yield every convolution's primitives in every implementation.

    Parameters
    ----------
    config : TrainConfig
        Networks and batch size.
    """
    reuse_freed_memory()
    for network, stages in (
        ("G", plan_generator(config.network)),
        ("D", plan_discriminator(config.network)),
    ):
        for stage in stages:
            if stage.kind != "linear":
                yield from _measure_stage(f"{network}.{stage.name}", stage, config)


def _measure_stage(name: str, stage: Stage, config: TrainConfig) -> Iterator[Primitive]:
    geometry = _geometry(stage)
    names = ["forward", "input gradient", "weight gradient"]
    if stage.kind == "conv_transpose":
        names[:2] = names[1::-1]
    batch = config.batch_size
    C_in, H, W = geometry.image
    C_out, OH, OW = geometry.output
    shape = f"{C_in}x{H}x{W} - {C_out}x{OH}x{OW}"
    operations = 2 * stage.multiplications * batch
    for impl in reversed(IMPLEMENTATIONS):
        images = REFERENCE_IMAGES if impl == "reference" else batch
        for primitive, run, exact in zip(
            names,
            _primitives(geometry, images, "float32", impl),
            _primitives(geometry, images, "float64", "matmul"),
            strict=True,
        ):
            seconds = _best_time(run) * batch / images
            wanted = exact()
            error = np.sqrt(np.mean((run() - wanted) ** 2) / np.mean(wanted**2))
            yield Primitive(
                name,
                shape,
                primitive,
                impl,
                1e3 * seconds,
                operations / seconds / 1e9,
                float(error),
            )


def _geometry(stage: Stage) -> _Geometry:
    inputs = stage.inputs[0] + stage.labels, *stage.inputs[1:]
    (top, bottom), (left, right) = stage.padding
    ends = inputs, stage.outputs
    return _Geometry(
        *(reversed(ends) if stage.kind == "conv_transpose" else ends),
        stage.kernel_size,
        stage.stride,
        Padding(top, bottom, left, right),
    )


def _primitives(
    geometry: _Geometry, count: int, dtype: str, impl: str
) -> list[Callable[[], np.ndarray]]:
    """Return `conv2d` and its two gradients with their arrays."""
    x, weight, dy = geometry.arrays(count, dtype)
    settings = geometry.stride, geometry.padding
    size, kernel_size = geometry.image[1:], geometry.kernel_size
    return [
        lambda: conv2d(x, weight, *settings, impl=impl),
        lambda: conv2d_input_grad(dy, weight, size, *settings, impl=impl),
        lambda: conv2d_weight_grad(x, dy, kernel_size, *settings, impl=impl),
    ]


def _in_order(array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """Return the array with these axes one after another in memory, as layers do."""
    result = empty(tuple(array.shape[axis] for axis in order), array.dtype)
    result[...] = array.transpose(order)
    return result.transpose(np.argsort(order))


def _best_time(run: Callable[[], np.ndarray]) -> float:
    """Return the seconds of the fastest of a few runs after one that warms up."""
    times = []
    with one_blas_thread():
        run()
        for _ in range(REPEATS):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
    return min(times)
