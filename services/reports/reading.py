"""Read the ledger for a report: the folded cases as they stand, or the evidence up to an instant, folded anew."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from schemas.events import Event
from schemas.methodology import Methodology
from schemas.sqlfiles import statements
from services.core.case import Case
from services.core.fold import fold
from services.ledger.pool import DatabaseConnection, session_of, streamed
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


async def folded_cases(
    connection: DatabaseConnection, methodologies: Sequence[Methodology], cutoff: datetime
) -> AsyncIterator[list[Case]]:
    """Give every case folded anew, once per methodology, from its events up to a cut-off.

    A case that has no event by then is not there. Memory holds the events of one case at a time.
    """
    async for events in _logs(connection, cutoff):
        yield [fold(events, methodology)[0] for methodology in methodologies]


async def _logs(connection: DatabaseConnection, cutoff: datetime) -> AsyncIterator[list[Event]]:
    async with (
        session_of(connection) as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        log: list[Event] = []
        async for row in streamed(session, _statement("report_events"), cutoff):
            if log and log[0].case_id != row["case_id"]:
                yield log
                log = []
            log.append(event_of(row))
        if log:
            yield log
