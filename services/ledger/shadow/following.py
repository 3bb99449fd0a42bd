"""Fold again, in a shadow, the cases that the live ledger has new evidence of."""

import asyncpg

from schemas.topics import EVIDENCE
from services.core.outcomes import outcomes
from services.ledger import changes, rows
from services.ledger.shadow import schema
from services.ledger.shadow.ledger_comparison import reading_of
from services.ledger.shadow.schema import BadReplay, Entry, statement
from services.ledger.shadow.writing import Folded, UnitWriter

CASES_AT_ONCE = 200


class BehindLive(BadReplay):
    """The live ledger holds evidence that the replay does not."""

    exit_code = 5


class Following:
    """Makes a shadow stand where the live ledger stands, by the log that live keeps."""

    def __init__(self, session: asyncpg.Connection, group: str) -> None:
        self._session = session
        self._group = group

    async def live_offsets(self) -> dict[tuple[str, int], int]:
        """Give the next offset of the live ledger in each partition of the evidence."""
        live = await schema.live_schema(self._session)
        offsets = await self._session.fetch(statement("live_offsets", live=live), self._group)
        names = {topic.name for topic in EVIDENCE}
        return {
            (r["topic"], r["partition"]): r["next_offset"] for r in offsets if r["topic"] in names
        }

    async def reach(self, entry: Entry, offsets: dict[tuple[str, int], int], follow: bool) -> int:
        """Make the shadow stand where live stands, or refuse."""
        ranges = await schema.ranges_of(self._session, entry.schema)
        behind = [p for p, offset in offsets.items() if offset > ranges.get(p, (0, 0))[1]]
        ahead = [p for p, (_, until) in ranges.items() if until > offsets.get(p, 0)]
        if ahead and (behind or not entry.identity.with_events):
            raise BadReplay(
                f"replay {entry.name} has read further than the live ledger, which is still catching up; "
                "wait for it, or replay with --with-events"
            )
        if behind and entry.state == "before" and entry.identity.with_events:
            raise BadReplay(
                "live has gone on since, with a log of its own that the replaced ledger does not read; "
                "replay the former methodology from Kafka instead"
            )
        if behind and not follow:
            act = "back" if entry.state == "before" else "promote"
            raise BehindLive(
                f"the live ledger has gone on in {len(behind)} partitions since; catch up with "
                f"`takedown replay {act} {entry.name} --follow-to-live`"
            )
        return await self.follow(entry, offsets) if behind else 0

    async def follow(self, entry: Entry, offsets: dict[tuple[str, int], int]) -> int:
        """Fold again the cases of which live holds more, up to the offsets; return how many."""
        live = await schema.live_schema(self._session)
        text = statement("cases_behind", live=live, shadow=entry.schema)
        names = [row["case_id"] for row in await self._session.fetch(text, timeout=3600)]
        for start in range(0, len(names), CASES_AT_ONCE):
            await self._refold(entry, live, names[start : start + CASES_AT_ONCE])
        move = statement("move_range", shadow=entry.schema)
        for (topic, partition), offset in offsets.items():
            await self._session.execute(move, topic, partition, offset)
        if entry.state == "complete" and names:
            await schema.finish(self._session, entry.schema)
        return len(names)

    async def _refold(self, entry: Entry, live: str, names: list[str]) -> None:
        logged = await self._session.fetch(statement("log_of_cases", schema=live), names)
        reading, folded = reading_of(entry.identity), []
        for events in changes.by_case(map(rows.event_of, logged)).values():
            for prepare in reading.prepared.values():
                events = prepare(events)  # noqa: PLW2901
            fold = reading.fold(events)
            assert fold is not None
            concluded = outcomes(fold.case, fold.transitions, reading.methodology)
            folded.append(Folded(fold.case, list(fold.transitions), concluded, events))
        writer = UnitWriter(self._session, entry.schema, entry.identity.with_events)
        await writer.forget(names)
        writer.keep(folded)
        await writer.write()
