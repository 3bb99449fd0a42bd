"""A role under a service manager: it says when it has started, that it lives, and that it stops."""

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg

from services.ledger import migrate
from services.runtime.settings import Database, Http, Settings
from tests.commands import environment
from tests.servers import REPOSITORY, eventually, unavailable

UNITS = REPOSITORY / "deploy" / "systemd"


async def test_a_role_tells_its_manager_how_it_is(postgres_dsn: str, tmp_path: Path) -> None:
    """READY once the role works, signs of life while it does, STOPPING at SIGTERM, and status 0."""
    owner = await asyncpg.connect(postgres_dsn)
    await migrate.up(owner)
    await owner.close()
    settings = Settings(
        data_dir=str(tmp_path), database=Database(url=postgres_dsn), http=Http(port=0)
    )
    said: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        asyncio.get_running_loop().add_reader(
            manager, lambda: said.append(manager.recv(1024).decode())
        )
        asked = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "150000"}
        role = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.cli",
            "run",
            "exporter",
            env=environment(settings) | asked,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await eventually("it has started", lambda: holds("READY=1" in said))
        begun = len(said)
        await eventually(
            "it lives", lambda: holds(said[begun:].count("WATCHDOG=1") > 3), seconds=20
        )
        role.send_signal(signal.SIGTERM)
        assert await role.wait() == 0
        await eventually("it said that it stops", lambda: holds("STOPPING=1" in said))
        asyncio.get_running_loop().remove_reader(manager)
    assert said.count("READY=1") == 1


async def holds(condition: bool) -> bool:
    return condition


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """The manager itself finds nothing to complain about, and rates the exposure as low."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        unavailable("systemd-analyze", "it is not installed")
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    unit = tmp_path / "takedown@.service"
    unit.write_text(unit.read_text().replace("/opt/takedown-monitor/bin/takedown", "/bin/true"))
    for role in ("ledger", "relay", "exporter", "retention", "prober"):
        verify = [analyze, "verify", "--man=no", "--recursive-errors=no"]
        done = run(*verify, str(tmp_path / f"takedown@{role}.service"))
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), role
    security = [analyze, "security", "--offline=true", "--no-pager", "--threshold=15"]
    assert run(*security, str(unit)).returncode == 0


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)
