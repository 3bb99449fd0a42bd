"""Find the ledger, and wait until it has the events of a command."""

from collections.abc import Sequence
from uuid import UUID

from consumers.client.producing import Places
from schemas.errors import TakedownError
from services.cli.support import UNREACHABLE, wait_until
from services.ledger.pool import DatabaseConnection, session_of
from services.ledger.queries import query
from services.runtime.connections import database_connection
from services.runtime.endpoints import read_endpoints, with_addresses
from services.runtime.settings import Settings


class LedgerBehind(TakedownError):
    """The ledger did not read everything in time; what was sent is in Kafka and is not lost."""

    exit_code = UNREACHABLE


def ledger_here(settings: Settings) -> DatabaseConnection | None:
    """Give the ledger that is configured or that runs here; None: there is none to ask."""
    if settings.database.url is None:
        endpoints = read_endpoints(settings.data_path)
        if endpoints is None:
            return None
        settings = with_addresses(settings, endpoints, ["database"])
    return database_connection(settings)


async def wait_for_ledger(
    connection: DatabaseConnection, group: str, places: Places, timeout_seconds: float
) -> None:
    """Return once the ledger's stored offsets have passed every place; raises `LedgerBehind`."""
    async with session_of(connection) as session:

        async def has_all() -> bool:
            rows = await session.fetch(query("stored_offsets"), group)
            stored = {(r["topic"], r["partition"]): r["next_offset"] for r in rows}
            return all(stored.get(place, 0) >= offset for place, offset in places.items())

        if not await wait_until(has_all, timeout_seconds=timeout_seconds):
            raise LedgerBehind(
                f"the ledger has not read everything within {timeout_seconds:g} s; the events are in Kafka and "
                "not lost: check that the ledger runs (`takedown doctor`)"
            )


async def absent(
    connection: DatabaseConnection, events: Sequence[tuple[str, UUID]]
) -> set[tuple[str, UUID]]:
    """Return the (case id, event id) pairs that the ledger read but refused."""
    arguments = [c for c, _ in events], [i for _, i in events]
    async with session_of(connection) as session:
        rows = await session.fetch(query("taken_events"), *arguments)
    return set(events) - {(row["case_id"], row["event_id"]) for row in rows}
