"""Replay on a real broker and a real database: the same digest, whatever happens meanwhile."""

import asyncio
import random
from datetime import timedelta

import asyncpg
import pytest

from consumers.record.ranges import BadRange, Bounds
from schemas import codec, topics
from schemas import events as ev
from schemas.methodology import shipped
from services.ledger.shadow import schema
from services.ledger.shadow.schema import BadReplay
from tests.integration.ledger_kit import (
    KEYRING,
    METHOD,
    PARTITIONS,
    START,
    Lab,
    case_of,
    event,
    look,
    notice,
    pure_digest,
    report,
    stories,
    story,
    url_of,
)
from tests.integration.replay_kit import (
    asked,
    compared,
    ends,
    evidence_only,
    replayed,
    spawn,
    tables_digest,
)
from tests.servers import eventually


async def test_a_replay_equals_live_and_touches_nothing(ledger: Lab, postgres_dsn: str) -> None:
    """Same digest as the live ledger, in the tables too; no offset moves, no record is published."""
    told = stories(40)
    await ledger.produce(told)
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    offsets = await ledger.pool.fetch("SELECT * FROM consumer_offsets ORDER BY topic, partition")
    before = await ends(ledger.kafka, PARTITIONS)
    found = await replayed(ledger, postgres_dsn)
    assert found.digest == await ledger.digest() == pure_digest(told)
    assert await tables_digest(postgres_dsn, found.schema) == found.digest
    assert (found.totals.events, found.totals.cases) == (len(told), 40)
    assert before == await ends(ledger.kafka, PARTITIONS)
    assert offsets == await ledger.pool.fetch(
        "SELECT * FROM consumer_offsets ORDER BY topic, partition"
    )
    summary, _ = await compared(postgres_dsn, "again", "live")
    assert (summary.equal, summary.same) == (40, True)
    assert summary.here_digest == summary.there_digest == found.digest


async def test_outcomes_of_a_replay_are_those_that_hold(ledger: Lab, postgres_dsn: str) -> None:
    """The shadow's outcomes are live's without what a late event has voided."""
    await ledger.produce(stories(22, shuffled=3))
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    found = await replayed(ledger, postgres_dsn)
    text = "SELECT outcome_id, case_id, spell, type, provider, category, at FROM {}.outcomes"
    again = await ledger.pool.fetch(text.format("public") + " WHERE voided_at IS NULL")
    session = await asyncpg.connect(postgres_dsn)
    shadow = await session.fetch(text.format(found.schema))
    await session.close()
    assert {tuple(row) for row in again} == {tuple(row) for row in shadow}


async def test_ten_replays_give_ten_identical_digests(ledger: Lab, postgres_dsn: str) -> None:
    """Shuffled, with duplicates and late events, cut into other units each time: one digest."""
    told = stories(12, shuffled=5)
    await ledger.produce([*told, *random.Random(1).sample(told, len(told) // 20)])
    digests = {
        (await replayed(ledger, postgres_dsn, f"run{n}", unit_records=(60 * (n + 1)))).digest
        for n in range(10)
    }
    assert digests == {pure_digest(told)}


async def test_live_goes_on_during_a_replay(ledger: Lab, postgres_dsn: str) -> None:
    """A replay up to given offsets folds just these, while live takes what comes after."""
    first, second = stories(20), [e for n in range(20, 40) for e in story(n)]
    await ledger.produce(first)
    until = evidence_only(await ends(ledger.kafka, PARTITIONS))
    ledger.start()
    bounds = Bounds(until_offsets=until)
    found, _ = await asyncio.gather(
        replayed(ledger, postgres_dsn, bounds=bounds), ledger.produce(second)
    )
    await ledger.drained()
    await ledger.stop()
    assert found.digest == pure_digest(first)
    assert await ledger.digest() == pure_digest([*first, *second])


async def test_a_killed_replay_goes_on(
    ledger: Lab, kafka_bootstrap: str, postgres_dsn: str
) -> None:
    """Killed (-9) between two units: the same command finishes the rest, with the digest of an undisturbed run."""
    told = stories(60)
    await ledger.produce(told)
    process = await asyncio.to_thread(spawn, kafka_bootstrap, postgres_dsn, "killed", 40)
    text = schema.statement("units", shadow="replay_killed")

    async def some_done() -> int:
        try:
            done = sum(row["done"] for row in await ledger_owner.fetch(text))
        except asyncpg.UndefinedTableError:
            return 0
        return done if done >= 3 else 0

    ledger_owner = await asyncpg.connect(postgres_dsn)
    try:
        done = await eventually("three units are done", some_done, 60)
        process.kill()
        await asyncio.to_thread(process.wait)
        total = await ledger_owner.fetchval("SELECT count(*) FROM replay_killed.replay_units")
        assert done < total
        again = await replayed(ledger, postgres_dsn, "killed", unit_records=40)
    finally:
        await ledger_owner.close()
        process.kill()
    assert again.resumed
    assert again.digest == pure_digest(told)
    assert await tables_digest(postgres_dsn, again.schema) == again.digest


async def test_what_live_refuses_is_listed_and_not_produced(ledger: Lab, postgres_dsn: str) -> None:
    """The same records, for the same reasons, as on the dead-letter topics; and nothing new on those."""
    told = stories(3)
    await ledger.produce(told)
    key, value, headers = codec.encode(look(1, START + timedelta(hours=50), "online"))
    other = codec.encode(look(1, START + timedelta(hours=51), "online"))
    same_id = [h if h[0] != "ce_id" else ("ce_id", dict(headers)["ce_id"]) for h in other[2]]
    name = topics.OBSERVATIONS.name
    await ledger.produce_raw(
        [
            (name, key, value, headers),
            (name, key, b"{", headers),
            (name, key, other[1], same_id),
            (name, b"k", None, []),
            (topics.REPORTS.name, key, value, headers),
        ]
    )
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    letters = [dict(r.headers) for t in topics.EVIDENCE for r in await ledger.read(t.dlq)]
    before = await ends(ledger.kafka, PARTITIONS)
    found = await replayed(ledger, postgres_dsn)
    session = await asyncpg.connect(postgres_dsn)
    refused = await schema.refused_of(session, found.schema, 100)
    await session.close()
    assert {
        (
            h["dlq_topic"].decode(),
            int(h["dlq_partition"]),
            int(h["dlq_offset"]),
            h["dlq_reason"].decode(),
        )
        for h in letters
    } == {(r["topic"], r["partition"], r["record_offset"], r["reason"]) for r in refused}
    assert found.totals.refused == len(letters) == 4
    assert found.digest == await ledger.digest()
    assert before == await ends(ledger.kafka, PARTITIONS)


async def test_events_of_a_case_may_stand_in_several_partitions(
    ledger: Lab, postgres_dsn: str
) -> None:
    """A reporter that knows no case id sends without a key; its report joins the rest of its case."""
    told = [e for n in range(12) for e in story(n) if not isinstance(e.data, ev.ReportFiled)]
    await ledger.produce(told)
    records = []
    for number in range(12):
        data = ev.ReportFiled(reporter="hotline", url=url_of(number), provider="giant")
        made = event("", START, data)
        _, value, headers = codec.encode(made)
        bare = [h for h in headers if h[0] != "ce_subject"]
        records.append((topics.REPORTS.name, str(number).encode(), value, bare))
    await ledger.produce_raw(records)
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    found = await replayed(ledger, postgres_dsn)
    assert found.totals.strays > 0
    assert found.totals.events == len(told) + 12
    assert found.digest == await ledger.digest()
    assert await tables_digest(postgres_dsn, found.schema) == found.digest


async def test_event_times_bound_what_is_folded(ledger: Lab, postgres_dsn: str) -> None:
    """--from and --to mean the events' own times, whatever the offsets are."""
    told = stories(10, shuffled=2)
    await ledger.produce(told)
    since, until = START + timedelta(hours=1), START + timedelta(hours=20)
    found = await replayed(ledger, postgres_dsn, event_from=since, event_to=until)
    within = [e for e in told if since <= e.time < until]
    assert found.digest == pure_digest(within)
    assert found.totals.outside == len(told) - len(within)


async def test_record_times_bound_offsets(ledger: Lab, postgres_dsn: str) -> None:
    """Times on the broker are another thing: what was recorded before an instant, whatever its event time."""
    await ledger.produce(stories(4))
    await asyncio.sleep(0.05)
    later = await ledger.pool.fetchval("SELECT now()")
    await asyncio.sleep(0.05)
    await ledger.produce([e for n in range(4, 8) for e in story(n)])
    early = await replayed(ledger, postgres_dsn, "early", bounds=Bounds(recorded_to=later))
    late = await replayed(ledger, postgres_dsn, "late", bounds=Bounds(recorded_from=later))
    assert early.digest == pure_digest(stories(4))
    assert late.digest == pure_digest([e for n in range(4, 8) for e in story(n)])


async def test_a_name_means_one_fold(ledger: Lab, postgres_dsn: str) -> None:
    """The same name for something else is refused, and says what differs; for the same it is found done."""
    await ledger.produce(stories(2))
    first = await replayed(ledger, postgres_dsn)
    assert (await replayed(ledger, postgres_dsn)).digest == first.digest
    with pytest.raises(BadReplay, match="methodology"):
        await replayed(ledger, postgres_dsn, method=shipped()["delivered-24h"])
    bounds = Bounds(until_offsets={(topics.REPORTS.name, 99): 1})
    with pytest.raises(BadRange, match="no partition"):
        await replayed(ledger, postgres_dsn, "other", bounds=bounds)
    with pytest.raises(BadReplay, match="name"):
        await replayed(ledger, postgres_dsn, "Not A Name")


async def test_a_corrected_map_takes_effect_on_all_history(ledger: Lab, postgres_dsn: str) -> None:
    """Looks are attributed again, each by the map as of that look; the map is part of the replay's name."""
    told = [
        report(1, provider=None),
        *(look(1, START + timedelta(hours=h), "online") for h in (1, 5, 6, 7)),
    ]
    await ledger.produce(told)
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    text = """
        [[provider]]
        id = "first"
        name = "First"
        [[provider.prefix]]
        cidr = "192.0.2.0/24"
        valid_to = 2026-01-01T03:00:00Z
        [[provider]]
        id = "second"
        name = "Second"
        [[provider.prefix]]
        cidr = "192.0.2.0/24"
        valid_from = 2026-01-01T03:00:00Z
    """
    found = await replayed(ledger, postgres_dsn, map_text=text)
    session = await asyncpg.connect(postgres_dsn)
    providers = await session.fetch(f"SELECT provider FROM {found.schema}.spells ORDER BY spell")
    await session.close()
    assert [row["provider"] for row in providers] == ["first", "second"]
    summary, reports = await compared(postgres_dsn, "again", "live")
    assert summary.differing == 1
    causes = {c for one in reports[case_of(1)].differences for c in one.causes}
    assert causes == {"provider map"}
    with pytest.raises(BadReplay, match="provider map"):
        await replayed(ledger, postgres_dsn)


async def test_corrections_and_retractions_take_effect_on_all_history(
    ledger: Lab, postgres_dsn: str
) -> None:
    """A corrected provider and a retracted report change what was concluded long before, live and replayed."""
    looks = [look(n, START + timedelta(hours=h), "online") for n in (1, 2) for h in (1, 26)]
    correction = ev.CaseAttributed(
        provider="small", method="manual", actor="analyst", effective_from=START
    )
    told = [
        *(e for n in (1, 2) for e in (report(n), notice(n, START + timedelta(minutes=5)))),
        *looks,
        event(case_of(1), START + timedelta(days=3), correction),
        event(case_of(2), START + timedelta(days=3), ev.ReportRetracted(actor="h", reason="x")),
    ]
    await ledger.produce(told)
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    found = await replayed(ledger, postgres_dsn)
    assert found.digest == await ledger.digest() == pure_digest(told)
    assert [o for o in await ledger.recorded() if o["voided_at"] is None] == []
    session = await asyncpg.connect(postgres_dsn)
    spells = await session.fetch(f"SELECT case_id, provider FROM {found.schema}.spells")
    await session.close()
    assert {row["case_id"]: row["provider"] for row in spells} == {
        case_of(1): "small",
        case_of(2): "giant",
    }


async def test_every_difference_of_two_methodologies_is_explained(
    ledger: Lab, postgres_dsn: str
) -> None:
    """Cases differ only where the definitions do, and each difference names the definition that makes it."""
    told = stories(24)
    delivered = event(case_of(1), START + timedelta(hours=4), ev.NoticeDelivered(notice_id="n1"))
    await ledger.produce([*told, delivered])
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    other = shipped()["delivered-24h"]
    found = await replayed(ledger, postgres_dsn, "receipt", method=other)
    assert found.digest == pure_digest([*told, delivered], other)
    summary, reports = await compared(postgres_dsn, "receipt", "live", (METHOD, other))
    assert summary.equal + summary.differing == 24
    assert summary.differing
    causes = {c for r in reports.values() for one in r.differences for c in one.causes}
    assert causes == {"clock_start"}
    started = {d.kind: d for d in reports[case_of(1)].differences if d.spell == 1}["clock_start"]
    assert (started.here, started.there) == (
        START + timedelta(hours=4),
        START + timedelta(minutes=5),
    )
    assert KEYRING.active not in str(summary)


async def test_missing_evidence_is_named_as_the_cause(ledger: Lab, postgres_dsn: str) -> None:
    """A replay that ends earlier differs by its evidence, not by a definition."""
    await ledger.produce(stories(4))
    until = evidence_only(await ends(ledger.kafka, PARTITIONS))
    more = look(1, START + timedelta(hours=40), "online")
    await ledger.produce([more, *story(9)])
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    await replayed(ledger, postgres_dsn, bounds=Bounds(until_offsets=until))
    summary, reports = await compared(postgres_dsn, "again", "live")
    assert (summary.equal, summary.differing, summary.only_there) == (3, 1, 1)
    causes = {c for one in reports[case_of(1)].differences for c in one.causes}
    assert causes == {"evidence"}
    assert asked(ledger.kafka, postgres_dsn).name == "again"
