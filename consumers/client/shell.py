"""The shell around one Kafka client of a consumer group: start it, guard its work, discard it.

A client that stands still can't be mended from outside, only replaced; so everything here is bounded in time, and
a client that does not stop is abandoned.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener

from consumers.client import retry
from consumers.client.connection import KafkaConnection
from consumers.client.loop_health import LoopRegister
from consumers.client.stopping import stop_client
from consumers.client.watchdog import Stuck, Watchdog
from services.exporter import metrics

log = structlog.get_logger(__name__)


def group_consumer(
    kafka: KafkaConnection, group: str, *, session_seconds: float, **options: Any
) -> AIOKafkaConsumer:
    """Make a client that is a member of a group; it has to be started."""
    return AIOKafkaConsumer(
        **kafka.consumer_options(),
        group_id=group,
        auto_offset_reset="earliest",
        session_timeout_ms=int(session_seconds * 1000),
        heartbeat_interval_ms=int(session_seconds * 300),
        **options,
    )


async def keep_working(
    name: str,
    work: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    health: LoopRegister,
    log_wait: Callable[[str, float], None],
) -> None:
    """Work with one client after another until `stop`; raises what waiting can't mend.

    A client that stands still is built anew at once, and one that an outage broke after a pause that grows:
    `log_wait` is given the error's class and the seconds.
    """
    delays = retry.delays()
    while not stop.is_set():
        health.turned(name)
        try:
            await work()
        except Stuck:
            metrics.CONSUMER_REBUILDS.labels(name).inc()
            delays = retry.delays()
        except Exception as error:
            if not retry.is_transient(error):
                raise
            seconds = next(delays)
            log_wait(type(error).__name__, seconds)
            await retry.pause(stop, seconds)


class ClientShell:
    """One client from its start to its end; `name` is that of the loop in log lines."""

    def __init__(self, name: str, consumer: AIOKafkaConsumer, *, stop_seconds: float) -> None:
        self._name = name
        self._consumer = consumer
        self._stop_seconds = stop_seconds

    def __repr__(self) -> str:
        return f"<ClientShell {self._name}>"

    async def start(self, topics: Sequence[str], listener: ConsumerRebalanceListener) -> None:
        """Connect and join the group; raises the client's errors."""
        await self._consumer.start()
        self._consumer.subscribe(topics, listener=listener)

    async def guard(self, work: Coroutine[Any, Any, None], watchdog: Watchdog) -> None:
        """Run work beside its watchdog; whichever ends first ends the other. Raises what either raises."""
        watching = (watchdog.run(), _until_fetcher_ends(self._consumer))
        tasks = {asyncio.create_task(one) for one in (work, *watching)}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await self._end(tasks)

    async def _end(self, tasks: "set[asyncio.Task[None]]") -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=self._stop_seconds)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # one of them was raised; asyncio need not complain of the other

    async def discard(self) -> None:
        """Stop the client, but wait no longer than settled: a stuck one is abandoned."""
        error = await stop_client(self._consumer, self._stop_seconds)
        if isinstance(error, TimeoutError):
            log.error("consumer.abandoned", consumer=self._name)
        elif error is not None:
            log.warning("consumer.stop_failed", consumer=self._name, error=type(error).__name__)


async def _until_fetcher_ends(consumer: Any) -> None:
    """Raise `Stuck` once the client no longer fetches.

    Its fetcher may die of an error that the client tells nobody: uvloop raises `RuntimeError` where something is
    written to a connection that was reset a moment ago, and asyncio does not.
    """
    fetcher = getattr(consumer, "_fetcher", None)
    ended = asyncio.Event().wait() if fetcher is None else asyncio.wait({fetcher.error_future})
    await ended
    log.error("consumer.fetcher_ended")
    raise Stuck("the client no longer fetches")
