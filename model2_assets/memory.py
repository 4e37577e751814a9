"""Memory that is free inside this process goes back to the system."""

import ctypes
import sys
from contextlib import suppress


def release_unused_memory() -> None:
    """Hand freed memory back, of which allocators keep a part for later.

    The steps of a run share a process, so what allocators keep after one step would count in
    the peak of every later one. Trims Arrow's pool and, where the C library is glibc, its
    heap (malloc_trim(3)), which takes milliseconds; elsewhere the last part does nothing.
    """
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
