"""Where the servers of a fault run are: started by `takedown up` itself, or elsewhere behind wires."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from services.runtime.endpoints import Endpoints, read_endpoints
from tests.faultproxy import FaultProxy
from tests.faults.brokers import Brokers, two_brokers
from tests.faults.clocks import clock_environment, movable_clock, move_with
from tests.standby import Pair, follow, pair, promote

_DISK = "700m"


class Arrangement(Protocol):
    """The servers of a run."""

    environment: dict[str, str]

    def places(self, data: Path) -> Endpoints:
        """Give the addresses at which the run itself reaches the servers."""
        ...


class Own:
    """Servers that `takedown up` starts; `clock` is the file that moves its clock and that of its roles."""

    def __init__(self, clock: Path | None = None) -> None:
        self.environment = {} if clock is None else clock_environment(clock)
        self._last: Endpoints | None = None

    def places(self, data: Path) -> Endpoints:
        self._last = read_endpoints(data) or self._last
        assert self._last is not None, "it was never ready"
        return self._last


class Wired:
    """A broker and a pair of databases elsewhere; what lies between them and the monitor can be cut."""

    def __init__(
        self,
        brokers: Brokers,
        databases: Pair,
        wires: dict[str, list[FaultProxy]],
        clock: Path | None,
    ) -> None:
        self.brokers = brokers
        self.databases = databases
        self.wires = wires
        self.clock = clock
        self._behind = dict(zip(wires["PostgreSQL"], (databases.one, databases.other), strict=True))
        scheme, login, path = _parts(databases.one.tcp_dsn_of())
        hosts = ",".join(f"127.0.0.1:{wire.port}" for wire in wires["PostgreSQL"])
        self.environment = {
            "TAKEDOWN_DATABASE_URL": f"{scheme}://{login}@{hosts}/{path}?target_session_attrs=read-write",
            "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": self._bootstrap,
        }

    def places(self, data: Path) -> Endpoints:
        here = read_endpoints(data)
        return Endpoints(
            bootstrap_servers=self._bootstrap,
            database_url=self.databases.dsn(),
            http=here.http if here else {},
        )

    @property
    def _bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{wire.port}" for wire in self.wires["Kafka"])

    async def fail_over(self) -> None:
        """Kill the primary, whatever its standby has not read yet, and promote that; the old one follows it then."""
        await self.databases.one.kill()
        await promote(self.databases.other)
        self.databases = Pair(self.databases.other, self.databases.one)
        await follow(self.databases.one, self.databases.other)


def _parts(dsn: str) -> tuple[str, str, str]:
    scheme, _, rest = dsn.partition("://")
    login, _, where = rest.partition("@")
    return scheme, login, where.partition("/")[2]


@asynccontextmanager
async def wired(folder: Path) -> AsyncIterator[Wired]:
    """Hold two brokers and two databases behind wires; `clock` moves the servers' clock."""
    clock = movable_clock(folder)
    async with contextlib.AsyncExitStack() as stack:
        databases = await _databases(folder, clock, stack)
        ports = [urlsplit(one.tcp_dsn_of()).port or 0 for one in (databases.one, databases.other)]
        to_databases = [
            await stack.enter_async_context(FaultProxy.before("127.0.0.1", port)) for port in ports
        ]
        brokers = two_brokers(folder)
        to_brokers = [
            await stack.enter_async_context(FaultProxy.before("127.0.0.1", port, wire))
            for port, wire in brokers.ports
        ]
        if clock is not None:
            for broker in (brokers.first, brokers.second):
                move_with(broker, clock_environment(clock))
        stack.push_async_callback(brokers.stop)
        await brokers.start()
        yield Wired(brokers, databases, {"Kafka": to_brokers, "PostgreSQL": to_databases}, clock)


async def _databases(folder: Path, clock: Path | None, stack: contextlib.AsyncExitStack) -> Pair:
    """Start a primary and its standby; from their next start on both go by the clock."""
    databases = await pair(folder)
    for one in (databases.one, databases.other):
        stack.push_async_callback(one.stop)
        if clock is not None:
            move_with(one, clock_environment(clock))
    if clock is not None:
        for one in (databases.one, databases.other):
            await one.stop()
            await one.start()
    return databases


@asynccontextmanager
async def small_disk(folder: Path) -> AsyncIterator[bool]:
    """Mount a small disk, and tell whether that is allowed here; what is on it stays where the block fails."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=0755", "faults", str(folder)]
    mounted = shutil.which("mount") is not None and (
        subprocess.run(words, capture_output=True, check=False).returncode == 0
    )
    try:
        yield mounted
    except BaseException:
        if mounted:
            await asyncio.to_thread(_keep, folder)
        raise
    finally:
        if mounted:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", str(folder)], check=False)


def _keep(folder: Path) -> None:
    """Copy what is on a small disk beside it: logs, records, tables."""
    with contextlib.suppress(shutil.Error, OSError):
        ignored = shutil.ignore_patterns("ballast", ".s.PGSQL.*")
        shutil.copytree(folder, folder.with_name(f"{folder.name}-kept"), ignore=ignored)
