"""The memory that the embedded PostgreSQL uses for its pages.

Looks at a million cases touch 2.5 GB of pages, and a page that is not in its memory is asked of the system and
pushes another one out. Pages it takes as it needs them, but the book that it keeps of them at once, 23 kB for each MB:
70 MB for 3 GB. So a server gets no more than twice what its cluster holds when it is started.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_LEAST_MB, _MOST_MB = 128, 4096
_SMALL_LEDGER_MB = 256
# The ledger shares the machine with Kafka and the prober, so half of what PostgreSQL's manual advises for a server
# of its own.
_SHARE = 8
_MB = 1024 * 1024
# What a container may use, in the second and the first form that the kernel tells it.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def shared_buffers_mb(cluster: Path) -> int:
    """Return an eighth of the memory that this process may use, or what the cluster needs where that is less."""
    return min(share_of(usable_bytes(_machine_bytes(), _LIMITS)), need_of(bytes_below(cluster)))


def need_of(held: int) -> int:
    """Return what a server with so many bytes of data can use, growth included, in megabytes."""
    return max(2 * held // _MB, _SMALL_LEDGER_MB)


def bytes_below(folder: Path) -> int:
    """Count the bytes of all files below a folder; those that go away meanwhile don't count."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total


def share_of(usable: int) -> int:
    """Return the server's share of so many bytes, in megabytes."""
    return min(max(usable // _MB // _SHARE, _LEAST_MB), _MOST_MB)


def usable_bytes(machine: int, limits: Iterable[Path]) -> int:
    """Return the machine's memory, or what a container's limit leaves of it."""
    return min([machine, *(limit for path in limits if (limit := _limit(path)) is not None)])


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _limit(path: Path) -> int | None:
    """Read a limit; None where there is none (`max`) or no such file."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
