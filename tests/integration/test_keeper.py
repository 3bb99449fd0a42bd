"""An installation whose servers die goes on: they are started again, and nothing that was sent is lost."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from schemas.errors import ConfigError
from services.runtime.busy_ports import refuse_busy
from services.runtime.embedded import DataDirInUse, NeedsOperator
from services.runtime.embedded.data_dir_lock import DataDirLock
from services.runtime.endpoints import LOCK_NAME, Endpoints, write_endpoints
from services.runtime.installation import Installation
from services.runtime.role_children import refuse_taken
from services.runtime.settings import Http, Log, Settings
from tests.faults.monitor import environment_for
from tests.faults.processes import family, kill, told_of
from tests.servers import eventually


def settings(folder: Path) -> Settings:
    return Settings(data_dir=str(folder), http=Http(port=0), log=Log(format="json"))


async def test_servers_that_die_are_started_again(jars: Path, tmp_path: Path) -> None:
    """Kafka and PostgreSQL killed with -9 come back by themselves, on the same addresses."""
    said: list[str] = []
    async with Installation(
        settings(tmp_path), ["exporter"], durable=False, fetch=False, say=said.append
    ) as installation:
        await installation.ready()
        before = installation.bootstrap_servers, installation.dsn
        relatives = family(os.getpid(), tmp_path)
        for name in ("Kafka", "PostgreSQL"):
            kill(relatives.guardians[name])
            kill(relatives.servers[name])

        async def back() -> bool:
            return sum("is running again" in line for line in said) == 2

        await eventually("both servers run again", back, seconds=60)
        await installation.ready()
        assert (installation.bootstrap_servers, installation.dsn) == before
    assert (tmp_path / LOCK_NAME).exists()


async def test_a_server_killed_alone_comes_back(jars: Path, tmp_path: Path) -> None:
    """What the kernel kills when memory is short: the server or its guardian, never both; also before roles run."""
    lines: list[str] = []
    async with Installation(
        settings(tmp_path), ["exporter"], durable=False, fetch=False, say=lines.append
    ) as installation:
        relatives = family(os.getpid(), tmp_path)
        kill(relatives.servers["PostgreSQL"])
        kill(relatives.guardians["Kafka"])

        async def back() -> bool:
            return sum("is running again" in line for line in lines) == 2

        await eventually("both servers run again", back, seconds=60)
        await installation.ready()
    assert told_of(tmp_path) == []


async def test_a_start_ends_what_is_left(jars: Path, tmp_path: Path) -> None:
    """Processes of a monitor that has gone, and that nobody stops, do not keep the next one out."""
    first = DataDirLock(tmp_path / "lock")
    await first.acquire()
    left = subprocess.Popen(["sleep", "600"], pass_fds=[first.fileno()])
    first.release()
    second = DataDirLock(tmp_path / "lock")
    await second.acquire()
    assert left.wait(5) == -signal.SIGKILL
    with pytest.raises(DataDirInUse):
        await DataDirLock(tmp_path / "lock").acquire()
    second.release()


async def test_only_a_person_mends_another_major_version(jars: Path, tmp_path: Path) -> None:
    """Data of another PostgreSQL end the start with what to do, and are not tried again."""
    cluster = tmp_path / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("16\n")
    for folder in (cluster.parent, cluster):
        shutil.chown(folder, "nobody" if os.geteuid() == 0 else os.geteuid())
    with pytest.raises(NeedsOperator, match="PostgreSQL 16"):
        async with Installation(settings(tmp_path), ["exporter"], durable=False, fetch=False):
            pass


def test_a_taken_port_is_named(unused_tcp_port: int) -> None:
    """A port that another program has is refused before anything starts, naming the setting."""
    refuse_taken("127.0.0.1", {"exporter": unused_tcp_port})
    with (
        socket.create_server(("127.0.0.1", unused_tcp_port)),
        pytest.raises(ConfigError, match="TAKEDOWN_HTTP_PORT"),
    ):
        refuse_taken("127.0.0.1", {"exporter": unused_tcp_port})


def test_a_start_after_a_kill_begins_at_once(tmp_path: Path, unused_tcp_port: int) -> None:
    """Roles that a killed monitor left have their ports still: the servers start meanwhile."""
    folder = Settings(data_dir=str(tmp_path), http=Http(port=unused_tcp_port))
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        with pytest.raises(ConfigError, match="TAKEDOWN_HTTP_PORT"):
            refuse_busy(folder, ["exporter"])
        write_endpoints(tmp_path, Endpoints(bootstrap_servers="", database_url=""))
        refuse_busy(folder, ["exporter"])


async def test_a_role_waits_for_servers_that_are_away(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    """It is not ready and says why, exits with no status, and stops when it is told to."""
    port, nobody = unused_tcp_port_factory(), unused_tcp_port_factory()
    variables = {
        "TAKEDOWN_DATABASE_URL": f"postgresql://takedown@127.0.0.1:{nobody}/takedown",
        "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{nobody}",
        "TAKEDOWN_HTTP_PORT": str(port),
    }
    command = [sys.executable, "-m", "services.cli", "run", "relay"]
    role = subprocess.Popen(command, env=environment_for(variables, tmp_path), stderr=-3)

    async def waiting() -> bool:
        with suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/readyz") as answer,
            ):
                return bool((await answer.json())["checks"]["relay"]["said"] == "NotStarted")
        return False

    try:
        await eventually("the role waits", waiting)
        assert role.poll() is None
        role.terminate()
        assert role.wait(15) == 0
    finally:
        role.kill()
        role.wait()
