"""CuPy on the CPU computes what CUDA would, and catches what a GPU may hide."""

import ctypes
import re

import numpy as np
import pytest

pytestmark = pytest.mark.gpu

REVERSE = """
extern "C" __global__ void reverse(float* x) {
  __shared__ float s[64];
  int t = threadIdx.x;
  s[t] = x[t];
  %s
  x[t] = s[63 - t];
}"""
COPY_SHARED = """
extern "C" __global__ void copy_shared(float* x, int written) {
  extern __shared__ float s[];
  if (threadIdx.x < written) s[threadIdx.x] = 1;
  __syncthreads();
  x[threadIdx.x] = s[threadIdx.x];
}"""


# --------------------------------------------------------------------- faults


@pytest.mark.parametrize("beyond", [0, 5])
def test_access_past_the_end_is_a_fault(hostcupy, cp, beyond):
    hostcupy.configure(guard=True)
    write = cp.RawKernel(
        'extern "C" __global__ void past(float* x, int i) { x[i] = 1; }', "past"
    )
    x = cp.empty(1000, "f4")
    write((1,), (1,), (x, np.int32(999)))
    bytes_ = 4 * beyond
    with pytest.raises(RuntimeError, match=rf"{bytes_} bytes past .* of 4000 bytes"):
        write((1,), (1,), (x, np.int32(1000 + beyond)))


def test_access_past_dynamic_shared_memory_is_a_fault(cp):
    kernel = cp.RawKernel(COPY_SHARED, "copy_shared")
    x = cp.empty(64, "f4")
    kernel((1,), (64,), (x, np.int32(64)), shared_mem=256)
    with pytest.raises(
        RuntimeError, match=r"ILLEGAL_ADDRESS.*(in no|past the end of an) allocation"
    ):
        kernel((1,), (64,), (x, np.int32(64)), shared_mem=128)


def test_access_to_released_memory_is_a_fault(hostcupy, cp):
    hostcupy.configure(guard=True)
    x = cp.zeros(4, "f4")
    address = x.data.ptr
    del x
    read = cp.RawKernel(
        'extern "C" __global__ void fetch(long long a, float* y) { *y = *(float*)a; }',
        "fetch",
    )
    with pytest.raises(RuntimeError, match="ILLEGAL_ADDRESS"):
        read((1,), (1,), (np.int64(address), cp.zeros(1, "f4")))


def test_endless_recursion_is_a_fault(cp):
    deep = cp.RawKernel(
        """
        __device__ __noinline__ int sum(volatile int* x, int n) {
          volatile int here[64]; here[0] = n;
          return n == 0 ? x[0] : sum(x, n - 1) + here[0];
        }
        extern "C" __global__ void deep(int* x, int n) {
          __syncthreads(); x[threadIdx.x] = sum(x, n);
        }""",
        "deep",
    )
    x = cp.zeros(1, "i4")
    deep((1,), (1,), (x, np.int32(3)))
    assert x.get() == [6]
    with pytest.raises(RuntimeError, match="ILLEGAL_ADDRESS"):
        deep((1,), (1,), (x, np.int32(10**6)))


@pytest.mark.parametrize("order", [0, 1, 2])
def test_missing_barrier_shows(hostcupy, cp, order):
    hostcupy.thread_order(order)
    right = np.arange(64, dtype="f4")[::-1]
    for barrier, fine in (("__syncthreads();", True), ("", False)):
        x = cp.arange(64, dtype="f4")
        cp.RawKernel(REVERSE % barrier, "reverse")((1,), (64,), (x,))
        assert np.array_equal(x.get(), right) == fine


@pytest.mark.parametrize("order", [0, 1, 2])
def test_result_that_depends_on_the_order_of_blocks_shows(hostcupy, cp, order):
    last = cp.RawKernel(
        'extern "C" __global__ void last(int* x) { *x = blockIdx.x; }', "last"
    )
    hostcupy.thread_order(order)
    x = cp.zeros((), "i4")
    last((10,), (1,), (x,))
    assert order == 2 or int(x) == (9, 0)[order]


@pytest.mark.parametrize(
    "rest", ["", "else __syncwarp(0xffffffffu);"], ids=["ended", "waits elsewhere"]
)
def test_barrier_that_some_threads_miss_is_a_fault(cp, rest):
    code = """
    extern "C" __global__ void missed(float* x) {
      if (threadIdx.x < 16) __syncthreads(); %s
      x[threadIdx.x] = 1;
    }"""
    missed = cp.RawKernel(code % rest, "missed")
    with pytest.raises(RuntimeError, match=r"divergent barrier: 16 of 32 threads"):
        missed((1,), (32,), (cp.zeros(32, "f4"),))


def test_shared_memory_starts_as_nan_in_every_block(cp):
    static = """
    template <class T> __global__ void keep(T* x) {
      __shared__ T s[32];
      if (threadIdx.x > 0) s[threadIdx.x] = 1;
      __syncthreads();
      x[blockIdx.x * 32 + threadIdx.x] = s[threadIdx.x];
      __syncthreads();
      s[threadIdx.x] = 0;
    }"""
    names = ("keep<float>", "keep<double>")
    module = cp.RawModule(code=static, name_expressions=names)
    for name, dtype in zip(names, ("f4", "f8"), strict=True):
        x = cp.zeros((2, 32), dtype)
        module.get_function(name)((2,), (32,), (x,))
        assert np.isnan(x.get()[:, 0]).all()
        assert (x.get()[:, 1:] == 1).all()
    x = cp.zeros(32, "f4")
    cp.RawKernel(COPY_SHARED, "copy_shared")(
        (1,), (32,), (x, np.int32(31)), shared_mem=128
    )
    assert np.isnan(x.get()).tolist() == [False] * 31 + [True]


def test_memory_starts_as_nan(hostcupy, cp):
    hostcupy.configure(guard=True)
    for dtype in ("f2", "f4", "f8"):
        assert np.isnan(cp.empty(3, dtype).get()).all()


def test_too_much_shared_memory_is_refused(cp):
    kernel = cp.RawKernel(COPY_SHARED, "copy_shared")
    arguments = (cp.empty(32, "f4"), np.int32(32))
    with pytest.raises(RuntimeError, match=r"60000 of dynamic.*at most 49152"):
        kernel((1,), (32,), arguments, shared_mem=60000)
    kernel.max_dynamic_shared_size_bytes = 60000
    kernel((1,), (32,), arguments, shared_mem=60000)
    with pytest.raises(RuntimeError, match="got max_dynamic_shared_size_bytes"):
        kernel.max_dynamic_shared_size_bytes = 200000


@pytest.mark.parametrize("block", [(1025,), (32, 64), (1, 1, 65)])
def test_too_many_threads_are_refused(cp, block):
    nothing = cp.RawKernel('extern "C" __global__ void nothing() {}', "nothing")
    with pytest.raises(RuntimeError, match=r"INVALID_VALUE.*got a block of"):
        nothing((1,), block, ())


def test_host_memory_is_no_device_memory(cp):
    host, device = np.zeros(4, "f4"), cp.zeros(4, "f4")
    to_device, to_host = 1, 2
    for to, kind in ((host.ctypes.data, to_device), (device.data.ptr, to_host)):
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError, match="InvalidValue"):
            cp.cuda.runtime.memcpy(to, host.ctypes.data, 16, kind)


def test_wrong_name_of_a_kernel_is_refused(cp):
    code = "template <class T> __global__ void f(T* x) {}  __global__ void g() {}"
    for name in ("f", "g"):
        with pytest.raises(RuntimeError, match=f"NOT_FOUND.*{name}"):
            cp.RawModule(code=code).get_function(name)


def test_errors_of_the_compiler_are_passed_on(cp):
    from cupy.cuda.compiler import CompileException

    with pytest.raises(CompileException, match=r"kernel.cu:1:.*undeclared_thing"):
        cp.RawKernel(
            'extern "C" __global__ void f() { undeclared_thing(); }', "f"
        ).compile()


# --------------------------------------------------------------------- streams


@pytest.mark.parametrize("waits", [True, False])
def test_pinned_buffer_used_again_before_its_copy_ran(hostcupy, cp, waits):
    import cupyx

    hostcupy.configure(lazy=True)
    host, device = cupyx.empty_pinned((4,), "f4"), cp.empty(4, "f4")
    stream = cp.cuda.Stream(non_blocking=True)
    host[:] = 1
    device.set(host, stream=stream)
    if waits:
        stream.synchronize()
    host[:] = 2
    stream.synchronize()
    assert (device.get() == (1 if waits else 2)).all()


@pytest.mark.parametrize("waits", [True, False])
def test_stream_that_does_not_wait_for_another(hostcupy, cp, waits):
    import cupyx

    host = cupyx.empty_pinned((4,), "f4")
    host[:] = 7
    device = cp.zeros(4, "f4")
    copying, computing = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
    hostcupy.configure(lazy=True)
    device.set(host, stream=copying)
    with computing:
        if waits:
            computing.wait_event(copying.record())
        doubled = device * 2
        squared = cp.dot(device, device)
    computing.synchronize()
    assert (doubled.get(stream=computing) == (14 if waits else 0)).all()
    assert squared.get(stream=computing) == (4 * 49 if waits else 0)


def test_default_stream_and_blocking_streams_wait_for_one_another(hostcupy, cp):
    x = cp.zeros(4, "f4")
    hostcupy.configure(lazy=True)
    with cp.cuda.Stream():
        x += 1
    x *= 3
    assert (x.get() == 3).all()


def test_event_tells_whether_it_happened(hostcupy, cp):
    x = cp.zeros(4, "f4")
    hostcupy.configure(lazy=True)
    with cp.cuda.Stream(non_blocking=True) as stream:
        start = stream.record()
        x += 1
        event = stream.record()
        assert not event.done
        event.synchronize()
    assert event.done
    assert (x.get() == 1).all()
    assert cp.cuda.get_elapsed_time(start, event) >= 0


# --------------------------------------------------------------------- graphs


class Cublas:
    """cuBLAS's functions in C, as a program that links to it sees them."""

    def __init__(self, stream, workspace=None):
        self.library = ctypes.CDLL("libcublas.so.12")
        self.handle = ctypes.c_void_p()
        assert self.library.cublasCreate_v2(ctypes.byref(self.handle)) == 0
        self.set("Stream", ctypes.c_void_p(stream.ptr))
        if workspace is not None:
            assert self.set_workspace(workspace.data.ptr, workspace.nbytes) == 0

    def set(self, what, *values):
        return getattr(self.library, f"cublasSet{what}_v2")(self.handle, *values)

    def set_workspace(self, address, size):
        return self.set("Workspace", ctypes.c_void_p(address), ctypes.c_size_t(size))

    def multiply(self, a, b, out):
        """Compute out = a b for float32 in C order, which is outᵀ = bᵀ aᵀ to cuBLAS."""
        (m, k), n = a.shape, b.shape[1]
        one, zero = ctypes.c_float(1), ctypes.c_float(0)
        pointers = [ctypes.c_void_p(x.data.ptr) for x in (b, a, out)]
        return self.library.cublasSgemm_v2(
            self.handle, 0, 0, n, m, k, ctypes.byref(one), pointers[0], n,
            pointers[1], k, ctypes.byref(zero), pointers[2], n,
        )  # fmt: skip


@pytest.mark.parametrize("lazy", [False, True])
def test_graph_replays_kernels_and_products(hostcupy, cp, rng, lazy):
    w = rng.standard_normal((3, 5)).astype("f4")
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        x, y, on_device = cp.zeros((2, 3), "f4"), cp.zeros((2, 5), "f4"), cp.asarray(w)
        cp.add(x, 0, out=x)
        cublas = Cublas(stream, cp.empty(1024, "u1"))
    stream.synchronize()
    hostcupy.configure(lazy=lazy)
    before = hostcupy.counts()
    with stream:
        stream.begin_capture()
        cp.add(x, 1, out=x)
        assert cublas.multiply(x, on_device, y) == 0
        graph = stream.end_capture()
    stream.synchronize()
    assert not y.get(stream=stream).any()
    assert (hostcupy.counts() - before).memory_nodes == 0
    before = hostcupy.counts()
    for _ in range(3):
        graph.launch(stream=stream)
    stream.synchronize()
    spent = hostcupy.counts() - before
    assert (spent.graphs, spent.launches, spent.products) == (3, 3, 3)
    np.testing.assert_allclose(x.get(stream=stream), 3)
    expected = np.broadcast_to(3 * w.sum(axis=0), (2, 5))
    np.testing.assert_allclose(y.get(stream=stream), expected, rtol=1e-5)


def test_other_stream_joins_a_capture_by_an_event(cp):
    main, other = (cp.cuda.Stream(non_blocking=True) for _ in range(2))
    x = cp.zeros(4, "f4")
    cp.add(x, 1)
    main.begin_capture()
    other.wait_event(main.record())
    with other:
        cp.add(x, 1, out=x)
    main.wait_event(other.record())
    graph = main.end_capture()
    assert (x.get() == 0).all()
    graph.launch(stream=main)
    main.synchronize()
    assert (x.get() == 1).all()


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda cp, stream, x: stream.synchronize(),
        lambda cp, stream, x: cp.cuda.Device().synchronize(),
        lambda cp, stream, x: stream.record().synchronize(),
        lambda cp, stream, x: cp.cuda.Stream.null.record().synchronize(),
        lambda cp, stream, x: stream.done,
        lambda cp, stream, x: stream.record().done,
    ],
    ids=["stream", "device", "event", "other event", "query", "query of an event"],
)
def test_waiting_inside_a_capture_is_refused(cp, forbidden):
    runtime_error = cp.cuda.runtime.CUDARuntimeError
    x = cp.zeros(4, "f4")
    with cp.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        with pytest.raises(runtime_error, match=r"StreamCapture|CapturedEvent"):
            forbidden(cp, stream, x)
        with pytest.raises(runtime_error, match="StreamCaptureInvalidated"):
            cp.add(x, 1, out=x)
        with pytest.raises(runtime_error, match="StreamCaptureInvalidated"):
            stream.end_capture()


@pytest.mark.parametrize(
    "forbidden",
    [
        lambda cp, x: float(x[0]),
        lambda cp, x: x.set(np.zeros(4, "f4")),
        lambda cp, x: cp.cuda.runtime.memcpy(x.data.ptr, x.data.ptr, 16, 3),
        lambda cp, x: cp.cuda.runtime.memset(x.data.ptr, 0, 16),
    ],
    ids=["value", "copy", "copy without a stream", "fill without a stream"],
)
def test_copies_inside_a_capture_are_refused(cp, forbidden):
    x = cp.zeros(4, "f4")
    with cp.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match=r"is capturing|StreamCaptureImplicit"):
            forbidden(cp, x)


def test_work_of_the_default_stream_inside_a_capture_is_refused(cp):
    runtime_error = cp.cuda.runtime.CUDARuntimeError
    x = cp.zeros(4, "f4")
    stream = cp.cuda.Stream(non_blocking=True)
    stream.begin_capture()
    with pytest.raises(runtime_error, match="StreamCaptureImplicit"):
        cp.add(x, 1, out=x)
    with pytest.raises(runtime_error, match="StreamCaptureInvalidated"):
        stream.end_capture()


def allocate_and_free(cp, size):
    memory = cp.cuda.Memory(size)
    del memory


@pytest.mark.parametrize(
    "unsafe",
    [
        lambda cp, event: allocate_and_free(cp, 512),
        lambda cp, event: cp.cuda.alloc_pinned_memory(1 << 20),
        lambda cp, event: event.done,
    ],
    ids=["malloc", "hostAlloc", "query of an event"],
)
@pytest.mark.parametrize("mode", ["Global", "ThreadLocal", "Relaxed"])
def test_only_a_relaxed_capture_lets_others_allocate_and_ask(cp, mode, unsafe):
    runtime = cp.cuda.runtime
    cp.get_default_pinned_memory_pool().free_all_blocks()
    stream, event = cp.cuda.Stream(non_blocking=True), cp.cuda.Event()
    stream.begin_capture(getattr(runtime, f"streamCaptureMode{mode}"))
    if mode == "Relaxed":
        unsafe(cp, event)
        stream.end_capture()
        return
    with pytest.raises(runtime.CUDARuntimeError, match="StreamCaptureUnsupported"):
        unsafe(cp, event)
    with pytest.raises(runtime.CUDARuntimeError, match="StreamCaptureInvalidated"):
        stream.end_capture()


def test_cupys_own_products_refuse_to_be_captured(cp):
    x = cp.zeros((3, 3), "f4")
    with cp.cuda.Stream(non_blocking=True) as stream:
        x @ x
        stream.begin_capture()
        with pytest.raises(NotImplementedError, match="cuBLAS API during stream captu"):
            x @ x
        stream.end_capture()


@pytest.mark.parametrize("workspace", ["none", "before the stream", "given"])
def test_a_product_captured_without_a_workspace_allocates_in_the_graph(
    hostcupy, cp, workspace
):
    x, space = cp.zeros((3, 3), "f4"), cp.empty(1024, "u1")
    with cp.cuda.Stream(non_blocking=True) as stream:
        cublas = Cublas(stream, None if workspace == "none" else space)
        if workspace == "before the stream":
            cublas.set("Stream", ctypes.c_void_p(stream.ptr))
        before = hostcupy.counts()
        assert cublas.multiply(x, x, cp.empty_like(x)) == 0
        assert (hostcupy.counts() - before).memory_nodes == 0
        stream.begin_capture()
        assert cublas.multiply(x, x, cp.empty_like(x)) == 0
        stream.end_capture()
    nodes = (hostcupy.counts() - before).memory_nodes
    assert nodes == (0 if workspace == "given" else 2)


def test_a_workspace_is_checked_and_overwritten(hostcupy, cp, capsys):
    x, space = cp.ones((3, 3), "f4"), cp.zeros(1024, "u1")
    with cp.cuda.Stream(non_blocking=True) as stream:
        cublas = Cublas(stream)
        address, invalid = space.data.ptr, 7
        assert cublas.set_workspace(address + 16, 512) == invalid
        assert "expected a multiple of 256" in capsys.readouterr().err
        assert cublas.set_workspace(address, 1 << 40) == invalid
        assert cublas.set_workspace(np.zeros(4096).ctypes.data // 256 * 256, 8) == 7
        assert cublas.set_workspace(address, space.nbytes) == 0
        assert not space.get().any()
        assert cublas.multiply(x, x, x) == 0
        assert (space.get() == 0xFF).all()


def test_a_graph_whose_workspace_is_gone_fails_at_its_launch(hostcupy, cp):
    hostcupy.configure(guard=True)
    x, y, space = cp.ones((3, 3), "f4"), cp.empty((3, 3), "f4"), cp.cuda.Memory(4096)
    with cp.cuda.Stream(non_blocking=True) as stream:
        cublas = Cublas(stream)
        assert cublas.set_workspace(space.ptr, space.size) == 0
        stream.begin_capture()
        assert cublas.multiply(x, x, y) == 0
        graph = stream.end_capture()
        graph.launch(stream)
        del space
        with pytest.raises(RuntimeError, match="the workspace is gone"):
            graph.launch(stream)


@pytest.mark.parametrize("what", ["Create", "Destroy"])
def test_a_handle_is_neither_made_nor_destroyed_in_a_capture(cp, what):
    runtime_error = cp.cuda.runtime.CUDARuntimeError
    stream = cp.cuda.Stream(non_blocking=True)
    cublas = Cublas(stream)
    stream.begin_capture()
    handle = cublas.handle if what == "Destroy" else ctypes.byref(cublas.handle)
    assert getattr(cublas.library, f"cublas{what}_v2")(handle) == 1
    with pytest.raises(runtime_error, match="StreamCaptureInvalidated"):
        stream.end_capture()


def test_functions_that_shall_fail(hostcupy, cp):
    import cupyx

    runtime_error = cp.cuda.runtime.CUDARuntimeError
    stream = cp.cuda.Stream(non_blocking=True)
    cp.get_default_pinned_memory_pool().free_all_blocks()
    hostcupy.fail("cublasSgemm_v2", 13)
    hostcupy.fail("hostAlloc", 2)
    hostcupy.fail("graphInstantiate", 2)
    x = cp.ones((3, 3), "f4")
    assert Cublas(stream).multiply(x, x, x) == 13
    with pytest.raises(runtime_error, match="MemoryAllocation"):
        cupyx.empty_pinned((1 << 20,), "u1")
    stream.begin_capture()
    with pytest.raises(runtime_error, match="MemoryAllocation"):
        stream.end_capture()
    hostcupy.configure()
    assert Cublas(stream).multiply(x, x, x) == 0
    with pytest.raises(ValueError, match="got function 'malloc'"):
        hostcupy.fail("malloc", 2)


# --------------------------------------------------------------------- memory


def test_memory_ends(hostcupy, cp):
    from cupy.cuda.memory import OutOfMemoryError

    cp.get_default_memory_pool().free_all_blocks()
    hostcupy.configure(limit=hostcupy.counts().used + (1 << 20))
    free, total = cp.cuda.runtime.memGetInfo()
    assert total - free == hostcupy.counts().used
    with pytest.raises(OutOfMemoryError):
        cp.empty(2 << 20, "u1")
    assert cp.zeros(1000, "f4").sum() == 0


def test_own_pool_with_a_limit(cp):
    from cupy.cuda.memory import OutOfMemoryError

    pool = cp.cuda.MemoryPool()
    pool.set_limit(size=1 << 20)
    with cp.cuda.using_allocator(pool.malloc):
        x = cp.zeros(1000, "f4")
        with pytest.raises(OutOfMemoryError):
            cp.zeros(1 << 20, "f4")
    assert pool.used_bytes() == 4096
    assert x.sum() == 0


def test_facts_of_the_device(cp):
    runtime = cp.cuda.runtime
    assert runtime.getDeviceCount() == 1
    assert runtime.driverGetVersion() == runtime.runtimeGetVersion() == 12090
    assert b"hostcupy" in runtime.getDeviceProperties(0)["name"]
    assert cp.cuda.Device().compute_capability == "80"
    with pytest.raises(runtime.CUDARuntimeError, match="InvalidDevice"):
        cp.cuda.Device(1).use()


# --------------------------------------------------------------------- CUDA C++


def test_warp_shuffles_and_atomics(cp):
    total = cp.RawKernel(
        """
        extern "C" __global__ void total(const float* x, float* y, int n) {
          __shared__ float warps[8];
          float v = 0;
          for (int i = threadIdx.x; i < n; i += blockDim.x) v += __ldg(x + i);
          for (int d = 16; d; d >>= 1) v += __shfl_down_sync(0xffffffff, v, d);
          if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = v;
          __syncthreads();
          if (threadIdx.x < 32) {
            v = threadIdx.x < blockDim.x / 32 ? warps[threadIdx.x] : 0.f;
            for (int d = 4; d; d >>= 1) v += __shfl_xor_sync(0xffffffff, v, d);
            if (threadIdx.x == 0) atomicAdd(y, v);
          }
        }""",
        "total",
    )
    x, y = cp.arange(1000, dtype="f4"), cp.zeros(1, "f4")
    total((3,), (256,), (x, y, np.int32(1000)))
    assert y.get() == [3 * 499500]


def test_votes_and_shuffles_of_part_of_a_warp(cp):
    votes = cp.RawKernel(
        """
        extern "C" __global__ void votes(unsigned* x) {
          int t = threadIdx.x;
          if (t >= 24) return;
          unsigned part = 0xffffff;
          x[t] = __ballot_sync(part, t % 2) + __any_sync(part, t == 30)
                 + 2 * __all_sync(part, t < 24) + __shfl_sync(part, t, 5)
                 + __shfl_up_sync(part, t, 1, 8);
        }""",
        "votes",
    )
    x = cp.zeros(24, "u4")
    votes((1,), (32,), (x,))
    t = np.arange(24)
    up = np.where(t % 8 == 0, t, t - 1)
    np.testing.assert_array_equal(x.get(), 0xAAAAAA + 2 + 5 + up)


def test_vectors_and_half_precision(cp):
    scale = cp.RawKernel(
        """
        extern "C" __global__ void scale(float4* x, double2* y) {
          float4 v = x[threadIdx.x]; double2 w = y[threadIdx.x];
          x[threadIdx.x] = make_float4(v.w, v.z, v.y, v.x);
          y[threadIdx.x] = make_double2(w.y, w.x);
        }""",
        "scale",
    )
    x, y = cp.arange(8, dtype="f4"), cp.arange(4, dtype="f8")
    scale((1,), (2,), (x, y))
    assert x.get().tolist() == [3, 2, 1, 0, 7, 6, 5, 4]
    assert y.get().tolist() == [1, 0, 3, 2]
    half = np.linspace(-2, 2, 9, dtype="f2")
    np.testing.assert_array_equal((cp.asarray(half) * 2).get(), half * 2)


def test_templates_and_macros_from_options(cp):
    code = """
    template <class T, int n> __global__ void power(T* x, long long count) {
      long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
      T y = FIRST;
      for (int j = 0; j < n; j++) y *= x[i];
      if (i < count) x[i] = y;
    }"""
    names = ("power<float, 2>", "power<double, 3>")
    module = cp.RawModule(code=code, options=("-DFIRST=1",), name_expressions=names)
    for name, dtype, n in zip(names, ("f4", "f8"), (2, 3), strict=True):
        x = cp.arange(512, dtype=dtype)
        module.get_function(name)((4,), (128,), (x, np.int64(512)))
        np.testing.assert_allclose(x.get(), np.arange(512.0) ** n)


def test_elementwise_reduction_and_fused_kernels(cp, rng):
    x = rng.standard_normal((4, 5)).astype("f4")
    on_device = cp.asarray(x)
    leaky = cp.ElementwiseKernel("T x, T s", "T y", "y = x > 0 ? x : s * x", "leaky")
    np.testing.assert_array_equal(
        leaky(on_device, np.float32(0.5)).get(), np.where(x > 0, x, x / 2)
    )
    norm = cp.ReductionKernel("T x", "T y", "x * x", "a + b", "y = sqrt(a)", "0", "l2")
    np.testing.assert_allclose(
        norm(on_device, axis=1).get(), np.sqrt((x * x).sum(axis=1)), rtol=1e-6
    )

    @cp.fuse
    def fused(x, y):
        return cp.maximum(x, 0) + 2 * y

    np.testing.assert_allclose(
        fused(on_device, on_device).get(), np.maximum(x, 0) + 2 * x, rtol=1e-6
    )


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_largest_values_and_their_places(cp, rng, dtype):
    x = rng.standard_normal((6, 7)).astype(dtype)
    for name in ("max", "argmax", "min", "cumsum"):
        expected = getattr(x, name)(axis=1)
        got = getattr(cp.asarray(x), name)(axis=1).get()
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_small_numbers_count_as_zero(cp):
    x = cp.full(1, 1e-30, "f4")
    assert float((x * cp.float32(1e-10))[0]) == 0


# --------------------------------------------------------------------- cuBLAS


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_products_of_matrices(cp, rng, dtype, batch):
    a = rng.standard_normal((*batch, 4, 6)).astype(dtype)
    b = rng.standard_normal((*batch, 6, 5)).astype(dtype)
    tolerance = {"f2": 1e-2, "f4": 1e-5, "f8": 1e-13}[dtype]
    on_device = [cp.asarray(x) for x in (a, b)]
    columns = [cp.asarray(np.asfortranarray(x)) for x in (a, b)]
    for left, right in (on_device, columns):
        np.testing.assert_allclose((left @ right).get(), a @ b, atol=tolerance)


def test_products_of_vectors(cp, rng):
    a, x = rng.standard_normal((4, 6)), rng.standard_normal(6)
    left, right = cp.asarray(a), cp.asarray(x)
    np.testing.assert_allclose((left @ right).get(), a @ x)
    np.testing.assert_allclose((right @ left.T).get(), a @ x)
    np.testing.assert_allclose(float(cp.dot(right, right)), x @ x)


def test_gemm_gemv_and_scalars(cp, rng):
    from cupy import cublas

    a, b, c = (np.asfortranarray(rng.standard_normal((4, 4))) for _ in range(3))
    x, y = rng.standard_normal(4), rng.standard_normal(4)
    A, B, C, X, Y = (cp.asarray(value, order="F") for value in (a, b, c, x, y))
    cublas.gemm("N", "T", A, B, out=C, alpha=2.0, beta=0.5)
    np.testing.assert_allclose(C.get(), 2 * a @ b.T + 0.5 * c)
    cublas.gemv("N", 3.0, A, X, 1.0, Y)
    np.testing.assert_allclose(Y.get(), 3 * a @ x + y)
    cublas.gemv("T", 1.0, A, X, 0.0, Y)
    np.testing.assert_allclose(Y.get(), a.T @ x)


def sgemm(cp, c, a, b, m, n, k, leading):
    """Call cuBLAS as CuPy does, with all leading dimensions given."""
    from cupy_backends.cuda.libs import cublas

    one, zero = np.float32([1]), np.float32([0])
    lda, ldb, ldc = leading
    cublas.sgemm(
        cp.cuda.Device().cublas_handle, 0, 0, m, n, k, one.ctypes.data, a.data.ptr,
        lda, b.data.ptr, ldb, zero.ctypes.data, c.data.ptr, ldc,
    )  # fmt: skip


def test_wrong_arguments_of_products_are_refused(cp, capsys):
    a, b, c = cp.zeros((3, 4), "f4"), cp.zeros((5, 3), "f4"), cp.zeros((5, 4), "f4")
    sgemm(cp, c, a, b, 4, 5, 3, (4, 3, 4))
    with pytest.raises(RuntimeError, match="CUBLAS_STATUS_INVALID_VALUE"):
        sgemm(cp, c, a, b, 4, 5, 3, (3, 3, 4))
    assert "got leading dimension 3 of A" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="CUBLAS_STATUS_EXECUTION_FAILED"):
        sgemm(cp, c, a, b, 4, 5, 3, (4, 1 << 22, 4))
    reason = capsys.readouterr().err
    assert re.search(r"B of \d+ bytes .* inside one allocation", reason), reason


def test_tf32_rounds_the_factors(cp):
    from tests.hostcupy.cublas import rounded_to_tf32

    x = np.float32([1 + 2**-10, 1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-12), 0])
    expected = np.float32([1 + 2**-10, 1, 1 + 2**-9, -1, 0])
    np.testing.assert_array_equal(rounded_to_tf32(x), expected)


# --------------------------------------------------------------------- counters


def test_counts_between_two_moments(hostcupy, cp):
    host = np.ones((8, 8), "f4")
    x = cp.asarray(host)
    (x @ x + 1).get()
    before, kernels_before = hostcupy.counts(), hostcupy.kernels()
    x = cp.asarray(host)
    y = (x @ x + 1).get()
    assert (y == 9).all()
    spent = hostcupy.counts() - before
    assert (spent.launches, spent.threads, spent.products) == (1, 64, 1)
    assert (spent.h2d, spent.h2d_bytes, spent.d2h, spent.d2h_bytes) == (1, 256, 1, 256)
    ran = hostcupy.kernels() - kernels_before
    assert {kernel.name: n for kernel, n in ran.items()} == {
        "cupy_add__float32_float_float32": 1
    }
    assert all(kernel.source in hostcupy.sources for kernel in ran)


# --------------------------------------------------------------------- NVRTC


@pytest.mark.parametrize(
    ("body", "double"),
    [
        ("x[i] = 0.5f * x[i];", False),
        ("x[i] = (T)(0.1 * x[i]);", True),
        ("const double half = 0.5; x[i] = x[i] * (T)half;", False),
        ("x[i] = (T)sqrt((double)x[i]);", True),
    ],
)
def test_kernels_that_compute_in_float64_are_found(hostcupy, cp, nvrtc, body, double):
    code = "template <class T> __global__ void scaled(T* x) { int i = threadIdx.x; %s }"
    names = ("scaled<float>", "scaled<double>")
    module = cp.RawModule(code=code % body, name_expressions=names)
    before = hostcupy.kernels()
    for name, dtype in zip(names, ("f4", "f8"), strict=True):
        module.get_function(name)((1,), (4,), (cp.ones(4, dtype),))
    cp.ones(4, "f4") * 2.0
    ran = hostcupy.kernels() - before
    found = {kernel.name for kernel in ran if nvrtc.computes_in_float64(kernel)}
    expected = {"scaled<double>"} | ({"scaled<float>"} if double else set())
    assert found - {"cupy_ones"} == expected | (found & {"cupy_fill"})
