"""Keep an embedded server running: one that ends unexpectedly is restarted, with increasing backoff.

The roles wait an outage out by themselves, so a restart loses nothing; a server that can't be started again ends
the whole installation, so that whatever supervises it (systemd, a person) gets to know.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from schemas.errors import TakedownError
from services.runtime.embedded import EmbeddedKafka, EmbeddedPostgres
from services.runtime.supervisor import Backoff

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_TRIES = 5


class Keeper:
    """Watches one server while it is entered; `lost` fails once the server can't be started again."""

    def __init__(
        self,
        name: str,
        server: EmbeddedKafka | EmbeddedPostgres,
        say: Callable[[str], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.restarts = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Retrieved even where nobody asks, or asyncio complains at exit.
        self.lost.add_done_callback(lambda f: f.cancelled() or f.exception())
        self._name = name
        self._server = server
        self._say = say
        self._backoff = backoff or Backoff()
        self._task = asyncio.create_task(self._watch(), name=f"keep {name}")

    def __repr__(self) -> str:
        return f"<Keeper {self._name} restarts={self.restarts}>"

    async def stop(self) -> None:
        """Stop watching; the server itself is left as it is."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        while not self.lost.done():
            await asyncio.sleep(_LOOK_SECONDS)
            if not self._server.running:
                await self._start_again()

    async def _start_again(self) -> None:
        log.warning("server.ended", server=self._name)
        self._say(f"{self._name} ended unexpectedly and is restarted")
        for failures in range(_TRIES):
            try:
                await self._server.start()
            except TakedownError as error:
                last = error
                await asyncio.sleep(self._backoff.seconds(failures))
            else:
                self.restarts += 1
                self._say(f"{self._name} is running again")
                return
        self.lost.set_exception(last)
