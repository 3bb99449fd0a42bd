"""The watchdog: notices a consumer that stands still although records are waiting.

aiokafka has open reports of consumers that stop for good without an error (#625, #847, #1037); asking the broker
how far it is, and building the client anew, is the only cure that helps with all of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from schemas.errors import TakedownError
from services.exporter.metrics import CONSUMER_LAG_RECORDS

log = structlog.get_logger(__name__)

_ANSWER_SECONDS = 10.0


class Stuck(TakedownError):
    """Records are waiting and none is taken; the client is thrown away and built anew."""


class EndOffsets(Protocol):
    """What the watchdog asks of a consumer."""

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Give the offsets after the last records."""
        ...


class StallDetector:
    """Judges, from how far a consumer is and how far it could be, whether it stands still.

    Pure: the instant is an argument, in seconds of any clock that never runs backwards.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._seen: Mapping[TopicPartition, int] = {}
        self._since: float | None = None

    def stuck(
        self, positions: Mapping[TopicPartition, int], lag: int, excused: bool, now: float
    ) -> bool:
        """Tell whether there has been lag and no progress for the limit; `excused` is a known outage."""
        moved = positions != self._seen
        self._seen = dict(positions)
        if moved or lag <= 0 or excused or self._since is None:
            self._since = now
            return False
        return now - self._since >= self._limit


class Watchdog:
    """Watches one consumer until it is stuck.

    Args:
        positions: Where the next record of each owned partition is.
        excused: Is there a known outage behind which records may wait?
        note: Called with the positions at every turn (to commit them for tooling).

    """

    def __init__(
        self,
        consumer: EndOffsets,
        positions: Callable[[], Mapping[TopicPartition, int]],
        excused: Callable[[], bool],
        note: Callable[[Mapping[TopicPartition, int]], Awaitable[None]],
        *,
        stall_seconds: float = 120.0,
        every_seconds: float = 5.0,
    ) -> None:
        self._consumer = consumer
        self._positions = positions
        self._excused = excused
        self._note = note
        self._every = every_seconds
        self._stall = StallDetector(stall_seconds)

    async def run(self) -> None:
        """Watch; raises `Stuck`, returns never."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._every)
            positions = dict(self._positions())
            lag = await self._lag(positions)
            if self._stall.stuck(positions, lag, self._excused(), loop.time()):
                log.error("consumer.stuck", lag=lag, partitions=len(positions))
                raise Stuck(f"{lag} records wait and none is taken")
            await self._note(positions)

    async def _lag(self, positions: Mapping[TopicPartition, int]) -> int:
        """Ask how many records wait; a broker that does not answer counts as one that has some."""
        if not positions:
            return 0
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                ends = await self._consumer.end_offsets(list(positions))
        except (KafkaError, IllegalStateError, TimeoutError, OSError):
            return 1
        waiting = dict.fromkeys({tp.topic for tp in positions}, 0)
        for tp, position in positions.items():
            waiting[tp.topic] += max(ends[tp] - position, 0)
        for topic, count in waiting.items():
            CONSUMER_LAG_RECORDS.labels(topic).set(count)
        return sum(waiting.values())
