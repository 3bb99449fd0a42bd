"""One server process below a data directory: locked, guarded, logged, stopped, killed."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from services.runtime.embedded.data_dir_lock import DataDirLock, NeedsOperator, ServerError, until

_GUARDIAN = Path(__file__).with_name("guardian.py")
# Below the range from which Linux takes the ports of outgoing connections (32768 and up), so that a
# kept port is still free at the next start.
_PORTS = range(20_000, 32_000)
_PORT_SECONDS = 5.0


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
            await until(lambda: guardian.poll() is not None, seconds)
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
        # The number of one that has ended may be another's by now.
        if self._guardian.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._guardian.pid, signal.SIGKILL)
        await self._gone()

    async def _gone(self) -> None:
        guardian = self._guardian
        if guardian is None:
            return
        await until(lambda: guardian.poll() is not None, lambda: False)
        if guardian.stdin is not None:
            guardian.stdin.close()
        # Whoever watches the server may have started it again while we waited.
        if self._guardian is guardian:
            self._guardian = None

    def last_word(self) -> str:
        """Return the last line that the server wrote."""
        return self.log_tail(1)

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


async def have_port(port: int, message: str) -> None:
    """Wait a little for a port that a process before us may still have; raises `NeedsOperator` with a message."""
    if not await until(lambda: port_is_free(port), _PORT_SECONDS):
        raise NeedsOperator(message)


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
