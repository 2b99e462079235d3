"""NVRTC accepts every kernel source that the tests of this session compiled.

It runs after all other tests, so that it sees them all.
"""

import pytest

pytestmark = pytest.mark.gpu


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [70, 80, 90])
def test_every_source_compiles_without_spills(
    hostcupy, nvrtc, architecture, record_property
):
    if not hostcupy.sources:
        pytest.skip("no test of this session compiled a kernel")
    used = [
        usage
        for source in hostcupy.sources
        for usage in nvrtc.usage(source, architecture)
    ]
    own = {u.kernel: u.registers for u in used if not u.kernel.startswith("cupy_")}
    record_property("registers", own)  # pytest --junit-xml shows them
    assert [usage for usage in used if usage.spilled] == []
