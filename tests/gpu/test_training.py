"""Whole training steps and runs on a GPU, against the same on the CPU."""

import dataclasses
import gc
import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from tiny import CONFIG, NETWORK, write_dataset

from scratchgan.backend import CPU, to_host
from scratchgan.commands import main
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.loader import BatchLoader
from scratchgan.errors import DeviceError
from scratchgan.functional.labels import one_hot
from scratchgan.gpu import cublas
from scratchgan.gpu.memory import limit_memory
from scratchgan.gpu.streams import RecordedWork
from scratchgan.gradcheck import small_network
from scratchgan.kernels.products import allow_tf32, multiply, product
from scratchgan.models.dcgan import Discriminator, Generator
from scratchgan.models.latent import draw_latent
from scratchgan.training.feed import Feed
from scratchgan.training.forecast.device_memory import fitting_batch_size, step_memory
from scratchgan.training.presets import PRESETS
from scratchgan.training.recorded_step import RecordedStep
from scratchgan.training.run.checkpoint import load_checkpoint
from scratchgan.training.run.folder import find_checkpoint
from scratchgan.training.run.state import load_state, make_gan, new_state, state_arrays
from scratchgan.training.step import Batch, StepSettings, train_step

pytestmark = pytest.mark.gpu

BATCH = 4


def small_preset(name):
    config = PRESETS[name]
    return dataclasses.replace(
        config, network=small_network(config.network), batch_size=BATCH
    )


def gan_of(config, device, dtype):
    rng = np.random.default_rng(0)
    networks = [
        kind(config.network, rng=rng, dtype=dtype).to(device)
        for kind in (Generator, Discriminator)
    ]
    return make_gan(config, *networks)


def random_batches(config, device, dtype, seed):
    rng, network = np.random.default_rng(seed), config.network
    batches = []
    for _ in range(config.batches_a_step):
        images = rng.uniform(-1, 1, (BATCH, *network.image_shape)).astype(dtype)
        labels = None
        if network.classes:
            rows = one_hot(np.arange(BATCH) % network.classes, network.classes)
            labels = device.put(rows.astype(dtype))
        batches.append(Batch(device.put(images), labels))
    return batches


def train_steps(gan, config, device, dtype, steps, first=0):
    """Make steps, each from numbers of its own seed; return the last losses."""
    for step in range(first, first + steps):
        rng = np.random.default_rng([7, step])

        def draw_z(count, rng=rng):
            return device.put(draw_latent(config.network, count, rng).astype(dtype))

        losses = train_step(
            gan,
            random_batches(config, device, dtype, step),
            draw_z,
            StepSettings.of(config),
        )
    return losses


def arrays_of(gan):
    parts = gan.generator, gan.discriminator, gan.adam_g, gan.adam_d
    return [part.state_dict() for part in parts]


def assert_same(ours, expected, tolerance):
    for part, part_expected in zip(ours, expected, strict=True):
        assert part.keys() == part_expected.keys()
        for name, array in part.items():
            np.testing.assert_allclose(
                array, part_expected[name], tolerance, tolerance, err_msg=name
            )


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("products", ["one", "several"])
def test_float64_steps_equal_the_cpus(gpu, preset, products, request):
    if products == "several":
        request.getfixturevalue("launches_for_nothing")
    assert_steps_equal_the_cpus(gpu, small_preset(preset))


@pytest.mark.parametrize("loss", ["least-squares", "hinge"])
def test_steps_with_a_loss_without_kernels_equal_the_cpus(gpu, loss):
    config = dataclasses.replace(small_preset("dcgan64"), loss=loss)
    assert_steps_equal_the_cpus(gpu, config)


def assert_steps_equal_the_cpus(gpu, config):
    gans = [gan_of(config, device, "float64") for device in (gpu.device, CPU)]
    losses = [
        train_steps(gan, config, device, "float64", 3)
        for gan, device in zip(gans, (gpu.device, CPU), strict=True)
    ]
    assert_same(arrays_of(gans[0]), arrays_of(gans[1]), 1e-9)
    for name in ("loss_d", "loss_g", "p_real", "p_fake"):
        ours, expected = (float(getattr(one, name)) for one in losses)
        assert ours == pytest.approx(expected, abs=1e-9), name


def test_float64_steps_equal_after_a_change_of_device(gpu):
    config = small_preset("dcgan64")
    expected = gan_of(config, CPU, "float64")
    train_steps(expected, config, CPU, "float64", 4)
    gan = gan_of(config, CPU, "float64")
    device = CPU
    for step, next_device in enumerate((gpu.device, CPU, gpu.device, CPU)):
        train_steps(gan, config, device, "float64", 1, first=step)
        moved = gan_of(config, next_device, "float64")
        moved.generator.load_state_dict(gan.generator.state_dict())
        moved.discriminator.load_state_dict(gan.discriminator.state_dict())
        moved.adam_g.load_state_dict(gan.adam_g.state_dict(), gan.adam_g.steps)
        moved.adam_d.load_state_dict(gan.adam_d.state_dict(), gan.adam_d.steps)
        gan, device = moved, next_device
    assert_same(arrays_of(gan), arrays_of(expected), 1e-9)


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("dcgan64", {}),
        ("mnist28c", {}),
        ("tf28", {}),
        ("dcgan64", {"loss": "least-squares"}),
        ("dcgan64", {"loss": "hinge"}),
    ],
)
def test_recorded_steps_equal_others(gpu, preset, changes):
    """As a CUDA graph, across a batch of another size and a change of lr."""
    config = dataclasses.replace(small_preset(preset), **changes)
    results = []
    graphs = gpu.hostcupy.counts().graphs if gpu.hostcupy else 0
    for recorded in (False, True):
        state = new_state(config, gpu.device)
        rng = np.random.default_rng(3)

        def draw(count, rng=rng):
            return draw_latent(config.network, count, rng)

        with gpu.device.stream():
            step = RecordedStep(
                state.gan, gpu.device, draw, StepSettings.of(config), BATCH
            )
            for number in range(7):
                state.gan.adam_d.lr = state.gan.adam_g.lr = 2e-4 / (1 + number)
                batches = random_batches(config, gpu.device, "float32", number)
                if number == 5:
                    batches = [
                        Batch(b.images[:3], None if b.labels is None else b.labels[:3])
                        for b in batches
                    ]
                if recorded:
                    losses = step(batches)
                else:
                    losses = train_step(
                        state.gan,
                        batches,
                        lambda count: gpu.device.put(draw(count)),
                        StepSettings.of(config, check_finite=False),
                    )
            results.append((state_arrays(state), float(losses.loss_d)))
    (arrays, loss), (arrays_recorded, loss_recorded) = results
    if gpu.hostcupy:  # 2 steps of 7 were the first ones, 1 was of another size
        assert gpu.hostcupy.counts().graphs - graphs == 4
    exact = gpu.hostcupy is not None
    assert loss == pytest.approx(loss_recorded, rel=0 if exact else 1e-6)
    for name, array in arrays.items():
        np.testing.assert_allclose(
            array, arrays_recorded[name], 0, 0 if exact else 1e-6, err_msg=name
        )


def recorded_step(gpu, config, state, report=None):
    """Return a recorded step that always gets the same z."""
    return RecordedStep(
        state.gan,
        gpu.device,
        lambda n: np.full((n, config.network.latent_dim), 0.5, "float32"),
        StepSettings.of(config),
        BATCH,
        **({"report": report} if report else {}),
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_recorded_steps_are_one_launch(gpu, hostcupy, preset):
    """Of a graph without allocations, and but for images, z and rates nothing else."""
    config = small_preset(preset)
    state = new_state(config, gpu.device)
    start = hostcupy.counts()
    with gpu.device.stream():
        step = recorded_step(gpu, config, state)
        batches = random_batches(config, gpu.device, "float32", 0)
        for _ in range(3):
            step(batches)
        before = hostcupy.counts()
        step(batches)
        spent = hostcupy.counts() - before
    assert spent.graphs == 1
    assert spent.synchronisations == 0
    assert spent.mallocs == 0
    assert (hostcupy.counts() - start).memory_nodes == 0


class TestRecordingThatFails:
    """It is said in one line, and training goes on as if nothing had been tried."""

    @pytest.fixture
    def states(self, gpu):
        """Return the arrays after 5 steps launched one by one, and a fresh start."""
        config = small_preset("dcgan64")
        states = [new_state(config, gpu.device) for _ in range(2)]
        with gpu.device.stream():
            for number in range(5):
                train_step(
                    states[0].gan,
                    random_batches(config, gpu.device, "float32", number),
                    lambda n: gpu.device.put(
                        np.full((n, config.network.latent_dim), 0.5, "float32")
                    ),
                    StepSettings.of(config, check_finite=False),
                )
        return config, state_arrays(states[0]), states[1]

    def go_on(self, gpu, states):
        """Make the same steps recorded; return the lines that were reported."""
        config, expected, state = states
        lines = []
        with gpu.device.stream():
            step = recorded_step(gpu, config, state, lines.append)
            for number in range(5):
                step(random_batches(config, gpu.device, "float32", number))
        for name, array in state_arrays(state).items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
        assert state.gan.adam_d.steps == state.gan.adam_g.steps == 5
        (line,) = lines
        assert "\n" not in line
        return line

    def test_where_a_graph_cannot_be_made(self, gpu, hostcupy, states):
        hostcupy.fail("graphInstantiate", 1)
        before = hostcupy.counts()
        line = self.go_on(gpu, states)
        assert "not be recorded as a CUDA graph (CUDARuntimeError: cudaError" in line
        assert (hostcupy.counts() - before).graphs == 0

    def test_where_its_memory_does_not_fit(self, gpu, hostcupy, states):
        hostcupy.fail("graphInstantiate", 2)
        assert "(its memory does not fit beside" in self.go_on(gpu, states)

    @pytest.mark.parametrize("after", [0, 20, 40])
    def test_in_the_middle_of_the_capture(self, gpu, monkeypatch, states, after):
        import cupy

        gemm, captured = cublas.gemm, []

        def fail_in_captures(*args, **settings):
            if cupy.cuda.get_current_stream().is_capturing():
                captured.append(1)
                if len(captured) > after:
                    raise cublas.CublasError("cublasGemmEx", 14)
            gemm(*args, **settings)

        monkeypatch.setattr(cublas, "gemm", fail_in_captures)
        line = self.go_on(gpu, states)
        assert "(CublasError: cuBLAS answers CUBLAS_STATUS_INTERNAL_ERROR" in line
        assert len(captured) == after + 1

    def test_by_a_look_at_a_number(self, gpu, monkeypatch, states):
        from scratchgan.training import recorded_step

        def look(*args):
            losses = train_step(*args)
            float(losses.loss_d)
            return losses

        monkeypatch.setattr(recorded_step, "train_step", look)
        assert "is capturing" in self.go_on(gpu, states)

    def test_keeps_no_memory(self, gpu, hostcupy, states):
        import cupy

        pool = cupy.get_default_memory_pool()
        gc.collect()
        pool.free_all_blocks()
        before = hostcupy.counts().used
        hostcupy.fail("graphInstantiate", 1)
        self.go_on(gpu, states)
        gc.collect()
        pool.free_all_blocks()
        # Gradients and rates of the second state are there now, and no more.
        assert hostcupy.counts().used - before < 2**20


class TestRecordedWork:
    @pytest.fixture
    def matrix(self, gpu):
        return gpu.device.put(np.eye(4, dtype="float32") * 2)

    def test_of_a_stream_that_has_had_no_product(self, gpu, matrix):
        product(matrix, matrix)  # on the default stream
        out = matrix * 0
        with gpu.device.stream():
            work = RecordedWork(lambda: multiply(matrix, matrix, out, add=True))
            for _ in range(3):
                work.repeat()
            np.testing.assert_array_equal(to_host(out), 12 * np.eye(4))

    def test_two_at_a_time_have_memory_of_their_own(self, gpu, matrix):
        def chain():
            x = matrix
            for _ in range(3):
                x = product(x, matrix)
            return x

        with gpu.device.stream():
            works = [RecordedWork(chain), RecordedWork(chain)]
            works[0].repeat()
            first = to_host(works[0].result)
            matrix *= 2
            works[1].repeat()
            np.testing.assert_array_equal(to_host(works[0].result), first)
            np.testing.assert_array_equal(to_host(works[1].result), 16 * first)

    def test_gives_its_memory_back(self, gpu, hostcupy, matrix):
        with gpu.device.stream():
            used = []
            for _ in range(3):
                work = RecordedWork(lambda: [product(matrix, matrix)] and None)
                used.append(hostcupy.counts().used)
                del work
                gc.collect()
                used.append(hostcupy.counts().used)
        assert used[1] == used[3] == used[5]
        assert used[2] == used[4] > used[3]


class TestFeed:
    @pytest.fixture
    def loader(self, tmp_path):
        path = write_dataset(tmp_path / "t.h5", count=10, labels=True)
        with (
            open_dataset(path) as dataset,
            BatchLoader(
                dataset,
                np.arange(10),
                batch_size=4,
                height=8,
                width=8,
                output="tanh",
                seed=0,
            ) as loader,
        ):
            yield loader

    @pytest.mark.parametrize("lazy", [False, True])
    @pytest.mark.parametrize("batches_a_step", [1, 2])
    def test_every_batch_arrives_whole(
        self, gpu, request, loader, lazy, batches_a_step
    ):
        if lazy:
            request.getfixturevalue("hostcupy").configure(lazy=True)
        feed = Feed(loader, gpu.device, 3, batches_a_step)
        kept = []
        with gpu.device.stream():
            for _ in range(6):
                fed = feed.take()
                # What a step does: work queued on the batch before the next is sent.
                kept += [
                    (one.batch.images * 1, one.batch.labels * 1, one.loaded)
                    for one in fed
                ]
                feed.read_ahead()
            sizes = set()
            for images, labels, loaded in kept:
                sizes.add(len(loaded.images))
                np.testing.assert_array_equal(to_host(images), loaded.images)
                np.testing.assert_array_equal(
                    to_host(labels), one_hot(loaded.labels, 3)
                )
        assert sizes == {4, 2}, "the short last batch of an epoch was not among them"

    def test_reading_ahead_is_not_counted_as_seen(self, gpu, loader):
        feed = Feed(loader, gpu.device, 0, 1)
        seen = []
        for _ in range(4):
            (one,) = feed.take()
            feed.read_ahead()
            seen.append((one.loaded.epoch, one.loaded.index))
        assert seen == [(0, 0), (0, 1), (0, 2), (1, 0)]


def run(*args):
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def read_run(runs):
    """Return the arrays of the last checkpoint of the only run in a folder."""
    arrays, _ = load_checkpoint(find_checkpoint(None, runs))
    return arrays


def assert_one_step_agrees(ours, expected):
    """Compare float32 runs one step after they were the same.

    Adam's first steps are of size lr whatever the gradient's, so a weight whose
    gradient is of rounding's size goes either way: at most 2 lr apart, and few do.
    The next steps build on that: on the CPU alone, `strips` and `fast` convolutions,
    both right, are up to 3.8 lr apart after three steps of this network, with 6 % of
    the weights off by more than 0.1 lr (four seeds). So a comparison over more steps
    in float32 proves nothing; those in float64 do.
    """
    lr = PRESETS["dcgan64"].lr
    assert ours.keys() == expected.keys()
    off = count = 0
    for key, array in ours.items():
        error = np.abs(array - expected[key])
        if key.startswith("history/loss"):
            assert error.max() <= 1e-3, key
        elif key.endswith(("running_mean", "running_var")):
            assert error.max() <= 5e-4, key
        elif key.startswith(("generator/", "discriminator/")):
            assert error.max() <= 2.01 * lr, key
            off += np.count_nonzero(error > 0.1 * lr)
            count += error.size
    assert count > 100_000
    assert off < 0.02 * count


class TestCommandLine:
    """The commands, in this process, on a dataset of noise."""

    @pytest.fixture
    def data(self, tmp_path):
        write_dataset(tmp_path / "data" / "t.h5", count=24, height=64, width=64)
        return "--data-dir", tmp_path / "data"

    def train(self, data, out, *args):
        result = run("train", "--dataset", "t", *data, "--out", out, *args)
        assert result.exit_code == 0, result.stderr
        arrays, meta = load_checkpoint(find_checkpoint(None, out))
        return arrays, meta

    @pytest.mark.slow
    def test_dcgan64_equals_the_cpu_also_resumed_on_the_other_device(
        self, gpu, data, tmp_path
    ):
        settings = ("--preset", "dcgan64", "--batch-size", 4, "--log-every", 1)
        settings += ("--checkpoint-every", 1, "--base-channels", 16, "--steps")
        for first, other in (("cpu", "gpu"), ("gpu", "cpu")):
            out = tmp_path / first
            saved, _ = self.train(data, out, *settings, 1, "--device", first)
            device = gpu.device if other == "gpu" else CPU
            loaded = state_arrays(load_state(find_checkpoint(None, out), device))
            assert loaded.keys() == saved.keys()
            for key, array in saved.items():
                np.testing.assert_array_equal(loaded[key], array, err_msg=key)
        assert_one_step_agrees(*(read_run(tmp_path / one) for one in ("gpu", "cpu")))

        for saved_on in ("cpu", "gpu"):
            resumed = []
            for device in ("gpu", "cpu"):
                out = tmp_path / f"{saved_on} then {device}"
                shutil.copytree(tmp_path / saved_on, out)
                result = run(
                    "train", "--resume", "1", "--out", out, *data,
                    "--steps", 2, "--device", device,
                )  # fmt: skip
                assert result.exit_code == 0, result.stderr
                resumed.append(read_run(out))
            assert_one_step_agrees(*resumed)

    def test_graph_equals_single_launches_over_a_resume(self, gpu, tmp_path, capfd):
        """With a short batch in every epoch and a rate that falls each epoch."""
        write_dataset(tmp_path / "data" / "t.h5", count=14, height=32, width=32)
        data = "--data-dir", tmp_path / "data"
        settings = ("--preset", "quick32", "--base-channels", 4, "--device", "gpu")
        settings += ("--batch-size", 4, "--decay-start", 1, "--decay-epochs", 4)
        whole = (*settings, "--steps", 12)
        expected, _ = self.train(data, tmp_path / "one", *whole, "--no-cuda-graph")
        graphs = gpu.hostcupy.counts().graphs if gpu.hostcupy else 0
        recorded, meta = self.train(data, tmp_path / "graph", *whole)
        if gpu.hostcupy:  # of 12 steps, 3 are short and 2 the first; 3 in the forecast
            assert gpu.hostcupy.counts().graphs - graphs == 7 + 3
        assert meta["config"]["cuda_graph"] is True
        self.train(data, tmp_path / "cut", *settings, "--steps", 6)
        result = run(
            "train", "--resume", "1", "--out", tmp_path / "cut", *data, "--steps", 12
        )
        assert result.exit_code == 0, result.stderr
        resumed, _ = load_checkpoint(find_checkpoint(None, tmp_path / "cut"))
        exact = gpu.hostcupy is not None
        for arrays in (recorded, resumed):
            assert arrays.keys() == expected.keys()
            for name, array in arrays.items():
                if name.startswith("history/"):
                    continue
                np.testing.assert_allclose(
                    array, expected[name], 0, 0 if exact else 1e-6, err_msg=name
                )

    def test_what_was_trained_on_a_gpu_makes_images_there_and_on_the_cpu(
        self, gpu, data, tmp_path
    ):
        from PIL import Image

        out = tmp_path / "runs"
        self.train(
            data, out, "--preset", "quick32", "--device", "gpu", "--steps", 2,
            "--batch-size", 4,
        )  # fmt: skip
        pictures = []
        for device in ("gpu", "cpu"):
            folder = tmp_path / device
            (run_folder,) = out.iterdir()
            result = run(
                "generate", run_folder, "--seeds", "0-3", "--device", device,
                "--out", folder,
            )  # fmt: skip
            assert result.exit_code == 0, result.stderr
            pictures.append(np.asarray(Image.open(folder / "grid.png"), int))
        assert np.abs(pictures[0] - pictures[1]).max() <= 1
        assert pictures[0].std() > 0

    def test_auto_says_which_device_it_took_and_why(self, gpu, data, tmp_path):
        result = run(
            "train", "--dataset", "t", *data, "--out", tmp_path / "r",
            "--preset", "quick32", "--steps", 1, "--batch-size", 2,
        )  # fmt: skip
        assert result.exit_code == 0
        (line,) = (x for x in result.stderr.splitlines() if x.startswith("device:"))
        assert line.startswith("device: gpu:0 (")
        assert "auto takes a GPU that passes its self-test" in line

    @pytest.mark.parametrize("more", [(), ("--no-cuda-graph", "--tf32")])
    def test_bench_counts(self, gpu, more):
        result = run(
            "bench", "step", "--preset", "quick32", "--batch-size", 2, "--steps", 1,
            "--device", "gpu", "--counts", "--json", *more,
        )  # fmt: skip
        allow_tf32(False)
        assert result.exit_code == 0, result.stderr
        record = json.loads(result.stdout)
        assert bool(record["phases"]) == bool(more)
        counts = record["counts"]
        assert counts["kernels"] == sum(counts["by_kernel"].values()) > 0
        assert counts["operations"] > 0
        assert counts["device_memory_bytes"] > 2**20

    def test_bench_tells_the_hosts_time_from_the_devices(self, gpu, monkeypatch):
        def seconds_of(work, device):
            work()
            return 3.0

        monkeypatch.setattr("scratchgan.bench.step.seconds_of", seconds_of)
        monkeypatch.setattr("scratchgan.bench.step.product_gflops", lambda _: 7.0)
        args = "--preset", "quick32", "--batch-size", 2, "--device", "gpu"
        result = run("bench", "step", *args, "--steps", 2, "--json")
        assert result.exit_code == 0, result.stderr
        record = json.loads(result.stdout)
        assert record["device_seconds"] == 3.0 / 2
        assert 0 < record["host_seconds"] <= record["maximum_seconds"]
        assert record["host_processor_seconds"] > 0
        assert record["images_per_second"] == pytest.approx(2 / 1.5)
        share = record["gflop"] / 1.5 / 7.0
        assert record["fraction_of_product"] == pytest.approx(share)
        words = run("bench", "step", *args, "--steps", 1).stdout
        assert "ms of processor time; device: 3000 ms a step" in words

    @pytest.mark.slow
    def test_doctor(self, gpu):
        result = run("doctor", "--device", "gpu", "--json")
        assert result.exit_code == 0, result.stderr
        found = json.loads(result.stdout)
        assert found["gpu_details"]["memory_bytes"] > 2**30
        assert found["gpu_kernel_error"] <= 1e-6
        assert found["gpu_gflops"].keys() == {"float32", "TF32"}
        assert "agree" in found["gpu_gradients"]


class TestMemory:
    @pytest.fixture(autouse=True)
    def unlimited_afterwards(self, gpu):
        yield
        limit_memory(gpu.device, "100%")

    @pytest.fixture
    def train(self, tmp_path):
        import cupy

        data = tmp_path / "data"
        write_dataset(data / "t.h5", count=300, height=32, width=32)
        gc.collect()
        used = cupy.get_default_memory_pool().used_bytes()  # by other tests

        def train(batch_size, mebibytes, *more):
            gc.collect()  # of the run before, whose process would have ended
            limit = f"{mebibytes + used / 2**20:.1f}MiB"
            result = run(
                "train", "--dataset", "t", "--data-dir", data, "--device", "gpu",
                "--preset", "quick32", "--out", tmp_path / "runs", "--steps", 3,
                "--batch-size", batch_size, "--gpu-memory", limit, *more,
            )  # fmt: skip
            return result.exit_code, result.stderr.splitlines()[-1]

        return train

    @pytest.mark.slow
    @pytest.mark.parametrize("more", [(), ("--no-cuda-graph",)])
    def test_the_batch_size_in_the_message_fits(self, train, more):
        limit = 48
        exit_code, error = train(256, limit, *more)
        assert exit_code == 1
        match = re.search(r"batch of 256 .* --batch-size (\d+) fits", error)
        assert match, error
        fitting = int(match[1])
        assert 2 <= fitting < 256
        assert train(fitting, limit, *more)[0] == 0
        # The estimate is not so careful as to be useless.
        assert train(3 * fitting, limit, *more)[0] == 1

    @pytest.mark.slow
    def test_a_small_batch_needs_no_more_than_it_says(self, train):
        """Forecast, sample grid and checkpoint take no more memory than the steps."""
        assert train(4, 24)[0] == 0

    @pytest.mark.filterwarnings("ignore:Using synchronous transfer")  # CuPy's own
    @pytest.mark.parametrize(
        ("function", "status", "words"),
        [
            ("hostAlloc", 2, "page-locked .*MemoryAllocation.* smaller --batch-size"),
            ("cublasGemmEx", 13, "CUBLAS_STATUS_EXECUTION_FAILED to cublasGemmEx"),
            ("cublasGemmEx", 3, "a batch of 8 images does not fit .*--device cpu"),
            ("cublasCreate_v2", 1, "CUBLAS_STATUS_NOT_INITIALIZED to cublasCreate"),
            ("graphLaunch", 2, "a batch of 8 images does not fit .* fits"),
            ("graphLaunch", 999, "CUDA answers cudaErrorUnknown"),
        ],
    )
    def test_what_cuda_answers_is_one_line(
        self, hostcupy, train, monkeypatch, function, status, words
    ):
        import cupy

        from scratchgan.training import start

        monkeypatch.setattr(start, "describe_run", lambda *args: [])  # makes steps, too
        cupy.get_default_pinned_memory_pool().free_all_blocks()
        hostcupy.fail(function, status)
        exit_code, error = train(8, 200)
        assert exit_code == 1
        found = re.search(rf"^Error: training stopped at step \d: .*{words}", error)
        assert found, error
        assert error.endswith("there was no checkpoint yet")

    def test_nothing_is_kept_of_what_was_tried(self, gpu, hostcupy):
        import cupy

        config = dataclasses.replace(PRESETS["quick32"], batch_size=64)
        gc.collect()
        cupy.get_default_memory_pool().free_all_blocks()
        before = hostcupy.counts().used
        assert step_memory(config, gpu.device, 4) > 2**20
        assert step_memory(config, gpu.device, 64, room=20 << 20) is None
        assert fitting_batch_size(config, gpu.device) == 63
        gc.collect()
        cupy.get_default_memory_pool().free_all_blocks()
        assert hostcupy.counts().used == before

    def test_a_limit_of_the_device_itself(self, gpu, hostcupy):
        """As where other programs hold the rest of a GPU's memory."""
        used = hostcupy.counts().used
        hostcupy.configure(limit=used + (40 << 20))
        config = dataclasses.replace(PRESETS["quick32"], batch_size=256)
        fitting = fitting_batch_size(config, gpu.device)
        assert 8 <= fitting < 256
        assert step_memory(config, gpu.device, fitting) is not None

    @pytest.mark.parametrize("limit", ["", "5", "5GB", "0%", "0MiB", "101%", "-1MiB"])
    def test_limits_that_cannot_be_read(self, gpu, limit):
        with pytest.raises(DeviceError, match="write 75%, 512MiB or 6GiB"):
            limit_memory(gpu.device, limit)

    def test_the_cpu_has_no_limit(self):
        with pytest.raises(DeviceError, match="needs a GPU"):
            limit_memory(CPU, "50%")


def test_a_loss_that_is_not_finite_never_reaches_the_log(gpu, tmp_path):
    write_dataset(tmp_path / "data" / "t.h5", count=24, height=32, width=32)
    for more in ((), ("--no-cuda-graph",)):
        out = tmp_path / f"runs{len(more)}"
        result = run(
            "train", "--dataset", "t", "--data-dir", tmp_path / "data", "--out", out,
            "--preset", "quick32", "--device", "gpu", "--steps", 6, "--batch-size", 4,
            "--log-every", 3, "--lr", 1e30, *more,
        )  # fmt: skip
        assert result.exit_code == 1
        error = result.stderr.splitlines()[-1]
        assert re.search("the loss of [DG] is nan; it began after the last", error)
        (log,) = out.glob("*/log.jsonl")
        assert "NaN" not in log.read_text()


def test_tiny_run_under_lazy_streams_equals_eager(gpu, hostcupy):
    """Nothing is read on the host, or used on another stream, before it is there."""
    results = []
    for lazy in (False, True):
        hostcupy.configure(lazy=lazy)
        config = dataclasses.replace(CONFIG, network=NETWORK)
        state = new_state(config, gpu.device)
        with gpu.device.stream():
            for step in range(3):
                rng = np.random.default_rng(step)
                train_step(
                    state.gan,
                    random_batches(config, gpu.device, "float32", step),
                    lambda n: gpu.device.put(draw_latent(NETWORK, n, rng)),  # noqa: B023
                    StepSettings.of(config, check_finite=False),
                )
            results.append(state_arrays(state))
    for name, array in results[0].items():
        np.testing.assert_array_equal(array, results[1][name], err_msg=name)
