"""A batch is written in two lanes, each of whole partitions."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition

from consumers.ledger.ledger_consumer import LedgerBatch, LedgerHandler
from consumers.record.admission import Admission
from consumers.record.source import RawRecord
from schemas import codec, topics
from schemas.sealing import Keyring
from services.ledger.store import BatchResult, Claim
from tests.as_configured import flood_brake
from tests.unit.core.test_fold import online

TOPIC = topics.OBSERVATIONS.name
KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
SIZES = {0: 5, 1: 3, 2: 1}


class Store:
    """A ledger that is away for one partition, once."""

    def __init__(self, away: int | None = None) -> None:
        self.written: list[dict[int, int]] = []
        self._away = away

    async def write(self, events: Any, advances: Any, *refuse: Any) -> BatchResult:
        reached = {advance.partition: advance.next_offset for advance in advances}
        if self._away in reached:
            self._away = None
            raise ConnectionResetError
        self.written.append(reached)
        return BatchResult()


class Letters:
    """Dead letters, of which there are none."""

    async def send(self, refused: Any) -> None:
        assert not refused


async def batch(handler: LedgerHandler) -> LedgerBatch:
    records = []
    for partition, size in SIZES.items():
        for offset in range(size):
            key, value, headers = codec.encode(online(partition + offset / 10))
            records.append(RawRecord(TOPIC, partition, offset, 0, 0, key, value, headers))
    claims = {TopicPartition(TOPIC, number): Claim(0, 1) for number in (*SIZES, 3)}
    reached = {TopicPartition(TOPIC, number): SIZES.get(number, 7) for number in (*SIZES, 3)}
    return await handler.prepare(records, claims, reached)


def handler_of(store: Store) -> LedgerHandler:
    return LedgerHandler(store, Admission(KEYS), Letters(), flood_brake())  # type: ignore[arg-type]


async def test_lanes_hold_whole_partitions_and_are_about_equal() -> None:
    """The largest partition is alone, the others share; one without records moves with the shorter lane."""
    lanes = (await batch(handler_of(Store()))).split(2)
    assert [len(lane.records) for lane in lanes] == [5, 4]
    assert [sorted(tp.partition for tp in lane.reached) for lane in lanes] == [[0], [1, 2, 3]]
    assert all(record.partition in (1, 2) for record in lanes[1].records)


async def test_a_second_attempt_writes_only_what_is_not_written() -> None:
    """Where one lane fails, the other stays written."""
    store = Store(away=0)
    handler = handler_of(store)
    one = await batch(handler)
    with pytest.raises(ConnectionResetError):
        await handler.write(one)
    assert store.written == [{1: 3, 2: 1, 3: 7}]
    await handler.write(one)
    assert store.written == [{1: 3, 2: 1, 3: 7}, {0: 5}]


async def test_other_work_goes_on_while_a_batch_is_decoded() -> None:
    """What waits for its turn, as a transaction's answer does, gets it before a batch is whole."""
    turns: list[str] = []

    async def note() -> None:
        turns.append("other work")

    other = asyncio.create_task(note())
    await batch(handler_of(Store()))
    assert turns == ["other work"]
    await other
