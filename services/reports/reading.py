"""Read the ledger for a report: the folded cases as they stand, or the evidence up to an instant, folded anew.

What is read is a range of case ids, or of pages of the table, so that several processes can share a ledger. A case that
has no event after the cut-off stood then as it stands now (law 6: with no new event nothing changes), so that its
stored fold is that of its evidence up to the cut-off, and only the others are folded anew.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import asyncpg
from msgspec import Struct

from schemas import codec
from schemas.events import CaseAttributed, Event
from schemas.methodology import Methodology
from schemas.sqlfiles import statements
from services.core.case import Case
from services.core.fold import fold_unique
from services.ledger.pool import DatabaseConnection, in_parts, session_of
from services.ledger.queries import query
from services.reports.counted_case import decode_counted

Source = Literal["stored", "stored_by", "evidence"]
_CASES_AT_ONCE = 2000


class CaseRange(NamedTuple):
    """Case ids from `low` up to, and not with, `high`."""

    low: str = ""
    high: str = "g"


class PageRange(NamedTuple):
    """Places in the table of cases from `low` up to, and not with, `high`: pages and rows."""

    low: tuple[int, int] = (0, 0)
    high: tuple[int, int] = (2**32 - 1, 2**16 - 1)


class Selection(Struct, frozen=True, kw_only=True):
    """What a report reads: from where, under which methodologies, up to which instant.

    `stored` takes the cases as they stand, `stored_by` those that had stood so at the cut-off, and folds the evidence
    of the others; `evidence` folds everything, once per methodology. `corrected`: and from the retractions and
    attributions made since, as far as these speak of the time before.
    """

    source: Source
    methodologies: Sequence[Methodology]
    cutoff: datetime
    corrected: bool = False


def statement(name: str) -> str:
    """Give one of the reports' statements."""
    return statements("services.reports", "ledger.sql")[name]


async def definition(connection: DatabaseConnection) -> str | None:
    """Give the digest of the methodology that the ledger's cases are folded under; None where it has none yet."""
    async with session_of(connection) as session:
        row = await session.fetchrow(query("methodology"))
        return None if row is None else row["digest"]


def whole_range(selection: Selection) -> CaseRange | PageRange:
    """Give the range that holds every case, of the kind that a selection is read by."""
    return CaseRange() if selection.source == "evidence" else PageRange()


async def read_cases(
    session: asyncpg.Connection, selection: Selection, ids: CaseRange | PageRange
) -> AsyncIterator[Iterable[list[Case]]]:
    """Give every case of a range, once per methodology, in parts; within a transaction.

    Evidence is read by ranges of ids, folded cases by ranges of pages. A case that has no event by the cut-off is not
    there. Memory holds the events of some cases at a time.
    """
    if selection.source == "stored":
        async for part in in_parts(session, statement("report_states"), *ids):
            yield ([decode_counted(row["state"])] for row in part)
    elif selection.source == "evidence":
        async for log in _logs(
            session, _events("report_events", selection), *ids, selection.cutoff
        ):
            yield _folded(log, selection)
    else:
        async for cases in _cases_by(session, selection, ids):
            yield cases


async def _cases_by(
    session: asyncpg.Connection, selection: Selection, ids: CaseRange | PageRange
) -> AsyncIterator[Iterable[list[Case]]]:
    later: list[str] = []
    text = statement("report_states_by")
    async for part in in_parts(session, text, *ids, selection.cutoff):
        yield _stood(part, selection.cutoff, later)
    for start in range(0, len(later), _CASES_AT_ONCE):
        names = later[start : start + _CASES_AT_ONCE]
        async for log in _logs(
            session, _events("report_events_of", selection), names, selection.cutoff
        ):
            yield _folded(log, selection)


def _stood(part: Iterable[Any], cutoff: datetime, later: list[str]) -> Iterator[list[Case]]:
    """Give the cases that stood so at the cut-off, and put the names of those that had begun otherwise into `later`."""
    for case_id, state, stood in part:
        case = decode_counted(state)
        # A correction of history takes effect before it is made.
        if stood and not any(c.stated_at > cutoff for c in case.corrections):
            yield [case]
        elif case.spells[0].opened_at <= cutoff:
            # The first spell opens with the first event: what had not begun costs no look into its log.
            later.append(case_id)


def _events(name: str, selection: Selection) -> str:
    return statement(f"{name}_corrected" if selection.corrected else name)


def _folded(log: list[Event], selection: Selection) -> Iterator[list[Case]]:
    """Fold the events of one case once per methodology; nothing where none is by the cut-off."""
    cutoff = selection.cutoff
    events = [event for event in log if _speaks_of(event, cutoff)] if selection.corrected else log
    if any(event.time <= cutoff for event in events):
        yield [fold_unique(events, methodology)[0] for methodology in selection.methodologies]


def _speaks_of(event: Event, cutoff: datetime) -> bool:
    """Tell whether an event says something about the time up to a cut-off."""
    data = event.data
    if event.time <= cutoff or not isinstance(data, CaseAttributed):
        return True
    return data.effective_from is not None and data.effective_from <= cutoff


async def _logs(
    session: asyncpg.Connection, text: str, *arguments: object
) -> AsyncIterator[list[Event]]:
    """Give the events of one case after the other."""
    log: list[Event] = []
    case_id = None
    async for part in in_parts(session, text, *arguments):
        for event in _decoded(part):
            if event.case_id != case_id:
                if log:
                    yield log
                log, case_id = [], event.case_id
            log.append(event)
    if log:
        yield log


def _decoded(part: Iterable[Any]) -> Iterator[Event]:
    # The ids are left in the client's own class: they are compared here, and kept nowhere.
    for case_id, event_id, event_time, type_, source, body in part:
        data = codec.decode_data(type_, body.encode())
        yield Event(id=event_id, time=event_time, source=source, case_id=case_id, data=data)
