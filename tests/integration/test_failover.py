"""A database that changes hands: a real standby is promoted, and the old primary answers again and refuses writes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest

from consumers.ledger.relay import Relay
from schemas import topics
from services.exporter.health import Health
from services.exporter.ledger_reading import Reader
from services.ledger import migrate
from services.ledger.failover import DatabaseReadOnly
from services.ledger.ledger_digest import ledger_digest
from services.ledger.pool import open_pool, session_of
from services.ledger.store import Advance, Claim, Fenced, LedgerStore
from services.ledger.transient import TRANSIENT_DATABASE
from services.runtime import ledger_roles
from services.runtime.installation import Installation
from services.runtime.parts import Parts
from services.runtime.settings import Database, Http, Settings, Topics
from services.runtime.settings import ExporterSection as ExporterSettings
from tests.as_configured import database_at
from tests.commands import takedown
from tests.conftest import OwnPostgres
from tests.integration.ledger_kit import (
    METHOD,
    clock,
    lab,
    migrated_pool,
    pure_digest,
    stories,
    story,
)
from tests.integration.retention_kit import SOON, removed, retention
from tests.integration.test_ledger_failures import locked_case, no_refusal, waits_for_a_row
from tests.pgbouncer import pooling, through
from tests.servers import eventually, unavailable
from tests.standby import Pair, ask, demoted, pair, promote, set_read_only

PLACE = (topics.REPORTS.name, 0)


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[Pair]:
    """A primary and its standby."""
    try:
        made = await pair(tmp_path)
    except FileNotFoundError as error:
        unavailable("PostgreSQL with pg_basebackup", error)
    yield made
    await made.one.stop()
    await made.other.stop()


class Writer:
    """A ledger that is written without Kafka, and what it was given."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.store = LedgerStore(pool, METHOD, clock)
        self.given: list[Any] = []
        self.claim: Claim | None = None

    async def write(self, number: int, case: int | None = None) -> None:
        """Write the story of a case as batch `number`, which ends at the offset `number + 1`."""
        if self.claim is None:
            self.claim = (await self.store.claim([PLACE]))[PLACE]
        told = story(number if case is None else case)
        await self.store.write(told, [Advance(*PLACE, self.claim.epoch, number + 1)], no_refusal)
        self.given += told

    async def keep_writing(self, number: int) -> int:
        """Write until it succeeds, as a consumer does; return how often it was refused."""
        refused = 0

        async def written() -> bool:
            nonlocal refused
            try:
                await self.write(number)
            except TRANSIENT_DATABASE:
                refused += 1
                return False
            return True

        await eventually(f"batch {number} is written", written)
        return refused

    async def equal(self) -> bool:
        """Tell whether the ledger is the fold of what it was given, and counts nothing twice."""
        logged = await self.pool.fetchval("SELECT count(*) FROM events")
        assert logged == len({(event.case_id, event.id) for event in self.given})
        return pure_digest(self.given) == await ledger_digest(self.pool)


@asynccontextmanager
async def writing(dsn: str) -> AsyncIterator[Writer]:
    pool = await migrated_pool(dsn)
    try:
        yield Writer(pool)
    finally:
        pool.terminate()


async def ready(dsn: str, health: Health, stop: asyncio.Event, begun: asyncio.Event) -> None:
    """Hold the pool of a role that writes, with its check of /readyz."""
    parts = Parts(Settings(database=Database(url=dsn)), health, clock)
    async with ledger_roles._pool(parts, "takedown_ledger"):
        begun.set()
        await stop.wait()


async def said(health: Health) -> tuple[bool, str]:
    ok, details = await health.ready()
    return ok, details["checks"]["postgres"]["said"]


async def test_events_flow_again_after_a_promotion(kafka_bootstrap: str, servers: Pair) -> None:
    """Consumer, relay and /readyz follow the promoted standby: nothing is lost or doubled, and /readyz said no."""
    told = stories(20)
    async with lab(kafka_bootstrap, servers.dsn()) as ledger:
        health, stop, begun = Health(), asyncio.Event(), asyncio.Event()
        roles = [
            asyncio.create_task(ready(servers.dsn(), health, stop, begun)),
            asyncio.create_task(
                Relay(ledger.kafka, ledger.pool, Health(), batch_records=20).run(stop)
            ),
        ]
        await begun.wait()
        assert await said(health) == (True, "takes writes")
        await ledger.produce(told[:300])
        ledger.start()
        await ledger.drained()
        await servers.caught_up()

        await servers.one.stop()
        await demoted(servers.one)
        assert await said(health) == (False, "DatabaseReadOnly")
        await ledger.produce(told[300:])
        await eventually("the ledger waits", ledger.waits)
        assert not (await said(health))[0]
        await promote(servers.other)

        await ledger.drained()
        assert await said(health) == (True, "takes writes")
        await ledger.stop()
        assert pure_digest(told) == await ledger.digest()

        async def empty() -> bool:
            return await ledger.pool.fetchval("SELECT count(*) FROM outbox") == 0

        await eventually("the outbox is empty", empty)
        stop.set()
        await asyncio.gather(*roles)
        published = {
            dict(record.headers)["ce_id"] for record in await ledger.read(topics.OUTCOMES.name)
        }
        assert {str(row["outcome_id"]).encode() for row in await ledger.recorded()} <= published
        assert await ask(servers.one, "SELECT pg_is_in_recovery()")


async def test_a_batch_under_way_is_written_on_the_new_primary(servers: Pair) -> None:
    """The primary goes while a batch stands in its transaction: it is rolled back, and written once."""
    async with writing(servers.dsn()) as ledger:
        await ledger.write(0)
        await servers.caught_up()
        with suppress(*TRANSIENT_DATABASE):
            async with locked_case(servers.one.tcp_dsn_of(), 0):
                under_way = asyncio.create_task(ledger.write(1, case=0))
                waits = waits_for_a_row(servers.one.tcp_dsn_of(), "FOR NO KEY UPDATE")
                await eventually("the batch stands in its transaction", waits)
                await servers.fail_over()
        with pytest.raises(TRANSIENT_DATABASE):
            await under_way
        await ledger.keep_writing(1)
        await ledger.keep_writing(2)
        assert await ledger.equal()


async def test_both_servers_refuse_for_a_while(servers: Pair) -> None:
    """While no server takes writes the batch waits; the first that does gets it, once."""
    async with writing(servers.dsn()) as ledger:
        await ledger.write(0)
        await servers.caught_up()
        await set_read_only(servers.one, "on")
        for _ in range(3):
            with pytest.raises(DatabaseReadOnly):
                await ledger.write(1)
        await servers.one.stop()
        await promote(servers.other)
        assert await ledger.keep_writing(1) == 0
        await ledger.write(2)
        assert await ledger.equal()


async def test_commits_that_the_standby_lacked_are_taken_again(servers: Pair) -> None:
    """A standby that lagged behind is promoted: the consumer is fenced, and starts from what that one holds."""
    async with writing(servers.dsn()) as ledger:
        await ledger.write(0)
        await servers.caught_up()
        await servers.other.stop()
        await ledger.write(1)
        await ledger.write(2)
        await servers.one.kill()
        await servers.other.start()
        await promote(servers.other)

        with pytest.raises(Fenced):
            await ledger.write(3)

        ledger.claim = (await ledger.store.claim([PLACE]))[PLACE]
        assert ledger.claim.next_offset == 1
        ledger.given = story(0)
        for number in (1, 2, 3):
            await ledger.write(number)
        assert await ledger.equal()


async def test_a_commit_whose_answer_was_lost_is_no_fence(servers: Pair) -> None:
    """A batch that the database holds and the consumer does not know of is written again without effect."""
    async with writing(servers.dsn()) as ledger:
        await ledger.write(0)
        ledger.store._reached[PLACE] = 0
        await ledger.write(0)
        await ledger.write(1)
        assert await ledger.equal()


async def test_the_first_server_is_dead_at_the_start(servers: Pair) -> None:
    """A server that refuses connections is passed over."""
    await servers.caught_up()
    await servers.one.kill()
    await promote(servers.other)
    async with writing(servers.dsn()) as ledger:
        await ledger.write(0)
        assert await ledger.equal()


async def test_a_server_that_swallows_connections_is_left_in_time(
    servers: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each server has a time of its own: one that never answers does not use up the time of the next."""
    monkeypatch.setattr("services.ledger.failover._SERVER_SECONDS", 1.0)
    async with silent_server() as port:
        live = servers.one.tcp_dsn_of().partition("@")
        dsn = f"{live[0]}@127.0.0.1:{port},{live[2]}"
        pool = await open_pool(database_at(dsn, writes=True))
        assert await pool.fetchval("SELECT 1") == 1
        await pool.close()


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """Accept connections and never say a word."""
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for writer in held:
            writer.transport.abort()
        server.close()


async def test_the_exporter_leaves_a_primary_of_before(servers: Pair) -> None:
    """Whoever only reads would not see that a server has fallen behind: its pool asks before each reading."""
    async with writing(servers.dsn()) as ledger:
        await ledger.write(0)
        await servers.caught_up()
        connection = database_at(servers.dsn(), role="takedown_exporter")
        pool = await open_pool(connection)
        reader = Reader(pool, METHOD, 20, (), 15.0)
        assert sum(row["spells"] for row in (await reader.read(clock())).spells) >= 1
        await servers.one.stop()
        await promote(servers.other)
        await demoted(servers.one)
        await ledger.keep_writing(1)
        reading = await reader.read(clock())
        cases = await ledger.pool.fetchval("SELECT count(*) FROM spells")
        assert sum(row["spells"] for row in reading.spells) == cases
        await pool.close()


async def test_retention_goes_on_at_the_new_primary(
    kafka_bootstrap: str, servers: Pair, tmp_path: Path
) -> None:
    """A round that no server takes is tried again; then URLs are destroyed as if nothing had been."""
    async with lab(kafka_bootstrap, servers.dsn()) as ledger:
        await ledger.take(removed(1))
        await servers.caught_up()
        role, stop = retention(ledger, tmp_path / "archives", SOON), asyncio.Event()
        await servers.one.stop()
        await demoted(servers.one)
        running = asyncio.create_task(role.run(stop))
        await asyncio.sleep(1)
        assert not running.done()
        await promote(servers.other)
        ledger.start()

        async def erased() -> bool:
            found = await ledger.pool.fetchval(
                "SELECT count(*) FROM events WHERE type LIKE '%erased%'"
            )
            return bool(found == 1)

        await eventually("the URL is destroyed", erased)
        stop.set()
        await running
        await ledger.stop()


async def test_a_lone_server_that_turns_read_only_is_told(own_postgres: OwnPostgres) -> None:
    """Without any other server a write is refused as a failover is, until the server takes writes again."""
    server = await own_postgres()
    async with writing(server.tcp_dsn_of()) as ledger:
        await ledger.write(0)
        await set_read_only(server, "on")
        with pytest.raises(TRANSIENT_DATABASE):
            await ledger.write(1)
        await set_read_only(server, "off")
        await ledger.keep_writing(1)
        assert await ledger.equal()


async def test_a_reader_may_ask_for_a_standby(servers: Pair) -> None:
    """An address that asks for a standby gets one; one that asks for nothing gets the primary of several."""
    await servers.caught_up()
    for attributes, standby in (("?target_session_attrs=standby", True), ("", False)):
        async with session_of(database_at(servers.dsn(attributes))) as session:
            assert await session.fetchval("SELECT pg_is_in_recovery()") is standby


async def test_behind_poolers_the_server_is_asked_as_well(
    pgbouncer_binary: Path, servers: Pair, tmp_path: Path
) -> None:
    """A pooler keeps its clients while its server becomes a standby: they leave for the pooler of the primary."""
    login = urlsplit(servers.one.tcp_dsn_of())
    users = {str(login.username): str(login.password)}
    with ExitStack() as poolers:
        first, second = (
            poolers.enter_context(
                pooling(pgbouncer_binary, tmp_path / name, server.tcp_dsn_of(), users, pool_size=2)
            )
            for name, server in (("first", servers.one), ("second", servers.other))
        )
        session = await asyncpg.connect(servers.one.tcp_dsn_of())
        await migrate.up(session)
        await session.close()
        dsn = through(first, servers.one.tcp_dsn_of()).replace(
            f":{first}/", f":{first},127.0.0.1:{second}/"
        )
        pool = await open_pool(database_at(dsn, statement_cache=False, writes=True))
        ledger = Writer(pool)
        await ledger.write(0)
        await servers.caught_up()
        await servers.fail_over()
        await ledger.keep_writing(1)
        await ledger.write(2)
        assert await ledger.equal()
        await pool.close()


REPORT = {
    "type": "takedown.report.filed.v1",
    "time": "2025-01-31T12:00:00Z",
    "data": {"reporter": "hotline", "url": "https://host.example/path", "provider": "giant"},
}


async def test_the_whole_program_follows(jars: Path, servers: Pair, tmp_path: Path) -> None:
    """All roles in processes of their own: /readyz of those that write turns to no and back, commands wait it out."""
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        database=Database(url=servers.dsn()),
        topics=Topics(partitions=3),
        http=Http(port=0),
        exporter=ExporterSettings(interval_seconds=0.5),
        stop_seconds=10.0,
    )
    async with Installation(settings, durable=False, fetch=False) as running:
        await running.ready()

        async def submit(path: str) -> None:
            data = REPORT["data"] | {"url": f"https://host.example/{path}"}  # type: ignore[operator]
            line = json.dumps(REPORT | {"data": data}).encode()
            done = await takedown(running.settings, "submit", "-", "--wait", stdin=line)
            assert done.status == 0, done.out + done.err

        async def all_ready() -> bool:
            answers = [await fetch(running, role) for role in WRITERS]
            return all(status == 200 for status, _ in answers)

        await submit("before")
        await servers.caught_up()
        await servers.one.stop()
        await demoted(servers.one)
        for role in WRITERS:
            status, body = await fetch(running, role)
            assert (status, body["checks"]["postgres"]["said"]) == (503, "DatabaseReadOnly")
        await promote(servers.other)
        await eventually("every role that writes is ready again", all_ready)
        await submit("after")
        assert await ask(servers.other, "SELECT count(*) FROM cases") == 2

        async def published() -> bool:
            return await ask(servers.other, "SELECT count(*) FROM outbox") == 0

        await eventually("the relay empties the outbox", published)


WRITERS = ("ledger", "relay", "retention")


async def fetch(running: Installation, role: str) -> tuple[int, Any]:
    address = f"http://127.0.0.1:{running.ports[role]}/readyz"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return answer.status, await answer.json()
