"""What the tests of sources share: images, archives, and what is prepared from them."""

import io
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from scratchgan.datasets.decode_image import UnreadableImage
from scratchgan.datasets.format.dataset import open_dataset
from scratchgan.datasets.format.verify import find_problems
from scratchgan.datasets.prepare.preparation import PrepareOptions, prepare
from scratchgan.datasets.sources import open_source
from scratchgan.errors import DatasetError


def pixels(number, height=16, width=16, channels=3):
    """Return an image of its own for each number, uint8 (height, width, channels)."""
    rng = np.random.default_rng(number)
    shape = (height, width, channels) if channels > 1 else (height, width)
    return rng.integers(0, 256, shape, dtype=np.uint8)


def encoded(array, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


def png(number, **size):
    return encoded(pixels(number, **size))


def jpeg(number, **size):
    return encoded(pixels(number, **size), "JPEG")


def decoded(data):
    """Return what Pillow reads from an image file, as (H, W, 3)."""
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def write_files(folder, files):
    """Write a dict of names and bytes below a folder; return the folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def make_zip(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path, files, mode="w", form=tarfile.GNU_FORMAT):
    path.write_bytes(tar_bytes(files, mode, form))
    return path


def tar_bytes(files, mode="w", form=tarfile.GNU_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def names_of(path, kind=None):
    with open_source(path, kind) as source:
        return [image.name for image in source]


def refusal(path, kind=None):
    """Return the one line with which a source is refused when it is opened."""
    with pytest.raises(DatasetError) as caught:
        open_source(path, kind)
    return one_line(caught.value)


def failure(source, tmp_path, **options):
    """Return the one line with which a preparation fails; nothing is left of it."""
    with pytest.raises(DatasetError) as caught:
        prepare("set", source, tmp_path / "data", PrepareOptions(**options))
    data = tmp_path / "data"
    assert not data.exists() or list(data.iterdir()) == []
    return one_line(caught.value)


def one_line(error):
    text = str(error)
    assert len(text.splitlines()) == 1
    assert len(text) < 1000
    return text


def prepared(source, tmp_path, **options):
    """Prepare a source and return all that the file holds."""
    options = PrepareOptions(**options, force=True)
    report = prepare("set", source, tmp_path / "data", options)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["set.h5"]
    with open_dataset(report.path) as dataset:
        assert find_problems(dataset) == []
        return SimpleNamespace(
            report=report,
            sha256=report.sha256,
            kind=report.kind,
            images=dataset.images[:],
            source_files=dataset.source_files,
            labels=None if dataset.labels is None else dataset.labels.tolist(),
            class_names=dataset.class_names,
            attributes=dataset.attributes,
            attribute_names=dataset.attribute_names,
            split=None if dataset.split is None else dataset.split.tolist(),
            skipped=report.skipped,
            info=dataset.info(),
        )


def outcomes_of(contents, path):
    """Open each content as a file; return what happened, of what may happen."""
    outcomes = set()
    for content in contents:
        path.write_bytes(content)
        try:
            with open_source(path) as source:
                for image in source:
                    try:
                        image.read()
                        outcomes.add("read")
                    except UnreadableImage:
                        outcomes.add("unreadable")
        except DatasetError as error:
            one_line(error)
            outcomes.add("refused")
    return outcomes
