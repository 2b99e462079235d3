"""ImageNet-1k: the training tar of one tar a class, or class folders."""

import re

from scratchgan.datasets.sources.containers.files import Files
from scratchgan.datasets.sources.image_files import ImageFiles, is_image

_SYNSET = re.compile(r"n\d{8}")


class ImageNet(ImageFiles):
    """ImageNet-1k (ILSVRC 2012) with its synset numbers, such as n01440764, as classes.

    ``ILSVRC2012_img_train.tar`` holds a tar for each class, which count as folders. A
    folder that holds it beside other archives will do, and so will class folders, below
    ``train`` and ``val`` or not. The paper: short side to 32 pixels, centre crop
    (section 4.3).
    """

    kind = "imagenet"
    needs = "ILSVRC2012_img_train.tar, or folders n01440764 and so on"
    licence = "ImageNet's terms: non-commercial research and education"

    def __init__(self, files: Files) -> None:
        archives = files.named("ILSVRC2012_img_train.tar")
        if archives:
            files = files.inside(archives[0])
        super().__init__(files)

    @classmethod
    def recognises(cls, files: Files) -> bool:
        """Return whether images lie in folders named by synset numbers."""
        if files.named("ILSVRC2012_img_train.tar"):
            return True
        parents = {
            file.name.split("/")[-2]
            for file in files.files
            if is_image(file) and "/" in file.name
        }
        return len(parents) > 1 and all(map(_SYNSET.fullmatch, parents))
