"""Offsets without records: how long a transaction holds others back, and what a jump of the position means."""

from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition

from consumers.client.outages import OutageRetry
from consumers.client.watchdog import OpenTransactions
from consumers.ledger.session import Rebalances, Session
from consumers.record import source
from consumers.record.source import EvidenceGone, KafkaSource, SourceSilent
from services.ledger.store import Claim
from tests.as_configured import kafka_at, loop_settings

PLACE, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def test_a_stable_offset_that_stands_below_the_high_watermark_is_timed() -> None:
    """The time runs from when it is first seen to stand, and ends when everything can be read."""
    held = OpenTransactions()
    assert held.seconds({PLACE: 4}, {PLACE: 6}, now=10) == {PLACE: 0}
    assert held.seconds({PLACE: 4}, {PLACE: 9}, now=17) == {PLACE: 7}
    assert held.seconds({PLACE: 9}, {PLACE: 9}, now=18) == {PLACE: 0}
    assert held.seconds({PLACE: 9}, {PLACE: 10}, now=30) == {PLACE: 0}


def test_transactions_that_follow_each_other_hold_nothing() -> None:
    """A topic that is written in transactions all the time has one open at every glance, each time another."""
    held = OpenTransactions()
    for now in range(0, 1000, 10):
        assert held.seconds({PLACE: now}, {PLACE: now + 3}, now=now) == {PLACE: 0}


def test_partitions_are_timed_apart() -> None:
    """One that moves does not hide one that stands."""
    held = OpenTransactions()
    held.seconds({PLACE: 4, OTHER: 7}, {PLACE: 6, OTHER: 8}, now=0)
    found = held.seconds({PLACE: 4, OTHER: 8}, {PLACE: 6, OTHER: 9}, now=60)
    assert found == {PLACE: 60, OTHER: 0}


# -- the session -----------------------------------------------------------------------------------


class Client:
    """A consumer of one partition that begins at `first` on the broker."""

    def __init__(self, first: int, position: int) -> None:
        self.first = first
        self.at = position

    async def getmany(self, **_: Any) -> dict[TopicPartition, list[Any]]:
        return {}

    async def position(self, place: TopicPartition) -> int:
        return self.at

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.first)


class Turns:
    def turned(self, loop: str) -> None:
        """Nobody listens here."""


class Batches:
    """A handler that keeps what it is to store."""

    def __init__(self) -> None:
        self.stored: list[dict[TopicPartition, int]] = []
        self.offsets: list[int] = []

    async def prepare(self, records: Any, claims: Any, reached: dict[TopicPartition, int]) -> Any:
        self.offsets += [record.offset for record in records]
        return reached

    def join(self, batch: Any, later: Any) -> Any:
        return batch | later

    async def write(self, batch: dict[TopicPartition, int]) -> None:
        self.stored.append(batch)


async def turned(client: Client, **settings: Any) -> tuple[Session[Any], Batches]:
    """Make one turn of a session that has stored offset 4."""
    handler, rebalances = Batches(), Rebalances()
    session = Session(
        "ledger",
        client,
        handler,  # type: ignore[arg-type]
        Turns(),
        rebalances=rebalances,
        settings=loop_settings(poll_seconds=0.0, **settings),
        retry=OutageRetry("ledger"),
    )
    session._claims, session._fetched = {PLACE: Claim(4, 1)}, {PLACE: 4}
    await session._turn(rebalances.generation)
    await session._await_write()
    return session, handler


class Full(Client):
    """A consumer that has `held` records and gives as many at once as it is asked for."""

    def __init__(self, held: int) -> None:
        super().__init__(first=0, position=4)
        self.held = held

    async def getmany(self, *, max_records: int, **_: Any) -> dict[TopicPartition, list[Any]]:
        given = range(self.at, self.at + min(max_records, self.held))
        self.held -= len(given)
        self.at += len(given)
        return {PLACE: [Numbered(offset) for offset in given]} if given else {}


class Numbered(NamedTuple):
    offset: int


async def test_what_the_client_has_makes_one_batch_up_to_its_size() -> None:
    """Records are fetched and prepared in stretches; the batch ends where it is full, and stores how far it goes."""
    client = Full(held=1000)
    _, handler = await turned(client, batch_records=600)
    assert (handler.stored, client.held) == ([{PLACE: 604}], 400)
    assert handler.offsets == list(range(4, 604))


async def test_a_batch_ends_where_the_client_has_no_more() -> None:
    """A batch that is not full waits for nothing."""
    _, handler = await turned(Full(held=260), batch_records=4000)
    assert (handler.stored, handler.offsets) == ([{PLACE: 264}], list(range(4, 264)))


async def test_a_position_that_moves_without_a_record_is_stored() -> None:
    """Markers and aborted records are passed over once, and lie behind the stored offset then."""
    session, handler = await turned(Client(first=0, position=7))
    assert (handler.stored, session.positions) == ([{PLACE: 7}], {PLACE: 7})


async def test_a_position_that_stands_stores_nothing() -> None:
    """A quiet partition costs no transaction."""
    session, handler = await turned(Client(first=0, position=4))
    assert (handler.stored, session.positions) == ([], {})


async def test_a_position_that_moved_because_records_are_gone_stops_the_ledger() -> None:
    """The broker deleted what came next while the ledger ran: that is lost evidence, not a marker."""
    with pytest.raises(EvidenceGone, match="has offset 4, but the broker has 6 to 7"):
        await turned(Client(first=6, position=7))


async def test_an_operator_can_accept_a_loss_while_the_ledger_runs() -> None:
    """As at the start: with the setting it goes on from where the broker begins."""
    _, handler = await turned(Client(first=6, position=7), accept_gaps=True)
    assert handler.stored == [{PLACE: 7}]


# -- the source ------------------------------------------------------------------------------------


class Silent(Client):
    """A consumer that gives no records; its position moves at each fetch, up to an end."""

    def __init__(self, end: int) -> None:
        super().__init__(first=0, position=0)
        self.end = end

    def assign(self, places: list[TopicPartition]) -> None:
        """There is one only."""

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.at = offset

    async def getmany(self, *places: TopicPartition, **_: Any) -> dict[TopicPartition, list[Any]]:
        self.at = min(self.at + 1, self.end)
        return {}


async def read(end: int, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(source, "_SILENT_POLLS", 3)
    reader = KafkaSource(kafka_at("192.0.2.1:9092"))
    reader._consumer = Silent(end)
    return [batch async for batch in reader.read((PLACE.topic, PLACE.partition), 0, 20)]


async def test_a_stretch_of_aborted_records_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker whose records are all passed over gives no record for long, and is read to the end."""
    assert await read(20, monkeypatch) == []


async def test_a_position_that_stands_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing moves, the reader says where, and what may hold it."""
    with pytest.raises(SourceSilent, match=r"offset 9 of 20.*transaction"):
        await read(9, monkeypatch)
