"""Keep an embedded server running: started, watched from its first second, started again whenever it ends.

The roles wait an outage out by themselves, so a restart loses nothing. It is tried for as long as a person lets it:
what fills a disk may go, and a machine that is short of memory gets some back. Only a cause that no other attempt
mends ends the whole installation, so that whatever supervises it (systemd, a person) gets to know.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from itertools import count

import structlog

from schemas.errors import ConfigError
from services.runtime.embedded import (
    EmbeddedKafka,
    EmbeddedPostgres,
    JarsTampered,
    JarsUnavailable,
    NeedsOperator,
)
from services.runtime.supervisor import Backoff

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.2
_BACKOFF = Backoff(first_seconds=0.5, longest_seconds=10.0)
# A start that takes longer says so: reading a large log again after a crash may take minutes.
_PATIENCE_SECONDS = 15.0
_BY_HAND = (NeedsOperator, ConfigError, JarsUnavailable, JarsTampered)


class Keeper:
    """Keeps one server until it is stopped.

    `running` is set while the server takes requests; `lost` fails once only a person can bring it back.
    """

    def __init__(
        self,
        name: str,
        server: EmbeddedKafka | EmbeddedPostgres,
        say: Callable[[str], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self.restarts = 0
        self.running = asyncio.Event()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Retrieved even where nobody asks, or asyncio complains at exit.
        self.lost.add_done_callback(lambda f: f.cancelled() or f.exception())
        self._server = server
        self._say = say
        self._backoff = backoff or _BACKOFF
        self._task = asyncio.create_task(self._keep(), name=f"keep {name}")

    def __repr__(self) -> str:
        return f"<Keeper {self.name} running={self.running.is_set()} restarts={self.restarts}>"

    async def stop(self) -> None:
        """Stop watching, and the server."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._server.stop()

    async def _keep(self) -> None:
        self._say(f"starting {self.name} ...")
        while await self._start():
            await self._ended()
            log.warning("server.ended", server=self.name)
            self._say(f"{self.name} ended unexpectedly and is started again")
            self.restarts += 1

    async def _start(self) -> bool:
        """Start the server, however often it takes; false where only a person can."""
        for failures in count():
            try:
                async with _telling(self._say, f"{self.name} is still starting"):
                    await self._server.start()
            except _BY_HAND as error:
                self.lost.set_exception(error)
                return False
            except Exception as error:  # whatever it was: the next attempt may do better
                await self._pause(failures, error)
            else:
                self.running.set()
                if self.restarts or failures:
                    self._say(f"{self.name} is running again")
                return True
        raise AssertionError("count never ends")

    async def _pause(self, failures: int, error: Exception) -> None:
        seconds = self._backoff.seconds(failures)
        log.warning("server.start_failed", server=self.name, error=type(error).__name__)
        self._say(f"{self.name} did not start; next attempt in {seconds:g} s: {_in_a_line(error)}")
        await asyncio.sleep(seconds)

    async def _ended(self) -> None:
        # The end of a process is reported to no event loop but the one that started it.
        while self._server.running:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        self.running.clear()


@contextlib.asynccontextmanager
async def _telling(say: Callable[[str], None], what: str) -> AsyncIterator[None]:
    """Say for as long as the block lasts that something still goes on."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(_PATIENCE_SECONDS)
            say(what)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()


def _in_a_line(error: Exception) -> str:
    """Write an error in one line: what failed, and the server's own last word."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"
