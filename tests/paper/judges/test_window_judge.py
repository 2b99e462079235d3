"""The judge of windows: what it is taught, what it counts, how it is kept."""

import dataclasses

import numpy as np
import pytest
from boxed_rooms import draw_rooms, write_rooms
from tiny import write_dataset

from scratchgan.backend import CPU
from scratchgan.errors import DatasetError, NonFiniteError
from scratchgan.paper.judges.window_finder import WindowFinder
from scratchgan.paper.judges.window_judge import (
    WindowJudge,
    components,
    load_window_judge,
    measure_window_judge,
)
from scratchgan.paper.judges.window_training import (
    BoxedImages,
    WindowJudgeSettings,
    covered_share,
    train_window_finder,
)

QUICK = WindowJudgeSettings(steps=60, batch_size=16, maps=8, lr=1e-2)


def load(path, size=16, channels=3, settings=QUICK, **others):
    return load_window_judge(
        path, size, size, channels, CPU, settings=settings, **others
    )


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    return write_rooms(tmp_path_factory.mktemp("rooms") / "rooms.h5")


@pytest.fixture(scope="module")
def judge(rooms):
    return load(rooms)


def test_it_learns_to_find_them(judge):
    held_out = judge.about["held_out"]
    assert held_out["images"] == 60
    assert held_out["intersection_over_union"] > 0.8
    assert held_out["windows_found"] > 0.95
    assert held_out["false_windows"] < 0.1


def test_boxes_are_where_the_squares_are(judge):
    images, boxes = draw_rooms(40, 16, seed=5)
    found = judge.boxes(images)
    right = 0
    for mine, true in zip(found, boxes, strict=True):
        true = true[true[:, 2] > 0]
        right += len(mine) == len(true) and (
            not len(true)
            or abs(mine[np.argsort(mine[:, 0])] - true[np.argsort(true[:, 0])]).max()
            <= 1
        )
    assert right >= 34
    np.testing.assert_array_equal(judge.counts(images), [len(m) for m in found])


def test_the_batch_makes_no_difference(judge):
    images, _ = draw_rooms(260, 16, seed=6)
    together = judge.probabilities(images)
    assert together.shape == (260, 16, 16)
    alone = judge.probabilities(images[255:256])[0]
    np.testing.assert_allclose(together[255], alone, atol=1e-5)


# --- what it is taught ---------------------------------------------------------------


def test_covered_share_by_hand():
    boxes = np.array([[[0, 0, 4, 2], [6, 2, 8, 8]], [[0, 0, 0, 0], [3, 3, 5, 5]]])
    share = covered_share(boxes, (2, 2), (8, 8))
    np.testing.assert_allclose(share[0], [[0.5, 0.25], [0, 0.5]])
    np.testing.assert_allclose(share[1], [[1 / 16] * 2] * 2)


def test_covered_share_keeps_the_area(rng):
    corners = np.sort(rng.uniform(0, 12, (50, 1, 2, 2)), axis=2)
    boxes = corners.reshape(50, 1, 4)[..., [0, 1, 2, 3]]
    share = covered_share(boxes, (3, 4), (12, 12))  # cells of 4 x 3 pixels
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    np.testing.assert_allclose(share.sum(axis=(1, 2)) * 12, area[:, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((8, 8), (8, 8)),
        ((32, 32), (16, 16)),
        ((64, 96), (16, 24)),
        ((28, 28), (14, 14)),
    ],
)
def test_network_of_any_size(size, grid):
    network = WindowFinder(1, *size, 4, rng=np.random.default_rng(0))
    assert network(np.zeros((2, 1, *size), np.float32)).shape == (2, 1, *grid)
    assert network.grid == grid


def test_a_cell_of_the_network_lies_over_its_pixels(rng):
    """The cell that changes most with a pixel is the one over that pixel."""
    network = WindowFinder(1, 64, 64, 6, rng=np.random.default_rng(1)).eval()
    x = rng.normal(size=(1, 1, 64, 64)).astype(np.float32)
    centre = np.zeros(2)
    for _ in range(20):
        changed = x.copy()
        changed[0, 0, 40:44, 20:24] += rng.normal(0, 5, (4, 4))
        change = abs(network(changed) - network(x))[0, 0].astype(float)
        index = np.indices(change.shape)
        centre += (index * change).sum(axis=(1, 2)) / change.sum() / 20
    np.testing.assert_allclose(centre, [10, 5], atol=1.0)


def test_values_that_are_not_finite_stop_it():
    images, boxes = draw_rooms(20, 16)
    settings = dataclasses.replace(QUICK, lr=1e30, steps=5)
    with (
        np.errstate(all="ignore"),
        pytest.raises(NonFiniteError, match="learning rate below 1e"),
    ):
        train_window_finder(
            BoxedImages(images, boxes), settings, CPU, lambda done, total: None
        )


# --- what it counts ------------------------------------------------------------------


def test_groups_touch_along_edges():
    cells = np.array(
        [
            [1, 1, 0, 0, 1],
            [0, 0, 1, 0, 1],
            [0, 0, 1, 0, 0],
            [1, 0, 0, 1, 1],
        ],
        bool,
    )
    groups = [group.tolist() for group in components(cells)]
    assert sorted(groups) == [
        [[0, 0], [0, 1]],
        [[0, 4], [1, 4]],
        [[1, 2], [2, 2]],
        [[3, 3], [3, 4]],
    ]
    assert components(np.zeros((3, 3), bool)) == []
    (whole,) = components(np.ones((5, 6), bool))
    assert len(whole) == 30


class Says(WindowJudge):
    """Answers what a test says."""

    def __init__(self, maps):
        self.maps = np.array(maps, float)

    def probabilities(self, images):
        return self.maps


def test_accuracy_by_hand():
    """One window half found, one missed, and one found where there is none."""
    images = np.zeros((3, 8, 8, 3), np.uint8)
    boxes = np.zeros((3, 2, 4))
    boxes[0, 0] = 0, 0, 4, 8  # two cells of 4 x 4 pixels
    boxes[1, 0] = 4, 0, 8, 4
    judge = Says([[[1, 0], [1, 0]], [[0, 0], [0, 0]], [[0, 0], [0.9, 0.8]]])
    facts = measure_window_judge(judge, BoxedImages(images, boxes))
    assert facts == {
        "images": 3,
        "windows": 2,
        "intersection_over_union": 2 / 5,
        "windows_found": 0.5,
        "false_windows": pytest.approx(1 / 3),
        "windows_counted": pytest.approx(2 / 3),
        "windows_true": pytest.approx(2 / 3),
        "presence_right": pytest.approx(1 / 3),
    }
    found = judge.boxes(images)
    assert [each.tolist() for each in found] == [[[0, 0, 4, 8]], [], [[0, 4, 8, 8]]]


# --- how it is kept ------------------------------------------------------------------


def never(done, total):
    raise AssertionError("trained again")


def test_it_is_trained_once(rooms, judge):
    again = load(rooms, progress=never)
    images, _ = draw_rooms(5, 16, seed=9)
    np.testing.assert_array_equal(
        judge.probabilities(images), again.probabilities(images)
    )
    assert again.about == judge.about
    (kept,) = (rooms.parent / "judges").iterdir()
    assert kept.suffix == ".npz"
    assert [path.name for path in rooms.parent.glob("*.h5")] == ["rooms.h5"]


def test_a_damaged_one_is_trained_again_and_other_settings_are_another(tmp_path):
    path = write_rooms(tmp_path / "rooms.h5", count=40)
    quick = dataclasses.replace(QUICK, steps=2)
    first = load(path, settings=quick)
    (kept,) = (tmp_path / "judges").iterdir()
    content = kept.read_bytes()
    for damaged in (content[:500], b"", content[:-400]):
        kept.write_bytes(damaged)
        again = load(path, settings=quick)
        images, _ = draw_rooms(3, 16)
        np.testing.assert_array_equal(
            first.probabilities(images), again.probabilities(images)
        )
        assert load(path, settings=quick, progress=never)
    load(path, settings=dataclasses.replace(quick, seed=1))
    load(path, size=32, settings=quick)
    assert len(list((tmp_path / "judges").iterdir())) == 3


def test_interrupted_training_leaves_nothing(tmp_path):
    path = write_rooms(tmp_path / "rooms.h5", count=40)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(path, progress=interrupt)
    assert not (tmp_path / "judges").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    path = write_rooms(tmp_path / "rooms.h5", count=40)
    (tmp_path / "judges").write_text("a file")
    notes = []
    load(path, settings=dataclasses.replace(QUICK, steps=2), note=notes.append)
    assert "is not kept" in notes[0]


@pytest.mark.parametrize(
    ("size", "channels", "words"),
    [(64, 3, "holds images of 32x32"), (16, 1, "has images of 3 channels")],
)
def test_datasets_that_do_not_fit(rooms, size, channels, words):
    with pytest.raises(DatasetError, match=words):
        load(rooms, size, channels)


def test_a_dataset_without_boxes(tmp_path):
    with pytest.raises(DatasetError, match=r"has no boxes .* --judge"):
        load(write_dataset(tmp_path / "toy.h5"), 8)


# --- on a GPU ------------------------------------------------------------------------


def test_every_backend_says_the_same(backend):
    """Trained a few steps there and here, from the same weights on the same images."""
    images, boxes = draw_rooms(24, 16)
    settings = dataclasses.replace(QUICK, steps=3)
    judged = [
        WindowJudge(
            train_window_finder(
                BoxedImages(images, boxes), settings, device, lambda done, total: None
            ),
            device,
        ).probabilities(images)
        for device in (CPU, backend.device)
    ]
    np.testing.assert_allclose(judged[1], judged[0], atol=2e-3)
