"""The figures that the paper prints in its tables, beside which ours are set.

Sources: [P] Radford et al. 2016, tables 1 to 3. The other rows of these tables are the
work of others, quoted there. Rows that are not ``verified`` we know only from memory of
the table, and could not check against another copy.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row of one of the paper's tables.

    Attributes
    ----------
    model : str
        As the paper calls it.
    figures : dict of str
        By protocol or number of samples, with the unit.
    source : str
        The table, and whose work it is where that is known.
    verified : bool
        Whether another copy of the table has the same figures.
    """

    model: str
    figures: dict[str, str]
    source: str
    verified: bool = True


DCGAN = "DCGAN + L2-SVM"
SUPERVISED = "Supervised CNN, same architecture"

# Accuracy, with all labels and with 400 of each class. The second column and the
# number of units rest on one transcription only.
CIFAR10 = (
    Published(
        "1-layer K-means",
        {"full": "80.6 %", "400-per-class": "63.7 % ± 0.7"},
        "[P] table 1",
    ),
    Published(
        "3-layer K-means, learned RF",
        {"full": "82.0 %", "400-per-class": "70.7 % ± 0.7"},
        "[P] table 1",
    ),
    Published(
        "View-invariant K-means",
        {"full": "81.9 %", "400-per-class": "72.6 % ± 0.7"},
        "[P] table 1",
    ),
    Published(
        "Exemplar CNN",
        {"full": "84.3 %", "400-per-class": "77.4 % ± 0.2"},
        "[P] table 1",
    ),
    Published(
        DCGAN,
        {"full": "82.8 %", "400-per-class": "73.8 % ± 0.4"},
        "[P] table 1; features of ImageNet",
    ),
)

# Error with 1,000 labels. Later papers print 22.18 % ± 1.13 for DCGAN (ALI, IAN).
SVHN = (
    Published("KNN", {"1000-labels": "77.93 %"}, "[P] table 2"),
    Published("TSVM", {"1000-labels": "66.55 %"}, "[P] table 2"),
    Published("M1+KNN", {"1000-labels": "65.63 %"}, "[P] table 2"),
    Published("M1+TSVM", {"1000-labels": "54.33 %"}, "[P] table 2"),
    Published("M1+M2", {"1000-labels": "36.02 %"}, "[P] table 2"),
    Published("SWWAE without dropout", {"1000-labels": "27.83 %"}, "[P] table 2"),
    Published("SWWAE with dropout", {"1000-labels": "23.56 %"}, "[P] table 2"),
    Published(
        DCGAN,
        {"1000-labels": "22.48 %"},
        "[P] table 2; 22.18 % ± 1.13 in the tables of ALI and IAN",
    ),
    Published(
        SUPERVISED,
        {"1000-labels": "28.87 %"},
        "[P] table 2; validation error, best of 64 trials",
    ),
)

# Error of one nearest neighbour among generated samples, by their number.
MNIST = (
    Published("AlignMNIST", {"10000000": "1.4 %"}, "[P] table 3", verified=False),
    Published("InfiMNIST", {"10000000": "2.6 %"}, "[P] table 3", verified=False),
    Published("Real data", {"50000": "3.1 %"}, "[P] table 3", verified=False),
    Published(
        "GAN",
        {"50000": "6.28 %", "10000000": "5.65 %"},
        "[P] table 3; fully connected",
        verified=False,
    ),
    Published("DCGAN", {"50000": "2.98 %", "10000000": "1.48 %"}, "[P] table 3"),
)

_CIFAR10_CLASSES = {
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
}


def papers_table(kind: str, class_names: list[str]) -> tuple[Published, ...]:
    """Return the paper's table for a dataset, by how it was read and its classes.

    Parameters
    ----------
    kind : str
        As in `Dataset.info`: "svhn", "mnist", ...
    class_names : list of str

    Returns
    -------
    tuple of Published
        Empty for a dataset that the paper has no table of.
    """
    if kind == "svhn":
        return SVHN
    if kind == "mnist":
        return MNIST
    return CIFAR10 if set(class_names) == _CIFAR10_CLASSES else ()
