"""Package metadata of scratchgan; tool settings live in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
# Read, not imported: where a package is built, its folder is not on Python's path.
ROOT_MODULE = (HERE / "scratchgan" / "__init__.py").read_text(encoding="utf-8")

setup(
    name="scratchgan",
    version=re.search(r'^__version__ = "(.+)"$', ROOT_MODULE, re.MULTILINE)[1],
    description="The complete DCGAN, written by hand on NumPy and CuPy",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["scratchgan", "scratchgan.*"]),
    package_data={"scratchgan": ["py.typed"], "scratchgan.kernels": ["*.cu"]},
    python_requires=">=3.10",
    install_requires=[
        "numpy>=2",
        "h5py>=3.8",
        "pillow>=10",
        "click>=8.1",
        "tqdm>=4.60",
        "threadpoolctl>=3",
    ],
    extras_require={
        "gpu": ["cupy-cuda12x[ctk]>=14"],
        "gpu13": ["cupy-cuda13x[ctk]>=14"],
        "download": ["requests>=2.31"],
        "faces": ["scikit-image>=0.24"],
        "lsun": ["lmdb>=1.4"],
        "svhn": ["scipy>=1.10"],
        "svm": ["scikit-learn>=1.4"],
        "test": ["pytest>=8", "hypothesis>=6", "requests>=2.31"],
        "lint": ["ruff==0.17.6"],
        "oracle": ["torch>=2"],
    },
    entry_points={"console_scripts": ["scratchgan = scratchgan.commands:main"]},
)
