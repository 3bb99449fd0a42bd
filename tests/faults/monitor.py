"""A real `takedown up` in a process of its own, which may be killed and started again at any instant."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.runtime.settings import PREFIX
from tests.faults.processes import Family, family, kill
from tests.servers import REPOSITORY

_READY = "ready; Ctrl-C"
_PR_SET_PDEATHSIG = 1


class GaveUp(Exception):
    """`takedown up` ended by itself, or did not get ready; the message has its last lines."""


class Monitor:
    """One data directory and the `takedown up` that runs on it.

    `lines` is everything that it printed, each with the instant on the loop's clock.
    """

    def __init__(self, environment: Mapping[str, str], data: Path) -> None:
        self.data = data
        self.lines: list[tuple[float, str]] = []
        self.starts = 0
        self.started_at = 0.0
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Monitor {self.data} pid={self.pid} starts={self.starts}>"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def family(self) -> Family:
        """The processes that it has now."""
        return Family({}, {}, {}) if self.pid is None else family(self.pid)

    async def start(self, *options: str) -> None:
        """Start it; it need not be ready yet."""
        self.starts += 1
        self.started_at = time.monotonic()
        self._ready.clear()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", "up", "--offline", *options),
            env=environment_for(self._environment, self.data),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_the_run,
        )
        self._reading = asyncio.create_task(self._read(self._process))

    async def ready(self, seconds: float) -> None:
        """Return once it has said that it is ready; raises `GaveUp`."""
        assert self._process is not None
        ended = asyncio.create_task(self._process.wait())
        ready = asyncio.create_task(self._ready.wait())
        done, late = await asyncio.wait(
            {ended, ready}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for task in late:
            task.cancel()
        if ready not in done:
            state = f"status {self._process.returncode}" if ended in done else "still at it"
            raise GaveUp(f"not ready within {seconds:g} s ({state}):\n{self.last_words()}")

    async def kill(self) -> None:
        """SIGKILL it, as the kernel does when memory is short."""
        if self._process is not None:
            kill(self.pid)
            await self._process.wait()

    async def stop(self, seconds: float = 180.0) -> int:
        """Stop it in order; give its exit status."""
        self.ask_to_stop()
        return await self.ended(seconds)

    def ask_to_stop(self) -> None:
        """Send it SIGTERM."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    async def ended(self, seconds: float = 180.0) -> int:
        """Give its exit status once it has ended; raises `GaveUp`."""
        assert self._process is not None
        try:
            return await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            raise GaveUp(f"not stopped within {seconds:g} s:\n{self.last_words()}") from None

    def last_words(self, count: int = 25) -> str:
        """Give the end of what it printed."""
        return "\n".join(f"{at:10.2f}  {line}" for at, line in self.lines[-count:])

    def require_running(self) -> None:
        """Raise `GaveUp` where it ended without having been killed."""
        process = self._process
        if process is not None and process.returncode not in (
            None,
            -signal.SIGKILL,
            -signal.SIGTERM,
        ):
            raise GaveUp(f"ended with status {process.returncode}:\n{self.last_words()}")

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        loop = asyncio.get_running_loop()
        while line := await process.stdout.readline():
            text = line.decode(errors="replace").rstrip()
            self.lines.append((loop.time(), text))
            if text.startswith(_READY) and process is self._process:
                self._ready.set()


def _end_with_the_run() -> None:
    """Ask the kernel to kill a `takedown up` whose fault run was ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def environment_for(settings: Mapping[str, str], data: Path) -> dict[str, str]:
    """Give the environment of a command on a data directory: these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    more = [settings.get("PYTHONPATH"), kept.get("PYTHONPATH")]
    paths = os.pathsep.join(filter(None, [str(REPOSITORY), *more]))
    return kept | dict(settings) | {"PYTHONPATH": paths, f"{PREFIX}DATA_DIR": str(data)}


async def takedown(
    monitor: Monitor, settings: Mapping[str, str], *words: str, seconds: float = 120.0
) -> tuple[int, str]:
    """Run another command on the same data directory; give its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *words),
        env=environment_for(settings, monitor.data),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    with contextlib.suppress(ProcessLookupError):
        out, _ = await asyncio.wait_for(process.communicate(), seconds)
        return process.returncode or 0, out.decode(errors="replace")
    raise GaveUp(f"{words} did not end within {seconds:g} s")


__all__: Sequence[str] = ("GaveUp", "Monitor", "environment_for", "takedown")
