"""Keep one child process running: started, logged, restarted with a capped back-off, stopped.

The child's standard input is a pipe that this process holds open: its end tells the child that its
parent has gone, however it went, and the child then stops too (`run --with-parent`).
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from schemas.errors import ConfigError, TakedownError

log = structlog.get_logger(__name__)

_LOG_BYTES = 10_000_000
_LOG_FILES = 4
_CHUNK = 65_536
# A child that ran this long was not ill from the start: the next restart is quick again.
_HEALTHY_SECONDS = 60.0


class ChildFailed(TakedownError):
    """A child that can't run; the message ends with what it said last."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Backoff before a restart, doubling from the first to the longest."""

    first_seconds: float = 0.5
    longest_seconds: float = 10.0

    def seconds(self, failures: int) -> float:
        """Return the backoff after so many failures in a row."""
        return float(min(self.first_seconds * 2 ** min(failures, 16), self.longest_seconds))


class RotatingFile:
    """A log file that is renamed when it has grown, so that years of it fit a disk."""

    def __init__(self, path: Path, max_bytes: int = _LOG_BYTES, files: int = _LOG_FILES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._files = files
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, chunk: bytes) -> None:
        """Append, and rename at the end of a line once the file is full; a full disk loses the chunk."""
        with contextlib.suppress(OSError):
            self._file.write(chunk)
            if self._file.tell() >= self._max_bytes and chunk.endswith(b"\n"):
                self._rotate()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        names = [self.path.with_name(f"{self.path.name}.{n}") for n in range(1, self._files)]
        for older, newer in zip(reversed(names), [*reversed(names[:-1]), self.path], strict=True):
            if newer.exists():
                newer.replace(older)
        self._file = self.path.open("ab", buffering=0)


class Child:
    """One supervised process; `say` gets a line for people whenever it ends unasked.

    `inherits` are open files that it has too.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_path: Path,
        *,
        backoff: Backoff | None = None,
        say: Callable[[str], None] = lambda _: None,
        inherits: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log_path = log_path
        self.restarts = 0
        self.failed: asyncio.Future[None] | None = None
        self._command = command
        self._environment = environment
        self._backoff = backoff or Backoff()
        self._say = say
        self._inherits = inherits
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Child {self.name} pid={self.pid} restarts={self.restarts}>"

    @property
    def pid(self) -> int | None:
        """The process id while the child runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    async def start(self) -> None:
        """Start the child and begin to watch over it."""
        self._stopping.clear()
        self.failed = asyncio.get_running_loop().create_future()
        # Retrieved even where nobody asks, or asyncio complains at exit.
        self.failed.add_done_callback(lambda f: f.cancelled() or f.exception())
        self._process = await self._spawn()
        self._task = asyncio.create_task(self._supervise(), name=f"supervise {self.name}")

    async def stop(self, grace_seconds: float) -> None:
        """Stop the child in order; kill it after the grace."""
        if self._task is None:
            return
        self._stopping.set()
        self.signal(signal.SIGTERM)
        done, _ = await asyncio.wait({self._task}, timeout=grace_seconds)
        if not done:
            self._say(f"{self.name} did not stop within {grace_seconds:g} s and was killed")
            self.signal(signal.SIGKILL)
        await self._task
        self._task = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child, if there is one."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _spawn(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(self._environment),
            pass_fds=self._inherits,
            start_new_session=True,  # Ctrl-C is for the parent, which stops its children in order
        )

    async def _supervise(self) -> None:
        file = RotatingFile(self.log_path)
        failures = 0
        try:
            while (lived := await self._follow(file)) is not None:
                failures = 1 if lived >= _HEALTHY_SECONDS else failures + 1
                if not await self._again(failures):
                    return
        finally:
            file.close()

    async def _again(self, failures: int) -> bool:
        """Start another life after the back-off; false where a stop came first."""
        while True:
            with contextlib.suppress(TimeoutError):
                pause = self._backoff.seconds(failures - 1)
                await asyncio.wait_for(self._stopping.wait(), pause)
            if self._stopping.is_set():
                return False
            try:
                self._process = await self._spawn()
            except OSError as error:  # no memory, no process, no descriptor: it may pass
                failures += 1
                self._say(f"{self.name} could not be started ({error.strerror}); trying again")
            else:
                self.restarts += 1
                return True

    async def _follow(self, file: RotatingFile) -> float | None:
        """Log one life of the child; return its seconds if it should have another."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        began = asyncio.get_running_loop().time()
        if self._stopping.is_set():  # asked to stop while this life was being spawned
            self.signal(signal.SIGTERM)
        while chunk := await process.stdout.read(_CHUNK):
            file.write(chunk)
        status = await process.wait()
        if self._stopping.is_set():
            return None
        log.warning("child.ended", child=self.name, status=status)
        if status == ConfigError.exit_code:
            self._give_up()
            return None
        self._say(f"{self.name} ended with status {status} and is restarted; see {self.log_path}")
        return asyncio.get_running_loop().time() - began

    def _give_up(self) -> None:
        """Stop restarting: a wrong setting does not get better by trying again."""
        assert self.failed is not None
        if not self.failed.done():
            self.failed.set_exception(ChildFailed(f"{self.name} can't run: {self.last_word()}"))

    def last_word(self) -> str:
        """Return what the child said last, without the wrapping of its log."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        line = next(reversed(text.splitlines()), "it said nothing")
        try:
            return str(msgspec.json.decode(line)["error"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return line.removeprefix("error: ")
