"""The ledger consumer when members come and go and servers end: nothing is lost, nothing counts twice."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from consumers.ledger.batch_loop import BatchLoop
from consumers.ledger.relay import Relay
from consumers.ledger.session import EvidenceGone
from schemas import topics
from schemas.codec import encode_data
from schemas.errors import ConfigError
from schemas.methodology import shipped
from services.core.fold import fold
from services.core.watch_entry import entry_of
from services.exporter.health import Health
from services.exporter.metrics import CONSUMER_REBUILDS
from services.ledger.store import Advance, Fenced, LedgerStore
from services.runtime.checkup import examine
from services.runtime.settings import Database, Settings
from tests.conftest import OwnKafka, OwnPostgres
from tests.integration.ledger_kit import (
    METHOD,
    QUICK,
    Lab,
    case_of,
    clock,
    lab,
    pure_digest,
    pure_outcomes,
    report,
    stories,
    story,
)
from tests.servers import REPOSITORY, eventually


async def no_refusal(indices: list[int]) -> None:
    raise AssertionError(indices)


@asynccontextmanager
async def locked_case(dsn: str, number: int) -> AsyncIterator[None]:
    """Hold the row of a case, so that a batch stops in the middle of its transaction."""
    session = await asyncpg.connect(dsn)
    try:
        async with session.transaction():
            await session.execute(
                "SELECT FROM cases WHERE case_id = $1 FOR UPDATE", case_of(number)
            )
            yield
    finally:
        await session.close()


def waits_for_a_row(dsn: str, statement: str) -> Callable[[], Awaitable[bool]]:
    """Make a condition: a session waits for a row lock in a statement like this one."""

    async def ask() -> bool:
        # As the owner: a role sees the statements of its own sessions alone.
        session = await asyncpg.connect(dsn)
        try:
            waiting: int = await session.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                "AND datname = current_database() AND query LIKE $1",
                f"%{statement}%",
            )
        finally:
            await session.close()
        return waiting > 0

    return ask


async def claimed_twice(ledger: Lab) -> int:
    """Count the partitions that changed hands; those of the batch at hand can't yet."""
    again: int = await ledger.pool.fetchval("SELECT count(*) FROM consumer_offsets WHERE epoch > 1")
    return again


async def test_a_rebalance_in_mid_batch_loses_and_doubles_nothing(
    ledger: Lab, postgres_dsn: str
) -> None:
    """A second member joins while a batch is being written; both finish the work together."""
    told = stories(30)
    await ledger.produce(told[:60])
    ledger.start()
    await ledger.drained()
    async with locked_case(postgres_dsn, 1):
        await ledger.produce(told[60:])
        await eventually("a batch is under way", waits_for_a_row(postgres_dsn, "FOR NO KEY UPDATE"))
        ledger.start()

        await eventually("the second member has claimed its share", lambda: claimed_twice(ledger))
    await ledger.drained()
    await ledger.stop()
    assert pure_digest(told) == await ledger.digest()
    holding = [row for row in await ledger.recorded() if row["voided_at"] is None]
    expected = {one.id for one in pure_outcomes(told)}
    assert expected == {row["outcome_id"] for row in holding}


async def test_a_member_that_leaves_hands_its_partitions_over(ledger: Lab) -> None:
    """Two members share the partitions; when one stops, the other takes all and goes on."""
    told = stories(20)
    await ledger.produce(told[:200])
    ledger.start()
    ledger.start()
    await ledger.drained()
    leaver = ledger.running.pop()
    leaver[0].set()
    await leaver[1]
    await ledger.produce(told[200:])
    await ledger.drained()
    await ledger.stop()
    assert pure_digest(told) == await ledger.digest()


async def test_the_write_of_a_fenced_zombie_leaves_nothing(ledger: Lab) -> None:
    """After somebody else's claim a former owner's batch fails as a whole, also with the same offsets."""
    zombie = LedgerStore(ledger.pool, METHOD, clock)
    heir = LedgerStore(ledger.pool, METHOD, clock)
    place = (topics.REPORTS.name, 0)
    old = (await zombie.claim([place]))[place]
    new = (await heir.claim([place]))[place]

    with pytest.raises(Fenced):
        await zombie.write([report(1)], [Advance(*place, old.epoch, 1)], no_refusal)
    assert await ledger.pool.fetchval("SELECT count(*) FROM events") == 0
    assert await ledger.stored() == 0
    written = await heir.write([report(1)], [Advance(*place, new.epoch, 1)], no_refusal)
    assert written.events == 1


async def test_a_batch_written_twice_has_one_effect(ledger: Lab) -> None:
    """A commit whose answer was lost is tried again: duplicates, no second outcome, no second outbox row."""
    store = LedgerStore(ledger.pool, METHOD, clock)
    place = (topics.REPORTS.name, 0)
    claim = (await store.claim([place]))[place]

    for _ in range(2):
        written = await store.write(
            story(1), [Advance(*place, claim.epoch, len(story(1)))], no_refusal
        )
    assert len(story(1)) == written.duplicates
    assert pure_digest(story(1)) == await ledger.digest()
    assert len(pure_outcomes(story(1))) == len(await ledger.recorded())


async def test_kill_9_between_effect_and_commit(
    ledger: Lab, kafka_bootstrap: str, postgres_dsn: str
) -> None:
    """A consumer killed in mid-transaction leaves nothing half done; the next one ends where it would have."""
    told = stories(12)
    await ledger.produce(told[:40])
    for round_ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.ledger_child"],
            stdin=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        assert child.stdin is not None
        try:
            child.stdin.write(
                json.dumps({"bootstrap": kafka_bootstrap, "dsn": postgres_dsn}).encode() + b"\n"
            )
            child.stdin.flush()
            await ledger.drained()
            async with locked_case(postgres_dsn, 1):
                await ledger.produce(told[40 + round_ * 150 : 190 + round_ * 150])
                await eventually(
                    "a batch is under way", waits_for_a_row(postgres_dsn, "FOR NO KEY UPDATE")
                )
                child.kill()
                child.wait()
        finally:
            child.kill()
            child.wait()
            child.stdin.close()
    ledger.start()
    await ledger.produce(told[340:])
    await ledger.drained()
    await ledger.stop()
    assert pure_digest(told) == await ledger.digest()


async def test_a_postgres_that_is_killed_and_comes_back(
    kafka_bootstrap: str, own_postgres: OwnPostgres
) -> None:
    """The consumer waits the outage out, keeps its place, and nothing is lost or counted twice."""
    server = await own_postgres(durable=True)
    async with lab(kafka_bootstrap, server.dsn) as ledger:
        told = stories(20)
        await ledger.produce(told[:300])
        ledger.start()
        await eventually("something is stored", ledger.stored)
        await server.kill()
        await ledger.produce(told[300:])
        await server.start()
        await ledger.drained()
        await ledger.stop()
        assert pure_digest(told) == await ledger.digest()


async def test_a_stop_does_not_wait_for_a_postgres_that_is_away(
    kafka_bootstrap: str, own_postgres: OwnPostgres
) -> None:
    """Stopped in an outage, the consumer lets its batch go; the next one takes it again and skips nothing."""
    server = await own_postgres(durable=True)
    async with lab(kafka_bootstrap, server.dsn) as ledger:
        told = stories(10)
        await ledger.produce(told[:100])
        ledger.start()
        await ledger.drained()
        await server.kill()
        await ledger.produce(told[100:])
        await eventually("a batch waits for Postgres", ledger.waits)
        await asyncio.wait_for(ledger.stop(), 20)
        await server.start()
        ledger.start()
        await ledger.drained()
        await ledger.stop()
        assert pure_digest(told) == await ledger.digest()


async def test_a_broker_that_is_killed_and_comes_back(
    own_kafka: OwnKafka, postgres_dsn: str
) -> None:
    """The consumer waits for the broker and goes on from the stored offsets."""
    broker = await own_kafka()
    async with lab(broker.bootstrap_servers, postgres_dsn) as ledger:
        told = stories(20)
        await ledger.produce(told[:300])
        ledger.start()
        await ledger.drained()
        await broker.kill()
        await broker.start()
        await ledger.produce(told[300:])
        await ledger.drained()
        await ledger.stop()
        assert pure_digest(told) == await ledger.digest()


async def test_lost_evidence_is_an_error(ledger: Lab, kafka_bootstrap: str) -> None:
    """A broker that no longer has what the ledger expects stops the consumer, with both numbers."""
    store = LedgerStore(ledger.pool, METHOD, clock)
    place = (topics.REPORTS.name, 0)
    claim = (await store.claim([place]))[place]

    await store.write([report(1)], [Advance(*place, claim.epoch, 77)], no_refusal)
    task = ledger.start()
    with pytest.raises(EvidenceGone, match=r"offset 77.*has 0 to 0"):
        await asyncio.wait_for(task, 30)
    ledger.running.clear()


async def test_another_methodology_is_refused(
    ledger: Lab, postgres_dsn: str, tmp_path: Path
) -> None:
    """A ledger folded under one definition is not continued under another, and `doctor` says so before it starts."""
    await LedgerStore(ledger.pool, METHOD, clock).check_methodology()
    with pytest.raises(ConfigError, match="folded under methodology nl-24h"):
        await LedgerStore(ledger.pool, shipped()["demo"], clock).check_methodology()
    for name, state in (("nl-24h", "ok"), ("demo", "failed")):
        settings = Settings(
            data_dir=str(tmp_path), methodology=name, database=Database(url=postgres_dsn)
        )
        (found,) = [
            f for f in await examine(settings, lambda: datetime.now(UTC)) if f.check == "Postgres"
        ]
        assert found.state == state, found
        assert state == "ok" or "folded under methodology nl-24h" in found.message


async def test_a_consumer_that_stands_still_is_built_anew(
    ledger: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client whose fetch never comes back is thrown away by the watchdog, counted, and the work goes on."""
    real, clients = BatchLoop._client, []

    def client(loop: BatchLoop[Any]) -> AIOKafkaConsumer:
        made = real(loop)
        if not clients:
            made.getmany = lambda **_: asyncio.get_running_loop().create_future()
        clients.append(made)
        return made

    monkeypatch.setattr(BatchLoop, "_client", client)
    before = CONSUMER_REBUILDS.labels("ledger")._value.get()
    told = stories(3)
    await ledger.produce(told)
    ledger.start(msgspec.structs.replace(QUICK, stall_seconds=3.0))
    await ledger.drained()
    await ledger.stop()
    assert len(clients) == 2
    assert CONSUMER_REBUILDS.labels("ledger")._value.get() == before + 1
    assert pure_digest(told) == await ledger.digest()


async def test_a_relay_that_dies_before_its_delete_sends_again_in_order(
    ledger: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent and not deleted is sent again: at least once, per key never an older entry last."""
    store = LedgerStore(ledger.pool, METHOD, clock)
    place = (topics.REPORTS.name, 0)
    claim = (await store.claim([place]))[place]
    told = stories(5)
    for number, one in enumerate(told, 1):
        await store.write([one], [Advance(*place, claim.epoch, number)], no_refusal)
    dying = Relay(ledger.kafka, ledger.pool, Health(), batch_records=20)
    real = dying._send

    async def send_and_die(*arguments: Any) -> None:
        await real(*arguments)
        raise ConnectionResetError

    monkeypatch.setattr(dying, "_send", send_and_die)
    with pytest.raises(ConnectionResetError):
        await dying.publish_once()
    await dying._close_producer()
    heir = Relay(ledger.kafka, ledger.pool, Health(), batch_records=20)
    while await heir.publish_once():
        pass
    await heir._close_producer()
    latest = {r.key.decode(): r.value for r in await ledger.read(topics.WATCHLIST.name)}
    for number in range(5):
        entry = entry_of(fold(story(number), METHOD)[0], METHOD)
        assert (encode_data(entry) if entry is not None else None) == latest[case_of(number)]


async def test_a_relay_waits_for_a_broker_that_is_away(
    own_kafka: OwnKafka, postgres_dsn: str
) -> None:
    """The outbox keeps what the broker does not have; when it is back, everything is published."""
    broker = await own_kafka()
    async with lab(broker.bootstrap_servers, postgres_dsn) as ledger:
        store = LedgerStore(ledger.pool, METHOD, clock)
        place = (topics.REPORTS.name, 0)
        claim = (await store.claim([place]))[place]
        await broker.kill()
        await store.write(stories(5), [Advance(*place, claim.epoch, 1)], no_refusal)
        stop = asyncio.Event()
        role = asyncio.create_task(
            Relay(ledger.kafka, ledger.pool, Health(), batch_records=1000).run(stop)
        )
        await broker.start()

        async def empty() -> bool:
            return await ledger.pool.fetchval("SELECT count(*) FROM outbox") == 0

        await eventually("the outbox is empty", empty, 40)
        stop.set()
        await role
        assert len(await ledger.recorded()) == len(await ledger.read(topics.OUTCOMES.name))
