"""How cases, spells, transitions and events stand in rows, and back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from schemas import codec
from schemas.events import Event
from services.core.bounds import exclusion
from services.core.case import Case, Spell, Transition
from services.core.state import decode_case, encode_case, unsealed

Row = tuple[Any, ...]


def columns(rows: Sequence[Row], width: int) -> list[tuple[Any, ...]]:
    """Turn rows into the arrays that `unnest` takes."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


def state_of(case: Case) -> bytes:
    """Write a case's state without its sealed URL, which has a column of its own."""
    return unsealed(case, encode_case)


def case_of(state: bytes, sealed_url: str | None) -> Case:
    """Read a case back."""
    case = decode_case(state)
    case.sealed_url = sealed_url
    return case


def case_row(case: Case, transitions: int) -> Row:
    """Give a row of `cases`."""
    return (
        case.case_id,
        case.category,
        case.reported_at,
        case.retracted,
        case.not_measurable,
        case.sealed_url,
        state_of(case),
        transitions,
        case.last_time,
        case.last_id,
    )


def extended_row(place: Row, case: Case, transitions: int) -> Row:
    """Give what a later look changes of a row of `cases`; `place` is where the row stands."""
    return place, state_of(case), transitions, case.last_time, case.last_id


def spell_row(case: Case, spell: Spell) -> Row:
    """Give a row of `spells`; the removal interval is that of the first confirmed removal."""
    first = spell.removals[0] if spell.removals else None
    return (
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
        spell.deadline,
        exclusion(case, spell),
        spell.first_online_at,
        spell.known_online_at,
        spell.breached_at,
        first.lower if first else None,
        first.upper if first else None,
        first.layer if first else None,
        len(spell.returned_at),
        spell.looks,
        spell.undetermined,
        spell.missed,
        spell.exposure_lower_seconds,
        spell.exposure_upper_seconds,
    )


def transition_rows(case_id: str, start: int, moved: Iterable[Transition]) -> list[Row]:
    """Give rows of `transitions`; `start` is the first one's seq."""
    return [
        (case_id, seq, t.spell, t.machine, t.before, t.after, t.at, t.cause, t.detail)
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


def event_row(event: Event) -> Row:
    """Give a row of `events`."""
    body = codec.encode_data(event.data).decode()
    return event.case_id, event.id, event.time, event.type, event.source, body


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


def outcome_row(event: Event) -> Row:
    """Give a row of `outcomes`."""
    data: Any = event.data
    return (
        event.id,
        event.case_id,
        data.spell,
        event.type,
        data.provider,
        data.category,
        event.time,
    )


def newest(times: Iterable[datetime | None]) -> datetime | None:
    """Give the latest instant; None where there is none."""
    return max((time for time in times if time is not None), default=None)
