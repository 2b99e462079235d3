"""The complete DCGAN, written by hand on NumPy and CuPy.

Everything worth importing is here and is loaded at its first use::

    run = scratchgan.train("faces", "quick32", steps=500, progress=True)
    images = run.generate(range(36))  # uint8 (36, 32, 32, 3)

`train`, `resume` and `open_run` give a `Run`; `open_dataset` and `batches` read a
dataset; `image_grid` and `save_png` make a picture of images. `nn` has the layers, and
`check_layer` checks one against numeric gradients. `PRESETS` are the settings by name.
Errors that a user can mend are `ScratchGANError`.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from scratchgan import nn
    from scratchgan.api import batches, open_dataset, open_run, resume, train
    from scratchgan.errors import ScratchGANError
    from scratchgan.storage.pictures import image_grid, save_png
    from scratchgan.testing import check_layer
    from scratchgan.training.presets import PRESETS
    from scratchgan.training.run.open_run import Run

__all__ = [
    "PRESETS",
    "Run",
    "ScratchGANError",
    "batches",
    "check_layer",
    "image_grid",
    "nn",
    "open_dataset",
    "open_run",
    "resume",
    "save_png",
    "train",
]

# Where each name is, so that ``import scratchgan`` loads no arrays: the command line
# starts with it.
_MODULES = {
    **dict.fromkeys(("train", "resume", "open_run", "open_dataset", "batches"), "api"),
    **dict.fromkeys(("image_grid", "save_png"), "storage.pictures"),
    "PRESETS": "training.presets",
    "Run": "training.run.open_run",
    "ScratchGANError": "errors",
    "check_layer": "testing",
}


if not TYPE_CHECKING:  # or a type checker would take every misspelt name for one

    def __getattr__(name: str) -> Any:
        if name == "nn":
            return importlib.import_module("scratchgan.nn")
        if name not in _MODULES:
            raise AttributeError(f"module 'scratchgan' has no attribute {name!r}")
        return getattr(importlib.import_module(f"scratchgan.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
