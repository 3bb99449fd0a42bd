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
from prometheus_client import Gauge

from schemas.errors import TakedownError
from services.exporter.metrics import CONSUMER_LAG_RECORDS, OPEN_TRANSACTION_SECONDS

log = structlog.get_logger(__name__)

_ANSWER_SECONDS = 10.0


class Stuck(TakedownError):
    """Records are waiting and none is taken; the client is thrown away and built anew."""


class BrokerOffsets(Protocol):
    """What the watchdog asks of a consumer that reads what is committed."""

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Ask for the offsets up to which a reader may come: the last stable ones."""
        ...

    def assignment(self) -> set[TopicPartition]:
        """Give the partitions of which the others can be asked."""
        ...

    def highwater(self, partition: TopicPartition) -> int | None:
        """Give the offset after the last record, open transactions included, as the last fetch heard it."""
        ...

    def last_stable_offset(self, partition: TopicPartition) -> int | None:
        """Give the first offset of the oldest open transaction, or `highwater`, as the last fetch heard it."""
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


class OpenTransactions:
    """Tells for how long open transactions have held records back.

    A topic that is written in transactions has an open one most of the time, and its last stable offset moves on;
    one that stays behind the high watermark without moving is held up. Pure, as `StallDetector` is.
    """

    def __init__(self) -> None:
        self._since: dict[TopicPartition, tuple[int, float]] = {}

    def seconds(
        self, stable: Mapping[TopicPartition, int], high: Mapping[TopicPartition, int], now: float
    ) -> dict[TopicPartition, float]:
        """Give by partition how long the last stable offset has stood below the high watermark."""
        behind = {tp: offset for tp, offset in stable.items() if offset < high[tp]}
        since = {}
        for tp, offset in behind.items():
            before, at = self._since.get(tp, (offset, now))
            since[tp] = (offset, at if before == offset else now)
        self._since = since
        return {tp: now - since[tp][1] if tp in since else 0.0 for tp in stable}


class Watchdog:
    """Watches one consumer until it is stuck.

    Args:
        positions: Where the next record of each owned partition is.
        excused: Is there a known outage behind which records may wait?
        note: Called with the positions at every turn (to commit them for tooling).

    """

    def __init__(
        self,
        consumer: BrokerOffsets,
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
        self._open = OpenTransactions()

    async def run(self) -> None:
        """Watch; raises `Stuck`, returns never."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._every)
            positions = dict(self._positions())
            readable = await self._readable(positions)
            if self._stall.stuck(positions, readable, self._excused(), loop.time()):
                log.error("consumer.stuck", lag=readable, partitions=len(positions))
                raise Stuck(f"{readable} records wait and none is taken")
            await self._note(positions)

    async def _readable(self, positions: Mapping[TopicPartition, int]) -> int:
        """Ask how many records could be read; a broker that does not answer counts as one that has some.

        What lies behind an open transaction can be read by nobody: it is lag, but a new client would not mend it.
        """
        if not positions:
            return 0
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                ends = await self._consumer.end_offsets(list(positions))
        except (KafkaError, IllegalStateError, TimeoutError, OSError):
            return 1
        high = self._high_watermarks(ends)
        _report(
            CONSUMER_LAG_RECORDS, {tp: max(high[tp] - at, 0) for tp, at in positions.items()}, sum
        )
        return sum(max(ends[tp] - at, 0) for tp, at in positions.items())

    def _high_watermarks(self, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Give the ends with open transactions, as far as the client has heard of any."""
        fetched = self._consumer.assignment().intersection(ends)
        high = {tp: self._consumer.highwater(tp) or 0 for tp in fetched}
        stable = {tp: self._consumer.last_stable_offset(tp) for tp in fetched}
        heard = {tp: offset for tp, offset in stable.items() if offset is not None and offset >= 0}
        now = asyncio.get_running_loop().time()
        _report(OPEN_TRANSACTION_SECONDS, self._open.seconds(heard, high, now), max)
        return {tp: max(end, high.get(tp, 0)) for tp, end in ends.items()}


def _report(
    metric: Gauge, figures: Mapping[TopicPartition, float], combine: Callable[[list[float]], float]
) -> None:
    """Set a gauge of topics from figures of their partitions."""
    by_topic: dict[str, list[float]] = {}
    for tp, figure in figures.items():
        by_topic.setdefault(tp.topic, []).append(figure)
    for topic, each in by_topic.items():
        metric.labels(topic).set(combine(each))
