"""What all drawing modules promise: repeatable, of the stated shapes, seeds checked."""

import importlib

import numpy as np
import pytest

from scratchgan.datasets.catalogue import BUILT_IN
from scratchgan.synthetic.prepare import DRAWING_MODULES

MODULES = [importlib.import_module(DRAWING_MODULES[name]) for name in BUILT_IN]
each_module = pytest.mark.parametrize("module", MODULES, ids=list(BUILT_IN))


def test_every_built_in_set_has_a_module():
    assert set(DRAWING_MODULES) == set(BUILT_IN)


@each_module
@pytest.mark.parametrize("size", [16, 28, 64, 70])
def test_shapes_and_dtypes(module, size):
    drawn = module.draw(0, 1, size)
    assert drawn.image.shape == (size, size, module.CHANNELS)
    assert drawn.image.dtype == np.uint8
    assert drawn.image.flags["C_CONTIGUOUS"]
    assert np.ptp(drawn.image) > 60
    if module.ATTRIBUTE_NAMES:
        assert drawn.attributes.shape == (len(module.ATTRIBUTE_NAMES),)
        assert drawn.attributes.dtype == np.float32
    else:
        assert drawn.attributes is None
    assert (drawn.label is None) == (not module.CLASS_NAMES)
    if drawn.boxes is not None:
        assert drawn.boxes.dtype == np.int32
        assert drawn.boxes.shape[1:] == (4,)


@each_module
def test_default_size(module):
    assert module.draw(0, 1).image.shape[0] == module.DEFAULT_SIZE


@each_module
def test_seed_and_index_decide_everything(module):
    first = module.draw(3, 14)
    module.draw(3, 15)  # drawing another in between must not matter
    np.random.seed(0)  # noqa: NPY002  nor the global state
    again = module.draw(3, 14)
    for name in ("image", "attributes", "label", "boxes"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    for seed, index in ((4, 14), (3, 15), (14, 3)):
        assert (module.draw(seed, index).image != first.image).any()


@each_module
@pytest.mark.parametrize("size", [-64, 0, 15, 513])
def test_bad_size_is_refused(module, size):
    with pytest.raises(ValueError, match=f"size = {size}, expected 16 to 512"):
        module.draw(0, 0, size)


@each_module
@pytest.mark.parametrize(("seed", "index", "name"), [(-1, 0, "seed"), (0, -1, "index")])
def test_negative_seed_or_index_is_refused(module, seed, index, name):
    with pytest.raises(ValueError, match=f"{name} = -1, expected 0 or more"):
        module.draw(seed, index)
