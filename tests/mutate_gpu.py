"""Breaks the GPU path in one place after another and says which test notices.

    python -m tests.mutate_gpu [WORDS]

Only those whose names have the words, if some are given. Each mutation is made in a
copy of the project, where the tests marked gpu run until the first that fails. A
mutation that none notices is a gap in the tests: the exit status is then 1.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("scratchgan", "tests", "pyproject.toml", "docs", "README.md", "setup.py")
AT_ONCE = 2
TESTS = (
    "tests/gpu/test_cublas.py",
    "tests/gpu/test_kernels.py",
    "tests/gpu/test_training.py",
    "tests/gpu/test_budgets.py",
)


@dataclass(frozen=True)
class Mutation:
    """A text in a file of scratchgan, and what takes its place."""

    what: str
    file: str
    old: str
    new: str


MUTATIONS = (
    Mutation(
        "strips ignore the padding above",
        "kernels/strips.cu",
        "place / J * stride_h - top",
        "place / J * stride_h",
    ),
    Mutation(
        "pixels miss their copies in the last strip",
        "kernels/strips.cu",
        "min(h / stride_h, I - 1)",
        "min(h / stride_h, I - 2)",
    ),
    Mutation(
        "no barrier between writing and adding rows",
        "kernels/norm.cu",
        "    __syncthreads();\n    if (row < half)",
        "    if (row < half)",
    ),
    Mutation(
        "parts of a channel beyond the first 32 are left out",
        "kernels/norm.cu",
        "for (int p = first; p < last; p += FOLD_ROWS)",
        "for (int p = first; p < min(last, FOLD_ROWS); p += FOLD_ROWS)",
    ),
    Mutation(
        "deviations from the pivot, not from the mean",
        "kernels/norm.cu",
        "square - sum * sum / count",
        "square",
    ),
    Mutation(
        "running variance is the biased one",
        "kernels/norm.cu",
        "square / (rows - 1)",
        "square / rows",
    ),
    Mutation(
        "the last part of the rows has no end",
        "kernels/norm.cu",
        "min(first + part_rows, rows)",
        "first + part_rows",
    ),
    Mutation(
        "gradients of gamma replace, not add",
        "kernels/norm.cu",
        "gamma_grad[c] += dgamma",
        "gamma_grad[c] = dgamma",
    ),
    Mutation(
        "backward forgets that the variance depends on x",
        "kernels/norm.cu",
        "g + b[k] * a[i] + c[k]",
        "g + c[k]",
    ),
    Mutation(
        "sums in float64",
        "kernels/norm.cu",
        "real pivot = 0, sum = 0, square = 0;",
        "real pivot = 0, square = 0; double sum = 0;",
    ),
    Mutation(
        "a rectifier's gradient at 0",
        "kernels/common.cu",
        "return y > 0 ? dy",
        "return y >= 0 ? dy",
    ),
    Mutation(
        "no barrier in a block's sum",
        "kernels/common.cu",
        "    __syncthreads();\n    if (t < half)",
        "    if (t < half)",
    ),
    Mutation(
        "Adam without the second moment's correction",
        "kernels/adam.cu",
        "sqrt(v_new) / rates[1]",
        "sqrt(v_new)",
    ),
    Mutation(
        "the loss's gradient is not divided by the batch",
        "kernels/losses.cu",
        "(sigmoid(a) - target) / count",
        "(sigmoid(a) - target)",
    ),
    Mutation(
        "Adam's rates never reach the device",
        "kernels/adam.py",
        "    copy_to_device(rates,",
        "    (rates,",
    ),
    Mutation(
        "products overwrite where they should add",
        "gpu/cublas.py",
        "_ONE_AT[char] if add else",
        "_ONE_AT[char] if False else",
    ),
    Mutation(
        "cuBLAS has no workspace of ours",
        "gpu/cublas.py",
        """        _call("cublasSetWorkspace_v2", made, self._workspace.ptr, size)
""",
        "",
    ),
    Mutation(
        "the stream is set last and takes the workspace away",
        "gpu/cublas.py",
        """        _call("cublasSetWorkspace_v2", made, self._workspace.ptr, size)
""",
        """        _call("cublasSetWorkspace_v2", made, self._workspace.ptr, size)
        _call("cublasSetStream_v2", made, stream.ptr)
""",
    ),
    Mutation(
        "the workspace is not kept",
        "gpu/cublas.py",
        "self._workspace.ptr, size)",
        "self._workspace.ptr, size); del self._workspace",
    ),
    Mutation(
        "handles are for the default stream",
        "gpu/cublas.py",
        """made, stream.ptr)""",
        """made, 0)""",
    ),
    Mutation(
        "a handle is made in the capture",
        "gpu/streams.py",
        "self._products = current_handle()",
        "pass",
    ),
    Mutation(
        "a recording that failed counts its step twice",
        "training/recorded_step.py",
        "adam.steps -= 1",
        "pass",
    ),
    Mutation(
        "gradients of weights replace, not add",
        "functional/conv/strips.py",
        "add=total is not None",
        "add=False",
    ),
    Mutation(
        "work does not wait for the batch to arrive",
        "gpu/streams.py",
        "cupy.cuda.get_current_stream().wait_event(self._arrived)",
        "pass",
    ),
    Mutation(
        "a batch is overwritten while the step reads it",
        "gpu/streams.py",
        "self._stream.wait_event(self._released)",
        "pass",
    ),
    Mutation(
        "the host buffer is overwritten while it is copied",
        "gpu/streams.py",
        "                self._arrived.synchronize()",
        "                pass",
    ),
    Mutation(
        "a recorded step keeps its first images",
        "training/recorded_step.py",
        "own.images[...] = given.images",
        "pass",
    ),
    Mutation(
        "a recorded step keeps its first z",
        "training/recorded_step.py",
        "            z.start(self._draw_z(count))",
        "            self._draw_z(count)",
    ),
    Mutation(
        "every step waits for its loss",
        "training/step.py",
        "losses.append(loss)",
        "losses.append(loss), float(loss)",
    ),
)


def first_failure(mutation: Mutation) -> str | None:
    """Return the name of the first test that fails, or None if all pass."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", ".cache")
                shutil.copytree(source, copy / name, ignore=ignored)
            else:
                shutil.copy(source, copy / name)
        mutate(copy / "scratchgan" / mutation.file, mutation)
        answer = subprocess.run(
            [sys.executable, "-m", "pytest", "-m", "gpu", "-x", "-q", *TESTS],
            cwd=copy,
            env=os.environ
            | {
                "PYTHONPATH": str(copy),
                "HOSTCUPY_CACHE": os.environ.get(
                    "HOSTCUPY_CACHE", str(ROOT / "tests" / "hostcupy" / ".cache")
                ),
            },
            capture_output=True,
            text=True,
        )
    if answer.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", answer.stdout, re.M)
    if not failed:
        raise RuntimeError(f"{mutation.what}: pytest said\n{answer.stdout[-2000:]}")
    return failed[1].removeprefix("tests/gpu/")


def mutate(path: Path, mutation: Mutation) -> None:
    """Make the change, in every place where the old text is."""
    text = path.read_text(encoding="utf-8")
    if mutation.old not in text:
        raise LookupError(f"{mutation.what}: {mutation.file} has no {mutation.old!r}")
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")


def main() -> int:
    """Try all mutations and print a table; return the exit status."""
    unnoticed, words = 0, " ".join(sys.argv[1:])
    chosen = [mutation for mutation in MUTATIONS if words in mutation.what]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for mutation, test in zip(chosen, pool.map(first_failure, chosen), strict=True):
            unnoticed += test is None
            print(f"{mutation.what:52} {test or 'NOBODY NOTICED'}", flush=True)  # noqa: T201
    print(f"{len(chosen) - unnoticed} of {len(chosen)} noticed")  # noqa: T201
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main())
