"""A session that waits for a slow batch pauses its partitions, and never leaves one paused behind."""

import asyncio

from aiokafka.structs import TopicPartition

from consumers.client.outages import OutageRetry
from consumers.ledger.session import Rebalances, Session
from tests.as_configured import loop_settings

PLACES = {TopicPartition("t", 0), TopicPartition("t", 1)}


class Client:
    """The part of a consumer that pausing touches, with what is paused at present."""

    def __init__(self) -> None:
        self.paused: set[TopicPartition] = set()

    def assignment(self) -> set[TopicPartition]:
        return set(PLACES)

    def pause(self, *places: TopicPartition) -> None:
        self.paused |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        self.paused -= set(places)

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[object]]:
        await asyncio.sleep(0)
        return {}


class Turns:
    def turned(self, loop: str) -> None:
        """Nobody listens here."""


def session(client: Client, rebalances: Rebalances) -> Session[object]:
    return Session(
        "ledger",
        client,
        None,
        Turns(),
        rebalances=rebalances,
        settings=loop_settings(),
        retry=OutageRetry("ledger"),
    )


async def paused() -> tuple["Client", Rebalances, "asyncio.Future[bool]", "asyncio.Future[bool]"]:
    """Begin to wait for work that takes long, and give all that there is once the partitions are paused."""
    client, rebalances = Client(), Rebalances()
    work: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(
        session(client, rebalances)._await_paused(work, rebalances.generation)
    )
    while not client.paused:
        await asyncio.sleep(0)
    return client, rebalances, work, waiting


async def test_a_rebalance_before_the_pause_pauses_nothing() -> None:
    """Where the partitions were handed out anew before the wait began, none is paused: none would be resumed."""
    client, rebalances = Client(), Rebalances()
    work: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    stale = rebalances.generation - 1
    assert await session(client, rebalances)._await_paused(work, stale) is False
    assert client.paused == set()


async def test_a_rebalance_during_the_pause_resumes_what_came_back() -> None:
    """Partitions that are ours again after a rebalance are not left paused."""
    client, rebalances, _, waiting = await paused()
    rebalances.generation += 1
    assert await waiting is False
    assert client.paused == set()


async def test_a_slow_batch_ends_with_everything_resumed() -> None:
    """Once the batch is written, the partitions are read again."""
    client, _, work, waiting = await paused()
    work.set_result(True)
    assert await waiting is True
    assert client.paused == set()
