"""The C heap of a process that holds a million small things and moves large buffers past them (glibc; else no-op).

glibc raises the size from which a buffer gets pages of its own each time such a buffer is freed, up to 32 MiB:
then what Kafka's client fetches lies among the columns, and leaves holes there that never go back to the system.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_BYTES = 128 * 1024
# The batches in hand, one that is written and one that is read, are up to 550,000 objects and no cycle (bench_ledger);
# Python looks for cycles every 700. Should there be cycles, some tens of megabytes of them wait for the next look.
_YOUNG_OBJECTS = 600_000
YOUNG_OBJECTS_OF_LOOKS = 20_000
"""Looks under way make no cycle unless they fail: a few megabytes at most wait for the collector."""


def settle() -> None:
    """Have large buffers on pages of their own, for good; 8 MB of 1,000,000 cases' 210 (bench_scale)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _BYTES)
        mallopt(_TRIM_THRESHOLD, _BYTES)


def trim() -> None:
    """Return to the system what lies free within the heap, once the rings of dead objects are gone."""
    gc.collect()
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


@contextmanager
def rare_collections(young_objects: int = _YOUNG_OBJECTS) -> Iterator[None]:
    """Look for cycles after as many new objects as a batch makes: each look passes over all that a batch holds."""
    before = gc.get_threshold()
    gc.set_threshold(young_objects, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
