"""De-duplication from a file to a file: planted duplicates, columns, what stays."""

import contextlib
import csv
import hashlib

import numpy as np
import pytest
from PIL import Image

from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.verify import find_problems
from scratchgan.errors import ConfigError, DatasetError, OutputError
from scratchgan.paper.dedup import thumbnails
from scratchgan.paper.dedup.deduplicate import deduplicate
from scratchgan.paper.dedup.training import AutoencoderSettings
from tests.paper.dedup.sets import landscapes, write_set

QUICK = AutoencoderSettings(steps=4, batch_size=32)
DISTINCT = 60


def planted():
    """Return pictures and the number of the one that each is, by row."""
    images = landscapes(DISTINCT, size=48)
    which = np.concatenate([np.arange(DISTINCT), [3, 3, 17, 40]])
    order = np.random.default_rng(5).permutation(len(which))
    return images[which][order], which[order]


def write_portraits(folder):
    """Write a set with planted copies and every column."""
    images, which = planted()
    rows = np.arange(len(images))
    path = write_set(
        folder / "portraits.h5",
        images,
        source_files=[f"of {w}/{row} ä.png" for row, w in enumerate(which)],
        labels=rows % 3,
        attributes=np.stack([rows / 7, -rows], axis=1),
        boxes=rows[:, None, None] + np.zeros((1, 2, 4), int),
        split=rows % 4,
        class_names=["x", "y", "z"],
        attribute_names=["one", "two"],
    )
    return path, which


@pytest.fixture
def portraits(tmp_path):
    return write_portraits(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """De-duplicate the set, in blocks of ten; return (its path, numbers, report)."""
    folder = tmp_path_factory.mktemp("done")
    path, which = write_portraits(folder)
    before = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thumbnails, "BLOCK_BYTES", 10 * 48 * 48 * 3)
        report = run(folder, truth_pattern=r"of (\d+)/", out=folder / "results")
    assert path.read_bytes() == before
    return path, which, report


def run(folder, settings=QUICK, **options):
    return deduplicate("portraits", folder, settings, **options)


def first_of_each(which):
    _, first = np.unique(which, return_index=True)
    return np.sort(first)


def test_planted_copies_are_removed_and_every_column_follows(done):
    path, which, report = done
    assert report.path == path.with_name("portraits-dedup.h5")
    kept = first_of_each(which)
    with open_dataset(path) as old, open_dataset(report.path) as new:
        assert len(new) == DISTINCT
        assert find_problems(new) == []
        np.testing.assert_array_equal(new.images[:], old.images[:][kept])
        for column in ("labels", "attributes", "boxes", "split"):
            np.testing.assert_array_equal(
                getattr(new, column), getattr(old, column)[kept], err_msg=column
            )
        assert new.source_files == [old.source_files[row] for row in kept]
        assert new.class_names == ["x", "y", "z"]
        assert new.attribute_names == ["one", "two"]
        assert new.sha256 == report.facts["sha256"]


def test_the_new_file_says_what_was_done(done):
    path, _, report = done
    with open_dataset(path) as old, open_dataset(report.path) as new:
        attributes = dict(new.file.attrs)
        assert attributes["parent_sha256"] == old.sha256
        assert attributes["parent_name"] == "portraits"
        assert attributes["parent_count"] == DISTINCT + 4
        assert attributes["removed_count"] == 4
        assert new.name == "portraits-dedup"
        assert new.title == "A set, 4 near-duplicates removed"
        assert (new.source, new.licence) == (old.source, old.licence)
        command = "data dedup portraits --steps 4 --seed 0"
        assert new.info()["command"] == command
        assert set(old.file.attrs) <= set(attributes)


def test_facts(done):
    facts = done[2].facts
    assert (facts["images"], facts["removed"]) == (DISTINCT + 4, 4)
    assert facts["removed_share"] == pytest.approx(4 / (DISTINCT + 4))
    assert facts["bucket_sizes"] == {"1": DISTINCT - 3, "2": 2, "3": 1}
    assert facts["collisions"]["compared"] == 4
    assert facts["collisions"]["estimated_false_share"] == 0
    assert facts["collisions"]["random_pairs_nearer"] == 0
    assert facts["truth"]["pairs_true"] == 5
    assert facts["truth"]["precision"] == facts["truth"]["recall"] == 1


def test_the_list_of_pairs(done):
    path, which, report = done
    assert report.pairs == path.parent / "results" / "portraits-dedup.csv"
    with open(report.pairs, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    for row in rows:
        kept, removed = int(row["kept"]), int(row["removed"])
        assert kept < removed
        assert which[kept] == which[removed]
        assert row["kept_file"] == f"of {which[kept]}/{kept} ä.png"
    with Image.open(report.sheet) as sheet:
        assert sheet.width == 8 * (2 * 48 + 2) + 2  # twice as large as the images


def test_a_changed_pixel_does_not_matter(tmp_path):
    images = landscapes(30)
    changed = images.copy()
    changed[:, 5, 5, 1] ^= 1
    write_set(tmp_path / "portraits.h5", np.concatenate([images, changed]))
    facts = run(tmp_path).facts
    assert facts["removed"] >= 27  # a unit may lie just at its threshold
    assert 0 < facts["collisions"]["largest_distance"] < 0.01


def test_same_seed_same_file_and_another_seed_another_network(portraits, tmp_path):
    one = run(tmp_path)
    content = one.path.read_bytes(), one.sheet.read_bytes(), one.pairs.read_bytes()
    two = run(tmp_path, force=True)
    assert two.facts["loss"] == one.facts["loss"]
    again = two.path.read_bytes(), two.sheet.read_bytes(), two.pairs.read_bytes()
    digests = [hashlib.sha256(b).hexdigest() for b in (*content, *again)]
    assert digests[1:3] == digests[4:6]
    with open_dataset(two.path) as dataset:
        assert dataset.sha256 == one.facts["sha256"]
    other = AutoencoderSettings(steps=4, batch_size=32, seed=1)
    assert run(tmp_path, other, force=True).facts["loss"] != one.facts["loss"]


def test_one_image(tmp_path):
    write_set(tmp_path / "portraits.h5", landscapes(1))
    report = run(tmp_path)
    assert report.sheet is None
    assert (report.facts["images"], report.facts["removed"]) == (1, 0)
    assert report.facts["collisions"]["estimated_false_share"] is None
    with open_dataset(report.path) as dataset:
        assert len(dataset) == 1


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 20, 3)])
def test_grey_and_odd_sizes(tmp_path, shape):
    H, W, C = shape
    images = landscapes(30, size=max(H, W))[:, :H, :W, :C]
    write_set(tmp_path / "portraits.h5", np.concatenate([images, images[:5]]))
    report = run(tmp_path)
    assert report.facts["removed"] == 5
    with open_dataset(report.path) as dataset:
        np.testing.assert_array_equal(dataset.images[:], images)


def test_equal_images_only(tmp_path):
    """Nothing to learn, no contrast: still one of them stays."""
    write_set(tmp_path / "portraits.h5", np.full((6, 16, 16, 3), 9, np.uint8))
    facts = run(tmp_path).facts
    assert facts["bucket_sizes"] == {"6": 1}
    assert facts["units_in_use"] == 0


def test_an_existing_file_stays_without_force(portraits, tmp_path):
    target = tmp_path / "portraits-dedup.h5"
    target.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        run(tmp_path)
    assert target.read_text() == "mine"
    run(tmp_path, force=True)
    with open_dataset(target) as dataset:
        assert len(dataset) == DISTINCT


@pytest.mark.parametrize("when", ["reading", "training", "coding", "writing"])
def test_an_interruption_leaves_nothing(portraits, tmp_path, when):
    """At any stage, whether there was a file of that name or not."""

    @contextlib.contextmanager
    def interrupted(what, unit):
        def progress(done, total):
            if what == when and done >= total // 2:
                raise KeyboardInterrupt

        yield progress

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress_bar=interrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["portraits.h5"]
    target = tmp_path / "portraits-dedup.h5"
    target.write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, force=True, progress_bar=interrupted)
    assert target.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_is_refused_before_any_work(portraits, tmp_path):
    path, _ = portraits
    with pytest.raises(OutputError, match="is a file, expected a folder"):
        run(tmp_path, out=path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["portraits.h5"]


def test_a_pattern_needs_source_files_and_sense(portraits, tmp_path):
    with pytest.raises(ConfigError, match="truth-pattern"):
        run(tmp_path, truth_pattern="(")
    write_set(tmp_path / "plain.h5", landscapes(3))
    with pytest.raises(DatasetError, match="does not say what files"):
        deduplicate("plain", tmp_path, QUICK, truth_pattern="a")


def test_a_file_elsewhere_goes_to_the_data_folder(portraits, tmp_path):
    path, _ = portraits
    report = deduplicate(str(path), tmp_path / "data", QUICK)
    assert report.path == tmp_path / "data" / "portraits-dedup.h5"
