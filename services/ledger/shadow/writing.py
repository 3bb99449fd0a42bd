"""Folded cases into the tables of a shadow, by COPY, within the transaction of their unit."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from msgspec import Struct, structs

from schemas.events import Event, unsealed
from services.core.case import Case, Transition
from services.core.digest import case_digest
from services.ledger import changes, rows
from services.ledger.rows import StoredCase, StoredEvent, StoredOutcome
from services.ledger.shadow.schema import Unit, statement
from services.ledger.table_columns import BigInt, Columns, Json, Row


class StoredDigest(NamedTuple):
    """A row of `case_digests`: what a case was folded from, and what it came to."""

    case_id: str
    digest: bytes
    events: int
    duplicates: int


class RefusedRecord(NamedTuple):
    """A row of `replay_refused`: a record that would be a dead letter."""

    topic: str
    partition: int
    record_offset: BigInt
    reason: str
    message: str


class StrayRecord(NamedTuple):
    """A row of `replay_strays`: an event, the place of its record, and the partition of its case."""

    home: int
    topic: str
    partition: int
    record_offset: BigInt
    case_id: str
    event_id: UUID
    event_time: datetime
    type: str
    source: str
    body: Json


_DIGESTS, _REFUSED, _STRAYS = Columns(StoredDigest), Columns(RefusedRecord), Columns(StrayRecord)


class Folded(Struct):
    """One case as folded, with what it was folded from."""

    case: Case
    transitions: list[Transition]
    outcomes: list[Event]
    events: Sequence[Event]
    duplicates: int = 0


class UnitWriter:
    """Writes one unit; use within a transaction of `session`.

    Rows are kept until there are some to send: the cases behind them take seven times as much, and may go at once.
    """

    def __init__(self, session: asyncpg.Connection, shadow: str, with_events: bool) -> None:
        self._session = session
        self._shadow = shadow
        self._with_events = with_events
        self._backlog: dict[str, tuple[Columns, list[Row]]] = {}

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

    def keep(self, folded: Sequence[Folded]) -> None:
        """Make the rows of cases with all that hangs on them, to be written with the next `write`."""
        for table, columns, records in tables_of(folded, self._with_events):
            self._backlog.setdefault(table, (columns, []))[1].extend(records)

    async def write(self) -> None:
        """Write what was kept."""
        backlog, self._backlog = self._backlog, {}
        for table, (columns, records) in backlog.items():
            await self._copy(table, columns, records)

    async def end(
        self,
        unit: Unit,
        records: int,
        outside: int,
        refused: Sequence[RefusedRecord],
        strays: Sequence[StrayRecord],
    ) -> None:
        """Write the rest, and note how many records were read and how many left out, what was refused, what strays."""
        await self.write()
        await self._copy("replay_refused", _REFUSED, refused)
        await self._copy("replay_strays", _STRAYS, strays)
        await self._session.execute(
            statement("count_unit", shadow=self._shadow), unit.unit, outside, records
        )

    async def _copy(self, table: str, columns: Columns, records: Sequence[Row]) -> None:
        if records:
            await self._session.copy_records_to_table(
                table, schema_name=self._shadow, columns=columns.names, records=records, timeout=600
            )


def tables_of(
    folded: Sequence[Folded], with_events: bool
) -> Iterator[tuple[str, Columns, Sequence[Row]]]:
    """Give each table's rows of some cases, with the table's name and columns."""
    yield "cases", rows.CASES, [_case(f) for f in folded]
    yield "spells", rows.SPELLS, [rows.spell_row(f.case, s) for f in folded for s in f.case.spells]
    moved = [r for f in folded for r in rows.transition_rows(f.case.case_id, 0, f.transitions)]
    yield "transitions", rows.TRANSITIONS, moved
    yield "outcomes", rows.OUTCOMES, [r for f in folded for r in _outcomes(f)]
    yield "case_digests", _DIGESTS, [_digest(f) for f in folded]
    if with_events:
        yield "events", rows.EVENTS, [row for f in folded for row in _logged(f)]


def _case(folded: Folded) -> StoredCase:
    return rows.case_row(folded.case, len(folded.transitions))


def _outcomes(folded: Folded) -> Iterable[StoredOutcome]:
    """One row per outcome's name: the live ledger takes the first of equal ones too."""
    unique = {event.id: event for event in reversed(folded.outcomes)}
    return [rows.outcome_row(event) for event in reversed(unique.values())]


def _logged(folded: Folded) -> Iterable[StoredEvent]:
    """Give the log of a case as the live one is: what an erasure has destroyed is not brought back from elsewhere."""
    gone = changes.erased_urls(folded.events)
    for event in folded.events:
        if event.id in gone:
            event = structs.replace(event, data=unsealed(event.data))  # noqa: PLW2901
        yield rows.event_row(event)


def _digest(folded: Folded) -> StoredDigest:
    digest = bytes.fromhex(case_digest(folded.case, folded.transitions))
    return StoredDigest(folded.case.case_id, digest, len(folded.events), folded.duplicates)
