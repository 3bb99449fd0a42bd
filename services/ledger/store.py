"""The ledger in Postgres: a batch of events, its effects, its outbox rows and its offsets in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import asyncpg
from msgspec import Struct

from schemas.errors import ConfigError, TakedownError
from schemas.events import Event
from schemas.methodology import Methodology
from services.ledger.queries import query
from services.ledger.rows import OFFSETS, SPELLS, StoredOffset, case_of, spell_row
from services.ledger.transaction import Batch


class Fenced(TakedownError):
    """The ledger no longer stands where this consumer left it: the batch was rolled back, nothing of it stays.

    Another consumer has taken a partition over, or the database was replaced by a standby that lacked a commit.
    """


class Claim(Struct, frozen=True):
    """The right to write for a partition, from `next_offset` on, until somebody takes a higher epoch."""

    next_offset: int
    epoch: int


class Advance(Struct, frozen=True):
    """How far a batch moves one partition; `event_time` is that of its newest event."""

    topic: str
    partition: int
    epoch: int
    next_offset: int
    event_time: datetime | None = None


class BatchResult(Struct):
    """What a batch came to."""

    events: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refolds: int = 0
    outcomes: int = 0


_FILLED_AT_ONCE = 500

Refuse = Callable[[list[int]], Awaitable[None]]
Partition = tuple[str, int]


async def agrees(session: asyncpg.Connection, method: Methodology) -> None:
    """See that a ledger, unless it is empty, was folded under a definition; raises `ConfigError`."""
    definition = await session.fetchrow(query("methodology"))
    if definition is not None and definition["digest"] != method.digest:
        raise ConfigError(
            f"the ledger was folded under methodology {definition['id']} version {definition['version']} "
            f"({definition['digest'][:12]}), not under {method.id} version {method.version} "
            f"({method.digest[:12]}); start with the former, or give the new one an empty database: "
            "it is filled again from Kafka"
        )


class LedgerStore:
    """Writes for one consumer group under one methodology.

    `clock` dates what the ledger itself does (voiding an outcome); event times come from the events.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        methodology: Methodology,
        clock: Callable[[], datetime],
        group: str = "takedown-ledger",
    ) -> None:
        self._pool = pool
        self._methodology = methodology
        self._clock = clock
        self._group = group
        self._filled = False
        # Where this consumer left each partition, by what the database confirmed.
        self._reached: dict[Partition, int] = {}

    def __repr__(self) -> str:
        return f"<LedgerStore group={self._group} methodology={self._methodology.id}>"

    async def check_methodology(self) -> None:
        """Refuse a ledger that was folded under another definition; raises `ConfigError`.

        Its cases would otherwise be half of one definition and half of the other.
        """
        method = self._methodology
        async with self._pool.acquire() as session:
            await session.execute(
                query("note_methodology"), method.id, method.version, method.digest
            )
            await agrees(session, method)
        await self._fill_returns()

    async def _fill_returns(self) -> None:
        """Write anew, once, the spells that returned before their rows said when (0005)."""
        while not self._filled:
            async with self._pool.acquire() as session, session.transaction():
                stored = await session.fetch(query("unfilled_returns"), _FILLED_AT_ONCE)
                cases = [case_of(row["state"], None) for row in stored]
                written = [spell_row(case, spell) for case in cases for spell in case.spells]
                if written:
                    await session.execute(query("upsert_spells"), *SPELLS.arrays(written))
            self._filled = len(stored) < _FILLED_AT_ONCE

    async def claim(self, partitions: Sequence[Partition]) -> dict[Partition, Claim]:
        """Take partitions over from whoever wrote for them; waits for a batch that is being written."""
        ordered = sorted(partitions)
        rows = await self._pool.fetch(
            query("claim_partitions"),
            self._group,
            [topic for topic, _ in ordered],
            [partition for _, partition in ordered],
        )
        claims = {
            (row["topic"], row["partition"]): Claim(row["next_offset"], row["epoch"])
            for row in rows
        }
        self._reached |= {place: claim.next_offset for place, claim in claims.items()}
        return claims

    async def write(
        self,
        events: Sequence[Event],
        advances: Sequence[Advance],
        refuse: Refuse,
        report: Refuse | None = None,
    ) -> BatchResult:
        """Write a batch; a batch that was written before changes nothing.

        `refuse` is awaited before the commit with the indices of events whose id names another fact already,
        `report` with those of notices that were taken and contradict another one of their notice id.
        Raises `Fenced`, and whatever the database raises; either way nothing stays.
        """
        async with self._pool.acquire() as session, session.transaction():
            await self._advance(session, advances)
            batch = Batch(session, self._methodology, self._clock())
            conflicts = await batch.take(events)
            if conflicts:
                await refuse(conflicts)
            if batch.notice_conflicts and report is not None:
                await report(batch.notice_conflicts)
        self._reached |= {(a.topic, a.partition): a.next_offset for a in advances}
        return BatchResult(
            events=len(events) - len(conflicts),
            duplicates=len(events) - len(conflicts) - batch.inserted,
            conflicts=len(conflicts),
            refolds=batch.refolds,
            outcomes=batch.outcomes,
        )

    async def _advance(self, session: asyncpg.Connection, advances: Sequence[Advance]) -> None:
        ordered = sorted(advances, key=lambda a: (a.topic, a.partition))
        written = [
            StoredOffset(
                self._group,
                a.topic,
                a.partition,
                a.epoch,
                a.next_offset,
                self._reached.get((a.topic, a.partition)),
                a.event_time,
            )
            for a in ordered
        ]
        tag: str = await session.execute(query("advance_offsets"), *OFFSETS.arrays(written))
        if int(tag.rpartition(" ")[2]) != len(ordered):
            raise Fenced(
                "another consumer of the group has taken a partition over, or the database lost what was "
                "committed last in a failover; this consumer starts anew from what is stored"
            )
