"""Convolution: the fast version against the reference, and both against loops.

In float64 two orders of summation over at most a few hundred products differ by less
than 1e-12 of the largest result; in float32, whose digits are 5e8 times coarser, by
less than 1e-4.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchgan.backend import to_host
from scratchgan.functional import parallel
from scratchgan.functional.conv import fast as conv_fast
from scratchgan.functional.conv import matmul as conv_matmul
from scratchgan.functional.conv import reference as conv_reference
from scratchgan.functional.conv import strips
from scratchgan.functional.conv.chunked import Deferred, SharedWeight
from scratchgan.functional.conv.minimal import weights as tile_weights
from scratchgan.functional.conv.primitives import (
    choose,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
)
from scratchgan.functional.conv.shapes import (
    Padding,
    conv_output_size,
    conv_transpose_output_size,
)

IMPLEMENTATIONS = ["fast", "matmul", "strips", "reference"]
WITH_BOTH_GRADIENTS = ["fast", "matmul", "strips"]
IN_CHUNKS = ["fast", "matmul"]
pytestmark = pytest.mark.usefixtures("fast_everywhere", "launches_for_nothing")
TOLERANCE = {"float32": 1e-4, "float64": 1e-12}


def assert_close(got, expected, dtype="float64"):
    assert got.shape == expected.shape
    scale = max(1.0, abs(expected).max())
    np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE[dtype] * scale)


def random_geometry(rng):
    """Return (input size, kernel, stride, padding), kernels of 1 to 5 pixels."""
    while True:
        size = tuple(int(v) for v in rng.integers(1, 10, 2))
        kernel = tuple(int(v) for v in rng.integers(1, 6, 2))
        stride = tuple(int(v) for v in rng.integers(1, 4, 2))
        padding = Padding(*(int(v) for v in rng.integers(0, 4, 4)))
        height = size[0] + padding.top + padding.bottom
        width = size[1] + padding.left + padding.right
        if height >= kernel[0] and width >= kernel[1]:
            return size, kernel, stride, padding


def draw(rng, size, kernel, stride, padding, dtype="float64", images=3):
    """Return x, weight and dy of 4 channels in, 2 out."""
    out = conv_output_size(size, kernel, stride, padding)
    shapes = (images, 4, *size), (2, 4, *kernel), (images, 2, *out)
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)


def all_three(x, weight, dy, stride, padding, impl):
    return (
        conv2d(x, weight, stride, padding, impl=impl),
        conv2d_input_grad(dy, weight, x.shape[2:], stride, padding, impl=impl),
        conv2d_weight_grad(x, dy, weight.shape[2:], stride, padding, impl=impl),
    )


def both_gradients(x, dy, weight, stride, padding, impl, needs=(True, True)):
    """Return (dx, dweight) of a convolution, from one pass over dy."""
    function = choose(impl, x).conv2d_gradients
    return function(x, dy, weight, stride, padding, *needs)


def both_transposed(x, dy, weight, stride, padding, impl, needs=(True, True)):
    """Return (dx, dweight) of a transposed convolution."""
    function = choose(impl, x).conv_transpose2d_gradients
    return function(x, dy, weight, stride, padding, *needs)


def loops(x, weight, dy, stride, padding):
    """Return the three results from their definition, a product at a time."""
    y, dx, dweight = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(weight)
    N, C_out, OH, OW = dy.shape
    _, C_in, KH, KW = weight.shape
    for n, o, h, w, c, i, j in np.ndindex(N, C_out, OH, OW, C_in, KH, KW):
        row = stride[0] * h + i - padding.top
        column = stride[1] * w + j - padding.left
        if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
            y[n, o, h, w] += x[n, c, row, column] * weight[o, c, i, j]
            dx[n, c, row, column] += dy[n, o, h, w] * weight[o, c, i, j]
            dweight[o, c, i, j] += dy[n, o, h, w] * x[n, c, row, column]
    return y, dx, dweight


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        ((4, 5), (3, 2), (1, 1), (0, 0, 0, 0)),
        ((4, 4), (4, 4), (2, 2), (1, 1, 1, 1)),
        ((5, 4), (3, 3), (2, 1), (2, 0, 0, 1)),
        ((3, 5), (1, 2), (3, 2), (0, 1, 2, 1)),
        ((4, 4), (5, 5), (2, 2), (2, 1, 2, 1)),
        ((1, 1), (3, 3), (2, 2), (1, 1, 1, 1)),
    ],
)
def test_primitives_are_what_the_definition_says(
    impl, size, kernel, stride, padding, rng
):
    padding = Padding(*padding)
    x, weight, dy = draw(rng, size, kernel, stride, padding, images=2)
    for got, expected in zip(
        all_three(x, weight, dy, stride, padding, impl),
        loops(x, weight, dy, stride, padding),
        strict=True,
    ):
        assert_close(got, expected)


@pytest.mark.parametrize("impl", ["fast", "matmul"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_faster_ones_agree_with_the_reference_on_random_geometry(dtype, impl, rng):
    for _ in range(150):
        geometry = random_geometry(rng)
        _, _, stride, padding = geometry
        x, weight, dy = draw(rng, *geometry, dtype=dtype)
        fast = all_three(x, weight, dy, stride, padding, impl)
        reference = all_three(x, weight, dy, stride, padding, "reference")
        for got, expected in zip(fast, reference, strict=True):
            assert got.dtype == expected.dtype == dtype
            assert_close(got, expected, dtype)


axis = st.tuples(
    st.integers(1, 11), st.integers(1, 7), st.integers(1, 3), *[st.integers(0, 3)] * 2
).filter(lambda axis: axis[0] + axis[3] + axis[4] >= axis[1])


@pytest.mark.parametrize("impl", ["fast", "matmul"])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    rows=axis,
    columns=axis,
    images=st.integers(1, 7),
    channels=st.tuples(st.integers(1, 9), st.integers(1, 5)),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_any_shape_agrees_with_the_reference(
    impl, rows, columns, images, channels, threads, seed
):
    size, kernel, stride = zip(rows[:3], columns[:3], strict=True)
    padding = Padding(*rows[3:], *columns[3:])
    out = conv_output_size(size, kernel, stride, padding)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((images, channels[0], *size))
    weight = rng.standard_normal((*channels[::-1], *kernel))
    dy = rng.standard_normal((images, channels[1], *out))
    before = parallel.thread_count()
    parallel.set_thread_count(threads)
    try:
        got = all_three(x, weight, dy, stride, padding, impl)
        got += both_gradients(x, dy, weight, stride, padding, impl)
        got += both_transposed(dy, x, weight, stride, padding, impl)
    finally:
        parallel.set_thread_count(before)
    y, dx, dweight = all_three(x, weight, dy, stride, padding, "reference")
    # Backwards of a transposed convolution from dy's size to x's: y is its dx.
    expected = y, dx, dweight, dx, dweight, y, dweight
    for one, other in zip(got, expected, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("impl", WITH_BOTH_GRADIENTS)
def test_both_gradients_are_those_of_the_primitives(impl, rng):
    for _ in range(30):
        geometry = random_geometry(rng)
        _, _, stride, padding = geometry
        x, weight, dy = draw(rng, *geometry)
        y, dx, dweight = all_three(x, weight, dy, stride, padding, "reference")
        got = both_gradients(x, dy, weight, stride, padding, impl)
        assert_close(got[0], dx)
        assert_close(got[1], dweight)
        got = both_transposed(dy, x, weight, stride, padding, impl)
        assert_close(got[0], y)
        assert_close(got[1], dweight)


@pytest.mark.parametrize("impl", WITH_BOTH_GRADIENTS)
def test_gradients_are_what_is_asked_for(impl, rng):
    stride, padding = (2, 2), Padding(1, 1, 1, 1)
    x, weight, dy = draw(rng, (8, 6), (4, 4), stride, padding)
    for function, args in (
        (both_gradients, (x, dy)),
        (both_transposed, (dy, x)),
    ):
        both = function(*args, weight, stride, padding, impl)
        for needs in ((True, False), (False, True), (False, False)):
            some = function(*args, weight, stride, padding, impl, needs)
            for got, wanted, needed in zip(some, both, needs, strict=True):
                if needed:
                    np.testing.assert_array_equal(got, wanted)
                else:
                    assert got is None


@pytest.mark.parametrize("taps_first", [True, False])
def test_strips_add_the_weight_gradient_to_a_total(backend, taps_first, rng):
    for _ in range(10):
        geometry = random_geometry(rng)
        _, _, *settings = geometry
        x, weight, dy = draw(rng, *geometry)
        dweight = conv2d_weight_grad(
            x, dy, weight.shape[2:], *settings, impl="reference"
        )
        before = rng.standard_normal(weight.shape).astype(weight.dtype)
        if taps_first:  # as `Conv2d` keeps its weights
            before = np.ascontiguousarray(before.transpose(2, 3, 1, 0))
            before = before.transpose(3, 2, 0, 1)
        put = backend.put
        for gradients, *images in (
            (strips.conv2d_gradients, x, dy),
            (strips.conv_transpose2d_gradients, dy, x),
        ):
            total = put(before.copy("K"))
            arguments = *map(put, images), put(weight), *settings, False
            gradients(*arguments, True, total=total)
            assert_close(to_host(total), before + dweight)
            gradients(*arguments, False, total=total)  # nothing is asked for
            assert_close(to_host(total), before + dweight)


@pytest.mark.parametrize("impl", IN_CHUNKS)
def test_results_are_shown_chunk_by_chunk_and_may_be_changed(impl, rng):
    stride, padding = (2, 2), Padding(1, 1, 1, 1)
    x, weight, dy = draw(rng, (8, 8), (4, 4), stride, padding, images=7)
    module = choose(impl, x)
    for function, args in (
        (module.conv2d, (x, weight)),
        (module.conv2d_input_grad, (dy, weight, (8, 8))),
    ):
        plain = function(*args, stride, padding)
        seen = np.zeros(7, int)

        def double(start, chunk, seen=seen):
            seen[start : start + len(chunk)] += 1
            chunk *= 2

        shown = function(*args, stride, padding, double)
        np.testing.assert_array_equal(shown, 2 * plain)
        assert (seen == 1).all()


@pytest.mark.parametrize("impl", IN_CHUNKS)
def test_deferred_arguments_are_computed_once_an_image(impl, rng):
    stride, padding = (2, 2), Padding(1, 1, 1, 1)
    x, weight, dy = draw(rng, (8, 8), (4, 4), stride, padding, images=7)
    expected = both_gradients(x, 3 * dy, weight, stride, padding, impl)
    images = []

    def triple(part):
        images.append(len(part))
        return 3 * part

    got = both_gradients(x, Deferred(triple, dy), weight, stride, padding, impl)
    for one, other in zip(got, expected, strict=True):
        assert_close(one, other)
    assert sum(images) == 7


def test_shared_weights_are_transformed_once(monkeypatch, rng):
    stride, padding = (2, 2), Padding(1, 1, 1, 1)
    x, weight, dy = draw(rng, (8, 8), (4, 4), stride, padding)
    transformed = []

    def counted(plan, weight):
        transformed.append(1)
        return tile_weights.weights_at_points(plan, weight)

    monkeypatch.setattr(conv_fast, "weights_at_points", counted)
    shared = SharedWeight(weight)
    y = conv_fast.conv2d(x, shared, stride, padding)
    dx, _ = both_gradients(x, dy, shared, stride, padding, "fast")
    assert len(transformed) == 1
    assert_close(y, conv2d(x, weight, stride, padding, impl="reference"))
    assert_close(
        dx, conv2d_input_grad(dy, weight, (8, 8), stride, padding, impl="reference")
    )


PRESET_SHAPES = [
    pytest.param(64, 128, 8, 4, 2, (1, 1), id="dcgan64"),
    pytest.param(128, 256, 8, 5, 2, (2, 1), id="paper64"),
    pytest.param(128, 256, 8, 3, 1, (1, 1), id="imagenet32 stride 1"),
    pytest.param(256, 256, 8, 3, 2, (1, 0), id="imagenet32 stride 2"),
    pytest.param(3, 64, 16, 4, 2, (1, 1), id="first layer"),
]


@pytest.mark.parametrize(
    ("c_in", "c_out", "size", "kernel", "stride", "side"), PRESET_SHAPES
)
def test_float32_errors_are_at_most_four_times_the_references(
    c_in, c_out, size, kernel, stride, side, rng
):
    stride, padding = (stride, stride), Padding(*side, *side)
    out = conv_output_size((size, size), (kernel, kernel), stride, padding)
    x = rng.standard_normal((2, c_in, size, size)).astype("float32")
    weight = 0.02 * rng.standard_normal((c_out, c_in, kernel, kernel)).astype("float32")
    dy = rng.standard_normal((2, c_out, *out)).astype("float32")
    exact = all_three(
        *(array.astype("float64") for array in (x, weight, dy)),
        stride,
        padding,
        "matmul",
    )
    plain = all_three(x, weight, dy, stride, padding, "reference")
    fast = all_three(x, weight, dy, stride, padding, "fast")
    for got, reference, wanted in zip(fast, plain, exact, strict=True):
        error = np.sqrt(np.mean((got - wanted) ** 2))
        assert error <= 4 * np.sqrt(np.mean((reference - wanted) ** 2))
        assert error > 0


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("chunk_bytes", [1, 3000, 20_000])
def test_cutting_the_batch_into_chunks_changes_nothing(
    chunk_bytes, threads, monkeypatch, rng
):
    stride, padding = (2, 1), Padding(2, 1, 0, 1)
    x, weight, dy = draw(rng, (7, 6), (5, 3), stride, padding, images=7)
    monkeypatch.setattr(parallel, "_threads", 1)
    whole = all_three(x, weight, dy, stride, padding, "matmul")
    chunks = []

    def counted(work, count, size):
        chunks.append(-(-count // size))
        parallel.run_chunks(work, count, size)

    monkeypatch.setattr(parallel, "_threads", threads)
    monkeypatch.setattr(conv_matmul, "run_chunks", counted)
    monkeypatch.setattr(conv_matmul, "CHUNK_BYTES", chunk_bytes)
    for got, expected in zip(
        all_three(x, weight, dy, stride, padding, "matmul"), whole, strict=True
    ):
        assert_close(got, expected)
    assert len(chunks) == 3
    assert all(count > 1 for count in chunks)


def orders_in_memory(array):
    """Return the same numbers in other orders and strides in memory."""
    channels_last = array.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    every_other = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    every_other[..., ::2] = array
    backwards = array[::-1].copy()[::-1]
    return {
        "channels last": channels_last,
        "Fortran order": np.asfortranarray(array),
        "every other element": every_other[..., ::2],
        "backwards": backwards,
        "a broadcast view": np.broadcast_to(array, array.shape),
    }


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    "order",
    [
        "channels last",
        "Fortran order",
        "every other element",
        "backwards",
        "a broadcast view",
    ],
)
def test_any_order_in_memory_gives_the_same(impl, order, rng):
    stride, padding = (2, 2), Padding(2, 1, 1, 2)
    arrays = draw(rng, (7, 6), (5, 4), stride, padding)
    others = [orders_in_memory(array)[order] for array in arrays]
    for got, expected in zip(
        all_three(*others, stride, padding, impl),
        all_three(*arrays, stride, padding, impl),
        strict=True,
    ):
        assert_close(got, expected)


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_arguments_are_not_modified_and_results_do_not_share_memory(impl, rng):
    stride, padding = (1, 1), Padding(0, 0, 0, 0)
    x, weight, dy = draw(rng, (5, 4), (1, 1), stride, padding)
    given = [array.copy() for array in (x, weight, dy)]
    for array in (x, weight, dy):
        array.setflags(write=False)
    first = all_three(x, weight, dy, stride, padding, impl)
    kept = [array.copy() for array in first]
    again = all_three(2 * x, weight, 2 * dy, stride, padding, impl)
    for array, original in zip((x, weight, dy), given, strict=True):
        np.testing.assert_array_equal(array, original)
    for result, copy, other in zip(first, kept, again, strict=True):
        np.testing.assert_array_equal(result, copy)
        assert not np.shares_memory(result, other)
        assert not any(np.shares_memory(result, a) for a in (x, weight, dy))


# The table of the paper's and other networks' layers: kernel, stride, padding of one
# axis, even input size, size after a convolution.
LAYERS = [
    pytest.param(5, 2, (2, 1), 8, 4, id="paper 5x5 s2, extra row before"),
    pytest.param(5, 2, (1, 2), 8, 4, id="TensorFlow 5x5 s2, extra row after"),
    pytest.param(5, 2, (2, 2), 8, 4, id="5x5 s2 p2, a row unread"),
    pytest.param(5, 2, (2, 2), 7, 4, id="5x5 s2 p2 of an odd size"),
    pytest.param(3, 2, (1, 0), 8, 4, id="ImageNet 3x3 s2"),
    pytest.param(3, 2, (1, 1), 8, 4, id="3x3 s2 p1, a row unread"),
    pytest.param(3, 1, (1, 1), 8, 8, id="ImageNet 3x3 s1"),
    pytest.param(4, 2, (1, 1), 8, 4, id="PyTorch 4x4 s2"),
    pytest.param(4, 1, (0, 0), 8, 5, id="PyTorch 4x4 s1, ends"),
]


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize(("kernel", "stride", "side", "size", "out"), LAYERS)
def test_gradients_are_adjoints(impl, kernel, stride, side, size, out, rng):
    """<conv(x, w), g> = <x, input_grad(g, w)> = <w, weight_grad(x, g)>."""
    stride, padding = (stride, stride), Padding(*side, *side)
    x, weight, dy = draw(rng, (size, size), (kernel, kernel), stride, padding)
    assert dy.shape[2:] == (out, out)
    y, dx, dweight = all_three(x, weight, dy, stride, padding, impl)
    inner = float((y * dy).sum())
    assert abs(inner) > 1
    assert float((x * dx).sum()) == pytest.approx(inner, rel=1e-11)
    assert float((weight * dweight).sum()) == pytest.approx(inner, rel=1e-11)


@pytest.mark.parametrize(("kernel", "stride", "side", "size", "out"), LAYERS)
def test_output_padding_of_the_table(kernel, stride, side, size, out):
    """A transposed convolution gives the size back, with a row more where needed."""
    padding = Padding(*side, *side)
    plain = conv_transpose_output_size(
        (out, out), (kernel, kernel), (stride, stride), padding
    )
    assert 0 <= size - plain[0] < stride


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_every_tap_reaches_the_output_pixels_the_table_says(impl):
    """5x5 s2 reads 3 taps on even and 2 on odd pixels an axis, 4x4 s2 reads 2."""
    for kernel, padding, taps in (
        (5, Padding(2, 1, 2, 1), [3, 2, 3, 2]),
        (4, Padding(1, 1, 1, 1), [2, 2, 2, 2]),
    ):
        x, weight = np.ones((1, 1, 8, 8)), np.ones((1, 1, kernel, kernel))
        y = conv2d_input_grad(x, weight, (16, 16), (2, 2), padding, impl=impl)
        inside = y[0, 0, 6:10, 6:10]
        np.testing.assert_array_equal(inside, np.outer(taps, taps))


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_padding_of_the_two_sides_mirrors(impl, rng):
    """The extra row before or after: the same layer seen in a mirror."""
    x, weight, _ = draw(rng, (8, 8), (5, 5), (2, 2), Padding(2, 1, 2, 1))
    before = conv2d(x, weight, (2, 2), Padding(2, 1, 2, 1), impl=impl)
    mirrored = conv2d(
        x[..., ::-1, ::-1],
        weight[..., ::-1, ::-1],
        (2, 2),
        Padding(1, 2, 1, 2),
        impl=impl,
    )
    assert_close(mirrored[..., ::-1, ::-1], before)


NO_PADDING = Padding(0, 0, 0, 0)
X, WEIGHT, DY = (2, 3, 6, 6), (5, 3, 3, 3), (2, 5, 4, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda a: conv2d(a(2, 4, 6, 6), a(*WEIGHT), (1, 1), NO_PADDING),
            ValueError,
            r"x has 4 channels, the weight's C_in is 3; x\.shape = \(2, 4, 6, 6\)",
        ),
        (
            lambda a: conv2d(a(3, 6, 6), a(*WEIGHT), (1, 1), NO_PADDING),
            ValueError,
            r"4-D arrays, got shapes \(3, 6, 6\) and \(5, 3, 3, 3\)",
        ),
        (
            lambda a: conv2d(a(*X), a(*WEIGHT).astype("float32"), (1, 1), NO_PADDING),
            TypeError,
            "dtypes differ: float64 and float32",
        ),
        (
            lambda a: conv2d(a(2, 3, 2, 6), a(*WEIGHT), (1, 1), Padding(0, 0, 1, 1)),
            ValueError,
            "image of 2x8 pixels with its padding is smaller than the kernel of 3x3",
        ),
        (
            lambda a: conv2d_input_grad(
                a(2, 4, 4, 4), a(*WEIGHT), (6, 6), (1, 1), NO_PADDING
            ),
            ValueError,
            r"dy has 4 channels, the weight's C_out is 5; dy\.shape = \(2, 4, 4, 4\)",
        ),
        (
            lambda a: conv2d_input_grad(a(*DY), a(*WEIGHT), (7, 6), (1, 1), NO_PADDING),
            ValueError,
            r"input of \(7, 6\) gives an output of \(5, 4\) \(kernel \(3, 3\), stride "
            r"\(1, 1\), padding \(0, 0, 0, 0\)\); dy\.shape = \(2, 5, 4, 4\)",
        ),
        (
            lambda a: conv2d_weight_grad(
                a(*X), a(3, 5, 4, 4), (3, 3), (1, 1), NO_PADDING
            ),
            ValueError,
            "x has 2 images and dy has 3",
        ),
        (
            lambda a: conv2d_weight_grad(a(*X), a(*DY), (2, 3), (1, 1), NO_PADDING),
            ValueError,
            r"gives an output of \(5, 4\).*dy\.shape = \(2, 5, 4, 4\)",
        ),
        (
            lambda a: conv2d(a(*X), a(*WEIGHT), (1, 1), NO_PADDING, impl="winograd"),
            ValueError,
            "impl is 'winograd', expected one of fast, matmul, strips, reference",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_values(call, error, message):
    with pytest.raises(error, match=message):
        call(lambda *shape: np.zeros(shape))


@pytest.fixture
def as_released(monkeypatch):
    """Undo `fast_everywhere`: choose by shape as users have it."""
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("images", "c_in", "c_out", "size", "kernel", "stride", "fast"),
    [
        pytest.param(128, 64, 128, 32, 4, 2, True, id="dcgan64"),
        pytest.param(32, 512, 1024, 8, 5, 2, True, id="paper64, deepest"),
        pytest.param(32, 256, 512, 8, 3, 1, True, id="imagenet32, stride 1"),
        pytest.param(128, 3, 64, 64, 4, 2, False, id="first layer"),
        pytest.param(128, 128, 128, 32, 3, 2, False, id="3x3 s2, few channels"),
        pytest.param(64, 64, 128, 8, 4, 2, False, id="quick32"),
        pytest.param(128, 512, 1, 4, 4, 1, False, id="last layer"),
        pytest.param(128, 512, 512, 8, 1, 1, False, id="1x1"),
    ],
)
def test_shapes_that_gain_are_computed_with_fewer_products(
    as_released, monkeypatch, images, c_in, c_out, size, kernel, stride, fast
):
    class MatmulChosenError(Exception):
        pass

    class FastChosenError(Exception):
        pass

    def choose(error):
        def stop(*args):
            raise error

        return stop

    for name in (
        "conv2d",
        "conv2d_input_grad",
        "conv2d_weight_grad",
        "conv2d_gradients",
        "conv_transpose2d_gradients",
    ):
        monkeypatch.setattr(conv_matmul, name, choose(MatmulChosenError))
    monkeypatch.setattr(conv_fast, "_plan", choose(FastChosenError))
    out = (size - kernel + 2 * (kernel // 2)) // stride + 1
    # Views of one number: nothing is computed.
    x = np.broadcast_to(np.float32(1), (images, c_in, size, size))
    dy = np.broadcast_to(np.float32(1), (images, c_out, out, out))
    weight = np.broadcast_to(np.float32(1), (c_out, c_in, kernel, kernel))
    settings = (stride, stride), Padding(*[kernel // 2] * 4)
    calls = (
        lambda: conv2d(x, weight, *settings),
        lambda: conv2d_input_grad(dy, weight, (size, size), *settings),
        lambda: conv2d_weight_grad(x, dy, (kernel, kernel), *settings),
        lambda: both_gradients(x, dy, weight, *settings, "fast"),
        lambda: both_transposed(dy, x, weight, *settings, "fast"),
    )
    for call in calls:
        with pytest.raises(FastChosenError if fast else MatmulChosenError):
            call()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("images", [1, 3, 9])
def test_weight_gradients_shared_out_by_outputs(monkeypatch, rng, threads, images):
    """Few tiles are shared out by outputs; the result is that of sharing images."""
    monkeypatch.setattr("scratchgan.functional.parallel._threads", threads)
    shared = []
    by_outputs = conv_fast._dU_by_outputs
    monkeypatch.setattr(
        conv_fast,
        "_dU_by_outputs",
        lambda *args: shared.append(args) or by_outputs(*args),
    )
    x, dy = rng.normal(size=(images, 4, 6, 6)), rng.normal(size=(images, 6, 3, 3))
    weight = rng.normal(size=(6, 4, 4, 4))
    settings = (2, 2), Padding(1, 1, 1, 1)
    for need_dx in (False, True):
        dx, dweight = both_gradients(x, dy, weight, *settings, "fast", (need_dx, True))
        expected = conv_reference.conv2d_weight_grad(x, dy, (4, 4), *settings)
        assert_close(dweight, expected)
        assert (dx is not None) == need_dx
        _, dweight = both_transposed(dy, x, weight, *settings, "fast", (need_dx, True))
        assert_close(dweight, expected)
    # A chunk has 8 tiles (`fast_everywhere`), an image 4; 6 outputs can be shared out.
    assert bool(shared) == (threads > 1 and 4 * images <= 8 * threads)
