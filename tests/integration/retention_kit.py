"""Retention under test: a removed case, a role at an instant, and what is left where."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cramjam

from consumers.record.source import KafkaSource
from consumers.retention.retention_role import RetentionRole, RoundCounts
from schemas.sealing import Keyring
from services.exporter.health import Health
from tests.integration.ledger_kit import (
    KEYRING,
    METHOD,
    START,
    Lab,
    look,
    notice,
    report,
)

DAYS = timedelta(days=1)
KEPT = timedelta(days=90)
# Records are of now, whatever the times of their events; of what was reported lately no URL is due yet.
SOON = datetime.now(UTC) + timedelta(days=100)
RECENT = SOON - timedelta(days=101)


def removed(number: int, at: datetime = START) -> list[Any]:
    """Tell of a case that was confirmed to be gone within some hours of its notice."""
    seen = [look(number, at + timedelta(hours=1), "online")]
    gone = [look(number, at + timedelta(hours=5, minutes=20 * n), "removed") for n in range(4)]
    return [report(number, at), notice(number, at + timedelta(minutes=5)), *seen, *gone]


def retention(
    ledger: Lab, folder: Path, now: datetime, keyring: Keyring = KEYRING
) -> RetentionRole:
    return RetentionRole(
        ledger.kafka,
        ledger.pool,
        folder,
        keyring,
        METHOD,
        Health(),
        lambda: now,
        period=KEPT,
        interval_seconds=0.05,
        first_seconds=0.0,
    )


async def taken(ledger: Lab, done: RoundCounts) -> RoundCounts:
    """Have the ledger take the erasures that a round has said."""
    ledger.sent += done.erased
    await ledger.drained()
    return done


async def begins(ledger: Lab, topic: str) -> list[int]:
    source = KafkaSource(ledger.kafka)
    try:
        return [span[0] for span in (await source.extents([topic])).values()]
    finally:
        await source.close()


async def standing(ledger: Lab, name: str) -> list[Any]:
    """Give the records that the broker still has of a topic."""
    source = KafkaSource(ledger.kafka)
    try:
        found = []
        for place, (first, end) in (await source.extents([name])).items():
            found += [r async for records in source.read(place, first, end) for r in records]
        return found
    finally:
        await source.close()


def unpacked(folder: Path) -> bytes:
    """Give all that the files of a folder hold."""
    packed = folder.rglob("*.zst")
    return b"".join(bytes(cramjam.zstd.decompress(path.read_bytes())) for path in packed)


async def sealed_urls(ledger: Lab) -> set[str]:
    rows = await ledger.pool.fetch("SELECT case_id FROM cases WHERE sealed_url IS NOT NULL")
    logged = await ledger.pool.fetch("SELECT case_id FROM events WHERE body ? 'sealed_url'")
    assert {r["case_id"] for r in rows} == {r["case_id"] for r in logged}
    return {row["case_id"] for row in rows}
