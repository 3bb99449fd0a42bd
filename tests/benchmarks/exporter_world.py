"""The ledger of `bench_exporter`: many cases at many providers, written by COPY as the ledger would have left them.

Deterministic by seed. The cases of a year before an instant, 94 % at one provider; those of the last hours still run.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from schemas.events import (
    TYPE_OF,
    NoticeDelivered,
    NoticeFailed,
    NoticeSent,
    SpellBreached,
    SpellRemoved,
)
from services.ledger import migrate, rows
from services.ledger.rows import StoredEvent, StoredOutcome, StoredSpell

PROVIDERS = 500
_GIANT_SHARE = 0.94
_NORM = timedelta(hours=24)
_YEAR = timedelta(days=366)
_CATEGORIES = ("csam", "csam", "csam", "grooming", "terrorist_content")


class Filling:
    """Draws cases, and writes them."""

    def __init__(self, cases: int, now: datetime, seed: int = 1) -> None:
        self._cases = cases
        self._now = now
        self._rng = random.Random(seed)

    async def fill(self, dsn: str) -> None:
        """Migrate the database and write everything."""
        session = await asyncpg.connect(dsn)
        await migrate.up(session)
        for start in range(0, self._cases, 50_000):
            numbers = range(start, min(start + 50_000, self._cases))
            spells = [self._spell(number) for number in numbers]
            copy = session.copy_records_to_table
            await copy("spells", records=spells, columns=rows.SPELLS.names)
            outcomes = [row for spell in spells for row in self._outcomes(spell)]
            await copy("outcomes", records=outcomes, columns=rows.OUTCOMES.names)
            events = [row for spell in spells for row in self._events(spell)]
            # They arrived when they happened, not in the minutes of this filling.
            arrived = [(*row, row.event_time) for row in events]
            await copy("events", records=arrived, columns=(*rows.EVENTS.names, "ingested_at"))
        await session.execute("VACUUM (ANALYZE)", timeout=600)
        await session.close()

    def _id(self) -> UUID:
        return UUID(int=self._rng.getrandbits(128), version=5)

    def _spell(self, number: int) -> StoredSpell:
        rng = self._rng
        opened = self._now - _YEAR * (1 - number / self._cases)
        giant = rng.random() < _GIANT_SHARE
        provider = "giant" if giant else f"small-{rng.randrange(PROVIDERS - 1):03d}"
        started, deadline = opened + timedelta(minutes=2), opened + timedelta(minutes=2) + _NORM
        # Half is gone in eight hours, a tenth lasts for more than three days; some for ever.
        gone = opened + timedelta(hours=rng.weibullvariate(14.0, 0.6))
        gone_by_now = gone < self._now and rng.random() < 0.99
        breached = (gone > deadline or not gone_by_now) and deadline < self._now
        last = gone if gone_by_now else self._now
        clock = "BREACHED" if breached else "WITHIN" if gone_by_now else "RUNNING"
        seen = last - timedelta(minutes=rng.random() * 60)
        hours = max((seen - opened).total_seconds(), 0.0) if gone_by_now else 0.0
        return StoredSpell(
            case_id=f"{rng.getrandbits(128):032x}",
            spell=1,
            provider=provider,
            category=rng.choice(_CATEGORIES),
            opened_at=opened,
            closed_at=None,
            closed_reason=None,
            procedure="NOTIFIED",
            presence="REMOVED" if gone_by_now else "ONLINE",
            clock=clock,
            clock_started_at=started,
            clock_started_from=None,
            deadline=deadline,
            excluded=None,
            first_online_at=opened,
            known_online_at=max(seen, opened),
            breached_at=deadline + timedelta(minutes=3) if breached else None,
            removed_lower=max(seen, opened) if gone_by_now else None,
            removed_upper=gone if gone_by_now else None,
            removed_layer="content" if gone_by_now else None,
            returns=0,
            last_removed_upper=None,
            last_returned_at=None,
            looks=rng.randrange(4, 40),
            undetermined=rng.randrange(3),
            missed=rng.randrange(2),
            exposure_lower_seconds=hours,
            exposure_upper_seconds=hours and hours + 3600.0,
        )

    def _outcomes(self, spell: StoredSpell) -> Iterator[StoredOutcome]:
        for type_, at in (
            (SpellBreached, spell.breached_at),
            (SpellRemoved, spell.removed_upper),
        ):
            if at is not None:
                yield StoredOutcome(
                    self._id(), spell.case_id, 1, TYPE_OF[type_], spell.provider, spell.category, at
                )

    def _events(self, spell: StoredSpell) -> Iterator[StoredEvent]:
        notice = spell.case_id[:12]
        at = spell.clock_started_at
        assert at is not None
        sent = f'{{"notice_id":"{notice}","provider":"{spell.provider}"}}'
        yield self._event(spell, at, NoticeSent, sent)
        fate = self._rng.random()
        later = at + timedelta(minutes=1)
        if fate < 0.9:
            yield self._event(spell, later, NoticeDelivered, f'{{"notice_id":"{notice}"}}')
        elif fate < 0.95:
            reason = f'{{"notice_id":"{notice}","reason":"mailbox_full"}}'
            yield self._event(spell, later, NoticeFailed, reason)

    def _event(self, spell: StoredSpell, at: datetime, type_: Any, body: str) -> StoredEvent:
        return StoredEvent(spell.case_id, self._id(), at, TYPE_OF[type_], "hotline", body)
