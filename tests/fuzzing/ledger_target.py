"""Foreign bytes as the evidence of a few cases, taken by the ledger's own statements in a real PostgreSQL.

What admission accepts, the database takes and gives back as it was written, and comes to what a clean fold says;
anything else is a fault of ours. Every input is one transaction that is rolled back. Its length says which methodology
that ships folds it, and where the first of two batches ends.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import uvloop

from consumers.record.admission import Admission
from schemas import codec, topics
from schemas.errors import UnusableEvent
from schemas.events import Event, unsealed
from schemas.methodology import Methodology, shipped
from services.core.case import Case
from services.core.digest import fold_digest
from services.core.fold import fold
from services.core.outcomes import outcomes
from services.core.watch_entry import ended_at, entry_of
from services.ledger import changes, migrate, rows
from services.ledger.ledger_digest import ledger_digest
from services.ledger.pool import take_role
from services.ledger.queries import query
from services.ledger.store import Advance, LedgerStore, Refuse
from tests.fuzzing.records import KEYRING, pieces, record_of

DATABASE = "FUZZING_DATABASE"
METHODS: tuple[Methodology, ...] = tuple(shipped().values())
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_GROUP = "takedown-ledger"
_PLACE = (topics.REPORTS.name, 0)
_TABLES = "events, cases, spells, transitions, outcomes, outbox"
# What was rolled back stays on the pages: so often they are emptied.
_INPUTS_BEFORE_TRUNCATE = 5_000
_headers = msgspec.json.Decoder(list[tuple[str, str]])
# Every column of every view, by one statement.
_VIEWS = "SELECT * FROM " + " FULL JOIN ".join(
    f"{view} AS v{number}" + (" ON false" if number else "")
    for number, view in enumerate(("looks", "notices", "corrections", "escalations", "claims"))
)


class Differs(AssertionError):
    """What stands in the database is not what was written, or not what a clean fold gives."""


class OneSession:
    """One connection in the place of a pool: the store's transactions are parts of the one around them."""

    def __init__(self, session: asyncpg.Connection) -> None:
        self._session = session

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend the connection."""
        yield self._session


class LedgerTarget:
    """A migrated database, one connection in the ledger's role, and one loop; close it at the end."""

    def __init__(self, dsn: str) -> None:
        self._admission = Admission(KEYRING)
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._taken = 0
        self._runner.run(self._open(dsn))

    async def _open(self, dsn: str) -> None:
        self._owner = await asyncpg.connect(dsn)
        await migrate.up(self._owner)
        self._session = await asyncpg.connect(dsn)
        await take_role(self._session, "takedown_ledger")
        await self._session.execute(query("claim_partitions"), _GROUP, [_PLACE[0]], [_PLACE[1]])
        stored = await self._session.fetch(
            "SELECT epoch FROM consumer_offsets WHERE consumer_group = $1", _GROUP
        )
        self._epoch = stored[0]["epoch"]

    def close(self) -> None:
        """Close connections and loop."""
        for session in (self._session, self._owner):
            session.terminate()
        self._runner.close()

    def take(self, raw: bytes) -> int:
        """Have the ledger take the records of an input; return how many outcomes it holds then."""
        events = list(self.admitted(raw))
        return self._runner.run(self._write(events, len(raw))) if events else 0

    def admitted(self, raw: bytes) -> Iterator[Event]:
        """Give the events that admission accepts of an input."""
        for piece in pieces(raw):
            for topic in topics.EVIDENCE:
                try:
                    yield self._admission.admit(record_of(piece, topic.name))
                except UnusableEvent:
                    continue

    async def _write(self, events: Sequence[Event], salt: int) -> int:
        if self._taken % _INPUTS_BEFORE_TRUNCATE == 0:
            await self._owner.execute(f"TRUNCATE {_TABLES}")
        self._taken += 1
        # The digest wants one snapshot, and a transaction within another has the isolation of that.
        around = self._session.transaction(isolation="repeatable_read")
        await around.start()
        try:
            method = METHODS[salt % len(METHODS)]
            taken = await self._store(events, salt // len(METHODS) % (len(events) + 1), method)
            return await self._compare(taken, method)
        finally:
            await around.rollback()

    async def _store(self, events: Sequence[Event], first: int, method: Methodology) -> list[Event]:
        """Write two batches; give the first event of each id, without those that contradict it."""
        store = LedgerStore(OneSession(self._session), method, lambda: NOW, _GROUP)
        known: dict[tuple[str, UUID], Event] = {}
        for batch in filter(None, (events[:first], events[first:])):
            refused: list[int] = []
            await store.write(batch, self._advances(batch), _noting(refused))
            for index, event in enumerate(batch):
                stands = known.setdefault((event.case_id, event.id), event)
                if changes.same_fact(stands, event) == (index in refused):
                    raise Differs(f"{event.type}: refused as another fact, or not, without reason")
        return list(known.values())

    def _advances(self, batch: Sequence[Event]) -> list[Advance]:
        newest = max((event.time for event in batch), default=None)
        return [Advance(*_PLACE, self._epoch, 1, newest)]

    # -- what stands there ------------------------------------------------------------------

    async def _compare(self, taken: list[Event], method: Methodology) -> int:
        groups = changes.by_case(taken)
        digest = await ledger_digest(OneSession(self._session))
        if digest != fold_digest(groups, method):
            raise Differs("the tables are not what a clean fold gives")
        await self._compare_log(taken, groups)
        await self._session.fetch(_VIEWS)
        folded = {name: fold(log, method) for name, log in groups.items()}
        for case, _ in folded.values():
            ended_at(case, method)
        await self._compare_outbox([case for case, _ in folded.values()], method)
        concluded = [e for case, moved in folded.values() for e in outcomes(case, moved, method)]
        await self._compare_outcomes(concluded)
        return len(concluded)

    async def _compare_log(self, taken: list[Event], groups: dict[str, list[Event]]) -> None:
        stored = await self._session.fetch(query("log_of_cases"), list(groups))
        logged = {(event.case_id, event.id): event for event in map(rows.event_of, stored)}
        if len(logged) != len(taken):
            raise Differs("the log has not as many events as were taken")
        erased = {(n, i) for n, log in groups.items() for i in changes.erased_urls(log)}
        for event in taken:
            key = event.case_id, event.id
            if logged[key] != (_without_url(event) if key in erased else event):
                raise Differs(f"{event.type}: the log has it otherwise")

    async def _compare_outcomes(self, concluded: list[Event]) -> None:
        names = ", ".join(rows.OUTCOMES.names)
        stored = await self._session.fetch(f"SELECT {names} FROM outcomes WHERE voided_at IS NULL")
        if {tuple(row) for row in stored} != {tuple(rows.outcome_row(e)) for e in concluded}:
            raise Differs("the outcomes are not those of a clean fold")

    async def _compare_outbox(self, folded: list[Case], method: Methodology) -> None:
        newest: dict[str, Any] = {}
        for row in await self._session.fetch(query("read_outbox"), 1_000):
            said = None
            if row["value"] is not None:
                named = [(name, text.encode()) for name, text in _headers.decode(row["headers"])]
                said = codec.decode(row["value"], named, topics.BY_NAME[row["topic"]]).data
            if row["topic"] == topics.WATCHLIST.name:
                newest[row["key"]] = said
        if newest != {case.case_id: entry_of(case, method) for case in folded}:
            raise Differs("the probers are not told what a clean fold says")


def _without_url(event: Event) -> Event:
    return msgspec.structs.replace(event, data=unsealed(event.data))


def _noting(refused: list[int]) -> Refuse:
    async def note(indices: list[int]) -> None:
        refused.extend(indices)

    return note


@cache
def _target() -> LedgerTarget:
    return LedgerTarget(os.environ[DATABASE])


def sql(raw: bytes) -> None:
    """Have the ledger take several records in the database that `FUZZING_DATABASE` names."""
    _target().take(raw)
