"""Folded cases into the tables of a shadow, by COPY, within the transaction of their unit."""

from collections.abc import Iterable, Sequence

import asyncpg
from msgspec import Struct, structs

from schemas.events import Event, unsealed
from services.core.case import Case, Transition
from services.core.digest import case_digest
from services.ledger import changes, rows
from services.ledger.rows import Row
from services.ledger.shadow.schema import Unit, statement

_CASES = (
    "case_id", "category", "reported_at", "retracted", "not_measurable", "sealed_url", "state", "transitions",
    "last_event_time", "last_event_id",
)  # fmt: skip
_SPELLS = (
    "case_id", "spell", "provider", "category", "opened_at", "closed_at", "closed_reason", "procedure", "presence",
    "clock", "clock_started_at", "deadline", "excluded", "first_online_at", "known_online_at", "breached_at",
    "removed_lower", "removed_upper", "removed_layer", "returns", "looks", "undetermined", "missed",
    "exposure_lower_seconds", "exposure_upper_seconds",
)  # fmt: skip
_TRANSITIONS = ("case_id", "seq", "spell", "machine", "before", "after", "at", "cause", "detail")
_OUTCOMES = ("outcome_id", "case_id", "spell", "type", "provider", "category", "at")
_EVENTS = ("case_id", "event_id", "event_time", "type", "source", "body")
_REFUSED = ("topic", "partition", "record_offset", "reason", "message")
_DIGESTS = ("case_id", "digest", "events", "duplicates")
_STRAYS = ("home", "topic", "partition", "record_offset", *_EVENTS)


class Folded(Struct):
    """One case as folded, with what it was folded from."""

    case: Case
    transitions: list[Transition]
    outcomes: list[Event]
    events: Sequence[Event]
    duplicates: int = 0


class UnitWriter:
    """Writes one unit; use within a transaction of `session`."""

    def __init__(self, session: asyncpg.Connection, shadow: str, with_events: bool) -> None:
        self._session = session
        self._shadow = shadow
        self._with_events = with_events

    async def claim(self, unit: Unit) -> bool:
        """Take the unit; False where somebody else has written it."""
        tag: str = await self._session.execute(
            statement("claim_unit", shadow=self._shadow), unit.unit
        )
        return tag.endswith(" 1")

    async def forget(self, case_ids: Sequence[str]) -> None:
        """Take out the rows of cases that are written again."""
        await self._session.execute(statement("forget_cases", shadow=self._shadow), case_ids)
        if self._with_events:
            await self._session.execute(statement("forget_events", shadow=self._shadow), case_ids)

    async def write(self, folded: Sequence[Folded]) -> None:
        """Write cases with all that hangs on them."""
        await self._copy("cases", _CASES, [_case(f) for f in folded])
        await self._copy(
            "spells", _SPELLS, [rows.spell_row(f.case, s) for f in folded for s in f.case.spells]
        )
        moved = [r for f in folded for r in rows.transition_rows(f.case.case_id, 0, f.transitions)]
        await self._copy("transitions", _TRANSITIONS, moved)
        await self._copy("outcomes", _OUTCOMES, [r for f in folded for r in _outcomes(f)])
        await self._copy("case_digests", _DIGESTS, [_digest(f) for f in folded])
        if self._with_events:
            await self._copy("events", _EVENTS, [row for f in folded for row in _logged(f)])

    async def end(
        self, unit: Unit, records: int, outside: int, refused: Sequence[Row], strays: Sequence[Row]
    ) -> None:
        """Note how many records were read, how many were beyond the asked times, what was refused, what strays."""
        await self._copy("replay_refused", _REFUSED, refused)
        await self._copy("replay_strays", _STRAYS, strays)
        await self._session.execute(
            statement("count_unit", shadow=self._shadow), unit.unit, outside, records
        )

    async def _copy(self, table: str, columns: Sequence[str], records: Sequence[Row]) -> None:
        if records:
            await self._session.copy_records_to_table(
                table, schema_name=self._shadow, columns=columns, records=records, timeout=600
            )


def _case(folded: Folded) -> Row:
    return rows.case_row(folded.case, len(folded.transitions))


def _outcomes(folded: Folded) -> Iterable[Row]:
    """One row per outcome's name: the live ledger takes the first of equal ones too."""
    unique = {event.id: event for event in reversed(folded.outcomes)}
    return [rows.outcome_row(event) for event in reversed(unique.values())]


def _logged(folded: Folded) -> Iterable[Row]:
    """Give the log of a case as the live one is: what an erasure has destroyed is not brought back from elsewhere."""
    gone = changes.erased_urls(folded.events)
    for event in folded.events:
        if event.id in gone:
            event = structs.replace(event, data=unsealed(event.data))  # noqa: PLW2901
        yield rows.event_row(event)


def _digest(folded: Folded) -> Row:
    digest = bytes.fromhex(case_digest(folded.case, folded.transitions))
    return folded.case.case_id, digest, len(folded.events), folded.duplicates
