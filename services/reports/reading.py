"""Read the ledger for a report: the folded cases as they stand, or the evidence up to an instant, folded anew."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from schemas.events import CaseAttributed, Event
from schemas.methodology import Methodology
from schemas.sqlfiles import statements
from services.core.case import Case
from services.core.fold import fold
from services.ledger.pool import DatabaseConnection, session_of, streamed
from services.ledger.queries import query
from services.ledger.rows import case_of, event_of


def _statement(name: str) -> str:
    return statements("services.reports", "ledger.sql")[name]


async def stored_cases(connection: DatabaseConnection) -> AsyncIterator[Case]:
    """Give every case as the ledger has folded it, in one snapshot of the database."""
    async with (
        session_of(connection) as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        async for row in streamed(session, _statement("report_states")):
            yield case_of(row["state"], None)


async def definition(connection: DatabaseConnection) -> str | None:
    """Give the digest of the methodology that the ledger's cases are folded under; None where it has none yet."""
    async with session_of(connection) as session:
        row = await session.fetchrow(query("methodology"))
        return None if row is None else row["digest"]


async def folded_cases(
    connection: DatabaseConnection,
    methodologies: Sequence[Methodology],
    cutoff: datetime,
    *,
    corrected: bool = False,
) -> AsyncIterator[list[Case]]:
    """Give every case folded anew, once per methodology, from its events up to a cut-off.

    `corrected`: and from the retractions and attributions made since, as far as these speak of the time before.
    A case that has no event by then is not there. Memory holds the events of one case at a time.
    """
    statement = _statement("report_events_corrected" if corrected else "report_events")
    async for log in _logs(connection, statement, cutoff):
        events = [event for event in log if _speaks_of(event, cutoff)]
        if all(event.time > cutoff for event in events):
            continue
        yield [fold(events, methodology)[0] for methodology in methodologies]


def _speaks_of(event: Event, cutoff: datetime) -> bool:
    """Tell whether an event says something about the time up to a cut-off."""
    data = event.data
    if event.time <= cutoff or not isinstance(data, CaseAttributed):
        return True
    return data.effective_from is not None and data.effective_from <= cutoff


async def _logs(
    connection: DatabaseConnection, statement: str, cutoff: datetime
) -> AsyncIterator[list[Event]]:
    async with (
        session_of(connection) as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        log: list[Event] = []
        async for row in streamed(session, statement, cutoff):
            if log and log[0].case_id != row["case_id"]:
                yield log
                log = []
            log.append(event_of(row))
        if log:
            yield log
