"""Where the servers of a fault run are: started by `takedown up` itself, or elsewhere behind wires."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from services.runtime.embedded import EmbeddedKafka
from services.runtime.embedded.kept_file import write_kept
from services.runtime.embedded.server_process import free_port
from services.runtime.endpoints import Endpoints, read_endpoints
from tests.faultproxy import FaultProxy
from tests.servers import REPOSITORY
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
        self.environment = {} if clock is None else _clock_environment(clock)
        self._last: Endpoints | None = None

    def places(self, data: Path) -> Endpoints:
        self._last = read_endpoints(data) or self._last
        assert self._last is not None, "it was never ready"
        return self._last


def movable_clock(folder: Path) -> Path | None:
    """Make the file that moves a clock; none where libfaketime is not in the cache."""
    if _libfaketime() is None:
        return None
    clock = folder / "clock"
    clock.write_text("+0")
    return clock


def _libfaketime() -> str | None:
    script = REPOSITORY / "scripts" / "libfaketime"
    answer = subprocess.run([script, "--cached"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _clock_environment(clock: Path) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(_libfaketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_CACHE_DURATION": "1",
    }


class Wired:
    """A broker and a pair of databases elsewhere; what lies between them and the monitor can be cut."""

    def __init__(
        self, kafka: EmbeddedKafka, databases: Pair, wires: dict[str, list[FaultProxy]]
    ) -> None:
        self.kafka = kafka
        self.databases = databases
        self.wires = wires
        self._behind = dict(zip(wires["PostgreSQL"], (databases.one, databases.other), strict=True))
        scheme, login, path = _parts(databases.one.tcp_dsn_of())
        hosts = ",".join(f"127.0.0.1:{wire.port}" for wire in wires["PostgreSQL"])
        self.environment = {
            "TAKEDOWN_DATABASE_URL": f"{scheme}://{login}@{hosts}/{path}?target_session_attrs=read-write",
            "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{wires['Kafka'][0].port}",
        }

    def places(self, data: Path) -> Endpoints:
        here = read_endpoints(data)
        return Endpoints(
            bootstrap_servers=f"127.0.0.1:{self.wires['Kafka'][0].port}",
            database_url=self.databases.dsn(),
            http=here.http if here else {},
        )

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
    """Hold servers behind wires."""
    broker, controller, wire = (free_port() for _ in range(3))
    (folder / "kafka").mkdir()
    write_kept(folder / "kafka" / "ports.json", {"broker": broker, "controller": controller})
    kafka = EmbeddedKafka(
        folder / "kafka",
        fetch=False,
        properties={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{wire}"},
    )
    databases = await pair(folder)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(databases.one.stop)
        stack.push_async_callback(databases.other.stop)
        to_kafka = await stack.enter_async_context(FaultProxy.before("127.0.0.1", broker, wire))
        ports = [
            int(s.tcp_dsn_of().rpartition(":")[2].split("/")[0])
            for s in (databases.one, databases.other)
        ]
        to_databases = [
            await stack.enter_async_context(FaultProxy.before("127.0.0.1", port)) for port in ports
        ]
        await kafka.start()
        stack.push_async_callback(kafka.stop)
        yield Wired(kafka, databases, {"Kafka": [to_kafka], "PostgreSQL": to_databases})


@asynccontextmanager
async def small_disk(folder: Path) -> AsyncIterator[bool]:
    """Mount a small disk, and tell whether that is allowed here."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=0755", "faults", str(folder)]
    mounted = shutil.which("mount") is not None and (
        subprocess.run(words, capture_output=True, check=False).returncode == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", str(folder)], check=False)
