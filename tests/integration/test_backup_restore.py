"""A backup is restored as the manual says, and what comes out is compared with what went in."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from services.ledger import audit
from services.ledger.pool import open_pool
from services.runtime.checkup import examine
from services.runtime.embedded import EmbeddedPostgres, postgres
from services.runtime.settings import Database, DoctorSection, Settings
from tests.as_configured import database_at
from tests.integration.ledger_kit import START, Lab, pure_digest, stories
from tests.integration.retention_kit import removed
from tests.servers import fresh_database


async def program(name: str, *words: str) -> None:
    """Run one of PostgreSQL's own programs, which must succeed."""
    path = str(postgres.installed() / name)
    process = await asyncio.create_subprocess_exec(path, *words, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def head_of(pool: asyncpg.Pool) -> audit.Head:
    async with pool.acquire() as session:
        return await audit.verify(session)


async def test_a_restored_ledger_goes_on_where_its_backup_stood(
    ledger: Lab, postgres_dsn: str, postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The dump gives the same digest and audit log; what the record has since is read again, into the same ledger."""
    events = stories(8)
    half = len(events) // 2
    await ledger.take(events[:half])
    dumped, head = await ledger.digest(), await head_of(ledger.pool)
    dump = str(tmp_path / "ledger.dump")
    await program("pg_dump", "--format=custom", f"--file={dump}", postgres_dsn)
    await ledger.take(events[half:])
    whole = await ledger.digest()
    assert whole == pure_digest(events) != dumped
    with fresh_database(postgres_server) as name:
        other = postgres_server.dsn_of(name)
        await program("pg_restore", "--exit-on-error", f"--dbname={other}", dump)
        before, ledger.pool = (
            ledger.pool,
            await open_pool(database_at(other, role="takedown_ledger", max_size=6)),
        )
        try:
            assert (await ledger.digest(), await head_of(ledger.pool)) == (dumped, head)
            await ledger.take()
            assert await ledger.digest() == whole
        finally:
            await ledger.pool.close()
            ledger.pool = before


async def test_doctor_sees_a_backup_and_a_retention_that_stopped(
    ledger: Lab, postgres_dsn: str, tmp_path: Path
) -> None:
    """An old marker and a URL that nobody destroyed are failures; a new marker and a longer period are none."""
    await ledger.take(removed(1, START))
    marker = tmp_path / "backup-done"
    marker.touch()
    now = datetime.now(UTC)

    async def states() -> dict[str, str]:
        settings = Settings(
            data_dir=str(tmp_path / "data"),
            database=Database(url=postgres_dsn),
            doctor=DoctorSection(backup_marker=str(marker)),
        )
        return {one.check: one.state for one in await examine(settings, lambda: now)}

    found = await states()
    assert (found["backup"], found["retention"]) == ("ok", "failed")
    os.utime(marker, (0, 0))
    assert (await states())["backup"] == "failed"
