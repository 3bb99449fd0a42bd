"""The memory that the embedded PostgreSQL uses for its pages.

Looks at a million cases touch 2.5 GB of pages, and a page that is not in its memory is asked of the system and
pushes another one out. It takes this memory as it needs it: a small ledger never does.
"""

import os
from collections.abc import Iterable
from pathlib import Path

_LEAST_MB, _MOST_MB = 128, 4096
# The ledger shares the machine with Kafka and the prober, so half of what PostgreSQL's manual advises for a server
# of its own.
_SHARE = 8
_MB = 1024 * 1024
# What a container may use, in the second and the first form that the kernel tells it.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def shared_buffers_mb() -> int:
    """Return an eighth of the memory that this process may use, between 128 MB and 4 GB."""
    return share_of(usable_bytes(_machine_bytes(), _LIMITS))


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
