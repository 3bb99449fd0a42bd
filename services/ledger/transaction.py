"""One batch inside its transaction: lock, insert, fold, write."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import asyncpg

from schemas.events import Event
from schemas.methodology import Methodology
from services.core.fold import may_extend_by
from services.ledger import changes, rows
from services.ledger.changes import Change, LockedCase
from services.ledger.ledger_digest import LedgerInconsistent
from services.ledger.queries import query
from services.ledger.table_columns import Columns, Row

# A re-fold reads the whole log of a case: about so many looks at a time bound the memory that takes, as logs grow.
REFOLD_LOOKS = 2000

Key = tuple[str, UUID]
_key: Callable[[Event], Key] = attrgetter("case_id", "id")
_number: Callable[[Event], int] = attrgetter("id.int")
# A row of `lock_cases`: read when its turn comes, so that one case is at hand and not all of a batch.
Stored = Any


class Batch:
    """The work of one batch; every statement takes the rows of all its cases, in the order of their keys."""

    def __init__(
        self, session: asyncpg.Connection, methodology: Methodology, now: datetime
    ) -> None:
        self._session = session
        self._methodology = methodology
        self._now = now
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
        groups = changes.by_case(first)
        stored, opened = await self._lock_or_open_cases(groups)
        later = _Later(self._methodology, stored)
        new = await self._insert_events(first, later.take(groups))
        if len(new) < len(first):
            conflicts = await self._contradictions(events, first, new, conflicts)
            groups = changes.by_case(new)
            later = _Later(self._methodology, stored)
            later.take(groups)
        self.inserted = len(new)
        await self._apply(stored, opened, groups, later)
        if self._in_conflict:
            self.notice_conflicts = changes.notice_conflicts(
                events, set(map(_key, new)), self._in_conflict
            )
        await self._erase()
        return sorted(conflicts)

    # -- cases -------------------------------------------------------------------------------

    async def _lock_or_open_cases(
        self, groups: dict[str, list[Event]]
    ) -> tuple[dict[str, Stored], list[Change]]:
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

    async def _lock(self, names: list[str]) -> dict[str, Stored]:
        stored = await self._session.fetch(query("lock_cases"), names)
        return {row["case_id"]: row for row in stored}

    async def _insert_cases(self, opened: list[Change]) -> set[str]:
        written = [rows.case_row(change.case, change.transitions) for change in opened]
        inserted = await self._session.fetch(query("insert_cases"), *rows.CASES.arrays(written))
        return {row["case_id"] for row in inserted}

    # -- events ------------------------------------------------------------------------------

    async def _insert_events(
        self, events: list[Event], written: list[rows.StoredEvent]
    ) -> list[Event]:
        if await self._copy_events(written):
            return events
        inserted = await self._session.fetch(query("insert_events"), *rows.EVENTS.arrays(written))
        if len(inserted) == len(events):
            return events
        keys = {(row["case_id"], row["event_id"]) for row in inserted}
        return [event for event in events if _key(event) in keys]

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
        self, events: Sequence[Event], first: list[Event], new: list[Event], within: list[int]
    ) -> list[int]:
        """Give the indices of contradictions; of an id that the log holds, its fact decides, not the batch's first."""
        inserted = set(map(_key, new))
        old = [event for event in first if _key(event) not in inserted]
        names, ids = [event.case_id for event in old], [event.id for event in old]
        stored = await self._session.fetch(query("known_events"), names, ids)
        logged = {_key(event): event for event in map(rows.event_of, stored)}
        wrong = [index for index in within if _key(events[index]) not in logged]
        for index, event in enumerate(events):
            fact = logged.get(_key(event))
            if fact is not None and not changes.same_fact(event, fact):
                wrong.append(index)
        return wrong

    # -- effects -----------------------------------------------------------------------------

    async def _apply(
        self,
        stored: dict[str, Stored],
        opened: list[Change],
        groups: dict[str, list[Event]],
        later: "_Later",
    ) -> None:
        logs = {c.case.case_id: groups.get(c.case.case_id, []) for c in opened}
        self._note_erased(logs)
        self._note_conflicts(opened, logs)
        await self._extend_cases(later.cases)
        await self._write(opened + later.moved, opened, later.spells)
        for names in parts(later.back, stored):
            await self._refold(stored, names)

    async def _extend_cases(self, written: list[Row]) -> None:
        """Write cases that later looks extended, each to the place where it was locked."""
        if written:
            await self._update(query("extend_cases"), rows.LATER_CASES.arrays(written))

    async def _refold(self, stored: dict[str, Stored], names: list[str]) -> None:
        logged = await self._session.fetch(query("log_of_cases"), names)
        logs = changes.by_case(map(rows.event_of, logged))
        locked = [_locked(stored[name]) for name in names]
        again = [changes.refolded(c, logs[c.case.case_id], self._methodology) for c in locked]
        self.refolds += len(again)
        self._note_erased(logs)
        self._note_conflicts(again, logs)
        await self._session.execute(query("delete_transitions"), names)
        await self._session.execute(
            query("delete_later_spells"), names, [len(change.case.spells) for change in again]
        )
        whole = [rows.case_row(c.case, c.transitions) for c in again]
        await self._session.execute(query("update_cases"), *rows.CASES.arrays(whole))
        await self._write(again, again)

    async def _write(
        self, written: list[Change], compared: list[Change], later: Sequence[Row] = ()
    ) -> None:
        """Write what hangs on cases; the outcomes of `compared` may have been recorded before.

        `later` are rows of spells that looks changed and that nothing else hangs on.
        """
        await self._write_spells(written, later)
        moved = [
            row
            for change in written
            for row in rows.transition_rows(
                change.case.case_id, change.transitions_before, change.moved
            )
        ]
        await self._copy("transitions", rows.TRANSITIONS, moved)
        await self._publish(written, compared)

    async def _write_spells(self, written: list[Change], plain: Sequence[Row]) -> None:
        later = list(plain)
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


class _Later:
    """The stored cases of a batch, one by one: those that later looks extend, and `back`, which are folded again.

    Of most no more stays than two rows: a batch of decoded cases is larger than the processor's caches, and each pass
    over it costs several times as much.
    """

    def __init__(self, methodology: Methodology, stored: Mapping[str, Stored]) -> None:
        self._methodology = methodology
        self._stored = stored
        self.cases: list[Row] = []
        self.spells: list[Row] = []
        self.moved: list[Change] = []
        self.back: list[str] = []

    def take(self, groups: Mapping[str, list[Event]]) -> list[rows.StoredEvent]:
        """Extend what can be extended; give the rows of all events."""
        written: list[rows.StoredEvent] = []
        for name in sorted(groups):
            written += map(rows.event_row, groups[name])
            if name in self._stored:
                self._extend(name, groups[name])
        return written

    def _extend(self, name: str, new: list[Event]) -> None:
        stored = self._stored[name]
        locked = _locked(stored)
        if not may_extend_by(locked.case, new):
            self.back.append(name)
            return
        change = changes.extended(locked, new, self._methodology)
        if change.restated:
            self.back.append(name)
            return
        self.cases.append(rows.later_case_row(stored["place"], change.case, change.transitions))
        if change.plain:
            self.spells.append(rows.plainly_later_row(change.case))
        else:
            self.moved.append(change)


def _locked(stored: Stored) -> LockedCase:
    return LockedCase.read(stored["state"], stored["sealed_url"], stored["transitions"])


def parts(names: list[str], stored: Mapping[str, Stored]) -> Iterator[list[str]]:
    """Cut cases into parts whose logs hold about `REFOLD_LOOKS` looks; a longer log is one alone."""
    part: list[str] = []
    total = 0
    for name in names:
        looks = sum(spell.looks + spell.missed for spell in _locked(stored[name]).case.spells)
        if part and total + looks > REFOLD_LOOKS:
            yield part
            part, total = [], 0
        part.append(name)
        total += looks + 1
    if part:
        yield part


def _sort_spells(change: Change, later: list[Row], whole: list[rows.StoredSpell]) -> None:
    """Add the rows of a change to those of which a few columns change, and to those that are written whole."""
    written = [rows.spell_row(change.case, s) for s in change.case.spells[change.first_spell - 1 :]]
    if change.spell_before is not None and len(written) == 1:
        row = rows.later_spell_row(change.spell_before, written[0])
        if row is not None:
            later.append(row)
            return
    whole += written


def _first_of_each(events: Sequence[Event]) -> tuple[list[Event], list[int]]:
    """Keep the first event of each id; return the indices of later ones that say something else."""
    # Nearly every batch. The number of a UUID, because its own hash is a call of Python.
    if len(set(map(_number, events))) == len(events):
        return list(events), []
    first: dict[Key, Event] = {}
    conflicts = []
    for index, event in enumerate(events):
        earlier = first.setdefault(_key(event), event)
        if earlier is not event and not changes.same_fact(earlier, event):
            conflicts.append(index)
    return list(first.values()), conflicts
