"""The machine: how many cores there are, and keeping memory once it was got."""

import ctypes
import os
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
KEEP_BYTES = (1 << 31) - 1


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def reuse_freed_memory() -> bool:
    """Ask the C library not to hand large arrays back to the system.

    By default glibc maps every array of some megabytes anew and unmaps it when it is
    freed, and the first touch of each new page is a fault that costs more than the
    arithmetic on it. Training makes arrays of the same sizes in every step, so keeping
    them costs nothing.

    Returns
    -------
    bool
        Whether it was done: on Linux with glibc; elsewhere nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    kept = mallopt(M_TRIM_THRESHOLD, KEEP_BYTES)
    return bool(kept and mallopt(M_MMAP_MAX, 0))
