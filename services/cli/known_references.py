"""Ask the ledger which cases the references of another system mean."""

from collections.abc import Sequence

from schemas.sqlfiles import statements
from services.cli.support import run_async
from services.cli.typed_words import is_text
from services.ledger.pool import session_of
from services.runtime.connections import database_connection
from services.runtime.settings import Settings


def cases_of(
    settings: Settings, references: Sequence[str], reporters: str | None
) -> dict[str, str]:
    """Give the case of each reference that the ledger has a report of; `reporters` is a pattern of LIKE.

    A reference that is no text was never reported, and can't be asked for.
    """
    texts = [reference for reference in references if is_text(reference)]
    connection = database_connection(settings, "takedown_ledger")
    statement = statements("services.cli", "import.sql")["cases_of_references"]

    async def ask() -> dict[str, str]:
        async with session_of(connection) as session:
            rows = await session.fetch(statement, texts, reporters)
        return {row["reference"]: row["case_id"] for row in rows}

    return run_async(ask) if texts else {}
