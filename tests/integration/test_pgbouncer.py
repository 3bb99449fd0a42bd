"""Behind PgBouncer in transaction mode: what relies on a session would break there, so nothing may."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest

from consumers.replay.replay_run import ReplayRequest, identity, replay
from services.ledger import migrate
from services.ledger.pool import DatabaseConnection, open_pool, session_of, streamed
from services.ledger.shadow.schema import BadReplay
from services.runtime.connections import database_connection
from services.runtime.installation import Installation
from services.runtime.settings import Database, ExporterSection, Http, Settings, Topics
from tests.as_configured import database_at
from tests.commands import takedown
from tests.integration.ledger_kit import KEYRING, METHOD
from tests.pgbouncer import pooling, through
from tests.servers import eventually

POOL = 2
REPORT = {
    "type": "takedown.report.filed.v1",
    "time": "2025-01-31T12:00:00Z",
    "data": {"reporter": "hotline", "url": "https://host.example/path", "provider": "giant"},
}


@pytest.fixture
def pooled(pgbouncer_binary: Path, postgres_tcp_dsn: str, tmp_path: Path) -> Iterator[str]:
    """Give one test's database behind a pooler with two connections for everybody."""
    login = urlsplit(postgres_tcp_dsn)
    users = {str(login.username): str(login.password)}
    with pooling(
        pgbouncer_binary, tmp_path / "pooler", postgres_tcp_dsn, users, pool_size=POOL
    ) as port:
        yield through(port, postgres_tcp_dsn)


def pooled_connection(dsn: str, **more: int) -> DatabaseConnection:
    return database_at(dsn, statement_cache=False, **more)


async def test_the_whole_program_works_behind_it(
    jars: Path, pooled: str, tmp_path: Path, postgres_tcp_dsn: str
) -> None:
    """Ledger, relay, exporter and commands share two connections: a report comes in, is kept, and is shown."""
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        database=Database(url=pooled, pgbouncer=True),
        topics=Topics(partitions=3),
        http=Http(port=0),
        exporter=ExporterSection(interval_seconds=0.5),
        stop_seconds=10.0,
    )
    async with Installation(settings, durable=False, fetch=False) as running:
        await running.ready()
        known = running.settings

        async def said(*arguments: str, stdin: bytes = b"") -> str:
            done = await takedown(known, *arguments, stdin=stdin)
            assert done.status == 0, done.out + done.err
            return done.out

        line = json.dumps(REPORT).encode()
        assert await said("submit", "-", "--wait", stdin=line) == "1 event in the ledger\n"
        assert len(json.loads(await said("case", "list", "--json"))) == 1
        assert "pending" not in await said("migrate", "status")
        for _ in range(
            2 * POOL
        ):  # a cursor that had a name would meet its own on a shared connection
            assert re.search(r"\b1 cases?\b", await said("report"))
        await eventually("the relay empties the outbox", lambda: outbox_is_empty(postgres_tcp_dsn))
        await eventually("the exporter shows the case", lambda: shows_the_case(running))
        assert await backends(postgres_tcp_dsn) <= POOL
        assert "failed" not in await said("doctor")


async def ask(dsn: str, statement: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(statement))
    finally:
        await connection.close()


async def outbox_is_empty(dsn: str) -> bool:
    return await ask(dsn, "SELECT count(*) FROM outbox") == 0


async def backends(dsn: str) -> int:
    """Count the pooler's connections: all sessions on this database but the one that asks."""
    return await ask(
        dsn,
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'",  # autovacuum comes and goes
    )


async def shows_the_case(running: Installation) -> bool:
    address = f"http://127.0.0.1:{running.ports['exporter']}/metrics"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        text = await answer.text()
    return 'provider="giant"' in text and "takedown_collector_failures_total" in text


async def test_two_runners_apply_each_migration_once(pooled: str) -> None:
    """The runners' lock lasts a transaction: on shared connections it excludes, and is always given back."""
    connection = pooled_connection(pooled)

    async def runner() -> list[str]:
        async with session_of(connection) as session:
            return await migrate.up(session)

    done = await asyncio.gather(*(runner() for _ in range(6)))
    assert sorted(name for names in done for name in names) == [m.name for m in migrate.shipped()]
    assert await ask(pooled, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_statements_of_many_clients_do_not_mix(pooled: str) -> None:
    """Clients that share connections each get the answers to their own questions, streams included."""
    pool = await open_pool(pooled_connection(pooled, max_size=8))

    async def asks(number: int) -> None:
        for turn in range(50):
            assert await pool.fetchval("SELECT $1::int * 1000 + $2", number, turn) == (
                number * 1000 + turn
            )
        async with pool.acquire() as session, session.transaction():
            rows = streamed(session, "SELECT generate_series(1, $1) AS n", 50, prefetch=7)
            assert [row["n"] async for row in rows] == list(range(1, 51))

    await asyncio.gather(*(asks(number) for number in range(8)))
    await pool.close()


async def test_the_login_decides_what_a_process_may(
    pgbouncer_binary: Path, postgres_tcp_dsn: str, tmp_path: Path
) -> None:
    """No SET ROLE is left on a shared connection; a login in one role can do what that role can and no more."""
    owner = await asyncpg.connect(postgres_tcp_dsn)
    await migrate.up(owner)
    await owner.execute("DROP ROLE IF EXISTS metrics_login")
    await owner.execute(
        "CREATE ROLE metrics_login LOGIN PASSWORD 'metrics' IN ROLE takedown_exporter"
    )
    users = {"metrics_login": "metrics"}
    with pooling(
        pgbouncer_binary, tmp_path / "pooler", postgres_tcp_dsn, users, pool_size=1
    ) as port:
        url = through(port, postgres_tcp_dsn, "metrics_login", "metrics")
        settings = Settings(database=Database(url=url, pgbouncer=True))
        pool = await open_pool(database_connection(settings, "takedown_exporter"))
        assert await pool.fetchval("SELECT count(case_id) FROM cases") == 0
        assert await pool.fetchval("SELECT current_user = session_user")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.fetchval("SELECT sealed_url FROM cases")
        await pool.close()
    await owner.execute("DROP ROLE metrics_login")
    await owner.close()


async def test_a_replay_asks_for_the_server_itself(pooled: str) -> None:
    """A replay holds a lock for as long as it runs; behind a pooler it says so instead of running twice."""
    asked = ReplayRequest(
        name="pooled",
        identity=identity(METHOD),
        database=pooled_connection(pooled),
        kafka=None,
        keyring=KEYRING,
    )
    with pytest.raises(BadReplay, match="TAKEDOWN_DATABASE_PGBOUNCER=0"):
        await replay(asked)
