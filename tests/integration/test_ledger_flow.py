"""The ledger consumer on a real broker and a real database: what goes in comes out as the pure fold says."""

import asyncio
from collections import Counter
from datetime import timedelta

import msgspec
import pytest

from consumers.ledger.brake import FloodOfUnusable
from consumers.ledger.relay import Relay
from consumers.record.deadletter import read_dead_letters, retry_dead_letters
from schemas import codec, topics
from schemas import events as ev
from services.core import fold as core_fold
from services.core import presence
from services.core.fold import fold
from services.core.watch_entry import entry_of
from services.exporter.health import Health
from tests.as_configured import flood_brake
from tests.integration.ledger_kit import (
    KEYRING,
    METHOD,
    START,
    Lab,
    case_of,
    clock,
    event,
    look,
    notice,
    pure_digest,
    pure_outcomes,
    report,
    stories,
    story,
    url_of,
)
from tests.servers import eventually


async def test_the_ledger_equals_the_pure_fold(ledger: Lab) -> None:
    """Cases, spells, transitions and outcomes are those of a fold of the same events."""
    told = stories(40)
    await ledger.produce(told)
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    assert pure_digest(told) == await ledger.digest()
    assert ledger.sent == await ledger.committed()
    expected = {one.id for one in pure_outcomes(told)}
    holding = {row["outcome_id"] for row in await ledger.recorded() if row["voided_at"] is None}
    assert expected == holding


async def test_any_order_of_arrival_gives_the_same_ledger(ledger: Lab) -> None:
    """Shuffled, doubled and split over two runs, the evidence folds to the same digest (law 1)."""
    told = stories(25, shuffled=7)
    await ledger.produce(told[:500])
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    await ledger.produce(told[300:])
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    assert pure_digest(told) == await ledger.digest()


async def test_a_late_event_takes_back_what_it_contradicts(ledger: Lab) -> None:
    """A notice that turns out to have failed voids the breach, and publishes that it is void."""
    told = [report(1), notice(1, START)] + [
        look(1, START + timedelta(hours=hour), "online") for hour in (1, 25)
    ]
    await ledger.produce(told)
    ledger.start()
    await ledger.drained()
    assert [row["voided_at"] for row in await ledger.recorded()] == [None]
    late = event(
        case_of(1), START + timedelta(hours=2), ev.NoticeFailed(notice_id="n1", reason="blocked")
    )
    await ledger.produce([late])
    await ledger.drained()
    await ledger.stop()
    assert pure_digest([*told, late]) == await ledger.digest()
    assert all(row["voided_at"] is not None for row in await ledger.recorded())
    types = await ledger.pool.fetch(
        "SELECT headers::text AS h FROM outbox WHERE topic = $1 ORDER BY id",
        topics.OUTCOMES.name,
    )
    assert [dict(codec.msgspec.json.decode(row["h"]))["ce_type"] for row in types] == [
        "takedown.spell.breached.v1",
        "takedown.outcome.voided.v1",
    ]


async def test_a_plain_url_never_gets_past_the_inbound_topic(ledger: Lab) -> None:
    """A report with a plain URL, in structured mode and without id or key, is named, sealed and folded."""
    line = codec.msgspec.json.encode(
        {
            "type": "takedown.report.filed.v1",
            "time": "2026-01-01T00:00:00Z",
            "data": {"reporter": "hotline", "url": url_of(3), "provider": "giant"},
        }
    )
    headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    await ledger.produce_raw([(topics.REPORTS.name, None, line, headers)])
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    row = await ledger.pool.fetchrow("SELECT * FROM cases")
    assert case_of(3) == row["case_id"]
    assert url_of(3) == KEYRING.open(row["sealed_url"], row["case_id"], purpose="look").href
    body = await ledger.pool.fetchval("SELECT body::text FROM events")
    assert "host3" not in body
    assert b"host3" not in row["state"]


async def test_poison_goes_to_the_dead_letters_untouched_and_can_be_retried(ledger: Lab) -> None:
    """Unusable records keep key, bytes and headers, the others go on; a retry brings the bytes back once."""
    told = stories(3)
    poison = [
        (topics.REPORTS.name, b"k1", b"\xff not json", [("trace", b"t1"), ("ce_type", b"x")]),
        (topics.OBSERVATIONS.name, None, b"{}", []),
        (topics.REPORTS.name, b"k2", None, [("ce_type", None)]),
        (topics.REPORTS.name, b"k3", b"x" * 1_000_000, [("trace", b"big")]),
    ]
    await ledger.produce(told[:10])
    await ledger.produce_raw(poison)
    await ledger.produce(told[10:])
    ledger.start()
    await ledger.drained()
    assert pure_digest(told) == await ledger.digest()
    letters = await read_dead_letters(ledger.kafka)
    found = {(one.source_topic, one.key, one.value, one.headers) for one in letters}
    assert {(topic, key, value, tuple(headers)) for topic, key, value, headers in poison} == found
    assert {"not_cloudevent", "bad_data"} == {one.reason for one in letters}

    assert len(await retry_dead_letters(ledger.kafka, letters, clock)) == 4
    ledger.sent += 4
    await ledger.drained()
    await ledger.stop()
    again = await read_dead_letters(ledger.kafka)
    assert found == {(one.source_topic, one.key, one.value, one.headers) for one in again}
    assert not {one.id for one in letters} & {one.id for one in again}


async def test_one_id_with_two_bodies_is_refused_the_second_time(ledger: Lab) -> None:
    """The first fact of an id stands, in one batch and over two; the other goes to the dead letters."""
    first, second = report(1), report(2)
    says_else = ev.ReportRetracted(actor="x", reason="x")
    forged = [
        ev.Event(id=one.id, time=one.time, source="x", case_id=one.case_id, data=says_else)
        for one in (first, second)
    ]
    await ledger.produce([first, second, forged[0]])
    ledger.start()
    await ledger.drained()
    # The fact of the log comes again beside what contradicts it: it is no contradiction of its own.
    await ledger.produce([forged[1], second, first])
    await ledger.drained()
    await ledger.stop()
    assert pure_digest([first, second]) == await ledger.digest()
    assert [one.reason for one in await read_dead_letters(ledger.kafka)] == ["id_conflict"] * 2


async def test_a_notice_id_with_two_contents_is_shown_and_holds_once(ledger: Lab) -> None:
    """Whichever comes first, the earlier notice holds; the record that contradicts is a dead letter and evidence."""
    at = START + timedelta(hours=1)
    data = ev.NoticeSent(notice_id="n1", provider="small")
    other = msgspec.structs.replace(data, provider="giant")
    early = event(case_of(1), at, data)
    late = event(case_of(1), at + timedelta(hours=2), other)
    await ledger.produce([report(1), late])
    ledger.start()
    await ledger.drained()
    await ledger.produce([early, early])
    await ledger.drained()
    await ledger.stop()
    assert pure_digest([report(1), early, late]) == await ledger.digest()
    assert [one.reason for one in await read_dead_letters(ledger.kafka)] == ["notice_conflict"]


async def test_an_event_that_breaks_the_fold_is_isolated(
    ledger: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect that one event lays bare costs that event alone: it is found by halving and refused."""
    told = stories(4)
    bad = look(2, START + timedelta(hours=40), "undetermined")

    def raising(run: object, one: ev.Event) -> None:
        raise AssertionError("a defect")

    real = presence.take_look

    monkeypatch.setitem(
        core_fold._HANDLERS,
        ev.LookMade,
        lambda run, one: (raising if one.id == bad.id else real)(run, one),
    )
    await ledger.produce([*told[:60], bad, *told[60:]])
    ledger.start()
    await ledger.drained()
    await ledger.stop()
    assert pure_digest(told) == await ledger.digest()
    assert [one.reason for one in await read_dead_letters(ledger.kafka)] == ["unfoldable"]


async def test_a_flood_of_poison_stops_the_line(ledger: Lab) -> None:
    """Nothing of the flooded batch is taken, the error says what to do, and the operator can let it pass."""
    flood = [(topics.REPORTS.name, b"one key", b"%d" % number, []) for number in range(150)]
    await ledger.produce_raw(flood)
    task = ledger.start()
    first = r"Its first is topic takedown\.reports\.v1, partition \d, offset 0: not_cloudevent, .*"
    with pytest.raises(FloodOfUnusable, match=first + "switch the flood brake off"):
        await asyncio.wait_for(task, 30)
    ledger.running.clear()
    assert await ledger.stored() == 0
    ledger.start(brake=flood_brake(enabled=False))
    await ledger.drained()
    await ledger.stop()
    assert len(await read_dead_letters(ledger.kafka)) == 150


async def test_erasure_destroys_every_sealed_url_of_a_case(ledger: Lab) -> None:
    """After an erasure neither case nor log holds the URL; the watch ends; a late report is stripped too."""
    told = [
        *story(1),
        event(
            case_of(1), START + timedelta(hours=50), ev.CaseErased(actor="officer", reason="term")
        ),
    ]
    await ledger.produce(told)
    ledger.start()
    await ledger.drained()
    late = report(1, START + timedelta(hours=1), reporter="police")
    await ledger.produce([late, report(1)])
    await ledger.drained()
    await ledger.stop()
    assert (
        await ledger.pool.fetchval(
            "SELECT count(*) FROM events FULL JOIN cases USING (case_id) "
            "WHERE body ? 'sealed_url' OR sealed_url IS NOT NULL"
        )
        == 0
    )
    assert pure_digest([*told, late]) == await ledger.digest()
    assert await read_dead_letters(ledger.kafka) == []
    last = await ledger.pool.fetchrow(
        "SELECT value FROM outbox WHERE topic = $1 ORDER BY id DESC LIMIT 1", topics.WATCHLIST.name
    )
    assert last["value"] is None


async def test_a_report_after_an_erasure_is_watched_again(ledger: Lab) -> None:
    """It is a new claim: its own URL stays, in case and log, and is on the watch list; a late one's goes."""
    erased = ev.CaseErased(actor="officer", reason="term")
    told = [*story(1), event(case_of(1), START + timedelta(hours=50), erased)]
    await ledger.produce(told)
    ledger.start()
    await ledger.drained()
    again = report(1, START + timedelta(hours=60), reporter="police")
    await ledger.produce([again])
    await ledger.drained()
    late = report(1, START + timedelta(hours=1), reporter="neighbour")
    await ledger.produce([late])
    await ledger.drained()
    await ledger.stop()
    (row,) = await ledger.pool.fetch(
        "SELECT event_id, body ->> 'sealed_url' AS logged, cases.sealed_url "
        "FROM events JOIN cases USING (case_id) WHERE body ? 'sealed_url'"
    )
    assert (row["event_id"], row["logged"]) == (again.id, row["sealed_url"])
    assert KEYRING.open(row["sealed_url"], case_of(1), purpose="look").href == url_of(1)
    assert pure_digest([*told, again, late]) == await ledger.digest()
    value = await ledger.pool.fetchval(
        "SELECT value FROM outbox WHERE topic = $1 ORDER BY id DESC LIMIT 1", topics.WATCHLIST.name
    )
    entry = msgspec.json.decode(value, type=ev.WatchEntry)
    assert entry.sealed_url == row["sealed_url"]


async def test_the_relay_publishes_in_order_and_empties_the_outbox(ledger: Lab) -> None:
    """Every outcome once, the last watch entry of each case as it is now, and the outbox is empty."""
    told = stories(30)
    await ledger.produce(told)
    ledger.start()
    stop = asyncio.Event()
    relays = [
        asyncio.create_task(Relay(ledger.kafka, ledger.pool, Health(), batch_records=50).run(stop))
        for _ in range(2)
    ]
    await ledger.drained()

    async def empty() -> bool:
        return await ledger.pool.fetchval("SELECT count(*) FROM outbox") == 0

    await eventually("the outbox is empty", empty)
    await ledger.stop()
    stop.set()
    await asyncio.gather(*relays)
    published = Counter(
        dict(r.headers)["ce_id"].decode() for r in await ledger.read(topics.OUTCOMES.name)
    )
    recorded = {str(row["outcome_id"]) for row in await ledger.recorded()}
    assert recorded <= published.keys()
    assert {1} == set(published.values())
    latest = {r.key.decode(): r.value for r in await ledger.read(topics.WATCHLIST.name)}

    for number in range(30):
        entry = entry_of(fold(story(number), METHOD)[0], METHOD)
        expected = codec.encode_data(entry) if entry is not None else None
        assert expected == latest.get(case_of(number))
