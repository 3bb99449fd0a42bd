"""Compare a shadow with the live ledger, or with another shadow, case by case, in bounded memory."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from msgspec import Struct

from schemas.errors import TakedownError
from schemas.events import Event
from schemas.methodology import Methodology
from services.attribution.history import reattributed
from services.attribution.providermap import ProviderMap
from services.core.compare import (
    DEFINITION,
    EVIDENCE,
    Difference,
    Fold,
    Reading,
    differences,
    explain,
)
from services.core.digest import Combining, case_digest
from services.ledger import rows
from services.ledger.shadow import schema
from services.ledger.shadow.schema import BadReplay, Identity, NoReplay, statement

LIVE = "live"
_CHUNK = 500

OnProgress = Callable[[int], None]


class Side(Struct, frozen=True, kw_only=True):
    """One of two ledgers: `identity` is None where the live one's methodology is not known here."""

    name: str
    schema: str
    identity: Identity | None
    live: bool = False

    def reading(self) -> Reading | None:
        """Say how this side reads evidence."""
        return None if self.identity is None else reading_of(self.identity)


class CaseReport(Struct, frozen=True, kw_only=True):
    """One case that is not the same on both sides."""

    case_id: str
    where: str
    differences: list[Difference]


class Summary(Struct, kw_only=True):
    """What a comparison came to; `by_kind` counts cases, `by_cause` counts differences."""

    here: str
    there: str
    here_digest: str = ""
    there_digest: str = ""
    equal: int = 0
    differing: int = 0
    only_here: int = 0
    only_there: int = 0
    by_kind: dict[str, int] = {}
    by_cause: dict[str, int] = {}

    @property
    def same(self) -> bool:
        """Tell whether the sides are equal."""
        return not (self.differing or self.only_here or self.only_there)


class _DigestStream:
    """(case id, digest) of one side in the order of the ids, and the digest of it all."""

    def __init__(self, pairs: AsyncIterator[tuple[str, str]]) -> None:
        self._pairs = pairs
        self._total = Combining()
        self.case_id: str | None = ""
        self.digest = ""

    async def step(self) -> None:
        pair = await anext(self._pairs, None)
        self.case_id, self.digest = pair or (None, "")
        if pair is not None:
            self._total.add(*pair)

    def combined(self) -> str:
        return self._total.digest


class LedgerComparison:
    """Compares two sides in one snapshot of the database; `log` is a schema that holds the evidence."""

    def __init__(
        self, session: asyncpg.Connection, here: Side, there: Side, log: str | None
    ) -> None:
        self._session = session
        self._here = here
        self._there = there
        self._log = log
        self._readings = here.reading(), there.reading()
        self.summary = Summary(here=here.name, there=there.name)

    async def run(self, progress: OnProgress) -> AsyncIterator[CaseReport]:
        """Give every case that is not the same; `summary` is complete when this ends."""
        async with self._session.transaction(isolation="repeatable_read", readonly=True):
            waiting: list[str] = []
            async for case_id in self._unequal(progress):
                waiting.append(case_id)
                if len(waiting) >= _CHUNK:
                    for report in await self._report(waiting):
                        yield report
                    waiting = []
            for report in await self._report(waiting):
                yield report

    async def _unequal(self, progress: OnProgress) -> AsyncIterator[str]:
        """Merge both streams; give the cases that are not the same on both sides."""
        here, there = (_DigestStream(self._digests(side)) for side in (self._here, self._there))
        await here.step()
        await there.step()
        while (first := _first(here, there)) is not None:
            both = here.case_id == there.case_id
            if both and here.digest == there.digest:
                self.summary.equal += 1
            else:
                yield first
            for stream in [s for s in (here, there) if s.case_id == first]:
                await stream.step()
            progress(1)
        self.summary.here_digest, self.summary.there_digest = here.combined(), there.combined()

    async def _digests(self, side: Side) -> AsyncIterator[tuple[str, str]]:
        if not side.live:
            async for row in self._session.cursor(
                statement("digests", shadow=side.schema), prefetch=2000
            ):
                yield row["case_id"], row["digest"]
            return
        cursor = await self._session.cursor(statement("stream_cases", schema=side.schema))
        while chunk := await cursor.fetch(_CHUNK):
            for fold in (await self._folds(side, chunk)).values():
                yield fold.case.case_id, case_digest(fold.case, fold.transitions)

    async def _folds(self, side: Side, chunk: Sequence[Any]) -> dict[str, Fold]:
        names = [row["case_id"] for row in chunk]
        moved: dict[str, list[Any]] = {name: [] for name in names}
        for row in await self._session.fetch(
            statement("transitions_of", schema=side.schema), names
        ):
            moved[row["case_id"]].append(rows.transition_of(row))
        method = None if side.identity is None else side.identity.methodology
        return {
            row["case_id"]: Fold(
                rows.case_of(row["state"], row["sealed_url"]), moved[row["case_id"]], method
            )
            for row in chunk
        }

    async def _report(self, names: list[str]) -> list[CaseReport]:
        if not names:
            return []
        text = "cases_by_name"
        here, there = [
            await self._folds(
                side, await self._session.fetch(statement(text, schema=side.schema), names)
            )
            for side in (self._here, self._there)
        ]
        logs = await self._logs(names)
        return [self._one(n, here.get(n), there.get(n), logs.get(n, [])) for n in names]

    async def _logs(self, names: list[str]) -> dict[str, list[Event]]:
        if self._log is None or None in self._readings:
            return {}
        logs: dict[str, list[Event]] = {}
        for row in await self._session.fetch(statement("log_of_cases", schema=self._log), names):
            logs.setdefault(row["case_id"], []).append(rows.event_of(row))
        return logs

    def _one(
        self, case_id: str, here: Fold | None, there: Fold | None, events: list[Event]
    ) -> CaseReport:
        if here is None or there is None:
            where = "only here" if there is None else "only there"
            self.summary.only_here += there is None
            self.summary.only_there += here is None
            return CaseReport(case_id=case_id, where=where, differences=[])
        self.summary.differing += 1
        explained = self._explained(differences(here, there), events)
        self._count(explained)
        return CaseReport(case_id=case_id, where="differs", differences=explained)

    def _explained(self, plain: list[Difference], events: list[Event]) -> list[Difference]:
        here, there = self._readings
        if here is not None and there is not None:
            return explain(plain, events, here, there)
        return [Difference(**_parts(one), causes=(DEFINITION,)) for one in plain]

    def _count(self, explained: list[Difference]) -> None:
        by_kind, by_cause = self.summary.by_kind, self.summary.by_cause
        for kind in {one.kind for one in explained}:
            by_kind[kind] = by_kind.get(kind, 0) + 1
        for cause in (cause for one in explained for cause in one.causes):
            by_cause[cause] = by_cause.get(cause, 0) + 1


def _parts(one: Difference) -> dict[str, Any]:
    return {"kind": one.kind, "spell": one.spell, "here": one.here, "there": one.there}


def _first(here: _DigestStream, there: _DigestStream) -> str | None:
    names = [name for name in (here.case_id, there.case_id) if name is not None]
    return min(names, default=None)


def reading_of(identity: Identity) -> Reading:
    """Say how a replay reads evidence: its methodology, its provider map, its limits of event time."""
    prepared: dict[str, Any] = {}
    if identity.map_text is not None:
        prepared["provider map"] = _Remap(identity.map_digest or "", identity.map_text)
    if identity.bounded:
        prepared["event times"] = _Within(identity.event_from, identity.event_to)
    return Reading(methodology=identity.methodology, prepared=prepared)


class _Remap:
    """Attributes the looks of a case by a map; two of one map are equal."""

    def __init__(self, digest: str, text: str) -> None:
        self._digest = digest
        self._providers = ProviderMap.parse(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Remap) and other._digest == self._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __call__(self, events: list[Event]) -> list[Event]:
        return [reattributed(event, self._providers) for event in events]


class _Within(Struct, frozen=True):
    """Keeps the events of some times."""

    since: datetime | None
    until: datetime | None

    def __call__(self, events: list[Event]) -> list[Event]:
        return [
            event
            for event in events
            if (self.since is None or event.time >= self.since)
            and (self.until is None or event.time < self.until)
        ]


async def side_of(session: asyncpg.Connection, name: str, methods: Sequence[Methodology]) -> Side:
    """Find a side by name, `live` or a replay's; `methods` are those that the live ledger's may be among."""
    if name == LIVE:
        return await _live_side(session, methods)
    for prefix in (schema.REPLAY, schema.BEFORE):
        entry = await schema.find(session, schema.schema_of(name.removeprefix(prefix), prefix))
        if entry is not None and (prefix == schema.REPLAY or name.startswith(prefix)):
            if entry.state not in ("complete", "before"):
                raise BadReplay(f"replay {name} is not complete; run it to its end first")
            live = entry.state == "before"
            return Side(name=name, schema=entry.schema, identity=entry.identity, live=live)
    raise NoReplay(f"there is no replay {name}; see `takedown replay list`")


async def _live_side(session: asyncpg.Connection, methods: Sequence[Methodology]) -> Side:
    live = await schema.live_schema(session)
    row = await session.fetchrow(statement("live_methodology", schema=live))
    digest = None if row is None else row["digest"]
    method = next((m for m in methods if m.digest == digest), None)
    identity = None if method is None else Identity(methodology=method, source=LIVE)
    return Side(name=LIVE, schema=live, identity=identity, live=True)


async def log_for(session: asyncpg.Connection, here: Side, there: Side) -> str | None:
    """Name the schema whose log says what happened: the live one's, or that of a replay that kept its events."""
    live = await schema.live_schema(session)
    if await session.fetchval(statement("has_events", schema=live)):
        return live
    for side in (here, there):
        identity = side.identity
        if identity is not None and identity.with_events and identity.map_text is None:
            return side.schema
    return None


class NotEqual(TakedownError):
    """Two ledgers differ."""

    exit_code = 5


__all__ = [
    "EVIDENCE", "LIVE", "CaseReport", "LedgerComparison", "NotEqual", "Side", "Summary", "log_for",
    "reading_of", "side_of",
]  # fmt: skip
