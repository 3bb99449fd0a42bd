"""One batch inside its transaction: lock, insert, fold, write."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from schemas.events import Event
from schemas.methodology import Methodology
from services.ledger import changes, rows
from services.ledger.changes import Change, LockedCase
from services.ledger.ledger_digest import LedgerInconsistent
from services.ledger.queries import query
from services.ledger.table_columns import Columns, Place, Row

# A re-fold reads the whole log of a case: so many cases at a time bound the memory that takes.
REFOLD_CASES = 100

Key = tuple[str, UUID]


class Batch:
    """The work of one batch; every statement takes the rows of all its cases, in the order of their keys."""

    def __init__(
        self, session: asyncpg.Connection, methodology: Methodology, now: datetime
    ) -> None:
        self._session = session
        self._methodology = methodology
        self._now = now
        self._places: dict[str, Place] = {}
        self._erased: list[str] = []
        self._in_conflict: dict[str, list[Event]] = {}
        self.notice_conflicts: list[int] = []
        self.inserted = 0
        self.refolds = 0
        self.outcomes = 0

    async def take(self, events: Sequence[Event]) -> list[int]:
        """Write the effects of events; return the indices of those whose id names another fact already.

        Those of notices that contradict another one of their notice id are in `notice_conflicts`.
        """
        first, conflicts = _first_of_each(events)
        if not first:
            return conflicts
        groups = changes.by_case(first.values())
        stored, opened = await self._lock_or_open_cases(groups)
        new = await self._insert_events(first, groups)
        if len(new) < len(first):
            old = [key for key in first if key not in new]
            conflicts += await self._contradictions(events, first, old)
            groups = changes.by_case(new.values())
        self.inserted = len(new)
        await self._apply(stored, opened, groups)
        self.notice_conflicts = changes.notice_conflicts(events, new, self._in_conflict)
        await self._erase()
        return sorted(conflicts)

    # -- cases -------------------------------------------------------------------------------

    async def _lock_or_open_cases(
        self, groups: dict[str, list[Event]]
    ) -> tuple[dict[str, LockedCase], list[Change]]:
        """Lock the cases that exist and open the others; a case that another member opens meanwhile exists."""
        stored = await self._lock(sorted(groups))
        missing = sorted(groups.keys() - stored.keys())
        if not missing:
            return stored, []
        opened = [changes.refolded(None, groups[name], self._methodology) for name in missing]
        inserted = await self._insert_cases(opened)
        if len(inserted) < len(missing):
            stored |= await self._lock([name for name in missing if name not in inserted])
        return stored, [change for change in opened if change.case.case_id in inserted]

    async def _lock(self, names: list[str]) -> dict[str, LockedCase]:
        stored = await self._session.fetch(query("lock_cases"), names)
        self._places |= {row["case_id"]: row["place"] for row in stored}
        return {
            row["case_id"]: LockedCase.read(row["state"], row["sealed_url"], row["transitions"])
            for row in stored
        }

    async def _insert_cases(self, opened: list[Change]) -> set[str]:
        written = [rows.case_row(change.case, change.transitions) for change in opened]
        inserted = await self._session.fetch(query("insert_cases"), *rows.CASES.arrays(written))
        return {row["case_id"] for row in inserted}

    # -- events ------------------------------------------------------------------------------

    async def _insert_events(
        self, events: dict[Key, Event], groups: dict[str, list[Event]]
    ) -> dict[Key, Event]:
        written = [rows.event_row(event) for name in sorted(groups) for event in groups[name]]
        if await self._copy_events(written):
            return events
        inserted = await self._session.fetch(query("insert_events"), *rows.EVENTS.arrays(written))
        if len(inserted) == len(events):
            return events
        keys = {(row["case_id"], row["event_id"]) for row in inserted}
        return {key: event for key, event in events.items() if key in keys}

    async def _copy_events(self, written: list[rows.StoredEvent]) -> bool:
        """Copy events into the log; False, and nothing stays, where it holds one of them already.

        Nearly every batch is new. COPY writes pages where INSERT writes rows: less log, and less work on both sides.
        """
        try:
            async with self._session.transaction():
                await self._copy("events", rows.EVENTS, written)
        except asyncpg.UniqueViolationError:
            return False
        return True

    async def _copy(self, table: str, columns: Columns, written: Sequence[Row]) -> None:
        if written:
            await self._session.copy_records_to_table(table, columns=columns.names, records=written)

    async def _contradictions(
        self, events: Sequence[Event], first: dict[Key, Event], old: list[Key]
    ) -> list[int]:
        names, ids = [case for case, _ in old], [event_id for _, event_id in old]
        stored = await self._session.fetch(query("known_events"), names, ids)
        logged = {(event.case_id, event.id): event for event in map(rows.event_of, stored)}
        wrong = {key for key in old if not changes.same_fact(first[key], logged[key])}
        if not wrong:
            return []
        keys = ((event.case_id, event.id) for event in events)
        at_fault = (i for i, key in enumerate(keys) if key in wrong)
        return [i for i in at_fault if events[i] is first[events[i].case_id, events[i].id]]

    # -- effects -----------------------------------------------------------------------------

    async def _apply(
        self, stored: dict[str, LockedCase], opened: list[Change], groups: dict[str, list[Event]]
    ) -> None:
        later, back = [], []
        logs = {c.case.case_id: groups.get(c.case.case_id, []) for c in opened}
        self._note_erased(logs)
        self._note_conflicts(opened, logs)
        for name in sorted(groups.keys() & stored.keys()):
            if changes.extendable(stored[name].case, groups[name]):
                later.append(changes.extended(stored[name], groups[name], self._methodology))
            else:
                back.append(name)
        await self._write_cases(later)
        await self._write(opened + later, opened)
        for start in range(0, len(back), REFOLD_CASES):
            await self._refold(stored, back[start : start + REFOLD_CASES])

    async def _refold(self, stored: dict[str, LockedCase], names: list[str]) -> None:
        logged = await self._session.fetch(query("log_of_cases"), names)
        logs = changes.by_case(map(rows.event_of, logged))
        again = [changes.refolded(stored[name], logs[name], self._methodology) for name in names]
        self.refolds += len(again)
        self._note_erased(logs)
        self._note_conflicts(again, logs)
        await self._session.execute(query("delete_transitions"), names)
        await self._session.execute(
            query("delete_later_spells"), names, [len(change.case.spells) for change in again]
        )
        await self._write_cases(again)
        await self._write(again, again)

    async def _write_cases(self, written: list[Change]) -> None:
        await self._extend_cases([change for change in written if not change.refolded])
        whole = [rows.case_row(c.case, c.transitions) for c in written if c.refolded]
        if whole:
            await self._session.execute(query("update_cases"), *rows.CASES.arrays(whole))

    async def _extend_cases(self, later: list[Change]) -> None:
        """Write cases that later looks extended, each to the place where it was locked."""
        if not later:
            return
        places = (self._places[change.case.case_id] for change in later)
        written = [
            rows.later_case_row(p, c.case, c.transitions)
            for p, c in zip(places, later, strict=True)
        ]
        await self._update(query("extend_cases"), rows.LATER_CASES.arrays(written))

    async def _write(self, written: list[Change], compared: list[Change]) -> None:
        """Write what hangs on cases; the outcomes of `compared` may have been recorded before."""
        await self._write_spells(written)
        moved = [
            row
            for change in written
            for row in rows.transition_rows(
                change.case.case_id, change.transitions_before, change.moved
            )
        ]
        await self._copy("transitions", rows.TRANSITIONS, moved)
        await self._publish(written, compared)

    async def _write_spells(self, written: list[Change]) -> None:
        later: list[Row] = []
        whole: list[rows.StoredSpell] = []
        for change in written:
            _sort_spells(change, later, whole)
        if whole:
            await self._session.execute(query("upsert_spells"), *rows.SPELLS.arrays(whole))
        if later:
            await self._update(query("extend_spells"), rows.LATER_SPELLS.arrays(later))

    async def _update(self, statement: str, arrays: list[Row]) -> None:
        """Update one row for each element of the arrays; raises `LedgerInconsistent` where one is not there."""
        tag: str = await self._session.execute(statement, *arrays)
        if int(tag.rpartition(" ")[2]) != len(arrays[0]):
            raise LedgerInconsistent(
                "a row is not where it was locked: a defect of this program; nothing of the batch stays"
            )

    async def _publish(self, written: list[Change], compared: list[Change]) -> None:
        result = changes.reconcile(compared, await self._recorded(compared), self._now)
        fresh = [event for c in written if not c.refolded for event in c.concluded]
        await self._record(result.appended + fresh)
        await self._mark(result.vanished, self._now)
        await self._mark([event.id for event in result.revived], None)
        records = [changes.outcome_record(event) for event in result.published + fresh]
        records += [changes.watch_record(c) for c in written if c.entry_changed]
        self.outcomes += len(result.published) + len(fresh)
        await self._copy("outbox", rows.OUTBOX, records)

    async def _recorded(self, compared: list[Change]) -> dict[str, dict[UUID, tuple[str, bool]]]:
        if not compared:
            return {}
        names = [change.case.case_id for change in compared]
        recorded: dict[str, dict[UUID, tuple[str, bool]]] = {}
        for row in await self._session.fetch(query("outcomes_of_cases"), names):
            outcome = row["type"], row["voided"]
            recorded.setdefault(row["case_id"], {})[row["outcome_id"]] = outcome
        return recorded

    async def _record(self, events: list[Event]) -> None:
        written = [rows.outcome_row(event) for event in events]
        if written:
            await self._session.execute(query("insert_outcomes"), *rows.OUTCOMES.arrays(written))

    async def _mark(self, outcome_ids: list[UUID], voided_at: datetime | None) -> None:
        if outcome_ids:
            await self._session.execute(query("void_outcomes"), outcome_ids, voided_at)

    def _note_erased(self, logs: dict[str, list[Event]]) -> None:
        self._erased += [name for name, events in logs.items() if changes.erased_urls(events)]

    def _note_conflicts(self, written: list[Change], logs: dict[str, list[Event]]) -> None:
        named = (change.case.case_id for change in written if change.case.notice_conflicts)
        self._in_conflict |= {name: logs[name] for name in named}

    async def _erase(self) -> None:
        """Destroy the sealed URLs of reports from before an erasure, whichever of the two came first."""
        if self._erased:
            await self._session.execute(query("erase_sealed_urls"), sorted(self._erased))


def _sort_spells(change: Change, later: list[Row], whole: list[rows.StoredSpell]) -> None:
    """Add the rows of a change to those of which a few columns change, and to those that are written whole."""
    if change.plain:
        later.append(rows.plainly_later_row(change.case))
        return
    written = [rows.spell_row(change.case, s) for s in change.case.spells[change.first_spell - 1 :]]
    if change.spell_before is not None and len(written) == 1:
        row = rows.later_spell_row(change.spell_before, written[0])
        if row is not None:
            later.append(row)
            return
    whole += written


def _first_of_each(events: Sequence[Event]) -> tuple[dict[Key, Event], list[int]]:
    """Keep the first event of each id; return the indices of later ones that say something else."""
    first: dict[Key, Event] = {}
    conflicts = []
    for index, event in enumerate(events):
        earlier = first.setdefault((event.case_id, event.id), event)
        if earlier is not event and not changes.same_fact(earlier, event):
            conflicts.append(index)
    return first, conflicts
