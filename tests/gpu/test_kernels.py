"""Each CUDA kernel against its definition in NumPy, over random shapes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scratchgan.backend import to_host
from scratchgan.functional import losses as loss_definitions
from scratchgan.functional.losses import real_probability
from scratchgan.kernels import activation, adam, arrays, losses, norm
from scratchgan.kernels.counting import counting
from scratchgan.kernels.launch import MOST_ELEMENTS, launch_each
from scratchgan.kernels.products import allow_tf32, multiply, product
from scratchgan.kernels.strips import Strips, from_strips, to_strips
from scratchgan.nn import BatchNorm1d, BatchNorm2d, LeakyReLU, ReLU, Sigmoid, Tanh
from scratchgan.nn.fused.on_gpu import code_of
from scratchgan.nn.layer import Parameter
from scratchgan.optim.adam import Adam
from scratchgan.optim.fast_adam import make_adam

pytestmark = pytest.mark.gpu

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
fuzz = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    # The device holds nothing of an example that the next could see.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
sizes = st.integers(1, 9)
many = st.integers(1, 70)  # also more than a block's 32 lanes


def assert_close(got, expected, what=""):
    got = to_host(got)
    assert got.dtype == expected.dtype, what
    tolerance = TOLERANCE[str(expected.dtype)]
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(got, expected, 0, tolerance * scale, err_msg=what)


def numbers(seed, shape, dtype, *, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1, shape).astype(dtype)


def forward_by_kernels(layer, a, code):
    """Return f(batch norm of a), a with channels last, and its statistics."""
    a = norm.channels_last(a)
    statistics = norm.batch_statistics(
        a,
        layer.gamma and layer.gamma.data,
        layer.beta and layer.beta.data,
        layer.running_mean,
        layer.running_var,
        eps=layer.eps,
        momentum=layer.momentum,
    )
    y = norm.normalise_activate(a, statistics.scale, statistics.shift, code)
    return y, a, statistics


def backward_by_kernels(layer, dy, a, statistics, code):
    gamma, beta = layer.gamma, layer.beta
    return norm.norm_activation_back(
        dy, a, statistics, gamma and gamma.grad, beta and beta.grad, code
    )


def any_order(x, seed):
    """Return x with its axes in another order in memory."""
    order = np.random.default_rng(seed).permutation(x.ndim)
    return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))


class TestStrips:
    @dtypes
    @fuzz
    @given(data=st.data())
    def test_both_ways(self, gpu, dtype, data):
        I, J, P, K, sh, sw, N, C = (data.draw(sizes) for _ in range(8))  # noqa: E741
        top, left = data.draw(st.integers(0, P)), data.draw(st.integers(0, K))
        H, W = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
        cut = Strips(I, J, P, K, sh, sw, top, left)
        x = any_order(numbers(0, (N, C, H, W), dtype), H)
        strips = to_strips(gpu.device.put(x), cut)
        assert_close(strips, to_strips(x, cut), "to_strips")
        values = numbers(1, (I, J, N, P, K, C), dtype)
        back = from_strips(gpu.device.put(values), C, H, W, cut)
        assert_close(back, from_strips(values, C, H, W, cut), "from_strips")

    @dtypes
    @pytest.mark.parametrize("C", [4, 12, 100, 1028])
    def test_by_fours(self, gpu, dtype, C):
        for N, H, W, cut in (
            (3, 7, 5, Strips(4, 3, 2, 4, 2, 2, 1, 1)),
            (2, 4, 4, Strips(1, 1, 4, 4, 1, 1, 0, 0)),
            (70 if C < 100 else 3, 3, 2, Strips(3, 2, 2, 5, 1, 2, 2, 2)),
        ):
            x = numbers(0, (H, W, N, C), dtype).transpose(2, 3, 0, 1)
            with counting() as work:
                strips = to_strips(gpu.device.put(x), cut)
                back = from_strips(strips, C, H, W, cut)
            assert [*work.launches] == ["to_strips_by_fours", "from_strips_by_fours"]
            expected = to_strips(x, cut)
            np.testing.assert_array_equal(to_host(strips), expected)
            assert_close(back, from_strips(expected, C, H, W, cut), "from_strips")

    def test_fours_that_do_not_lie_on_their_boundary(self, gpu):
        cut = Strips(2, 2, 2, 2, 1, 1, 0, 0)
        wide = numbers(0, (2, 3, 3, 12), "float32")
        for channels in (slice(1, 5), slice(4, 8)):  # the first starts 4 bytes in
            x = wide[..., channels].transpose(0, 3, 1, 2)  # (2, 4, 3, 3)
            on_gpu = gpu.device.put(wide)[..., channels].transpose(0, 3, 1, 2)
            with counting() as work:
                strips = to_strips(on_gpu, cut)
            np.testing.assert_array_equal(to_host(strips), to_strips(x, cut))
            by_fours = "to_strips_by_fours" in work.launches
            assert by_fours == (channels.start % 4 == 0)
        odd = gpu.device.put(numbers(1, 1 + 2 * 2 * 2 * 2 * 2 * 4, "float32"))[1:]
        strips = odd.reshape(2, 2, 2, 2, 2, 4)
        with counting() as work:
            back = from_strips(strips, 4, 3, 3, cut)
        assert [*work.launches] == ["from_strips"]
        assert_close(back, from_strips(to_host(strips), 4, 3, 3, cut))

    def test_definitions_are_transposes(self):
        cut = Strips(3, 4, 2, 5, 2, 2, 1, 2)
        x, s = numbers(0, (2, 3, 7, 8), "float64"), numbers(1, (3, 4, 2, 2, 5, 3), "d")
        there = (to_strips(x, cut) * s).sum()
        assert there == pytest.approx((x * from_strips(s, 3, 7, 8, cut)).sum())


class TestActivations:
    @dtypes
    @pytest.mark.parametrize("layer", [LeakyReLU(0.2), ReLU(), Tanh(), Sigmoid()])
    @pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 4, 5), (1, 1, 300, 1)])
    def test_forward_and_back(self, gpu, dtype, layer, shape):
        x, dy = numbers(0, shape, dtype), numbers(1, shape, dtype)
        y, ctx = layer.forward(x)
        code = code_of(layer)
        y_gpu = activation.activate(gpu.device.put(x), code)
        assert_close(y_gpu, y)
        dx = activation.activate_back(gpu.device.put(any_order(dy, 3)), y_gpu, code)
        assert_close(dx, layer.backward(dy, ctx))

    def test_extremes_are_exact(self, gpu):
        # Down to float32's smallest normal number: a GPU rounds what is less to zero.
        x = np.array([-1e4, -87, -20, 0, 20, 87, 1e4], "float32")
        y = to_host(activation.activate(gpu.device.put(x), code_of(Sigmoid())))
        np.testing.assert_allclose(y, Sigmoid()(x), rtol=1e-5)
        assert y[1] > 0

    @dtypes
    @fuzz
    @given(shape=st.lists(sizes, min_size=1, max_size=4).map(tuple), seed=sizes)
    def test_add_and_pack(self, gpu, dtype, shape, seed):
        x, y = numbers(0, shape, dtype), any_order(numbers(1, shape, dtype), seed)
        packed = arrays.packed_copy(gpu.device.put(y))
        assert packed.flags.c_contiguous
        assert_close(packed, y)
        total = gpu.device.put(x)
        arrays.add_to(total, gpu.device.put(y))
        assert_close(total, x + y)


class TestNorm:
    @dtypes
    @fuzz
    @given(
        N=st.integers(2, 9), C=many, H=sizes, W=sizes, affine=st.booleans(), seed=sizes
    )
    def test_layer_by_layer(self, gpu, dtype, N, C, H, W, affine, seed):
        self.compare(gpu, dtype, (N, C, H, W), BatchNorm2d, affine, seed)
        self.compare(gpu, dtype, (N, C), BatchNorm1d, affine, seed)

    @dtypes
    def test_many_rows_in_parts(self, gpu, dtype):
        self.compare(gpu, dtype, (16, 33, 40, 40), BatchNorm2d, True, 1)

    def test_a_mean_far_from_zero_costs_no_digits(self, gpu):
        x = numbers(0, (64, 3, 8, 8), "float32", mean=1000.0)
        layer = BatchNorm2d(3).to(gpu.device)
        y = to_host(
            forward_by_kernels(layer, gpu.device.put(x), activation.ActivationCode())[0]
        )
        expected = BatchNorm2d(3, dtype="float64")(x.astype("float64"))
        np.testing.assert_allclose(y, expected, atol=2e-3)  # x's own rounding: 6e-5·x

    def compare(self, gpu, dtype, shape, kind, affine, seed):
        ours, expected = (
            kind(shape[1], affine=affine, dtype=dtype, momentum=0.3) for _ in range(2)
        )
        if affine:
            for layer in (ours, expected):
                layer.gamma.data[...] = numbers(5, shape[1], dtype)
                layer.beta.data[...] = numbers(6, shape[1], dtype)
        ours.to(gpu.device)
        x = any_order(numbers(seed, shape, dtype, mean=2.0), seed)
        dy = any_order(numbers(seed + 1, shape, dtype), seed + 2)
        act = LeakyReLU(0.2)
        y, *ctx = forward_by_kernels(ours, gpu.device.put(x), code_of(act))
        inner, inner_ctx = expected.forward(x)
        outer, outer_ctx = act.forward(inner)
        assert_close(y, outer, "y")
        da = backward_by_kernels(ours, gpu.device.put(dy), *ctx, code_of(act))
        dx = expected.backward(act.backward(dy, outer_ctx), inner_ctx)
        assert_close(da, dx, "dx")
        for name in ours.buffers():
            assert_close(ours.buffers()[name], expected.buffers()[name], name)
        for name, parameter in ours.parameters().items():
            assert_close(parameter.grad, expected.parameters()[name].grad, name)

    def test_parts_cover_all_rows(self):
        for rows in (1, 7, 64, 65, 4097, 100_003):
            for channels in (1, 32, 33, 1024):
                part_rows, parts = norm._parts(rows, channels)
                assert (parts - 1) * part_rows < rows <= parts * part_rows


class TestProducts:
    @dtypes
    @fuzz
    @given(M=sizes, K=many, N=sizes, seed=sizes, add=st.booleans())
    def test_any_layout(self, gpu, dtype, M, K, N, seed, add):
        a, b = numbers(seed, (M, K + 3), dtype)[:, :K], numbers(1, (K, N), dtype)
        out = numbers(2, (M, N + 2), dtype)
        expected = a @ b + (out[:, :N] if add else 0)
        put = gpu.device.put
        a_there = put(numbers(seed, (M, K + 3), dtype))[:, :K]
        for a_gpu in (a_there, put(np.ascontiguousarray(a.T)).T):
            for b_gpu in (put(b), put(np.ascontiguousarray(b.T)).T):
                wide = put(out)
                multiply(a_gpu, b_gpu, wide[:, :N], add=add)
                assert_close(wide[:, :N], expected.astype(dtype))
                assert_close(wide[:, N:], out[:, N:], "beside out")

    def test_what_cannot_be_multiplied_in_place_is_refused(self, gpu):
        a = gpu.device.put(np.zeros((4, 6)))[::2, ::2]
        b = gpu.device.put(np.zeros((3, 2)))
        with pytest.raises(ValueError, match="neither its rows nor its columns"):
            product(a, b)
        with pytest.raises(ValueError, match="contiguous rows"):
            multiply(b, b.T, gpu.device.put(np.zeros((3, 3))).T)

    def test_tf32_is_off_until_allowed(self, gpu, hostcupy):
        a = gpu.device.put(numbers(0, (8, 8), "float32"))
        before = hostcupy.products()
        product(a, a)
        try:
            allow_tf32(True)
            product(a, a)
        finally:
            allow_tf32(False)
        asked = hostcupy.products() - before
        assert len(asked) == 2, asked
        assert sorted(kind.tf32 for kind in asked) == [False, True]


class TestLosses:
    @dtypes
    @pytest.mark.parametrize("count", [1, 2, 255, 256, 300])
    @pytest.mark.parametrize("target", [0.0, 1.0])
    def test_sigmoid_cross_entropy(self, gpu, dtype, count, target):
        logits = 5 * numbers(0, (count, 1), dtype)
        self.compare(
            losses.sigmoid_cross_entropy(gpu.device.put(logits), target),
            loss_definitions.bce_with_logits(logits, target),
        )

    @dtypes
    @pytest.mark.parametrize("count", [1, 257])
    @pytest.mark.parametrize("classes", [2, 5])
    def test_softmax_cross_entropy(self, gpu, dtype, count, classes):
        logits = 5 * numbers(0, (count, classes), dtype)
        self.compare(
            losses.softmax_cross_entropy(gpu.device.put(logits), 1),
            loss_definitions.softmax_cross_entropy(logits, 1),
        )

    @dtypes
    @pytest.mark.parametrize("classes", [1, 2])
    def test_mean_real_probability(self, gpu, dtype, classes):
        logits = 5 * numbers(0, (300, classes), dtype)
        mean = losses.mean_real_probability(gpu.device.put(logits))
        assert_close(mean, np.asarray(real_probability(logits).mean()))

    def test_huge_logits(self, gpu):
        logits = np.array([[-1e4], [1e4]], "float32")
        loss, dlogits = losses.sigmoid_cross_entropy(gpu.device.put(logits), 1.0)
        assert float(loss) == 5000
        np.testing.assert_array_equal(to_host(dlogits), [[-0.5], [0]])

    def compare(self, got, expected):
        loss, dlogits = got
        assert loss.shape == ()
        assert_close(loss, np.asarray(expected[0]), "loss")
        assert_close(dlogits, expected[1], "dlogits")


class TestAdam:
    @dtypes
    @pytest.mark.parametrize("l2", [0.0, 0.1])
    def test_all_parameters_at_once(self, gpu, dtype, l2):
        shapes = {"a": (3, 4), "b": (1,), "c": (2, 3, 4, 5)}
        values = {k: any_order(numbers(0, s, dtype), 1) for k, s in shapes.items()}
        ours = {k: Parameter(gpu.device.put(v)) for k, v in values.items()}
        expected = {k: Parameter(v.copy()) for k, v in values.items()}
        adams = make_adam(ours, lr=0.1, l2=l2), Adam(expected, lr=0.1, l2=l2)
        for step in range(4):
            for name in shapes:
                grad = numbers(step, shapes[name], dtype)
                ours[name].grad[...] = gpu.device.put(grad)
                expected[name].grad[...] = grad
            for optimiser in adams:
                optimiser.step()
        for name in shapes:
            assert_close(ours[name].data, expected[name].data, name)
            assert_close(adams[0].m[name], adams[1].m[name], f"m of {name}")
            assert_close(adams[0].v[name], adams[1].v[name], f"v of {name}")
        adams[0].zero_grad()
        assert not any(to_host(p.grad).any() for p in ours.values())

    def test_an_array_given_later_is_taken_over(self, gpu):
        ours = Parameter(gpu.device.put(np.zeros(3)))
        optimiser = make_adam({"a": ours}, lr=0.1)
        ours.grad[...] = 1
        optimiser.step()
        ours.data = gpu.device.put(np.full(3, 5.0))  # as `Layer.to` does
        ours.grad = gpu.device.put(np.ones(3))
        optimiser.step()
        np.testing.assert_allclose(to_host(ours.data), 4.9)

    def test_flat_arrays_keep_values_and_order_in_memory(self, gpu):
        x = any_order(numbers(0, (2, 3, 4, 5), "float64"), 4)
        parts = {"x": gpu.device.put(x), "y": gpu.device.put(x[0, 0])}
        flat = adam.FlatArrays(parts)
        flat.take(parts)
        assert flat.views["x"].strides == x.strides
        np.testing.assert_array_equal(to_host(flat.views["x"]), x)
        assert flat.whole.size == x.size + 20
        other = adam.FlatArrays(parts)
        other.take({"x": gpu.device.put(x.copy("C"))})  # of another order in memory
        np.testing.assert_array_equal(
            to_host(other.whole)[: x.size], to_host(flat.whole)[: x.size]
        )


def test_more_elements_than_32_bits_are_refused(gpu):
    x = gpu.device.put(np.zeros(1, "float32"))
    with pytest.raises(ValueError, match="smaller batch"):
        launch_each("activate", x, MOST_ELEMENTS + 1, x, x, 0, 0.0)


def test_other_dtypes_are_refused(gpu):
    with pytest.raises(TypeError, match="float32 and float64, not float16"):
        activation.activate(
            gpu.device.put(np.zeros(1, "float16")), activation.ActivationCode()
        )


@pytest.mark.parametrize("order", [1, 2])
def test_no_kernel_depends_on_the_order_of_threads(gpu, hostcupy, order):
    def everything():
        logits = gpu.device.put(numbers(0, (300, 1), "float32"))
        loss, dlogits = losses.sigmoid_cross_entropy(logits, 1.0)
        layer = BatchNorm2d(40).to(gpu.device)
        x = gpu.device.put(numbers(1, (3, 40, 30, 25), "float32"))
        code = code_of(LeakyReLU(0.2))
        y, *ctx = forward_by_kernels(layer, x, code)
        dx = backward_by_kernels(layer, y, *ctx, code)
        mean = losses.mean_real_probability(logits)
        cut = Strips(4, 3, 2, 4, 2, 2, 1, 1)
        strips = to_strips(dx, cut)
        back = from_strips(strips, 40, 30, 25, cut)
        results = loss, dlogits, y, dx, layer.gamma.grad, mean, strips, back
        return [to_host(a) for a in results]

    expected = everything()
    hostcupy.thread_order(order)
    for got, want in zip(everything(), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_no_kernel_reads_past_its_arrays(gpu, hostcupy):
    hostcupy.configure(guard=True)
    for shape in ((2, 3, 5, 7), (3, 33, 4, 4), (3, 36, 4, 4)):
        x = gpu.device.put(numbers(0, shape, "float32"))
        layer = BatchNorm2d(shape[1]).to(gpu.device)
        code = code_of(LeakyReLU(0.2))
        y, *ctx = forward_by_kernels(layer, x, code)
        backward_by_kernels(layer, y, *ctx, code)
        for cut in (Strips(2, 2, 3, 3, 2, 2, 1, 1), Strips(3, 3, 2, 4, 2, 2, 0, 1)):
            from_strips(to_strips(x, cut), *shape[1:], cut)
            from_strips(to_strips(y, cut), *shape[1:], cut)  # y has channels last
        arrays.packed_copy(x.transpose(0, 2, 3, 1))
        y = activation.activate(x, code_of(Tanh()))
        activation.activate_back(y, y, code_of(Tanh()))
    parameter = Parameter(gpu.device.put(numbers(0, (5, 7), "float32")))
    make_adam({"p": parameter}).step()
    losses.sigmoid_cross_entropy(gpu.device.put(numbers(0, (5, 1), "float32")), 0.0)
