"""Fill the ledger's tables for the exporter's tests, from folded cases: no Kafka, no consumer."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import asyncpg

from services.core.case import Case, Spell
from services.ledger import migrate, rows


async def make(dsn: str) -> None:
    """Apply every migration."""
    connection = await asyncpg.connect(dsn)
    try:
        await migrate.up(connection)
    finally:
        await connection.close()


def row_of(case: Case, spell: Spell) -> dict[str, Any]:
    """Give the row of `spells` that the ledger writes for a spell, by column."""
    return rows.spell_row(case, spell)._asdict()


async def insert(connection: Any, table: str, entries: Iterable[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns."""
    found = list(entries)
    if not found:
        return
    names = list(found[0])
    places = ", ".join(f"${i + 1}" for i in range(len(names)))
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"
    await connection.executemany(statement, [[row[name] for name in names] for row in found])


def outcome(
    number: int, kind: str, provider: str | None, at: datetime, **extra: Any
) -> dict[str, Any]:
    """Make a row of `outcomes`."""
    return {
        "outcome_id": uuid5(NAMESPACE_OID, f"outcome {number}"),
        "case_id": f"{number:032x}",
        "spell": 1,
        "type": kind,
        "provider": provider,
        "category": "csam",
        "at": at,
        "voided_at": None,
    } | extra
