"""An installation on the real servers: started, used from another process, killed, stopped, found again."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from schemas.urls import canonical
from services.runtime.installation import Installation
from services.runtime.settings import ExporterSection, Http, Settings, Topics
from services.runtime.supervisor import Backoff
from tests.servers import eventually

ROOT = Path(__file__).parent.parent.parent
URL = "https://marker-host-7f3a.example/marker-path"
QUICK = Backoff(first_seconds=0.1, longest_seconds=0.5)


@pytest.fixture
def settings(tmp_path, jars):
    """A small installation on a directory of its own."""
    return Settings(
        data_dir=str(tmp_path / "data"),
        topics=Topics(partitions=3),
        http=Http(port=0),
        exporter=ExporterSection(interval_seconds=0.5),
        stop_seconds=10.0,
    )


async def command(settings, *arguments, stdin=b"", status=0):
    """Run a command as another terminal would: it knows the data directory and nothing else."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *arguments,
        env=environment(settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    assert process.returncode == status, err.decode()
    return out.decode()


def environment(settings):
    """The environment of a process that is told of the data directory alone."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TAKEDOWN_")}
    return kept | {"PYTHONPATH": str(ROOT), "TAKEDOWN_DATA_DIR": settings.data_dir}


def report(number):
    """One line for `submit`."""
    event = {
        "type": "takedown.report.filed.v1",
        "time": f"2025-01-31T12:00:{number:02}Z",
        "data": {"reporter": "hotline", "url": f"{URL}/{number}", "provider": "giant"},
    }
    return json.dumps(event).encode() + b"\n"


async def test_reports_reach_the_ledger_and_stay(settings, tmp_path):
    """What another process submits is in the ledger, through a kill -9 and a stop; its URL is nowhere."""
    async with Installation(settings, durable=False, fetch=False, backoff=QUICK) as running:
        await running.ready()
        said = await command(settings, "submit", "-", "--wait", stdin=report(1))
        assert said == "1 event in the ledger\n"
        before = running.children["ledger"].pid
        await running.kill("ledger")

        async def restarted():
            return running.children["ledger"].pid not in (None, before)

        await eventually("the ledger is started again", restarted)
        said = await command(settings, "submit", "-", "--wait", stdin=report(2))
        assert said == "1 event in the ledger\n"
        said = await command(settings, "submit", "-", "--wait", stdin=report(2))
        assert said == "1 event in the ledger, 1 of them from before\n"
        await running.restart("relay")
        await running.ready()
        rows = json.loads(await command(settings, "case", "list", "--json"))
        kept = {row["case_id"] for row in rows}
        assert kept == {running.keyring.case_id(url) for url in canonical_urls(1, 2)}
        assert json.loads(await command(settings, "doctor", "--json"))
        assert json.loads(await command(settings, "dead-letters", "list", "--json")) == []
        await command(settings, "topics", "verify")
        await command(settings, "migrate", "status")
    await command(settings, "case", "list", status=3)

    async with Installation(settings, durable=False, fetch=False) as again:
        await again.ready()
        rows = json.loads(await command(settings, "case", "list", "--json"))
        assert {row["case_id"] for row in rows} == kept
        opened = await command(
            settings, "case", "reveal", sorted(kept)[0], "--purpose", "test", "--actor", "officer"
        )
        assert opened.startswith("hxxps://marker-host-7f3a[.]example/")
        assert await audit_log(again.dsn) == [("officer", "reveal", sorted(kept)[0], "test")]
        spells = json.loads(await command(settings, "case", "show", sorted(kept)[0], "--json"))
        assert spells["spells"][0]["provider"] == "giant"
        assert "2 cases" in await command(settings, "report")
    for path in (tmp_path / "data" / "logs").iterdir():
        assert "marker-" not in path.read_text()


def canonical_urls(*numbers):
    """The URLs of reports, as cases are named after them."""
    return [canonical(f"{URL}/{number}") for number in numbers]


async def audit_log(dsn):
    """Everything that was opened."""
    session = await asyncpg.connect(dsn)
    try:
        rows = await session.fetch("SELECT actor, action, case_id, purpose FROM audit_log")
        return [tuple(row) for row in rows]
    finally:
        await session.close()


async def test_the_ledger_refuses_what_submit_let_through(settings):
    """`--wait` tells of an event that the ledger refused: an id that says something else already."""
    named = {
        "type": "takedown.report.filed.v1",
        "time": "2025-01-31T12:00:00Z",
        "id": "6e0cbbd4-52d8-5d5c-9d1a-1f0d2b7f1c11",
    }
    lines = [
        json.dumps(named | {"data": {"reporter": who, "url": URL}}).encode() + b"\n"
        for who in ("hotline", "police")
    ]
    async with Installation(settings, ["ledger"], durable=False, fetch=False) as running:
        await running.ready()
        await command(settings, "submit", "-", "--wait", stdin=lines[0])
        await command(settings, "submit", "-", "--wait", stdin=lines[1])
        letters = json.loads(await command(settings, "dead-letters", "list", "--json"))
        assert [letter["reason"] for letter in letters] == ["id_conflict"]
        shown = json.loads(
            await command(settings, "dead-letters", "show", letters[0]["id"], "--json")
        )
        assert shown["reason"] == "id_conflict"
        said = await command(settings, "dead-letters", "retry", "--all", status=4)
        assert said.startswith("1 sent back; 1 refused again\n")


async def test_wrong_setting_of_a_role_ends_the_installation(settings, tmp_path):
    """A role that can't run at all is not restarted for ever: `up` ends with what it said."""
    method = tmp_path / "own.toml"
    method.write_text(
        'id = "own"\nversion = 1\ntitle = "x"\n[cadence]\nsteps = [{ every = "1h" }]\n'
    )
    broken = {"ledger": {"TAKEDOWN_METHODOLOGY": str(method)}}
    async with Installation(settings, ["ledger"], durable=False, fetch=False) as running:
        await running.ready()
        await command(settings, "submit", "-", "--wait", stdin=report(1))
    async with Installation(
        settings, ["ledger"], environments=broken, durable=False, fetch=False
    ) as running:
        with pytest.raises(Exception, match="folded under methodology nl-24h"):
            await asyncio.wait_for(running.failed(), 30)


async def test_nothing_outlives_up(settings):
    """After kill -9 of `takedown up` every process that it started ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        "up",
        "--offline",
        env=environment(settings) | {"TAKEDOWN_HTTP_PORT": "0"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        while b"ready;" not in (line := await asyncio.wait_for(process.stdout.readline(), 60)):
            assert line, "it ended before it was ready"
        started = processes_of(settings)
        assert len(started) >= 5
    finally:
        process.send_signal(signal.SIGKILL)
        await process.communicate()

    async def gone():
        return not processes_of(settings)

    await eventually("every process has ended", gone)


def processes_of(settings):
    """The processes that were told of this data directory, or work in it."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            seen = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if settings.data_dir.encode() in seen:
            found.append(int(folder.name))
    return found
