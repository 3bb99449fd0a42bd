"""Void, append and publish what the exchange of two ledgers changes.

Outcomes are append-only: those that no longer hold are voided, new ones appended. Probers and readers of the outcomes
learn of it through the outbox, as of any other change of the ledger.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from schemas.methodology import Methodology
from services.core.case import Transition
from services.core.watch_entry import entry_of
from services.ledger import changes, rows
from services.ledger.changes import Change
from services.ledger.shadow.following import CASES_AT_ONCE
from services.ledger.shadow.schema import Entry, statement


class Announcement:
    """Publishes what a shadow says otherwise than the live ledger; `now` dates voided outcomes."""

    def __init__(self, session: asyncpg.Connection, now: datetime) -> None:
        self._session = session
        self._now = now

    async def publish(self, entry: Entry, old: Methodology, live: str) -> int:
        """Void, append and publish what the exchange changes; return how many records say so."""
        text = statement("changed_cases", live=live, shadow=entry.schema)
        names = [row["case_id"] for row in await self._session.fetch(text, timeout=3600)]
        published = 0
        for start in range(0, len(names), CASES_AT_ONCE):
            published += await self._publish_of(
                entry, old, live, names[start : start + CASES_AT_ONCE]
            )
        return published

    async def _publish_of(self, entry: Entry, old: Methodology, live: str, names: list[str]) -> int:
        before = await self._entries(live, old, names)
        exchanged = await self._changes(entry, before, names)
        recorded: dict[str, dict[UUID, tuple[str, bool]]] = {}
        for row in await self._session.fetch(statement("outcomes_of_cases", live=live), names):
            recorded.setdefault(row["case_id"], {})[row["outcome_id"]] = row["type"], row["voided"]
        result = changes.reconcile(exchanged, recorded, self._now)
        await self._record(live, result)
        records = [changes.outcome_record(event) for event in result.published]
        records += [changes.watch_record(change) for change in exchanged if change.entry_changed]
        if records:
            await self._session.execute(
                statement("insert_outbox", live=live), *rows.OUTBOX.arrays(records)
            )
        return len(records)

    async def _record(self, live: str, result: changes.Reconciled) -> None:
        appended = [rows.outcome_row(event) for event in result.appended]
        if appended:
            await self._session.execute(
                statement("insert_outcomes", live=live), *rows.OUTCOMES.arrays(appended)
            )
        mark = statement("mark_outcomes", live=live)
        await self._session.execute(mark, result.vanished, self._now)
        await self._session.execute(mark, [event.id for event in result.revived], None)

    async def _entries(self, live: str, old: Methodology, names: list[str]) -> dict[str, Any]:
        stored = await self._session.fetch(statement("cases_by_name", schema=live), names)
        return {
            r["case_id"]: entry_of(rows.case_of(r["state"], r["sealed_url"]), old) for r in stored
        }

    async def _changes(
        self, entry: Entry, before: dict[str, Any], names: list[str]
    ) -> list[Change]:
        method = entry.identity.methodology
        moved: dict[str, list[Transition]] = {name: [] for name in names}
        text = statement("transitions_of", schema=entry.schema)
        for row in await self._session.fetch(text, names):
            moved[row["case_id"]].append(rows.transition_of(row))
        exchanged = []
        text = statement("cases_by_name", schema=entry.schema)
        for row in await self._session.fetch(text, names):
            case = rows.case_of(row["state"], row["sealed_url"])
            name = case.case_id
            exchanged.append(changes.whole(case, moved[name], before.get(name), method))
        return exchanged
