"""The time of all waits of one loop, by one timer: to set and take back one for each wait is a tenth of a look.

The timer rings at the first end of a wait, or before it, where that wait is over already; then it is set again.
"""

import asyncio
import math
from typing import Protocol


class Limited(Protocol):
    """Something that waits for so long."""

    def expire(self) -> None:
        """Give up waiting."""


class Deadlines:
    """Let what waits expire in time; who begins to wait says so, and who has ended."""

    __slots__ = ("_loop", "_rings_at", "_timer", "_until")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._until: dict[Limited, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def __repr__(self) -> str:
        return f"<Deadlines of {len(self._until)}>"

    def begin(self, wait: Limited, seconds: float) -> None:
        """Let a wait expire after so many seconds, unless it ends before."""
        until = self._until[wait] = self._loop.time() + seconds
        if until < self._rings_at:
            self._set_timer(until)

    def end(self, wait: Limited) -> None:
        """Let a wait be over."""
        self._until.pop(wait, None)

    def close(self) -> None:
        """Take the timer back, unless something still waits."""
        if not self._until:
            self._cancel_timer()

    def _set_timer(self, at: float) -> None:
        self._cancel_timer()
        self._timer, self._rings_at = self._loop.call_at(at, self._ring), at

    def _cancel_timer(self) -> None:
        timer, self._timer, self._rings_at = self._timer, None, math.inf
        if timer is not None:
            timer.cancel()

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        now = self._loop.time()
        for wait in [wait for wait, until in self._until.items() if until <= now]:
            del self._until[wait]
            wait.expire()
        if self._until:
            self._set_timer(min(self._until.values()))
