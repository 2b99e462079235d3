"""Whatever a judge depends on: with another one, the judge that is kept is not used."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from scratchgan.backend import CPU
from scratchgan.nn import Linear
from scratchgan.paper.judges.kept_judge import load_or_train, network_state
from scratchgan.paper.judges.training import JudgeSettings
from scratchgan.paper.run_images import ImageSize
from scratchgan.storage.kept_arrays import Kept

IMAGES = np.zeros((4, 2, 2, 1), np.uint8)
SPLIT = np.array([0, 0, 0, 2], np.uint8)


class Request(NamedTuple):
    """What a judge is asked for."""

    sha256: str = "of these pixels"
    images: np.ndarray = IMAGES
    split: np.ndarray | None = None
    targets: str = "of these targets"
    settings: JudgeSettings = JudgeSettings()
    size: ImageSize = ImageSize(8, 8)
    device: object = CPU
    name: str = "judge"


class Judge:
    """A network, and a number that says which one it is."""

    def __init__(self, number):
        self.network = Linear(2, 3, rng=np.random.default_rng(number))
        self.number = number

    def to_keep(self):
        return Kept({"number": np.array(self.number)}, {"text": "x"})


def ask(folder, request, number):
    """Return the judge's number: ``number`` if it was trained now."""

    def restore(arrays, about):
        assert about == {"text": "x"}
        judge = Judge(int(arrays["number"]))
        judge.network.load_state_dict(network_state(arrays))
        return judge

    dataset = SimpleNamespace(
        sha256=request.sha256,
        images=request.images,
        split=request.split,
        path=folder / "set.h5",
    )
    judge = load_or_train(
        dataset, request.targets, request.settings, request.size, request.device,
        restore, lambda: Judge(number), name=request.name,
    )  # fmt: skip
    expected = Linear(2, 3, rng=np.random.default_rng(judge.number))
    np.testing.assert_array_equal(judge.network.weight.data, expected.weight.data)
    return judge.number


@pytest.mark.parametrize(
    ("first", "change"),
    [
        (Request(), {"sha256": "of others"}),
        (Request(sha256=""), {"images": IMAGES + 1}),
        (Request(), {"split": SPLIT}),
        (Request(split=SPLIT), {"split": SPLIT[::-1].copy()}),
        (Request(), {"targets": "of others"}),
        (Request(), {"settings": JudgeSettings(seed=1)}),
        (Request(), {"size": ImageSize(8, 16)}),
        (Request(), {"device": SimpleNamespace(kind="gpu")}),
        (Request(), {"name": "window judge"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_another_one_is_trained_and_kept_beside_it(tmp_path, first, change):
    assert ask(tmp_path, first, 1) == 1
    assert ask(tmp_path, first, 2) == 1
    other = first._replace(**change)
    assert ask(tmp_path, other, 3) == 3
    assert ask(tmp_path, other, 4) == 3
    assert ask(tmp_path, first, 5) == 1
    assert len(list((tmp_path / "judges").iterdir())) == 2
