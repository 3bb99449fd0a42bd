"""Migrations and roles on a real database."""

import asyncio

import asyncpg
import pytest

from services.ledger import migrate
from services.ledger.migrate import Migration, MigrationError
from services.ledger.pool import open_pool
from services.ledger.queries import names, query
from services.ledger.rows import TABLES
from tests.as_configured import database_at
from tests.conftest import OwnPostgres


async def connect(dsn: str) -> asyncpg.Connection:
    return await asyncpg.connect(dsn)


def migration(name: str, sql: str) -> Migration:
    return migrate.parse({name: sql})[0]


FIRST = migration("0001_pre_first.sql", "CREATE TABLE one (a integer)")
SECOND = migration("0002_post_second.sql", "CREATE TABLE two (a integer)")


async def test_up_applies_each_file_once(postgres_dsn: str) -> None:
    """The plan names what is missing, `up` applies it, a second `up` finds nothing, the status says so."""
    session = await connect(postgres_dsn)
    shipped = [m.name for m in migrate.shipped()]
    assert shipped == [m.name for m in await migrate.plan(session)]
    with pytest.raises(MigrationError, match="takedown migrate up"):
        await migrate.require_current(session)
    assert shipped == await migrate.up(session)
    assert await migrate.up(session) == []
    assert {"applied"} == {one.state for one in await migrate.status(session)}
    await migrate.require_current(session)
    await session.close()


async def test_two_runners_at_once(postgres_dsn: str) -> None:
    """While one applies a file the other waits, then goes on after it: each file is applied once."""
    sessions = [await connect(postgres_dsn) for _ in range(2)]
    done = await asyncio.gather(*(migrate.up(session) for session in sessions))
    assert sorted([*done[0], *done[1]]) == [m.name for m in migrate.shipped()]
    for session in sessions:
        await session.close()


async def test_a_phase_stops_before_the_other(postgres_dsn: str) -> None:
    """`pre` alone leaves `post` for later."""
    session = await connect(postgres_dsn)
    assert [FIRST.name] == await migrate.up(session, [FIRST, SECOND], phase="pre")
    assert [SECOND.name] == await migrate.up(session, [FIRST, SECOND])
    await session.close()


async def test_old_and_new_code_run_between_the_phases(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old code takes a database with a later `pre` file; new code takes one whose `post` file still waits."""
    session = await connect(postgres_dsn)
    later = migration("0003_pre_later.sql", "SELECT 1")
    await migrate.up(session, [FIRST])
    monkeypatch.setattr(migrate, "shipped", lambda: [FIRST, SECOND])
    await migrate.require_current(session)
    monkeypatch.setattr(migrate, "shipped", lambda: [FIRST, later])
    with pytest.raises(MigrationError, match=r"lacks 0003_pre_later\.sql"):
        await migrate.require_current(session)
    await migrate.up(session)
    monkeypatch.setattr(migrate, "shipped", lambda: [FIRST])
    await migrate.require_current(session)
    await session.close()


async def test_a_failed_file_leaves_nothing(postgres_dsn: str) -> None:
    """A file is one transaction: after its failure the database is as before it, and the error names it."""
    session = await connect(postgres_dsn)
    broken = migration("0002_pre_broken.sql", "CREATE TABLE half (a integer); SELECT 1/0")
    with pytest.raises(MigrationError, match=r"0002_pre_broken\.sql failed"):
        await migrate.up(session, [FIRST, broken])
    assert await session.fetchval("SELECT to_regclass('half')") is None
    assert [broken.name] == [m.name for m in await migrate.plan(session, [FIRST, broken])]
    await session.close()


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ([FIRST], "newer than the program"),
        ([migration("0001_pre_first.sql", "SELECT 1"), SECOND], "changed after it was applied"),
        ([FIRST, migration("0000_pre_late.sql", "SELECT 1"), SECOND], "higher number"),
    ],
    ids=["newer database", "changed file", "inserted file"],
)
async def test_contradictions_are_refused(
    postgres_dsn: str, known: list[Migration], message: str
) -> None:
    """A database that doesn't fit the program is not touched."""
    session = await connect(postgres_dsn)
    await migrate.up(session, [FIRST, SECOND])
    with pytest.raises(MigrationError, match=message):
        await migrate.up(session, known)
    await session.close()


async def test_every_query_is_valid_and_allowed_to_the_ledger(postgres_dsn: str) -> None:
    """Postgres takes every named statement, under the ledger's role."""
    session = await connect(postgres_dsn)
    await migrate.up(session)
    await session.execute("SET ROLE takedown_ledger")
    for name in sorted(names()):
        await session.prepare(query(name))
    await session.close()


async def test_rows_are_those_of_the_tables(postgres_dsn: str) -> None:
    """Each class of rows names columns of its table, with their types; those left out have a default."""
    session = await connect(postgres_dsn)
    await migrate.up(session)
    tables = {
        "later_cases": "cases",
        "later_spells": "spells",
        "offsets": "consumer_offsets",
    }
    for name, columns in TABLES.items():
        found = await session.fetch(
            "SELECT column_name, data_type, is_nullable = 'NO' AND column_default IS NULL"
            " AND is_identity = 'NO' AS needed"
            " FROM information_schema.columns WHERE table_name = $1",
            tables.get(name, name),
        )
        types = {row["column_name"]: row["data_type"] for row in found} | {
            "place": "tid",
            "reached": "bigint",
        }
        spelled = {"timestamp with time zone": "timestamptz"}
        expected = {column: spelled.get(types[column], types[column]) for column in columns.names}
        assert columns.types == expected, name
        needed = {row["column_name"] for row in found if row["needed"]}
        assert name.startswith("later_") or needed <= set(columns.names), name
    await session.close()


FORBIDDEN = {
    "takedown_ledger": [
        "UPDATE events SET body = '{}'",
        "DELETE FROM events",
        "DELETE FROM outcomes",
        "UPDATE outcomes SET provider = 'x'",
        "DELETE FROM audit_log",
        "UPDATE audit_log SET purpose = 'x'",
        "DELETE FROM cases",
    ],
    "takedown_exporter": [
        "SELECT sealed_url FROM cases",
        "SELECT state FROM cases",
        "SELECT body FROM events",
        "SELECT * FROM outbox",
        "SELECT * FROM cases",
        "INSERT INTO outcomes DEFAULT VALUES",
        "SELECT erase_sealed_urls('{}')",
    ],
    "takedown_reader": [
        "SELECT sealed_url FROM cases",
        "SELECT body FROM events",
        "SELECT * FROM outbox",
        "SELECT state FROM cases",
        "DELETE FROM spells",
        "UPDATE spells SET clock = 'within'",
        "UPDATE cases SET category = 'x'",
        "UPDATE outcomes SET voided_at = now()",
        "INSERT INTO outcomes DEFAULT VALUES",
        "INSERT INTO events DEFAULT VALUES",
        "INSERT INTO consumer_offsets DEFAULT VALUES",
        "TRUNCATE transitions",
        "SELECT erase_sealed_urls('{}')",
    ],
}
ALLOWED = {
    "takedown_ledger": ["UPDATE outcomes SET voided_at = now()", "SELECT erase_sealed_urls('{}')"],
    "takedown_exporter": [
        "SELECT case_id, category, reported_at FROM cases",
        "SELECT case_id, event_time, type FROM events",
        "SELECT * FROM looks, notices, spells, outcomes, transitions, consumer_offsets",
        "SELECT * FROM schema_migrations",
    ],
    "takedown_reader": ["SELECT * FROM looks, notices, spells, outcomes, transitions"],
}


@pytest.mark.parametrize("role", sorted(FORBIDDEN))
async def test_a_role_may_do_its_work_and_nothing_else(postgres_dsn: str, role: str) -> None:
    """Evidence is append-only, sealed columns stay sealed, and the limits on time are in force."""
    session = await connect(postgres_dsn)
    await migrate.up(session)
    await session.close()
    pool = await open_pool(database_at(postgres_dsn, role=role, max_size=1))
    for statement in ALLOWED[role]:
        await pool.execute(statement)
    for statement in FORBIDDEN[role]:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    assert await pool.fetchval("SHOW statement_timeout") != "0"
    assert await pool.fetchval("SHOW idle_in_transaction_session_timeout") != "0"
    await pool.close()


async def test_an_owner_that_may_not_create_roles_can_migrate(own_postgres: OwnPostgres) -> None:
    """Where roles are missing and may not be made, the schema comes without them."""
    server = await own_postgres()
    session = await connect(server.dsn)
    await session.execute("CREATE ROLE plain; GRANT ALL ON SCHEMA public TO plain")
    await session.execute("GRANT CREATE ON DATABASE takedown TO plain; SET ROLE plain")
    assert len(migrate.shipped()) == len(await migrate.up(session))
    owner = await session.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'cases'")
    assert owner == "plain"
    assert await session.fetchval("SELECT count(*) FROM pg_roles WHERE rolname ~ '^takedown_'") == 0
    await session.close()
