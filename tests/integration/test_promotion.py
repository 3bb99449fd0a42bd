"""A shadow becomes the live ledger in one transaction, and what was live can come back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from consumers.ledger.ledger_consumer import LedgerConsumer
from consumers.record.ranges import Bounds
from schemas import codec, topics
from schemas import events as ev
from schemas.errors import ConfigError
from schemas.methodology import Methodology, shipped
from services.exporter.health import Health
from services.ledger.shadow import schema
from services.ledger.shadow.following import BehindLive
from services.ledger.shadow.promotion import Promoted, Promotion
from services.ledger.shadow.schema import BadReplay
from tests.as_configured import ledger_options
from tests.integration.ledger_kit import (
    KEYRING,
    METHOD,
    PARTITIONS,
    QUICK,
    START,
    Lab,
    case_of,
    clock,
    event,
    look,
    pure_digest,
    report,
    stories,
    story,
)
from tests.integration.replay_kit import compared, ends, evidence_only, replayed

OTHER = shipped()["delivered-24h"]


async def exchange(dsn: str, act: str, name: str, follow: bool = False) -> Promoted:
    session = await asyncpg.connect(dsn)
    try:
        promotion = Promotion(session, [METHOD, OTHER], datetime.now(UTC))
        done: Promoted = await getattr(promotion, act)(name, follow=follow, actor="tester")
        return done
    finally:
        await session.close()


def start_under(ledger: Lab, method: Methodology) -> Any:
    """Start a consumer under another methodology."""
    consumer = LedgerConsumer(
        ledger.kafka,
        ledger.pool,
        KEYRING,
        method,
        Health(),
        clock,
        **ledger_options(settings=QUICK),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(stop))
    ledger.running.append((stop, task))
    return task


async def test_a_promoted_replay_is_the_live_ledger(ledger: Lab, postgres_dsn: str) -> None:
    """Under the new definition from then on, in the ledger's own role, with late events folded into all history."""
    told = stories(20)
    await ledger.take(told)
    old = await ledger.digest()
    await replayed(ledger, postgres_dsn, "new", method=OTHER)
    done = await exchange(postgres_dsn, "promote", "new")
    assert done.before == "before_new"
    assert await ledger.digest() == pure_digest(told, OTHER)
    more = [*story(30), look(1, START + timedelta(minutes=30), "online")]
    await ledger.produce(more)
    start_under(ledger, OTHER)
    await ledger.drained()
    await ledger.stop()
    assert await ledger.digest() == pure_digest([*told, *more], OTHER)
    assert old == pure_digest(told)


async def test_the_old_definition_is_refused_afterwards(ledger: Lab, postgres_dsn: str) -> None:
    """A ledger that still runs under the former methodology stops and says so, instead of mixing the two."""
    await ledger.take(stories(3))
    await replayed(ledger, postgres_dsn, "new", method=OTHER)
    await exchange(postgres_dsn, "promote", "new")
    with pytest.raises(ConfigError, match="was folded under"):
        await ledger.start()
    ledger.running.clear()


async def test_a_running_ledger_is_fenced_and_goes_on(ledger: Lab, postgres_dsn: str) -> None:
    """Promoted under the same methodology while it runs, the ledger starts anew and loses nothing."""
    told = stories(8)
    await ledger.produce(told)
    ledger.start()
    await ledger.drained()
    await replayed(ledger, postgres_dsn, "same")
    await exchange(postgres_dsn, "promote", "same", follow=True)
    more = [e for n in range(8, 12) for e in story(n)]
    await ledger.produce(more)
    await ledger.drained()
    await ledger.stop()
    assert await ledger.digest() == pure_digest([*told, *more])


async def test_what_changes_is_told_and_nothing_is_deleted(ledger: Lab, postgres_dsn: str) -> None:
    """Outcomes that no longer hold are voided, new ones appended, each published; watch entries too."""
    await ledger.take(stories(24))
    before = {row["outcome_id"] for row in await ledger.recorded()}
    await ledger.pool.execute("DELETE FROM outbox")
    found = await replayed(ledger, postgres_dsn, "new", method=OTHER)
    session = await asyncpg.connect(postgres_dsn)
    holding = await session.fetch(f"SELECT outcome_id FROM {found.schema}.outcomes")
    await session.close()
    done = await exchange(postgres_dsn, "promote", "new")
    after = await ledger.recorded()
    assert before <= {row["outcome_id"] for row in after}
    assert {row["outcome_id"] for row in holding} == {
        row["outcome_id"] for row in after if row["voided_at"] is None
    }
    told = await ledger.pool.fetch("SELECT topic, count(*) AS n FROM outbox GROUP BY topic")
    assert sum(row["n"] for row in told) == done.announcements
    assert {row["topic"] for row in told} == {topics.WATCHLIST.name, topics.OUTCOMES.name}


async def test_back_is_what_was(ledger: Lab, postgres_dsn: str) -> None:
    """There and back, also with evidence that came meanwhile: the digest of the first definition."""
    told = stories(16)
    await ledger.take(told)
    await replayed(ledger, postgres_dsn, "new", method=OTHER)
    await exchange(postgres_dsn, "promote", "new")
    more = [e for n in range(16, 20) for e in story(n)]
    await ledger.produce(more)
    start_under(ledger, OTHER)
    await ledger.drained()
    await ledger.stop()
    with pytest.raises(BehindLive):
        await exchange(postgres_dsn, "back", "new")
    done = await exchange(postgres_dsn, "back", "new", follow=True)
    assert done.followed == 4
    assert await ledger.digest() == pure_digest([*told, *more])
    again = await exchange(postgres_dsn, "promote", "new")
    assert again.followed == 0
    assert await ledger.digest() == pure_digest([*told, *more], OTHER)
    text = "SELECT actor, action FROM audit_log ORDER BY id"
    assert [tuple(row) for row in await ledger.pool.fetch(text)] == [
        ("tester", "replay.promote"),
        ("tester", "replay.back"),
        ("tester", "replay.promote"),
    ]


async def test_a_replay_that_live_has_left_behind_is_refused(
    ledger: Lab, postgres_dsn: str
) -> None:
    """It has to catch up first; asked to, it folds what is new and is equal to a replay of everything."""
    await ledger.take(stories(6))
    await replayed(ledger, postgres_dsn, "new", method=OTHER)
    more = [*story(7), look(2, START + timedelta(hours=60), "online")]
    await ledger.take(more)
    with pytest.raises(BehindLive, match="catch up"):
        await exchange(postgres_dsn, "promote", "new")
    done = await exchange(postgres_dsn, "promote", "new", follow=True)
    assert done.followed == 2
    assert await ledger.digest() == pure_digest([*stories(6), *more], OTHER)


async def test_a_part_of_the_evidence_is_never_live(ledger: Lab, postgres_dsn: str) -> None:
    """A replay of some offsets or times, or under a map without its events, can be compared, not promoted."""
    await ledger.take(stories(4))
    place = (topics.REPORTS.name, 0)
    await replayed(ledger, postgres_dsn, "part", bounds=Bounds(from_offsets={place: 1}))
    await replayed(ledger, postgres_dsn, "times", event_to=START + timedelta(hours=3))
    await replayed(ledger, postgres_dsn, "mapped", map_text="")
    for name, reason in (("part", "a part"), ("times", "a part"), ("mapped", "with-events")):
        with pytest.raises(BadReplay, match=reason):
            await exchange(postgres_dsn, "promote", name)
    with pytest.raises(BadReplay, match="no replay"):
        await exchange(postgres_dsn, "promote", "unknown")


async def test_an_empty_ledger_is_filled_by_a_replay(ledger: Lab, postgres_dsn: str) -> None:
    """Drop Postgres, replay with the events, promote: the ledger goes on from there as if it had been there."""
    told = stories(10)
    await ledger.produce(told)
    await replayed(ledger, postgres_dsn, "bare")
    with pytest.raises(BadReplay, match="further"):
        await exchange(postgres_dsn, "promote", "bare")
    found = await replayed(ledger, postgres_dsn, "whole", with_events=True)
    await exchange(postgres_dsn, "promote", "whole")
    assert await ledger.digest() == found.digest == pure_digest(told)
    late = look(3, START + timedelta(minutes=90), "online")
    await ledger.produce([late])
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    assert await ledger.digest() == pure_digest([*told, late])
    looks = await ledger.pool.fetchval("SELECT count(*) FROM looks")
    assert looks == sum(topic_of(e) == topics.OBSERVATIONS.name for e in [*told, late])
    await ledger.pool.execute(
        "INSERT INTO events (event_id, case_id, event_time, type, source, body) "
        "VALUES (gen_random_uuid(), $1, now(), 'takedown.case.erased.v1', 'test', '{}')",
        case_of(1),
    )
    await ledger.pool.execute("SELECT erase_sealed_urls($1)", [case_of(1)])
    left = await ledger.pool.fetchval(
        "SELECT count(*) FROM events WHERE case_id = $1 AND body ? 'sealed_url'", case_of(1)
    )
    assert left == 0


def topic_of(one: Any) -> str:
    return topics.OBSERVATIONS.name if "look" in one.type else topics.REPORTS.name


async def test_shadows_are_listed_and_dropped(ledger: Lab, postgres_dsn: str) -> None:
    """The list names what each is a fold of; dropping one leaves live as it is."""
    await ledger.take(stories(3))
    await replayed(ledger, postgres_dsn, "one")
    await replayed(ledger, postgres_dsn, "two", method=OTHER)
    await exchange(postgres_dsn, "promote", "two")
    session = await asyncpg.connect(postgres_dsn)
    try:
        found = {
            e.schema: (e.state, e.identity.methodology.id) for e in await schema.entries(session)
        }
        assert found == {
            "replay_one": ("complete", METHOD.id),
            "before_two": ("before", METHOD.id),
        }
        await schema.drop(session, "replay_one")
        await schema.drop(session, "before_two")
        assert await schema.entries(session) == []
    finally:
        await session.close()
    assert await ledger.digest() == pure_digest(stories(3), OTHER)


async def test_an_older_replay_and_live_are_compared_after_a_promotion(
    ledger: Lab, postgres_dsn: str
) -> None:
    """What was replaced can still be compared with what replaced it, and each difference explained."""
    await ledger.take(stories(9))
    await replayed(ledger, postgres_dsn, "new", method=OTHER)
    await exchange(postgres_dsn, "promote", "new")
    summary, reports = await compared(postgres_dsn, "before_new", "live", (METHOD, OTHER))
    assert summary.equal + summary.differing == 9
    assert {c for r in reports.values() for d in r.differences for c in d.causes} <= {"clock_start"}
    assert evidence_only(await ends(ledger.kafka, PARTITIONS))
    assert codec.encode(event(case_of(1), START, report(1).data))


async def test_a_promoted_log_brings_no_erased_url_back(ledger: Lab, postgres_dsn: str) -> None:
    """Kafka may keep an erased URL for longer: the log of a replay is stripped as the live one is."""
    erasure = ev.CaseErased(actor="officer", reason="term")
    told = [
        *stories(3),
        event(case_of(1), START + timedelta(hours=50), erasure),
        report(1, START + timedelta(hours=60), reporter="police"),
        event(case_of(2), START + timedelta(hours=50), erasure),
    ]
    await ledger.produce(told)
    found = await replayed(ledger, postgres_dsn, "whole", with_events=True)
    await exchange(postgres_dsn, "promote", "whole")
    assert await ledger.digest() == found.digest == pure_digest(told)
    kept = await ledger.pool.fetch(
        "SELECT case_id, event_time FROM events WHERE body ? 'sealed_url' ORDER BY event_time"
    )
    expected = [(case_of(0), START), (case_of(1), START + timedelta(hours=60))]
    assert expected == [tuple(row) for row in kept]
