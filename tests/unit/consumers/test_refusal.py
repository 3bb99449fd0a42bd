"""One event's fault or ours: the live ledger and a replay decide it by the same rule."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from consumers.ledger.ledger_consumer import LedgerHandler
from consumers.record.admission import Admission
from consumers.record.refusal import is_fault_of_event
from consumers.record.source import RawRecord
from consumers.replay import unit_fold
from consumers.replay.unit_fold import Rules, UnitFold
from consumers.replay.unit_records import UnitRecords, home_of
from schemas import codec, topics
from schemas.errors import UnusableEvent
from schemas.methodology import shipped
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.core.machines import IllegalTransition
from services.ledger.shadow.schema import Unit
from services.ledger.store import BatchResult, Claim
from tests.as_configured import flood_brake
from tests.strategies import START, look

KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
CASE = KEYS.case_id(canonical("http://a.example/b"))
TOPIC = topics.OBSERVATIONS.name
HOME = home_of(CASE, 12)
EVENTS = [look(START + n * timedelta(hours=1), "online", case=CASE) for n in range(3)]
BROKEN = EVENTS[1]

FAULTS_OF_EVENTS = [KeyError("x"), ValueError("x"), TypeError(), AssertionError(), OverflowError()]
FAULTS_OF_EVENTS += [IllegalTransition("x", "y", "z")]
DEFECTS = [RuntimeError("x"), RecursionError(), NotImplementedError(), MemoryError(), EOFError()]


def record(offset: int) -> RawRecord:
    key, value, headers = codec.encode(EVENTS[offset])
    return RawRecord(TOPIC, HOME, offset, 0, 0, key, value, headers)


RECORDS = [record(offset) for offset in range(len(EVENTS))]


class Letters:
    """Dead letters that were sent."""

    def __init__(self) -> None:
        self.reasons: list[tuple[int, str, str]] = []

    async def send(self, refused: Any) -> None:
        self.reasons += [(one.offset, error.reason, str(error)) for one, error in refused]


class Store:
    """A ledger that fails where the broken event is in the batch."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def write(self, events: Any, advances: Any, *refuse: Any) -> BatchResult:
        if any(event.id == BROKEN.id for event in events):
            raise self._error
        return BatchResult()


async def live(error: Exception) -> list[tuple[int, str, str]]:
    """Give what the ledger sends to the dead letters."""
    letters, tp = Letters(), TopicPartition(TOPIC, HOME)
    handler = LedgerHandler(Store(error), Admission(KEYS), letters, flood_brake())  # type: ignore[arg-type]
    await handler.write(await handler.prepare(RECORDS, {tp: Claim(0, 1)}, {tp: len(RECORDS)}))  # type: ignore[arg-type]
    return letters.reasons


def replayed(error: Exception, patch: pytest.MonkeyPatch) -> list[tuple[int, str, str]]:
    """Give what a replay counts as refused."""
    fold_unique = unit_fold.fold_unique

    def folded(events: Any, method: Any) -> Any:
        if any(event.id == BROKEN.id for event in events):
            raise error
        return fold_unique(events, method)

    patch.setattr(unit_fold, "fold_unique", folded)
    whole = Unit(unit=0, partition=HOME, slice=0, slices=1, records=0)
    records = UnitRecords(whole, Admission(KEYS), 12)
    records.take(RECORDS)
    fold = UnitFold(Rules(methodology=shipped()["nl-24h"], partitions=12), Admission(KEYS))
    for case_id, items in records.cases():
        fold.fold(case_id, items)
    return [row[2:] for row in fold.refused]


@pytest.mark.parametrize("error", FAULTS_OF_EVENTS, ids=lambda e: type(e).__name__)
async def test_one_events_fault_is_refused_alike(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event that breaks the fold is refused alone, live and in a replay, with the same words."""
    expected = [(1, "unfoldable", f"the ledger can't take it: {type(error).__name__}")]
    assert expected == await live(error) == replayed(error, monkeypatch)


@pytest.mark.parametrize("error", DEFECTS, ids=lambda e: type(e).__name__)
async def test_a_defect_of_the_program_stops_both(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no single event causes is raised, live and in a replay; nothing is refused over it."""
    with pytest.raises(type(error)):
        await live(error)
    with pytest.raises(type(error)):
        replayed(error, monkeypatch)


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        (asyncpg.DataError("x"), True),
        (asyncpg.CheckViolationError("x"), True),
        (asyncpg.InterfaceError("the connection is closed"), False),
        (asyncpg.UndefinedTableError("x"), False),
        (asyncpg.InsufficientPrivilegeError("x"), False),
        (KafkaConnectionError("away"), False),
        (TimeoutError(), False),
        (UnusableEvent("bad_data", "x"), False),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_outage_and_a_missing_right_are_no_events_fault(
    error: Exception, is_fault: bool
) -> None:
    """Values that the database refuses are; what passes, and what the operator has to grant, is not."""
    assert is_fault == is_fault_of_event(error)
