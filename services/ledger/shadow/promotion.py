"""Make a shadow the live ledger, in one transaction, and go back.

Tables change schemas, so no row is copied: what was live goes to `before_<name>`. Outcomes stay where they are, and
what the exchange makes of them is announced.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from msgspec import Struct, field

from schemas.methodology import Methodology
from services.ledger import rows
from services.ledger.shadow import schema
from services.ledger.shadow.announcement import Announcement
from services.ledger.shadow.following import CASES_AT_ONCE, Following
from services.ledger.shadow.ledger_comparison import Side, side_of
from services.ledger.shadow.schema import (
    BadReplay,
    Entry,
    Identity,
    NoReplay,
    Spans,
    quoted,
    statement,
)

_MOVED = ("cases", "spells", "transitions", "ledger_methodology")


class Promoted(Struct, frozen=True, kw_only=True):
    """What changed hands; `before` is the schema that holds what was live.

    `announcements` counts the records that say so; JSON has it as `told`.
    """

    name: str
    before: str
    followed: int
    announcements: int = field(name="told")


class Promotion:
    """Exchanges the live ledger and a shadow.

    `methods` are those that the live ledger's may be among; `now` dates voided outcomes.
    """

    def __init__(
        self,
        session: asyncpg.Connection,
        methods: Sequence[Methodology],
        now: datetime,
        group: str = "takedown-ledger",
    ) -> None:
        self._session = session
        self._methods = methods
        self._now = now
        self._group = group
        self._following = Following(session, group)

    async def promote(self, name: str, *, follow: bool, actor: str) -> Promoted:
        """Make a replay live; raises `BehindLive` where live has gone on and `follow` is not asked for."""
        entry = await schema.find(self._session, schema.schema_of(name))
        if entry is None:
            raise NoReplay(f"there is no replay {name}; see `takedown replay list`")
        goes_to = schema.schema_of(name, schema.BEFORE)
        return await self._exchange(entry, goes_to, follow, ("replay.promote", actor))

    async def back(self, name: str, *, follow: bool, actor: str) -> Promoted:
        """Make live again what a replay replaced; the replay's ledger becomes a shadow again."""
        entry = await schema.find(self._session, schema.schema_of(name, schema.BEFORE))
        if entry is None:
            raise NoReplay(f"nothing was replaced by {name}; see `takedown replay list`")
        return await self._exchange(entry, schema.schema_of(name), follow, ("replay.back", actor))

    async def follow(self, name: str) -> int:
        """Fold again, in a shadow, the cases that live has new evidence of; return how many."""
        entry = await schema.find(self._session, schema.schema_of(name))
        if entry is None:
            raise NoReplay(f"there is no replay {name}; see `takedown replay list`")
        self._check_whole(entry, await schema.ranges_of(self._session, entry.schema))
        async with self._session.transaction(isolation="repeatable_read"):
            await self._session.execute(statement("lift_limits"))
            return await self._following.follow(entry, await self._following.live_offsets())

    # -- the exchange ------------------------------------------------------------------------

    async def _exchange(
        self, entry: Entry, goes_to: str, follow: bool, act: tuple[str, str]
    ) -> Promoted:
        if await schema.find(self._session, goes_to) is not None:
            raise BadReplay(
                f"schema {goes_to} is there already; drop it first (`takedown replay drop`)"
            )
        self._check_whole(entry, await schema.ranges_of(self._session, entry.schema))
        live = await side_of(self._session, "live", self._methods)
        identity = live.identity or await self._of_nothing(entry, live.schema)
        await self._make_durable(entry)
        async with self._session.transaction():
            await self._session.execute(statement("lift_limits"))
            await self._session.execute(statement("lock_live", live=live.schema))
            return await self._swap(entry, live, identity, goes_to, follow, act)

    async def _of_nothing(self, entry: Entry, live: str) -> Identity:
        """Let an empty ledger count as one of the replay's definition; refuse one of an unknown definition."""
        if await self._session.fetchrow(statement("live_methodology", schema=live)) is not None:
            raise BadReplay(
                "the live ledger's methodology is not known here: set TAKEDOWN_METHODOLOGY to the one "
                "that it was folded under"
            )
        return Identity(methodology=entry.identity.methodology, source="live")

    async def _swap(
        self,
        entry: Entry,
        live: Side,
        identity: Identity,
        goes_to: str,
        follow: bool,
        act: tuple[str, str],
    ) -> Promoted:
        offsets = await self._following.live_offsets()
        followed = await self._following.reach(entry, offsets, follow)
        await self._check_columns(entry, live.schema)
        await self._open_before(entry, identity, live.schema, goes_to, offsets)
        await self._keep_urls(entry, live.schema)
        published = await Announcement(self._session, self._now).publish(
            entry, identity.methodology, live.schema
        )
        await self._move(entry, live.schema, goes_to)
        await self._fence(entry, live.schema, offsets)
        await schema.drop(self._session, entry.schema)
        text = f"{entry.name}: {entry.identity.methodology.id}, what was live is in {goes_to}"
        await self._session.execute(statement("audit", live=live.schema), act[1], act[0], text)
        return Promoted(name=entry.name, before=goes_to, followed=followed, announcements=published)

    def _check_whole(self, entry: Entry, ranges: Spans) -> None:
        if entry.state not in ("complete", "before"):
            raise BadReplay(f"replay {entry.name} is {entry.state}; run it to its end first")
        if entry.identity.bounded or any(begins for begins, _ in ranges.values()):
            raise BadReplay(
                f"replay {entry.name} is of a part of the evidence; only a replay of all of it can be live"
            )
        if entry.identity.map_text is not None and not entry.identity.with_events:
            raise BadReplay(
                f"replay {entry.name} reads the evidence under a corrected provider map and kept no "
                "events: a late event would bring the old attribution back. Replay with --with-events"
            )

    async def _make_durable(self, entry: Entry) -> None:
        """Write what was built without a log to disk, before anything is locked."""
        tables = [*_MOVED, *(["events"] if entry.identity.with_events else [])]
        async with self._session.transaction():
            await self._session.execute(statement("lift_limits"))
            for table in tables:
                text = statement("set_logged", shadow=entry.schema, table=table)
                await self._session.execute(text, timeout=3600)

    # -- URLs --------------------------------------------------------------------------------

    async def _keep_urls(self, entry: Entry, live: str) -> None:
        """Give the shadow the URLs that live has and it has not: its records may have come without."""
        text = statement("cases_without_url", live=live, shadow=entry.schema)
        names = [row["case_id"] for row in await self._session.fetch(text, timeout=3600)]
        for start in range(0, len(names), CASES_AT_ONCE):
            await self._keep_urls_of(entry, live, names[start : start + CASES_AT_ONCE])
        if entry.identity.with_events:
            text = statement("fill_event_urls", live=live, shadow=entry.schema)
            await self._session.execute(text, timeout=3600)

    async def _keep_urls_of(self, entry: Entry, live: str, names: list[str]) -> None:
        """Leave erased cases without: a shadow may know of an erasure that live has still to read."""
        text = statement("cases_by_name", schema=entry.schema)
        stored = await self._session.fetch(text, names)
        cases = [rows.case_of(row["state"], row["sealed_url"]) for row in stored]
        lacking = [case.case_id for case in cases if not case.erased]
        await self._session.execute(statement("fill_urls", live=live, shadow=entry.schema), lacking)

    # -- the move ----------------------------------------------------------------------------

    async def _check_columns(self, entry: Entry, live: str) -> None:
        text = statement("columns_of")
        for table in _MOVED:
            ours = await self._session.fetch(text, quoted(entry.schema), table)
            theirs = await self._session.fetch(text, quoted(live), table)
            if ours != theirs:
                raise BadReplay(
                    f"{entry.schema}.{table} has other columns than the live one: a migration came between; "
                    "replay again"
                )

    async def _open_before(
        self,
        entry: Entry,
        identity: Identity,
        live: str,
        goes_to: str,
        offsets: dict[tuple[str, int], int],
    ) -> None:
        """Make the schema that what was live moves to, a shadow like any other."""
        own = Identity(
            methodology=identity.methodology,
            source="live",
            with_events=entry.identity.with_events,
        )
        prefix = schema.BEFORE if goes_to.startswith(schema.BEFORE) else schema.REPLAY
        ranges = {place: (0, offset) for place, offset in offsets.items()}
        await schema.create(self._session, entry.name, own, ranges, [], prefix)
        await self._session.execute(statement("count_live_cases", live=live, shadow=goes_to))
        await self._session.execute(statement("holding_outcomes", live=live, shadow=goes_to))
        await self._session.execute(statement("note_before", shadow=goes_to))
        await schema.index(self._session, goes_to, "outcomes")
        await schema.index_digests(self._session, goes_to)
        for table in ("case_digests", "outcomes"):
            await self._session.execute(statement("set_logged", shadow=goes_to, table=table))

    async def _move(self, entry: Entry, live: str, goes_to: str) -> None:
        tables = [*_MOVED, *(["events"] if entry.identity.with_events else [])]
        # Views and functions know tables by identity: they would follow the old ones. Their texts, taken while
        # the names still mean the old tables, mean the new ones afterwards.
        texts = [row["statement"] for row in await self._session.fetch(statement("views"), live)]
        for table in tables:
            await self._move_table(entry.schema, live, goes_to, table)
        for text in texts:
            await self._session.execute(text)

    async def _move_table(self, shadow: str, live: str, goes_to: str, table: str) -> None:
        text = statement("row_grants")
        grants = await self._session.fetch(text, quoted(live), table, live)
        text = statement("move_table", live=live, shadow=shadow, before=goes_to, table=table)
        await self._session.execute(text)
        for row in grants:
            await self._session.execute(row["statement"])

    async def _fence(self, entry: Entry, live: str, offsets: dict[tuple[str, int], int]) -> None:
        """Make the running consumer start anew, from where the new ledger stands."""
        ranges = await schema.ranges_of(self._session, entry.schema)
        fence = statement("fence_live", live=live)
        place = statement("place_offset", live=live)
        for (topic, number), (_, until) in ranges.items():
            reached = max(until, offsets.get((topic, number), 0))
            await self._session.execute(place, self._group, topic, number, reached)
            await self._session.execute(fence, self._group, topic, number, reached)
