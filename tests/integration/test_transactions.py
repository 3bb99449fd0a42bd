"""Kafka transactions: what was aborted is no evidence, and a marker is no record that waits."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from consumers.record.archive_reader import ArchiveSource, read_manifest, verify_archive
from consumers.record.archive_writer import write_archive
from consumers.record.deadletter import read_dead_letters
from consumers.record.places import Partition
from consumers.record.ranges import Bounds, resolve
from consumers.record.source import KafkaSource
from consumers.replay.replay_run import replay
from consumers.replay.unit_records import home_of
from schemas import codec, topics
from schemas.events import Event
from services.exporter import metrics
from services.ledger.shadow.promotion import Promotion
from tests.integration.ledger_kit import (
    METHOD,
    PARTITIONS,
    QUICK,
    START,
    Lab,
    case_of,
    look,
    notice,
    pure_digest,
    report,
    stories,
    story,
)
from tests.integration.prober_world import World, running, world
from tests.integration.replay_kit import asked, replayed
from tests.integration.retention_kit import RECENT, SOON, begins, retention
from tests.integration.transaction_kit import (
    Writer,
    caught_up,
    offsets_of,
    raw_count,
    writer,
)
from tests.servers import eventually

REPORTS = topics.REPORTS.name
value = metrics.REGISTRY.get_sample_value


@pytest.fixture
async def writing(ledger: Lab) -> AsyncIterator[Writer]:
    async with writer(ledger.kafka) as made:
        yield made


def rebuilds() -> float:
    return value("takedown_consumer_rebuilds_total", {"consumer": "ledger"}) or 0.0


def lag() -> float | None:
    return value("takedown_consumer_lag_records", {"topic": REPORTS})


def held_seconds() -> float:
    return value("takedown_open_transaction_seconds", {"topic": REPORTS}) or 0.0


async def mixed(writing: Writer) -> list[Event]:
    """Write an aborted transaction between two committed ones, and several markers at the end; give what counts."""
    early, late = stories(6), [event for number in (20, 21) for event in story(number)]
    await writing.commit(early)
    await writing.abort([event for number in (1, 30) for event in story(number)])
    await writing.commit(late)
    for number in (40, 41, 42):
        await writing.abort([report(number), look(number, START, "online")])
    return [*early, *late]


def home(number: int) -> TopicPartition:
    """Give the partition of the reports of a case."""
    return TopicPartition(REPORTS, home_of(case_of(number), PARTITIONS))


# -- the ledger ----------------------------------------------------------------------------------


async def test_aborted_records_never_reach_the_ledger(ledger: Lab, writing: Writer) -> None:
    """The ledger is the fold of what was committed, without a dead letter, and stands at every end."""
    ledger.start()
    told = await mixed(writing)
    await caught_up(ledger)
    await ledger.stop()
    assert pure_digest(told) == await ledger.digest()
    assert await read_dead_letters(ledger.kafka) == []


async def test_transactions_that_overlap_are_told_apart(ledger: Lab, writing: Writer) -> None:
    """One that was opened first and aborted last takes nothing along of another that was committed meanwhile."""
    ledger.start()
    told = [report(1), notice(1, START), report(1, START, reporter="other")]
    async with writer(ledger.kafka) as second:
        await writing.producer.begin_transaction()
        await writing.send([report(1, START, reporter="aborted")])
        await second.commit(told[:2])
        await writing.send([notice(1, START, "aborted")])
        await ledger.produce(told[2:])
        await writing.producer.abort_transaction()
        await second.abort([notice(1, START, "later")])
    await caught_up(ledger)
    await ledger.stop()
    assert pure_digest(told) == await ledger.digest()


async def test_an_aborted_transaction_may_be_larger_than_a_fetch(
    ledger: Lab, writing: Writer, postgres_dsn: str
) -> None:
    """A ledger and a replay pass over many fetches that hold no record, and go on behind them."""
    ledger.start(msgspec.structs.replace(QUICK, partition_fetch_bytes=64 * 1024))
    told = story(1)
    key = case_of(1).encode()
    await writing.producer.begin_transaction()
    for _ in range(20):
        await writing.producer.send_and_wait(REPORTS, b"x" * 250_000, key=key)
    await writing.producer.abort_transaction()
    await writing.commit(told)
    await caught_up(ledger)
    await ledger.stop()
    result = await replayed(ledger, postgres_dsn)
    assert (result.digest, result.totals.records) == (pure_digest(told), len(told))
    assert pure_digest(told) == await ledger.digest()


async def test_markers_at_the_end_are_no_waiting_records(ledger: Lab, writing: Writer) -> None:
    """A partition that ends in several markers has no lag, and no client is built anew over it."""
    before = rebuilds()
    ledger.start(msgspec.structs.replace(QUICK, stall_seconds=1.0, watch_seconds=0.2))
    await mixed(writing)
    await caught_up(ledger)
    await eventually("no lag", lambda: told_lag(0))
    await asyncio.sleep(2.0)
    assert (rebuilds(), lag(), held_seconds()) == (before, 0, 0)
    await ledger.stop()


async def test_a_restart_at_a_marker_goes_on(ledger: Lab, writing: Writer) -> None:
    """Stored offsets lie after the markers, so that a broker that deletes aborted records takes nothing from it."""
    told = story(1)
    ledger.start()
    await writing.commit(told)
    await writing.abort(story(2))
    await caught_up(ledger)
    await ledger.stop()
    ends = await offsets_of(ledger.kafka, "read_committed")
    admin = AIOKafkaAdminClient(**ledger.kafka.client_options())
    await admin.start()
    await admin.delete_records({tp: RecordsToDelete(end) for tp, end in ends.items() if end})
    await admin.close()
    ledger.start()
    more = story(3)
    await writing.commit(more)
    await caught_up(ledger)
    await ledger.stop()
    assert pure_digest([*told, *more]) == await ledger.digest()


async def told_lag(expected: int) -> bool:
    return lag() == expected


async def test_an_open_transaction_shows_and_stalls_nothing_else(
    ledger: Lab, writing: Writer
) -> None:
    """Records behind it are lag, told from the high watermark, with a figure of its own; no client is rebuilt."""
    before, place = rebuilds(), home(1)
    ledger.start(msgspec.structs.replace(QUICK, stall_seconds=1.0, watch_seconds=0.2))
    await ledger.produce([report(1)])
    await caught_up(ledger)
    await writing.producer.begin_transaction()
    await writing.send([notice(1, START)])
    behind = [notice(2, START), report(1, START, reporter="other")]
    await ledger.produce(behind)
    stable, high = [
        (await offsets_of(ledger.kafka, level, [place]))[place]
        for level in ("read_committed", "read_uncommitted")
    ]
    assert (stable, high - stable) == (1, 3)
    await eventually("it is held", lambda: told_held(2.0))
    assert (rebuilds(), lag()) == (before, 3)
    assert (
        await ledger.pool.fetchval("SELECT count(*) FROM events WHERE case_id = $1", case_of(1))
        == 1
    )
    await writing.producer.commit_transaction()
    await caught_up(ledger)
    await eventually("nothing is held", lambda: told_held(None))
    await eventually("no lag", lambda: told_lag(0))
    await ledger.stop()
    assert pure_digest([report(1), notice(1, START), *behind]) == await ledger.digest()


async def told_held(seconds: float | None) -> bool:
    return held_seconds() == 0 if seconds is None else held_seconds() >= seconds


# -- replays and archives --------------------------------------------------------------------------


async def test_a_replay_ends_at_markers_and_can_be_promoted(
    ledger: Lab, writing: Writer, postgres_dsn: str
) -> None:
    """A replay finishes where partitions end in markers, and is neither ahead of the ledger nor behind it."""
    ledger.start()
    told = await mixed(writing)
    await caught_up(ledger)
    await ledger.stop()
    result = await replayed(ledger, postgres_dsn)
    assert (result.digest, result.totals.refused) == (pure_digest(told), 0)
    session = await asyncpg.connect(postgres_dsn)
    try:
        promotion = Promotion(session, [METHOD], datetime.now(UTC))
        done = await promotion.promote("again", follow=False, actor="tester")
    finally:
        await session.close()
    assert (done.followed, await ledger.digest()) == (0, pure_digest(told))


@pytest.mark.parametrize(
    ("begins_at", "until", "expected"),
    [(0, 2, 1), (1, 3, 1), (3, 6, 0), (4, 7, 1), (5, 7, 1), (1, 6, 1), (0, 7, 3)],
)
async def test_a_range_may_begin_and_end_anywhere(
    ledger: Lab, writing: Writer, postgres_dsn: str, begins_at: int, until: int, expected: int
) -> None:
    """Offsets 0, 2 and 6 hold what counts, 1 and 5 markers, 3 and 4 what was aborted; only records are counted."""
    place = home(1)
    await writing.commit([report(1)])
    await ledger.produce([notice(1, START)])
    await writing.abort([notice(1, START, "small"), notice(1, START, "large")])
    await ledger.produce([report(1, START, reporter="other")])
    at: Partition = (place.topic, place.partition)
    bounds = Bounds(from_offsets={at: begins_at}, until_offsets={at: until})
    totals = (await replayed(ledger, postgres_dsn, bounds=bounds)).totals
    assert (totals.records, totals.events, totals.refused) == (expected, expected, 0)


async def test_an_archive_may_end_at_a_marker(
    ledger: Lab, writing: Writer, tmp_path: Path, postgres_dsn: str
) -> None:
    """It holds what was committed and its spans reach past the markers, so that a chain with the broker has no gap."""
    told = await mixed(writing)
    source = KafkaSource(ledger.kafka)
    try:
        ranges = await resolve(source, Bounds())
        manifest = await write_archive(source, tmp_path / "a", ranges, START, lambda count: None)
    finally:
        await source.close()
    assert manifest.records == len(told)
    ends = await offsets_of(ledger.kafka, "read_uncommitted")
    assert {(s.topic, s.partition): s.until for s in manifest.spans} == {
        (*tp,): end for tp, end in ends.items()
    }
    assert verify_archive(tmp_path / "a", lambda count: None) == manifest
    more = story(50)
    await writing.commit(more)
    folder = (str(tmp_path / "a"),)
    alone = await replay(asked(None, postgres_dsn, "files", archive=folder))
    both = await replay(asked(ledger.kafka, postgres_dsn, "both", archive=folder))
    assert (alone.digest, both.digest) == (pure_digest(told), pure_digest([*told, *more]))


async def test_an_open_transaction_is_in_no_archive(
    ledger: Lab, writing: Writer, tmp_path: Path
) -> None:
    """The range of an archive ends before it, and what comes of it is read by the next one."""
    place = home(1)
    await ledger.produce([report(1)])
    await writing.producer.begin_transaction()
    await writing.send([notice(1, START)])
    await ledger.produce([report(1, START, reporter="other")])
    source = KafkaSource(ledger.kafka)
    try:
        ranges = await resolve(source, Bounds())
        manifest = await write_archive(source, tmp_path / "a", ranges, START, lambda count: None)
    finally:
        await source.close()
    assert (manifest.records, ranges[place.topic, place.partition]) == (1, (0, 1))
    assert len(ArchiveSource(tmp_path / "a").manifest.files) == 1


# -- retention -------------------------------------------------------------------------------------


async def test_aborted_reports_leave_the_broker_too(
    ledger: Lab, writing: Writer, tmp_path: Path
) -> None:
    """A prefix of aborted records, which may hold URLs, is deleted with the rest, and archived once only."""
    gone, mixed_up = home(1), home(3)
    assert gone != mixed_up
    ledger.start()
    await writing.abort([report(1, RECENT)])
    await writing.commit([report(3, RECENT)])
    await writing.abort([report(3, RECENT, reporter="other")])
    await caught_up(ledger)
    role = retention(ledger, tmp_path, SOON)
    assert [(await role.due()).moved, (await role.round()).moved] == [1, 1]
    assert [await raw_count(ledger.kafka, place) for place in (gone, mixed_up)] == [0, 0]
    ends = await offsets_of(ledger.kafka, "read_uncommitted")
    reports = [end for tp, end in ends.items() if tp.topic == REPORTS]
    assert sorted(await begins(ledger, REPORTS)) == sorted(reports)
    (folder,) = tmp_path.iterdir()
    assert read_manifest(folder).records == 1
    later = SOON + timedelta(hours=1)
    assert (await retention(ledger, tmp_path, later).round()).moved == 0
    assert list(tmp_path.iterdir()) == [folder]
    await ledger.stop()


async def test_retention_waits_for_an_open_transaction(
    ledger: Lab, writing: Writer, tmp_path: Path
) -> None:
    """What may still be taken back, and all behind it, is neither moved nor deleted."""
    place = home(1)
    ledger.start()
    await ledger.produce([report(1, RECENT)])
    await writing.producer.begin_transaction()
    await writing.send([report(1, RECENT, reporter="other")])
    await ledger.produce([report(1, RECENT, reporter="third")])
    await caught_up(ledger)
    assert (await retention(ledger, tmp_path, SOON).round()).moved == 1
    assert await raw_count(ledger.kafka, place) == 2
    await writing.producer.commit_transaction()
    await caught_up(ledger)
    later = SOON + timedelta(hours=1)
    assert (await retention(ledger, tmp_path, later).round()).moved == 2
    assert await raw_count(ledger.kafka, place) == 0
    await ledger.stop()


async def test_dead_letters_that_were_aborted_are_none(ledger: Lab, writing: Writer) -> None:
    """A dead-letter topic that ends in markers is read to its end."""
    key, body, headers = codec.encode(report(1))
    await writing.producer.begin_transaction()
    await writing.producer.send_and_wait(topics.REPORTS.dlq, body, key=key, headers=headers)
    await writing.producer.abort_transaction()
    assert await read_dead_letters(ledger.kafka) == []


# -- the prober ------------------------------------------------------------------------------------


@pytest.fixture
async def here(kafka_bootstrap: str) -> AsyncIterator[World]:
    async with world(kafka_bootstrap) as made:
        yield made


async def test_an_aborted_entry_is_not_watched(here: World) -> None:
    """A watch list whose partitions end in markers is read to its end, and what was aborted gets no look."""
    plain = here.producer
    async with writer(here.kafka) as transactional:
        here.producer = transactional.producer
        await here.producer.begin_transaction()
        watched = await here.watch(1)
        await here.producer.commit_transaction()
        await here.producer.begin_transaction()
        aborted = [await here.watch(number) for number in range(2, 14)]
        await here.producer.abort_transaction()
        here.producer = plain
        async with running(here.prober()):
            await eventually("looks", lambda: looked_at(here, watched, 3))
    assert not {record.subject for record in await here.records()} & {*aborted}


async def looked_at(here: World, case_id: str, count: int) -> bool:
    return sum(record.subject == case_id for record in await here.records()) >= count
