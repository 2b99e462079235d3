"""A small dataset with every column, for the tests of what reads datasets."""

import numpy as np

from scratchgan.datasets.format.writer import DatasetWriter

TEXTS = {"name": "toy", "title": "A toy", "source": "test", "licence": "MIT"}
FILES = ["a.png", "żółw.png", "\udcff.png", 'quo"te,\nline.png', "=1+1.png"]


def toy_pixels(count, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 8, 12, channels), dtype=np.uint8)


def write_toy(path, count=12, channels=3, images=None, class_names=("cat", "dog")):
    """Write a dataset with every column; return its pixels."""
    images = toy_pixels(count, channels) if images is None else images
    count = len(images)
    rng = np.random.default_rng(1)
    with DatasetWriter(
        path,
        *images.shape[1:],
        **TEXTS,
        class_names=class_names,
        attribute_names=["smile", "turn"],
        expected_count=count,
        source_modes='{"RGB": 12}',
    ) as writer:
        writer.append(
            images,
            source_files=[f"{i}/{FILES[i % len(FILES)]}" for i in range(count)],
            labels=np.arange(count) % 2,
            attributes=np.stack([np.arange(count) % 3 == 0, rng.normal(size=count)], 1),
            boxes=rng.integers(0, 8, (count, 2, 4)),
        )
        writer.set_split(np.arange(count) % 4)
        writer.set_skipped([("bad.jpg", "truncated")])
    return images


def write_plain(path, images):
    """Write a dataset of nothing but images."""
    with DatasetWriter(path, *images.shape[1:], **TEXTS) as writer:
        writer.append(images)


def contents(dataset):
    """Return all that can be read from a dataset, to be compared."""
    info = dataset.info()
    del info["path"]
    return (
        dataset.images[:].tobytes(),
        *(
            None if column is None else (str(column.dtype), column.tolist())
            for column in (
                dataset.labels,
                dataset.attributes,
                dataset.boxes,
                dataset.split,
            )
        ),
        dataset.source_files,
        dataset.skipped_files,
        info,
    )
