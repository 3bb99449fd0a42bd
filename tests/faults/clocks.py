"""Clocks that a fault run moves: Debian's libfaketime, a file with the difference, and who goes by it."""

import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from services.runtime.embedded import EmbeddedKafka, EmbeddedPostgres
from tests.servers import REPOSITORY


def movable_clock(folder: Path) -> Path | None:
    """Make the file that moves a clock, the library beside it; none where libfaketime is not in the cache.

    PostgreSQL runs as a user who may not enter the cache.
    """
    script = REPOSITORY / "scripts" / "libfaketime"
    answer = subprocess.run([script, "--cached"], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return None
    shutil.copy(answer.stdout.strip(), folder / "libfaketime.so")
    clock = folder / "clock"
    clock.write_text("+0")
    return clock


def clock_environment(clock: Path) -> dict[str, str]:
    """Give the variables by which a process goes by a clock; a JVM's timers stand still with the library's own fix."""
    return {
        "LD_PRELOAD": str(clock.with_name("libfaketime.so")),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "FAKETIME_CACHE_DURATION": "1",
    }


def move_with(server: EmbeddedKafka | EmbeddedPostgres, variables: Mapping[str, str]) -> None:
    """Have a server go by a clock from its next start on."""
    process = server._process
    setattr(process, "spawn", partial(process.spawn, environment=variables))  # noqa: B010 - a method


def forget_clocks() -> None:
    """Remove what libfaketime leaves in shared memory of each process that was killed."""
    for path in Path("/dev/shm").glob("*faketime_s[eh]m_*"):
        if not (Path("/proc") / path.name.rpartition("_")[2]).exists():
            path.unlink(missing_ok=True)
