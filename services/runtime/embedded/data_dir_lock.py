"""Own a server's data directory, and end what a monitor left there that is no longer alive."""

import asyncio
import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from schemas.errors import TakedownError

_TICK = 0.02
_LOOK = 0.25
_ORPHAN_SECONDS = 2.0
_OWNER_SECONDS = 2.0
_KILLED_SECONDS = 15.0
_GUARDIAN = b"guardian.py"


class ServerError(TakedownError):
    """An embedded server that can't be had; the message ends with what the server itself said."""


class NeedsOperator(ServerError):
    """An error that no other attempt mends; the message says what a person has to do."""


class DataDirInUse(NeedsOperator):
    """The data directory belongs to a monitor that is running."""


class DataDirLock:
    """Own a data directory, together with every process that inherits the lock's descriptor.

    `patience` is how long the servers of a monitor that was killed may take to stop in order, in seconds.
    """

    def __init__(self, path: Path, patience: float = 15.0) -> None:
        self.path = path
        self._patience = patience
        self._file: IO[str] | None = None

    def fileno(self) -> int:
        """Return the descriptor that the server's processes inherit."""
        if self._file is None:
            raise ValueError("the lock is not held")
        return self._file.fileno()

    async def acquire(self) -> None:
        """Take the lock; wait for the remains of a monitor that is no longer there, and end what does not end.

        Raises DataDirInUse where another monitor holds it, and ServerError where remains can't be ended.
        """
        file = self.path.open("a+", encoding="ascii")
        try:
            await self._take(file)
        except BaseException:
            file.close()
            raise
        file.truncate(0)
        file.write(_name_of(os.getpid()))
        file.flush()
        self._file = file

    async def _take(self, file: IO[str]) -> None:
        if await until(lambda: _try_lock(file), self._grace(file)) or _owner_lives(file):
            return self._refuse_owner(file)
        for pid in _holders(self.path):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await until(lambda: _try_lock(file) or _owner_lives(file), _KILLED_SECONDS)
        return self._refuse_owner(file)

    def _grace(self, file: IO[str]) -> Callable[[], bool]:
        """Tell when waiting is no longer worthwhile.

        A moment is left to an owner that lives: it may have been killed just now. What a dead one left has the time
        that its guardian gives it, or hardly any where no guardian is left that ends it.
        """
        begun = looked = time.monotonic()
        seconds = _OWNER_SECONDS

        def over() -> bool:
            nonlocal looked, seconds
            now = time.monotonic()
            if now - looked >= _LOOK:
                looked, seconds = now, self._seconds(file)
            return now - begun > seconds

        return over

    def _seconds(self, file: IO[str]) -> float:
        if _owner_lives(file):
            return _OWNER_SECONDS
        return self._patience if any(map(_is_guardian, _holders(self.path))) else _ORPHAN_SECONDS

    def _refuse_owner(self, file: IO[str]) -> None:
        if _try_lock(file):
            return
        if _owner_lives(file):
            raise DataDirInUse(
                f"The data directory {self.path.parent} is in use by another monitor. "
                "Stop that one, or give this one a directory of its own."
            )
        pids = ", ".join(map(str, _holders(self.path)))
        raise ServerError(
            f"Processes of a monitor that has ended still work in {self.path.parent} ({pids}) and can't be killed."
        )

    def release(self) -> None:
        """Release the lock, if we hold it."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    async def wait_until_free(self) -> None:
        """Return when the last process that inherited the lock has gone, or somebody has taken it."""
        with self.path.open("a+", encoding="ascii") as file:
            await until(lambda: _try_lock(file) or _owner_lives(file), _KILLED_SECONDS)


async def until(condition: Callable[[], bool], limit: float | Callable[[], bool]) -> bool:
    """Return true when the condition holds, and false after so many seconds, or when the limit says so."""
    begun = time.monotonic()
    # The kernel reports the end of a process or of a lock to no event loop but the one that asked.
    while not condition():
        if limit() if callable(limit) else time.monotonic() - begun > limit:
            return False
        await asyncio.sleep(_TICK)
    return True


def owner_of(path: Path) -> int | None:
    """Name the process that owns a data directory by its lock file; None: none that lives."""
    try:
        with path.open(encoding="ascii") as file:
            if not _owner_lives(file):
                return None
            file.seek(0)
            return int(file.read().split()[0])
    except FileNotFoundError:
        return None


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner_lives(file: IO[str]) -> bool:
    file.seek(0)
    owner = file.read().strip()
    return bool(owner) and _name_of(int(owner.split()[0])) == owner


def _name_of(pid: int) -> str:
    """Name a process for good: a number alone is given again. Empty where it is not running."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return "" if Path("/proc/self").exists() or not _answers(pid) else str(pid)
    except ProcessLookupError:
        return ""
    state, *rest = fields.rpartition(")")[2].split()
    return "" if state == "Z" else f"{pid} {rest[18]}"


def _answers(pid: int) -> bool:
    """Tell whether a process runs, where the system has no /proc."""
    with contextlib.suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True


def _holders(path: Path) -> Iterator[int]:
    """Give the other processes that have a file open, as far as the system shows them."""
    target = path.stat()
    for folder in Path("/proc").glob("[0-9]*/fd"):
        pid = int(folder.parent.name)
        with contextlib.suppress(OSError):
            opened = (_stat(one) for one in folder.iterdir())
            same = any(s and (s.st_dev, s.st_ino) == (target.st_dev, target.st_ino) for s in opened)
            if same and pid != os.getpid():
                yield pid


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _is_guardian(pid: int) -> bool:
    try:
        return _GUARDIAN in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
