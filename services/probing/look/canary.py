"""The canary: a URL of the operator's own that is always online, so that a vantage that sees it is not blind."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from schemas.urls import CanonicalUrl

log = structlog.get_logger(__name__)

See = Callable[[CanonicalUrl], Awaitable[datetime | None]]


class Canary:
    """Look at the canary at most every `interval_seconds`; looks share its last sighting.

    `see` looks at the URL and gives the instant from which it was seen online, or None.
    """

    def __init__(self, url: CanonicalUrl | None, interval_seconds: float, see: See) -> None:
        self._url = url
        self._interval = interval_seconds
        self._see = see
        self._tried_at: float | None = None
        self._flight: asyncio.Task[None] | None = None
        self.seen_at: datetime | None = None
        self.down = False

    def __repr__(self) -> str:
        state = "none" if self._url is None else "down" if self.down else "up"
        return f"<Canary {state}, seen {self.seen_at}>"

    def poke(self) -> None:
        """Begin a look at the canary if one is due; wait for nothing."""
        if self._url is None or self._flight is not None:
            return
        now = asyncio.get_running_loop().time()
        if self._tried_at is None or now - self._tried_at >= self._interval:
            self._tried_at = now
            self._flight = asyncio.create_task(self._look(self._url), name="canary")

    async def fresh(self) -> None:
        """Wait for a look at the canary that is due or under way."""
        self.poke()
        if self._flight is not None:
            await asyncio.shield(self._flight)

    async def close(self) -> None:
        """Cancel a look that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def _look(self, url: CanonicalUrl) -> None:
        try:
            seen_at = await self._see(url)
        finally:
            self._flight = None
        # Where politeness put the look off there is no new sighting: it neither proves sight nor its loss.
        down = seen_at is None or (self.down and seen_at == self.seen_at)
        if down != self.down:
            log.warning("canary.went_down" if down else "canary.came_back")
        self.down = down
        self.seen_at = seen_at or self.seen_at
