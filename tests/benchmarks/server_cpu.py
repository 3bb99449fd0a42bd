"""What the processes of a benchmark take of the processor."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Read how much CPU processes have used, with children of theirs that have ended."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, words[11:15]))
    return total / TICK


def cpu_below(folder: Path) -> float:
    """Give the CPU-seconds of the processes that run in a folder, with those of their children that ended."""
    return cpu_seconds(_running_in(folder.resolve()))


def _running_in(folder: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve().is_relative_to(folder):
                yield int(process.name)
