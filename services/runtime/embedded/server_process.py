"""One server process below a data directory: locked, guarded, logged, stopped, killed."""

import asyncio
import contextlib
import fcntl
import math
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO

from schemas.errors import TakedownError

_GUARDIAN = Path(__file__).with_name("guardian.py")
_TICK = 0.02
# Below the range from which Linux takes the ports of outgoing connections (32768 and up), so that a
# kept port is still free at the next start.
_PORTS = range(20_000, 32_000)
_LEFTOVER_WAIT = 15.0


class ServerError(TakedownError):
    """An embedded server that can't be had; the message ends with what the server itself said."""


class DataDirInUse(ServerError):
    """The data directory belongs to a monitor that is running."""


class DataDirLock:
    """Own a data directory, together with every process that inherits the lock's descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def fileno(self) -> int:
        """Return the descriptor that the server's processes inherit."""
        if self._file is None:
            raise ValueError("the lock is not held")
        return self._file.fileno()

    async def acquire(self) -> None:
        """Take the lock; wait only for the remains of a monitor that is no longer there.

        Raises DataDirInUse where another monitor holds it, or a dead one's servers don't end.
        """
        file = self.path.open("a+", encoding="ascii")
        await _until(lambda: _try_lock(file) or _owner_lives(file), _LEFTOVER_WAIT)
        if not _try_lock(file):
            file.close()
            raise DataDirInUse(
                f"The data directory {self.path.parent} is in use by another monitor. "
                "Stop that one, or give this one a directory of its own."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Release the lock, if we hold it."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    async def wait_until_free(self) -> None:
        """Return when the last process that inherited the lock has gone."""
        with self.path.open("a+", encoding="ascii") as file:
            await _until(lambda: _try_lock(file), _LEFTOVER_WAIT)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Return when the condition holds, or after `seconds`."""
    deadline = time.monotonic() + seconds
    # The kernel reports the end of a process or of a lock to no event loop but the one that asked.
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_TICK)


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner_lives(file: IO[str]) -> bool:
    file.seek(0)
    owner = file.read().strip()
    if not owner:
        return False
    with contextlib.suppress(PermissionError):
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            return False
    return True


class ServerProcess:
    """A server behind its guardian. Bound to no event loop: any loop may start and stop it."""

    def __init__(self, name: str, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._guardian: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        state = "running" if self.running else "not running"
        return f"<ServerProcess {self.name}, {state}>"

    @property
    def running(self) -> bool:
        """Tell whether the server's process is running."""
        return self._guardian is not None and self._guardian.poll() is None

    def spawn(
        self,
        command: Sequence[str],
        *,
        lock: DataDirLock,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 15.0,
        user: int = 0,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start `command`; its output becomes the log. `user` 0 means: as we are."""
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        guard = [sys.executable, "-I", "-S", str(_GUARDIAN), str(int(stop_signal)), str(grace)]
        with self.log_path.open("wb") as log:
            self._guardian = subprocess.Popen(  # noqa: S603 - the command is ours
                [*guard, str(user), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log_path.parent,
                env=_bare_environment() | dict(environment),
                pass_fds=[lock.fileno()],
                start_new_session=True,  # Ctrl-C is for the monitor, which stops its servers in order
            )

    async def wait(self, seconds: float) -> int | None:
        """Return the exit status of a command that ends by itself; None if it doesn't in time."""
        guardian = self._guardian
        if guardian is None:
            raise ValueError(f"{self.name} was not started")
        try:
            await _until(lambda: guardian.poll() is not None, seconds)
        finally:
            status = guardian.poll()
            await self.kill()
        return status

    async def stop(self) -> None:
        """Stop the server, and return when it has stopped."""
        if self._guardian is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._guardian.terminate()
        await self._gone()

    async def kill(self) -> None:
        """SIGKILL the server and its guardian: what a crash of the machine does to them."""
        if self._guardian is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._guardian.pid, signal.SIGKILL)
        await self._gone()

    async def _gone(self) -> None:
        guardian = self._guardian
        if guardian is None:
            return
        await _until(lambda: guardian.poll() is not None, math.inf)
        if guardian.stdin is not None:
            guardian.stdin.close()
        self._guardian = None

    def failure(self, what: str) -> ServerError:
        """Make the error for people, with the end of the server's own log."""
        return ServerError(f"{self.name} {what}. The end of {self.log_path}:\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines that the server wrote."""
        try:
            text = self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:]) or "(empty)"


def _bare_environment() -> dict[str, str]:
    """Keep what a server needs, and none of the variables that would configure it behind our back."""
    names = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in names if name in os.environ} | {"TZ": "UTC"}


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """Choose a port of the loopback interface that nobody listens on."""
    chance = random.SystemRandom()
    while True:
        port = chance.choice(_PORTS)
        if port not in taken and port_is_free(port):
            return port


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
