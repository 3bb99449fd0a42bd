"""A PostgreSQL with a streaming standby, for tests of a failover."""

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from services.runtime.embedded import EmbeddedPostgres
from services.runtime.embedded.postgres import installed
from services.runtime.embedded.server_process import free_port
from tests.servers import eventually

# So long only on a machine that does much else.
_READY_SECONDS = 240.0


@dataclass
class Pair:
    """Two servers of one history; at first `one` is the primary and `other` its standby."""

    one: EmbeddedPostgres
    other: EmbeddedPostgres

    def dsn(self, attributes: str = "?target_session_attrs=read-write") -> str:
        """Give the address that names both."""
        first, second = (urlsplit(server.tcp_dsn_of()) for server in (self.one, self.other))
        return f"{first.scheme}://{first.netloc},127.0.0.1:{second.port}{first.path}{attributes}"

    async def caught_up(self) -> None:
        """Wait until the standby has replayed all that the primary has written."""
        position = await ask(self.one, "SELECT pg_current_wal_lsn()::text")

        async def replayed() -> object:
            return await ask(self.other, f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn")

        await eventually("the standby has caught up", replayed)

    async def fail_over(self) -> None:
        """Stop the primary, promote the standby, and have the old primary answer again as a standby."""
        await self.one.stop()
        await promote(self.other)
        await demoted(self.one)


async def ask(server: EmbeddedPostgres, statement: str) -> object:
    """Ask a server something as its owner."""
    session = await asyncpg.connect(server.tcp_dsn_of())
    try:
        return await session.fetchval(statement)
    finally:
        await session.close()


async def promote(server: EmbeddedPostgres) -> None:
    """Make a standby a primary."""
    assert await ask(server, "SELECT pg_promote()")


async def demoted(server: EmbeddedPostgres) -> None:
    """Start a stopped primary as a standby of nobody: it answers, in recovery, and refuses writes."""
    cluster = server.data_dir / "cluster"
    signal = cluster / "standby.signal"
    signal.touch()
    os.chown(signal, cluster.stat().st_uid, -1)
    await server.start()


async def set_read_only(server: EmbeddedPostgres, value: str) -> None:
    """Have a server refuse writes by its configuration, as an operator or a failover's tool does."""
    session = await asyncpg.connect(server.tcp_dsn_of())
    try:
        await session.execute("SET transaction_read_only = off")
        await session.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        await session.execute("SELECT pg_reload_conf()")
    finally:
        await session.close()

    async def applied() -> bool:
        return await ask(server, "SHOW default_transaction_read_only") == value

    await eventually("the setting is in force", applied)


async def pair(folder: Path) -> Pair:
    """Start a primary and a standby that streams from it."""
    one = EmbeddedPostgres(folder / "one", tcp=True, ready_seconds=_READY_SECONDS)
    await one.start()
    other = EmbeddedPostgres(folder / "other", tcp=True, ready_seconds=_READY_SECONDS)
    other.data_dir.mkdir()
    kept = json.loads((one.data_dir / "address.json").read_text()) | {"port": free_port()}
    (other.data_dir / "address.json").write_text(json.dumps(kept))
    await _copied(one, other)
    await other.start()
    return Pair(one, other)


async def follow(primary: EmbeddedPostgres, other: EmbeddedPostgres) -> None:
    """Make a stopped server the standby of another, by a fresh copy."""
    shutil.rmtree(other.data_dir / "cluster")
    await _copied(primary, other)
    await other.start()


async def _copied(one: EmbeddedPostgres, other: EmbeddedPostgres) -> None:
    cluster, owner = other.data_dir / "cluster", (one.data_dir / "cluster").stat().st_uid
    copying = await asyncio.create_subprocess_exec(
        installed() / "pg_basebackup", "--pgdata", cluster, "--dbname", one.tcp_dsn_of("postgres"),
        "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
    )  # fmt: skip
    assert await copying.wait() == 0
    for path in (cluster, *cluster.rglob("*")):
        shutil.chown(path, owner)
