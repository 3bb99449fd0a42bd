"""The digest of a ledger, computed from its tables: equal evidence and methodology, equal digest."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from schemas.errors import TakedownError
from services.core.case import Case, Transition
from services.core.digest import case_digest, combined
from services.ledger import rows
from services.ledger.queries import query

_CHUNK = 500


class LedgerInconsistent(TakedownError):
    """The tables contradict each other: a defect of this program, or a hand in the database."""


async def ledger_digest(pool: asyncpg.Pool) -> str:
    """Digest every case, its spells and its transitions; equals `fold_digest` of the evidence.

    Reads one snapshot, a few hundred cases at a time.
    Raises `LedgerInconsistent` where the rows of `spells` are not those of the folded case.
    """
    digests = [(case.case_id, case_digest(case, moved)) async for case, moved in cases(pool)]
    return combined(digests)


async def cases(pool: asyncpg.Pool) -> AsyncIterator[tuple[Case, list[Transition]]]:
    """Give every case of the ledger with its transitions, in the order of the case ids."""
    async with (
        pool.acquire() as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        # Without a name: a pooler's connection may know it from another process.
        statement = await session.prepare(query("stream_cases"), name="")
        cursor = await statement.cursor()
        while chunk := await cursor.fetch(_CHUNK):
            for case, moved in await _with_transitions(session, chunk):
                yield case, moved


async def _with_transitions(
    session: asyncpg.Connection, chunk: list[Any]
) -> list[tuple[Case, list[Transition]]]:
    folded = [rows.case_of(row["state"], row["sealed_url"]) for row in chunk]
    names = [case.case_id for case in folded]
    moved: dict[str, list[Transition]] = {name: [] for name in names}
    for row in await session.fetch(query("transitions_of_cases"), names):
        moved[row["case_id"]].append(rows.transition_of(row))
    await _check_spells(session, folded)
    for row in chunk:
        if row["transitions"] != len(moved[row["case_id"]]):
            raise LedgerInconsistent(
                f"case {row['case_id']}: its transitions are not those counted"
            )
    return [(case, moved[case.case_id]) for case in folded]


async def _check_spells(session: asyncpg.Connection, folded: list[Case]) -> None:
    names = [case.case_id for case in folded]
    written = {tuple(row) for row in await session.fetch(query("spells_of_cases"), names)}
    expected = {rows.spell_row(case, spell) for case in folded for spell in case.spells}
    if written != expected:
        wrong = sorted({row[0] for row in written ^ expected})
        raise LedgerInconsistent(
            f"the spells of {len(wrong)} cases are not those of their state, first {wrong[0]}; "
            "empty the ledger and let it be filled again from Kafka"
        )
