"""What retention must not do: delete what stands nowhere else, destroy what is still needed, or repeat itself."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from consumers.record.archive_reader import (
    ArchiveDamaged,
    BadArchive,
)
from consumers.record.archive_writer import write_archive
from consumers.record.source import KafkaSource
from consumers.retention.mover import archives_in
from consumers.retention.proof import REPORTS, Proof, RetentionRefused
from consumers.retention.retention_role import RoundCounts
from consumers.retention.round_lock import RetentionBusy, RoundLock
from schemas import topics
from schemas.errors import ConfigError
from schemas.methodology import shipped
from schemas.sealing import Keyring
from services.ledger.transient import TRANSIENT_DATABASE
from tests.integration.ledger_kit import (
    START,
    Lab,
    case_of,
    fresh_topics,
    report,
)
from tests.integration.retention_kit import (
    DAYS,
    RECENT,
    SOON,
    removed,
    retention,
    sealed_urls,
    standing,
)

_END_HOLDER = """
SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 2051985650
"""

pytestmark = pytest.mark.usefixtures("running")


async def test_a_damaged_archive_stops_the_deletion(
    ledger: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be read back is not deleted from the broker, and it is said which file it is."""
    await ledger.produce([report(1, RECENT)])
    await ledger.drained()
    whole = Proof.deletable

    async def after_damage(self: Proof, folder: Path, *rest: Any) -> dict[Any, int]:
        for path in folder.rglob("*.zst"):
            path.write_bytes(path.read_bytes()[:-1] + b"\0")
        return await whole(self, folder, *rest)

    monkeypatch.setattr(Proof, "deletable", after_damage)
    with pytest.raises(ArchiveDamaged, match="SHA-256"):
        await retention(ledger, tmp_path, SOON).round()
    assert len(await standing(ledger, REPORTS)) == 1


async def test_a_retention_elsewhere_is_refused(ledger: Lab, tmp_path: Path) -> None:
    """A second machine, with a folder of its own, deletes nothing once the first has; the first goes on."""
    await ledger.produce([report(n, RECENT) for n in range(8)])
    await ledger.drained()
    first, second = (retention(ledger, tmp_path / name, SOON) for name in ("first", "second"))
    assert (await first.round()).moved == 8
    await ledger.produce([report(n, RECENT) for n in range(8, 20)])
    await ledger.drained()
    with pytest.raises(RetentionRefused, match="another retention moves records elsewhere"):
        await second.round()
    assert len(await standing(ledger, REPORTS)) == 12
    later = retention(ledger, tmp_path / "first", SOON + timedelta(hours=1))
    assert (await later.round()).moved == 12


async def test_two_retentions_never_work_at_once(ledger: Lab, tmp_path: Path) -> None:
    """Two machines, each with a folder of its own, at one instant: one works, the other waits for its next round."""
    await ledger.produce([report(n, RECENT) for n in range(8)])
    await ledger.drained()
    both = [retention(ledger, tmp_path / name, SOON) for name in ("first", "second")]
    done = await asyncio.gather(*(one.round() for one in both), return_exceptions=True)
    moved = [one.moved for one in done if isinstance(one, RoundCounts)]
    assert (moved, [type(one) for one in done if isinstance(one, Exception)]) == (
        ([8], [RetentionBusy])
    )
    assert len(archives_in(tmp_path / "first")) + len(archives_in(tmp_path / "second")) == 1


async def test_a_round_that_lost_its_lock_deletes_nothing(
    ledger: Lab, postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session was ended, by a failover or by the server: another may be at work by now. The next round goes on."""
    await ledger.produce([report(n, RECENT) for n in range(4)])
    await ledger.drained()
    whole = Proof.deletable

    async def after_the_session(self: Proof, *given: Any) -> dict[Any, int]:
        session = await asyncpg.connect(postgres_dsn)
        try:
            await session.execute(_END_HOLDER)
        finally:
            await session.close()
        return await whole(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Proof, "deletable", after_the_session)
        with pytest.raises(TRANSIENT_DATABASE):
            await retention(ledger, tmp_path, SOON).round()
    assert len(await standing(ledger, REPORTS)) == 4
    assert (await retention(ledger, tmp_path, SOON + timedelta(hours=1)).round()).moved == 0
    assert await standing(ledger, REPORTS) == []


async def test_a_lock_that_is_held_for_long_is_not_ended_as_idle(ledger: Lab) -> None:
    """The server ends a transaction that says nothing for so long; a round that writes for hours says something."""
    lock, other = (RoundLock(ledger.pool, 0.1) for _ in "ab")
    async with lock.held():
        await lock._session.execute("SET LOCAL idle_in_transaction_session_timeout = '400ms'")
        await asyncio.sleep(0.9)
        await lock.require()
        with pytest.raises(RetentionBusy):
            await other.held().__aenter__()
    async with other.held():
        assert repr(other) == "<RoundLock held>"


async def test_a_topic_that_was_made_anew_is_not_touched(ledger: Lab, tmp_path: Path) -> None:
    """Offsets begin again there: an archive of the old topic deletes nothing of the new one, and it is said why."""
    await ledger.produce([report(n, RECENT) for n in range(12)])
    await ledger.drained()
    assert (await retention(ledger, tmp_path, SOON).round()).moved == 12
    await ledger.stop()
    await fresh_topics(ledger.kafka.bootstrap_servers)
    await ledger.pool.execute("UPDATE consumer_offsets SET next_offset = 0")
    ledger.sent = 0
    await ledger.produce([report(n, RECENT) for n in range(20, 60)])
    ledger.start()
    await ledger.drained()
    with pytest.raises(RetentionRefused, match="made anew"):
        await retention(ledger, tmp_path, datetime.now(UTC)).round()
    assert len(await standing(ledger, REPORTS)) == 40


async def test_another_keyring_deletes_nothing(ledger: Lab, tmp_path: Path) -> None:
    """What the ledger took and this role can't open is not blanked: it is told to have the ledger's keys."""
    await ledger.produce([report(1, RECENT)])
    await ledger.drained()
    strange = Keyring(naming=b"n" * 32, sealing={"k2": b"t" * 32}, active="k2")
    with pytest.raises(RetentionRefused, match=r"keys\.toml"):
        await retention(ledger, tmp_path, SOON, strange).round()
    assert len(await standing(ledger, REPORTS)) == 1


async def test_archives_of_others_are_left_alone(ledger: Lab, tmp_path: Path) -> None:
    """An archive with URLs, stopped or finished, in retention's folder is neither gone on with nor deleted by."""
    await ledger.produce(removed(1, RECENT))
    await ledger.drained()
    source = KafkaSource(ledger.kafka)
    ranges = await source.extents([REPORTS, topics.OBSERVATIONS.name])

    def stopped(count: int) -> None:
        if count:
            raise OSError("stopped")

    try:
        with pytest.raises(OSError, match="stopped"):
            await write_archive(source, tmp_path / "mine", ranges, SOON, stopped)
        with pytest.raises(BadArchive, match="begun with URLs"):
            await retention(ledger, tmp_path, SOON).round()
        await write_archive(source, tmp_path / "mine", ranges, SOON, lambda count: None)
    finally:
        await source.close()
    with pytest.raises(RetentionRefused, match="archives of your own"):
        await retention(ledger, tmp_path, SOON).round()
    assert len(await standing(ledger, topics.OBSERVATIONS.name)) == 5


async def test_another_definition_destroys_nothing(ledger: Lab, tmp_path: Path) -> None:
    """Where the ledger was folded under another methodology, a watch may go on: the round is refused."""
    await ledger.produce(removed(1))
    await ledger.drained()
    other = retention(ledger, tmp_path, START + 400 * DAYS)
    other._methodology = shipped()["delivered-24h"]
    with pytest.raises(ConfigError, match="folded under methodology"):
        await other.round()
    assert await sealed_urls(ledger) == {case_of(1)}


async def test_nothing_is_repeated_to_a_ledger_that_stands_still(
    ledger: Lab, tmp_path: Path
) -> None:
    """Rounds say an erasure once, however long the ledger takes; it must not flood the topic every hour."""
    await ledger.produce(removed(1))
    await ledger.drained()
    await ledger.stop()
    role = retention(ledger, tmp_path, START + 130 * DAYS)
    assert [(await role.round()).erased for _ in range(3)] == [1, 0, 0]


async def test_a_report_that_is_still_unread_survives(ledger: Lab, tmp_path: Path) -> None:
    """Reported again before the erasure is said, and read after it: the new claim keeps its URL and is watched."""
    await ledger.produce(removed(1))
    await ledger.drained()
    await ledger.stop()
    await ledger.produce([report(1, START + 120 * DAYS, reporter="another")])
    ledger.sent += (await retention(ledger, tmp_path, START + 130 * DAYS).round()).erased
    ledger.start()
    await ledger.drained()
    assert await ledger.pool.fetchval("SELECT sealed_url FROM cases") is not None
