"""Old reports are moved into archives without URLs: archives and broker together are the whole record still."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from consumers.record.archive_writer import write_archive
from consumers.record.places import Ranges
from consumers.record.ranges import BadRange, Bounds, resolve
from consumers.record.source import EVIDENCE, KafkaSource
from consumers.replay.replay_run import ReplayRequest, ReplayResult, ReplayStopped, replay
from consumers.retention.redactor import Redactor
from schemas import codec, topics
from schemas import events as ev
from schemas.methodology import Methodology, shipped
from services.ledger.shadow import schema
from services.ledger.shadow.promotion import Promoted, Promotion
from services.ledger.shadow.schema import BadReplay
from tests.integration.ledger_kit import (
    KEYRING,
    METHOD,
    START,
    Lab,
    case_of,
    event,
    look,
    pure_digest,
    report,
    stories,
    story,
    url_of,
)
from tests.integration.replay_kit import asked, compared

OTHER = shipped()["delivered-24h"]
REPORTS = topics.REPORTS.name
LATER = START + timedelta(hours=40)


async def move(ledger: Lab, folder: Path) -> Ranges:
    """Move all reports from the broker into an archive without URLs; say where they stood."""
    source = KafkaSource(ledger.kafka)
    try:
        ranges = await source.extents([REPORTS])
        manifest = await write_archive(
            source, folder, ranges, START, lambda count: None, redact=Redactor(KEYRING)
        )
    finally:
        await source.close()
    assert manifest.without_urls
    admin = AIOKafkaAdminClient(**ledger.kafka.client_options())
    await admin.start()
    try:
        gone = {TopicPartition(*p): RecordsToDelete(until) for p, (_, until) in ranges.items()}
        begins = await admin.delete_records(gone)
    finally:
        await admin.close()
    assert begins == {TopicPartition(*p): until for p, (_, until) in ranges.items()}
    return ranges


def chained(ledger: Lab, dsn: str, name: str, *folders: Path, **options: Any) -> ReplayRequest:
    """Ask for a replay of archives and then the broker."""
    return asked(ledger.kafka, dsn, name, archive=tuple(map(str, folders)), **options)


async def exchange(
    dsn: str, act: str, name: str, methods: Iterable[Methodology] = (METHOD, OTHER)
) -> Promoted:
    session = await asyncpg.connect(dsn)
    try:
        promotion = Promotion(session, list(methods), datetime.now(UTC))
        done: Promoted = await getattr(promotion, act)(name, follow=False, actor="tester")
        return done
    finally:
        await session.close()


def odd_reports() -> list[Any]:
    """Make reports with plain URLs and foreign keys, one of them twice, and what the ledger refuses."""
    records = []
    for number in (30, 31, 31):
        data = ev.ReportFiled(reporter="browser", url=url_of(number), provider="giant")
        _, value, headers = codec.encode(event("", START, data))
        bare = [h for h in headers if h[0] != "ce_subject"]
        records.append((REPORTS, str(number).encode(), value, bare))
    key, value, headers = codec.encode(report(32))
    wrong = [(n, case_of(33).encode() if n == "ce_subject" else v) for n, v in headers]
    records += [(REPORTS, key, b"{", headers), (REPORTS, None, value, wrong)]
    bare_url = codec.encode(event(case_of(34), START, ev.ReportFiled(reporter="hotline")))
    records.append((REPORTS, *bare_url))
    return records


async def test_archives_without_urls_and_the_broker_fold_as_live(
    ledger: Lab, postgres_dsn: str, tmp_path: Path
) -> None:
    """Same digest, same refusals at the same places, although no archive holds a URL and the broker no old report."""
    await ledger.produce_raw(odd_reports())
    await ledger.take(stories(12, shuffled=1))
    await move(ledger, tmp_path / "a")
    await ledger.take([*story(40), report(2, LATER, reporter="second"), *story(41)])
    await move(ledger, tmp_path / "b")
    more = [report(3, LATER, reporter="third"), look(4, LATER, "online"), *story(42)]
    await ledger.produce_raw([(REPORTS, *codec.encode(urlless(50)))])
    await ledger.take(more)
    found = await replay(chained(ledger, postgres_dsn, "c", tmp_path / "a", tmp_path / "b"))
    assert found.digest == await ledger.digest()
    assert found.totals.strays > 0
    summary, reports = await compared(postgres_dsn, "c", "live")
    assert summary.same, reports
    assert await refused(postgres_dsn, found) == await dead_letters(ledger)
    assert len(await dead_letters(ledger)) == 4


def urlless(number: int) -> ev.Event:
    return event(case_of(number), START, ev.ReportFiled(reporter="hotline"))


async def refused(dsn: str, found: ReplayResult) -> set[tuple[str, int, int]]:
    session = await asyncpg.connect(dsn)
    try:
        listed = await schema.refused_of(session, found.schema, 100)
    finally:
        await session.close()
    return {(r["topic"], r["partition"], r["record_offset"]) for r in listed}


async def dead_letters(ledger: Lab) -> set[tuple[str, int, int]]:
    letters = [dict(r.headers) for r in await ledger.read(topics.REPORTS.dlq)]
    return {(REPORTS, int(h["dlq_partition"]), int(h["dlq_offset"])) for h in letters}


async def test_the_broker_alone_is_refused_where_its_reports_were_moved(
    ledger: Lab, postgres_dsn: str, tmp_path: Path
) -> None:
    """Nothing is folded in part in silence; a part is folded where one is asked for, and can be archived."""
    await ledger.take(stories(12))
    ranges = await move(ledger, tmp_path / "a")
    with pytest.raises(BadRange) as caught:
        await replay(asked(ledger.kafka, postgres_dsn))
    place, (_, gone) = next(item for item in sorted(ranges.items()) if item[1][1])
    assert f"{place[0]}/{place[1]} begin at offset {gone}" in str(caught.value)
    assert "--archive ... --and-kafka" in str(caught.value)
    until = Bounds(recorded_to=datetime.now(UTC))
    with pytest.raises(BadRange, match="begin at offset"):
        await replay(asked(ledger.kafka, postgres_dsn, bounds=until))
    begins = Bounds(from_offsets={place: until for place, (_, until) in ranges.items()})
    part = await replay(asked(ledger.kafka, postgres_dsn, "part", bounds=begins))
    lookable = [e for e in stories(12) if "look" in e.type]
    assert part.digest == pure_digest(lookable)
    assert part.totals.refused == 0
    by_time = Bounds(recorded_from=START)
    again = await replay(asked(ledger.kafka, postgres_dsn, "time", bounds=by_time))
    assert again.digest == part.digest
    source = KafkaSource(ledger.kafka)
    try:
        left = await resolve(source, Bounds())
        rest = await write_archive(source, tmp_path / "rest", left, START, lambda count: None)
    finally:
        await source.close()
    assert rest.records == len(lookable)
    both = (str(tmp_path / "a"), str(tmp_path / "rest"))
    whole = await replay(asked(None, postgres_dsn, "files", archive=both))
    assert whole.digest == pure_digest(stories(12)) == await ledger.digest()


async def test_a_stopped_chain_goes_on_and_is_no_other(
    ledger: Lab, postgres_dsn: str, tmp_path: Path
) -> None:
    """Stopped by a damaged file, it goes on once that is mended; with other archives it is something else."""
    told = stories(12)
    await ledger.take(told)
    await move(ledger, tmp_path / "a")
    await ledger.take(more := [e for n in range(12, 20) for e in story(n)])
    await move(ledger, tmp_path / "b")
    wanted = chained(
        ledger, postgres_dsn, "c", tmp_path / "a", tmp_path / "b", unit_records=30, workers=1
    )
    victim = await last_read(ledger, tmp_path / "b")
    whole = victim.read_bytes()
    victim.write_bytes(whole + b"x")
    with pytest.raises(ReplayStopped, match="SHA-256"):
        await replay(wanted)
    session = await asyncpg.connect(postgres_dsn)
    done = await session.fetchval("SELECT count(*) FROM replay_c.replay_units WHERE done")
    source = await session.fetchval("SELECT identity ->> 'source' FROM replay_c.replay")
    await session.close()
    assert done > 0
    assert source.startswith("archive:")
    assert source.endswith("+kafka")
    victim.write_bytes(whole)
    for other in (
        chained(ledger, postgres_dsn, "c", tmp_path / "a"),
        chained(ledger, postgres_dsn, "c", tmp_path / "b", tmp_path / "a"),
        asked(ledger.kafka, postgres_dsn, "c"),
    ):
        with pytest.raises(BadReplay, match="source"):
            await replay(other)
    found = await replay(wanted)
    assert found.resumed
    assert found.digest == await ledger.digest() == pure_digest([*told, *more])


async def last_read(ledger: Lab, folder: Path) -> Path:
    """Give the file of the partition with the fewest records: the largest are read first."""
    source = KafkaSource(ledger.kafka)
    try:
        extents = await source.extents(EVIDENCE)
    finally:
        await source.close()

    def size(path: Path) -> int:
        number = int(path.parent.name)
        return sum(until for (_, partition), (_, until) in extents.items() if partition == number)

    return min(folder.rglob("*.zst"), key=size)


async def urls(dsn: str, table: str = "public.cases") -> dict[str, str | None]:
    session = await asyncpg.connect(dsn)
    try:
        found = await session.fetch(f"SELECT case_id, sealed_url FROM {table}")
    finally:
        await session.close()
    return dict(map(tuple, found))


async def event_urls(dsn: str) -> dict[tuple[str, Any], str | None]:
    session = await asyncpg.connect(dsn)
    try:
        found = await session.fetch(
            "SELECT case_id, event_id, body ->> 'sealed_url' FROM events "
            "WHERE type = 'takedown.report.filed.v1'"
        )
    finally:
        await session.close()
    return {(case, name): sealed for case, name, sealed in found}


@pytest.mark.parametrize("kept", [False, True], ids=["live's events", "own events"])
async def test_a_promoted_chain_keeps_every_url(
    ledger: Lab, postgres_dsn: str, tmp_path: Path, kept: bool
) -> None:
    """No watched case loses its URL or its watch entry, not by the exchange, a late event, or the way back."""
    told = [*stories(12), report(3, LATER, reporter="second")]
    await ledger.take(told)
    await move(ledger, tmp_path / "a")
    told.append(again := report(4, LATER, reporter="third"))
    await ledger.take([again])
    before, logged = await urls(postgres_dsn), await event_urls(postgres_dsn)
    await ledger.pool.execute("DELETE FROM outbox")
    found = await replay(chained(ledger, postgres_dsn, "c", tmp_path / "a", with_events=kept))
    bare = await urls(postgres_dsn, f"{found.schema}.cases")
    assert bare == dict.fromkeys(before) | {case_of(4): before[case_of(4)]}
    assert None not in before.values()
    done = await exchange(postgres_dsn, "promote", "c")
    assert done.announcements == 0
    assert await urls(postgres_dsn) == before
    assert await event_urls(postgres_dsn) == logged
    assert await ledger.digest() == found.digest == pure_digest(told)
    late = look(1, START + timedelta(minutes=30), "online")
    await ledger.take([late])
    assert await urls(postgres_dsn) == before
    assert await tombstones(ledger) == []
    if kept:
        return
    done = await exchange_following(postgres_dsn, "back", "c")
    assert done.followed == 1
    assert await urls(postgres_dsn) == before
    assert await tombstones(ledger) == []


async def exchange_following(dsn: str, act: str, name: str) -> Promoted:
    session = await asyncpg.connect(dsn)
    try:
        promotion = Promotion(session, [METHOD, OTHER], datetime.now(UTC))
        done: Promoted = await getattr(promotion, act)(name, follow=True, actor="tester")
        return done
    finally:
        await session.close()


async def tombstones(ledger: Lab) -> list[str]:
    """Give the cases whose watch was ended since the outbox was emptied."""
    found = await ledger.pool.fetch(
        "SELECT key FROM outbox WHERE topic = $1 AND value IS NULL", topics.WATCHLIST.name
    )
    return [row["key"] for row in found]


async def test_what_another_definition_tells_of_has_its_url(
    ledger: Lab, postgres_dsn: str, tmp_path: Path
) -> None:
    """Watch entries that a promotion under another methodology publishes bear the URL that live had, also back."""
    await ledger.take(stories(12))
    before = await urls(postgres_dsn)
    watched = {case_of(n) for n in range(12) if n % 6}
    await move(ledger, tmp_path / "a")
    await replay(chained(ledger, postgres_dsn, "c", tmp_path / "a", method=OTHER))
    for act in ("promote", "back"):
        await ledger.pool.execute("DELETE FROM outbox")
        await exchange(postgres_dsn, act, "c")
        entries = await ledger.pool.fetch(
            "SELECT key, value FROM outbox WHERE topic = $1", topics.WATCHLIST.name
        )
        told = {row["key"]: codec.decode_data(ENTRY, row["value"]) for row in entries}
        assert told.keys() == watched
        assert {key: entry.sealed_url for key, entry in told.items()} == {  # type: ignore[union-attr]
            key: before[key] for key in watched
        }
        assert await urls(postgres_dsn) == before


ENTRY = ev.TYPE_OF[ev.WatchEntry]


async def test_before_gets_back_a_url_that_it_lacks(
    ledger: Lab, postgres_dsn: str, tmp_path: Path
) -> None:
    """Going back is a promotion too: what stood before without URLs takes those of the live ledger."""
    await ledger.take(stories(4))
    before = await urls(postgres_dsn)
    await move(ledger, tmp_path / "a")
    await replay(chained(ledger, postgres_dsn, "c", tmp_path / "a", method=OTHER))
    await exchange(postgres_dsn, "promote", "c")
    await ledger.pool.execute("DELETE FROM outbox")
    session = await asyncpg.connect(postgres_dsn)
    await session.execute("UPDATE before_c.cases SET sealed_url = NULL")
    await session.close()
    await exchange(postgres_dsn, "back", "c")
    assert await urls(postgres_dsn) == before
    assert await tombstones(ledger) == []


async def test_an_erased_case_gets_no_url_back(
    ledger: Lab, postgres_dsn: str, tmp_path: Path
) -> None:
    """A replay that has read of an erasure that live has still to read does not take live's URL."""
    await ledger.take(stories(4))
    before = await urls(postgres_dsn)
    await move(ledger, tmp_path / "a")
    said = ev.CaseErased(actor="retention", reason="old")
    unread = [event(case_of(n), LATER, said) for n in (1, 2)]
    unread.append(again := report(2, LATER + timedelta(hours=1), reporter="second"))
    await ledger.produce(unread)
    found = await replay(chained(ledger, postgres_dsn, "c", tmp_path / "a", with_events=True))
    await exchange(postgres_dsn, "promote", "c")
    assert isinstance(again.data, ev.ReportFiled)
    changed = {case_of(1): None, case_of(2): again.data.sealed_url}
    assert await urls(postgres_dsn) == before | changed
    logged = await event_urls(postgres_dsn)
    assert logged.pop((case_of(2), again.id)) == again.data.sealed_url
    expected = before | {case_of(1): None, case_of(2): None}
    assert {case: sealed for (case, _), sealed in logged.items()} == expected
    assert await ledger.digest() == found.digest == pure_digest([*stories(4), *unread])
