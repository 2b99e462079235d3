import dataclasses
import json

import numpy as np
import pytest

from scratchgan.backend import CPU, Device
from scratchgan.errors import OutputError
from scratchgan.models.dcgan import Generator
from scratchgan.paper.nearest import references as nearest_references
from scratchgan.paper.nearest import search as nearest_search
from scratchgan.paper.nearest.references import RealImages, Samples, pixel_vectors
from scratchgan.paper.nearest.search import Queries, nearest_errors
from scratchgan.training.preview import generate_images
from tests.array_dataset import dataset_of
from tests.tiny import NETWORK

CONDITIONAL = dataclasses.replace(NETWORK, classes=3)
SIZES = (5, 16, 23, 40)
"""In the first block, at its end, in the second, in the third; blocks are of 16."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(nearest_references, "BLOCK", 16)
    monkeypatch.setattr(nearest_references, "BATCH", 7)


def make_generator(**changes):
    config = dataclasses.replace(CONDITIONAL, **changes)
    generator = Generator(config, rng=np.random.default_rng(3))
    # Averages of a network that has seen something, so that samples differ.
    for number in range(20):
        seeds = np.random.default_rng(number)
        z = seeds.standard_normal((8, config.latent_dim)).astype(np.float32)
        generator(z, np.eye(3, dtype=np.float32)[seeds.integers(3, size=8)])
    return generator.eval()


@pytest.fixture
def samples():
    return Samples(make_generator(), CPU)


def make_queries(pixel=0, labels=None):
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (31, 8, 8, 3), dtype=np.uint8)
    images[0, 0, 0, 0] = pixel
    return Queries(images, np.arange(31) % 3 if labels is None else labels, 3, CPU)


@pytest.fixture
def queries():
    return make_queries()


def by_definition(images, labels, references, classes):
    """Return the error and the mean distance, from the distances in float64."""
    wrong, distances = [], []
    for image, label in zip(images.astype(np.float64), labels, strict=True):
        squares = ((image.ravel() / 255 - references.astype(np.float64)) ** 2).sum(1)
        wrong.append(classes[squares.argmin()] != label)
        distances.append(np.sqrt(squares.min()))
    return np.mean(wrong), np.mean(distances)


@pytest.mark.parametrize("output", ["sigmoid", "tanh"])
def test_sample_i_is_the_image_of_seed_i_and_class_i_mod_k(output):
    samples = Samples(make_generator(output=output), CPU)
    for start in (0, 16):
        vectors, classes = samples.block(start)
        seeds = np.arange(start, start + 16)
        np.testing.assert_array_equal(classes, seeds % 3)
        images = generate_images(samples.generator, seeds, CPU, labels=seeds % 3)
        # Rounded to 8 bits there, and not here.
        np.testing.assert_allclose(vectors, pixel_vectors(images), atol=0.51 / 255)
        assert np.ptp(vectors) > 0.01


def test_errors_and_distances_are_those_of_the_definition(rng, samples, tmp_path):
    images = rng.integers(0, 256, (31, 8, 8, 3), dtype=np.uint8)
    labels = rng.integers(0, 3, 31)
    queries = Queries(images, labels, 3, CPU)
    found = nearest_errors(queries, samples, SIZES, tmp_path / "state.npz")
    blocks = [samples.block(start) for start in (0, 16, 32)]
    vectors, classes = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    assert list(found.errors) == list(SIZES)
    for size in SIZES:
        error, distance = by_definition(images, labels, vectors[:size], classes[:size])
        assert found.errors[size] == pytest.approx(error)
        assert found.distances[size] == pytest.approx(distance, rel=1e-5)
        counts = np.bincount(labels, minlength=3)
        assert found.errors[size] == pytest.approx(
            np.dot(found.per_class[size], counts) / 31
        )
    assert len(set(found.errors.values())) > 1  # else sizes might be mixed up


def test_real_images_are_a_stream_too(rng, tmp_path):
    images = rng.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    labels = rng.integers(0, 3, 60)
    rows = np.arange(0, 60, 2)[3:]  # 27: a block and a part of one
    network = dataclasses.replace(CONDITIONAL, channels=1)
    with dataset_of(tmp_path / "a.h5", images, labels=labels) as dataset:
        real = RealImages(dataset, rows, dataset.labels, network, CPU)
        queries = Queries(images[1::2], labels[1::2], 3, CPU)
        found = nearest_errors(queries, real, [27], tmp_path / "state.npz")
        error, distance = by_definition(
            images[1::2], labels[1::2], pixel_vectors(images[rows]), labels[rows]
        )
        assert found.errors[27] == pytest.approx(error)
        assert found.distances[27] == pytest.approx(distance, rel=1e-5)
        own = Queries(images[rows], labels[rows], 3, CPU)
        found = nearest_errors(own, real, [27], tmp_path / "own.npz")
    assert found.errors[27] == 0  # each is its own nearest
    assert found.distances[27] < 0.01


def test_of_equally_near_references_the_earlier_counts(tmp_path):
    class Equal:
        block_size = 4

        def block(self, start):
            return np.zeros((4, 192), np.float32), (np.arange(4) + start // 4) % 3

        def identity(self):
            return "equal"

    queries = Queries(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1]), 3, CPU)
    found = nearest_errors(queries, Equal(), [1, 6, 8], tmp_path / "state.npz")
    assert found.per_class[8] == found.per_class[1] == [0.0, 1.0, None]


class Stop:
    """Interrupts at the given calls of progress."""

    def __init__(self, *at):
        self.calls, self.at = 0, at

    def __call__(self, done, total):
        self.calls += 1
        if self.calls in self.at:
            raise KeyboardInterrupt


def read(file):
    with np.load(file) as arrays:
        return dict(arrays)


def results(found):
    return found.errors, found.per_class, found.distances


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupted_search_goes_on_to_the_same_result(
    queries, samples, tmp_path, at
):
    whole = nearest_errors(queries, samples, SIZES, tmp_path / "whole.npz")
    file = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt, match=f"{16 * at} references are kept"):
        nearest_errors(queries, samples, SIZES, file, progress=Stop(at))
    seen = []
    found = nearest_errors(
        queries, samples, SIZES, file, progress=lambda done, total: seen.append(done)
    )
    assert seen == [32, 40][at - 1 :]
    assert results(found) == results(whole)
    first, second = read(tmp_path / "whole.npz"), read(file)
    assert first.keys() == second.keys()
    for name in first.keys() - {"seconds"}:
        np.testing.assert_array_equal(first[name], second[name])


def test_a_longer_search_goes_on_from_a_shorter_one(queries, samples, tmp_path):
    whole = nearest_errors(queries, samples, [5, 40], tmp_path / "whole.npz")
    file = tmp_path / "state.npz"
    nearest_errors(queries, samples, [5], file)
    calls = Stop()
    found = nearest_errors(queries, samples, [5, 16], file, progress=calls)
    assert calls.calls == 0  # 16 is the end of the block that was shown
    found = nearest_errors(queries, samples, [5, 40], file, progress=calls)
    assert calls.calls == 2
    assert results(found) == results(whole)
    again = nearest_errors(queries, samples, [40, 5], file, progress=calls)
    assert calls.calls == 2  # nothing is left to do
    assert results(again) == results(whole)
    assert again.seconds_search == found.seconds_search > 0


def test_a_smaller_number_that_was_passed_starts_again(queries, samples, tmp_path):
    file, notes = tmp_path / "state.npz", []
    wanted = nearest_errors(queries, samples, [7], tmp_path / "other.npz")
    longer = nearest_errors(queries, samples, [40], file)
    found = nearest_errors(queries, samples, [7], file, note=notes.append)
    assert results(found) == results(wanted)
    assert "starting again" in notes[0]
    calls = Stop()
    kept = nearest_errors(queries, samples, [40], file, progress=calls)
    assert results(kept) == results(longer)
    assert calls.calls == 0


@pytest.mark.parametrize("damage", ["cut", "bytes", "text", "shape", "missing"])
def test_a_damaged_state_is_replaced(queries, samples, tmp_path, damage):
    file, notes = tmp_path / "state.npz", []
    wanted = nearest_errors(queries, samples, [40], file)
    whole = file.read_bytes()
    if damage == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "bytes":
        middle = whole.index(b"now/closeness.npy") + 200
        file.write_bytes(whole[:middle] + b"12345678" + whole[middle + 8 :])
    elif damage == "text":
        file.write_text("no state")
    else:
        arrays = read(file)
        arrays["40/classes"] = arrays["40/classes"][:-1]
        if damage == "missing":
            del arrays["40/classes"]
        np.savez(file, **arrays)
    found = nearest_errors(queries, samples, [40], file, note=notes.append)
    assert results(found) == results(wanted)
    assert len(notes) == 1
    assert "is damaged" in notes[0]


@pytest.mark.parametrize("change", ["weights", "averages", "pixel", "device"])
def test_the_state_of_another_search_is_replaced(samples, tmp_path, change):
    file, notes = tmp_path / "state.npz", []
    nearest_errors(make_queries(), samples, [40], file)
    queries = make_queries(pixel=1 if change == "pixel" else 0)
    if change == "weights":
        next(iter(samples.generator.parameters().values())).data[0] *= 1.001
    elif change == "averages":
        next(iter(samples.generator.buffers().values()))[0] += 0.001
    elif change == "device":
        queries.device = Device("gpu")  # rounds in other places
    found = nearest_errors(queries, samples, [40], file, note=notes.append)
    fresh = nearest_errors(queries, samples, [40], tmp_path / "fresh.npz")
    assert results(found) == results(fresh)
    assert notes == [f"note: {file} is of another search and is replaced"]


def test_a_state_of_the_first_versions_goes_on(queries, samples, tmp_path):
    """Their key was an array of its own."""
    file, calls = tmp_path / "state.npz", Stop()
    wanted = nearest_errors(queries, samples, [40], file)
    arrays = read(file)
    key = json.loads(str(arrays.pop("about")))["key"]
    np.savez(file, key=np.array(key), **arrays)
    found = nearest_errors(queries, samples, [40], file, progress=calls)
    assert calls.calls == 0
    assert results(found) == results(wanted)


def test_labels_are_no_part_of_the_state(queries, samples, tmp_path):
    file, calls = tmp_path / "state.npz", Stop()
    nearest_errors(queries, samples, [40], file)
    other = make_queries(labels=np.zeros(31, np.int64))
    found = nearest_errors(other, samples, [40], file, progress=calls)
    fresh = nearest_errors(other, samples, [40], tmp_path / "fresh.npz")
    assert calls.calls == 0
    assert results(found) == results(fresh)


def test_the_state_is_written_now_and_then(queries, samples, tmp_path, monkeypatch):
    monkeypatch.setattr(nearest_search, "SAVE_SECONDS", -1)
    file = tmp_path / "state.npz"

    def crash(done, total):
        if done > 16:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        nearest_errors(queries, samples, [40], file, progress=crash)
    assert read(file)["done"] == 16


def test_a_state_that_cannot_be_written_is_one_line(queries, samples, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file, expected a folder"):
        nearest_errors(queries, samples, [5], tmp_path / "file" / "state.npz")


def test_on_every_device(backend, rng, tmp_path, monkeypatch):
    """The search itself; G's layers have tests of their own."""
    monkeypatch.setattr(nearest_references, "GPU_BLOCK", 16)
    images = rng.integers(0, 256, (31, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(31) % 3
    references = rng.random((40, 192)).astype(np.float32)

    class Fixed:
        block_size = 16

        def block(self, start):
            part = references[start : start + 16]
            return backend.put(part), np.arange(start, start + len(part)) % 3

        def identity(self):
            return "fixed"

    queries = Queries(images, labels, 3, backend.device)
    found = nearest_errors(queries, Fixed(), [20, 40], tmp_path / "state.npz")
    for size in (20, 40):
        error, distance = by_definition(
            images, labels, references[:size], np.arange(size) % 3
        )
        assert found.errors[size] == pytest.approx(error)
        assert found.distances[size] == pytest.approx(distance, rel=1e-5)
