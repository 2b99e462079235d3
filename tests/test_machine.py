import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from scratchgan.machine import reuse_freed_memory
{prepare}
x = np.ones(4_000_000, np.float32)
for _ in range(3):
    x * 2
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    x * 2
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(prepare):
    script = FAULTS.format(prepare=prepare)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc on Linux only")
def test_fresh_arrays_cost_no_page_faults_afterwards():
    assert faults("assert reuse_freed_memory()") < 100


def test_elsewhere_nothing_is_done(monkeypatch):
    from scratchgan.machine import reuse_freed_memory

    monkeypatch.setattr(sys, "platform", "win32")
    assert reuse_freed_memory() is False
