"""How cases, spells, transitions and events stand in rows, and back: one class per table."""

from collections.abc import Callable, Iterable
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from schemas import codec
from schemas.events import TYPE_OF, Event
from services.core.bounds import exclusion
from services.core.case import Case, Spell, Transition
from services.core.state import decode_case, encode_case, unsealed
from services.ledger.table_columns import BigInt, Columns, Json, Place, Row


class StoredOffset(NamedTuple):
    """How far a batch moves a consumer group in a partition; `reached` is where the ledger must stand before."""

    consumer_group: str
    topic: str
    partition: int
    epoch: BigInt
    next_offset: BigInt
    reached: BigInt | None
    event_time: datetime | None


class StoredEvent(NamedTuple):
    """A row of `events`."""

    case_id: str
    event_id: UUID
    event_time: datetime
    type: str
    source: str
    body: Json


class StoredCase(NamedTuple):
    """A row of `cases`; `transitions` is how many the case has."""

    case_id: str
    category: str
    reported_at: datetime | None
    retracted: bool
    not_measurable: str | None
    sealed_url: str | None
    state: bytes
    transitions: int
    last_event_time: datetime | None
    last_event_id: UUID | None


class LaterCase(NamedTuple):
    """What a later look changes of a row of `cases`; `place` is where the row stands."""

    place: Place
    case_id: str
    state: bytes
    transitions: int
    last_event_time: datetime | None
    last_event_id: UUID | None


class StoredSpell(NamedTuple):
    """A row of `spells`; the removal interval is that of the first confirmed removal."""

    case_id: str
    spell: int
    provider: str | None
    category: str
    opened_at: datetime
    closed_at: datetime | None
    closed_reason: str | None
    procedure: str
    presence: str
    clock: str
    clock_started_at: datetime | None
    clock_started_from: datetime | None
    deadline: datetime | None
    excluded: str | None
    first_online_at: datetime | None
    known_online_at: datetime | None
    breached_at: datetime | None
    removed_lower: datetime | None
    removed_upper: datetime | None
    removed_layer: str | None
    returns: int
    last_removed_upper: datetime | None
    last_returned_at: datetime | None
    looks: int
    undetermined: int
    missed: int
    exposure_lower_seconds: float
    exposure_upper_seconds: float


class LaterSpell(NamedTuple):
    """What nearly every later look changes of a row of `spells`, and nothing else."""

    case_id: str
    spell: int
    known_online_at: datetime | None
    looks: int
    undetermined: int
    missed: int
    exposure_lower_seconds: float
    exposure_upper_seconds: float


class StoredTransition(NamedTuple):
    """A row of `transitions`."""

    case_id: str
    seq: int
    spell: int
    machine: str
    before: str
    after: str
    at: datetime
    cause: UUID
    detail: str | None


class StoredOutcome(NamedTuple):
    """A row of `outcomes`."""

    outcome_id: UUID
    case_id: str
    spell: int
    type: str
    provider: str | None
    category: str
    at: datetime


class OutboxRecord(NamedTuple):
    """A row of `outbox`."""

    topic: str
    key: str
    value: bytes | None
    headers: Json


OFFSETS = Columns(StoredOffset)
EVENTS = Columns(StoredEvent)
CASES = Columns(StoredCase, key=("case_id",))
LATER_CASES = Columns(LaterCase, key=("place", "case_id"))
SPELLS = Columns(StoredSpell, key=("case_id", "spell"))
LATER_SPELLS = Columns(LaterSpell, key=("case_id", "spell"))
TRANSITIONS = Columns(StoredTransition)
OUTCOMES = Columns(StoredOutcome)
OUTBOX = Columns(OutboxRecord)
# By the names that the statements use for them.
TABLES = {
    "offsets": OFFSETS,
    "events": EVENTS,
    "cases": CASES,
    "later_cases": LATER_CASES,
    "spells": SPELLS,
    "later_spells": LATER_SPELLS,
    "transitions": TRANSITIONS,
    "outcomes": OUTCOMES,
    "outbox": OUTBOX,
}


def state_of(case: Case) -> bytes:
    """Write a case's state without its sealed URL, which has a column of its own."""
    return unsealed(case, encode_case)


def case_of(state: bytes, sealed_url: str | None) -> Case:
    """Read a case back."""
    case = decode_case(state)
    case.sealed_url = sealed_url
    return case


def case_row(case: Case, transitions: int) -> StoredCase:
    """Give the row of a case."""
    return StoredCase(
        case_id=case.case_id,
        category=case.category,
        reported_at=case.reported_at,
        retracted=case.retracted,
        not_measurable=case.not_measurable,
        sealed_url=case.sealed_url,
        state=state_of(case),
        transitions=transitions,
        last_event_time=case.last_time,
        last_event_id=case.last_id,
    )


def later_case_row(place: Place, case: Case, transitions: int) -> LaterCase:
    """Give what a later look changes of the row that stands at a place."""
    return LaterCase(
        place,
        case.case_id,
        state_of(case),
        transitions,
        case.last_time,
        case.last_id,
    )


def spell_row(case: Case, spell: Spell) -> StoredSpell:
    """Give the row of a spell."""
    first, returned = spell.removals[0] if spell.removals else None, spell.returned_at
    # By position: named arguments cost five times as much, for every look.
    return StoredSpell(
        case.case_id,
        spell.number,
        spell.provider,
        case.category,
        spell.opened_at,
        spell.closed_at,
        spell.closed_reason,
        spell.procedure.value,
        spell.presence.value,
        spell.clock.value,
        spell.clock_started_at,
        spell.clock_started_from,
        spell.deadline,
        exclusion(case, spell),
        spell.first_online_at,
        spell.known_online_at,
        spell.breached_at,
        first.lower if first else None,
        first.upper if first else None,
        first.layer if first else None,
        len(returned),
        spell.removals[len(returned) - 1].upper if returned else None,
        returned[-1] if returned else None,
        spell.looks,
        spell.undetermined,
        spell.missed,
        spell.exposure_lower_seconds,
        spell.exposure_upper_seconds,
    )


_later_spell: Callable[[Row], Row] = itemgetter(*map(StoredSpell._fields.index, LaterSpell._fields))
_rest_of_spell: Callable[[Row], Row] = itemgetter(
    *(i for i, name in enumerate(StoredSpell._fields) if name not in LaterSpell._fields)
)


def later_spell_row(before: StoredSpell, after: StoredSpell) -> Row | None:
    """Give what a later look changes of the row of a spell; None where it changed more of it."""
    if before.spell != after.spell or _rest_of_spell(before) != _rest_of_spell(after):
        return None
    return _later_spell(after)


_changing: Callable[[Spell], Row] = attrgetter("number", *LaterSpell._fields[2:])


def plainly_later_row(case: Case) -> Row:
    """Give what looks that move nothing change of the row of a case's last spell, in the order of `LaterSpell`."""
    return case.case_id, *_changing(case.spells[-1])


def transition_rows(
    case_id: str, start: int, moved: Iterable[Transition]
) -> list[StoredTransition]:
    """Give the rows of transitions; `start` is the first one's seq."""
    return [
        StoredTransition(
            case_id, seq, t.spell, t.machine, t.before, t.after, t.at, t.cause, t.detail
        )
        for seq, t in enumerate(moved, start)
    ]


def transition_of(row: Any) -> Transition:
    """Read a transition back."""
    return Transition(
        spell=row["spell"],
        machine=row["machine"],
        before=row["before"],
        after=row["after"],
        at=row["at"],
        cause=UUID(int=row["cause"].int),
        detail=row["detail"],
    )


def event_row(event: Event) -> StoredEvent:
    """Give the row of an event."""
    data = event.data
    body = codec.encode_data(data).decode()
    values = event.case_id, event.id, event.time, TYPE_OF[type(data)], event.source, body
    # By the constructor of tuples: that of a named one costs a third of all this.
    return tuple.__new__(StoredEvent, values)


def event_of(row: Any) -> Event:
    """Read an event back from the log."""
    # asyncpg's own UUID class compares equal, but a plain one keeps the core free of it.
    return Event(
        id=UUID(int=row["event_id"].int),
        time=row["event_time"],
        source=row["source"],
        case_id=row["case_id"],
        data=codec.decode_data(row["type"], row["body"].encode()),
    )


def outcome_row(event: Event) -> StoredOutcome:
    """Give the row of an outcome."""
    data: Any = event.data
    return StoredOutcome(
        outcome_id=event.id,
        case_id=event.case_id,
        spell=data.spell,
        type=event.type,
        provider=data.provider,
        category=data.category,
        at=event.time,
    )
