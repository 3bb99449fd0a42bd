"""`takedown replay` and `takedown archive` as an operator gives them."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from services.cli import app, replay_exchange
from services.runtime import keyfile, logging
from tests.integration.ledger_kit import (
    KEYRING,
    PARTITIONS,
    Lab,
    pure_digest,
    stories,
    story,
)
from tests.servers import REPOSITORY


class Desk:
    """An operator at the command line."""

    async def run(self, *arguments: str, code: int = 0) -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, app.cli, arguments)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    async def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads((await self.run(*arguments, "--json", code=code)).stdout)


@pytest.fixture
def desk(
    kafka_bootstrap: str, postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Desk:
    # The log of a whole test run is not a command's to redirect.
    monkeypatch.setattr(logging, "configure", lambda *_, **__: None)
    sealing = {name: key.hex() for name, key in KEYRING.sealing.items()}
    made = keyfile.KeyFile(naming=KEYRING.naming.hex(), active=KEYRING.active, sealing=sealing)
    keyfile.write_keys(tmp_path / "data" / "keys.toml", made)
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    monkeypatch.setenv("TAKEDOWN_DATABASE_URL", postgres_dsn)
    return Desk()


async def fill(ledger: Lab, events: Any) -> None:
    await ledger.produce(events)
    ledger.start()
    await ledger.drained()
    await ledger.stop()


async def test_an_operator_replays_compares_promotes_and_goes_back(ledger: Lab, desk: Desk) -> None:
    """Each command does its part, says so for people and programs, and exits as documented."""
    told = stories(12)
    await fill(ledger, told)
    same = await desk.json("replay", "--compare", "live")
    assert same["comparison"]["differing"] == 0
    assert same["result"]["digest"] == pure_digest(told)
    other = ("replay", "--methodology", "delivered-24h", "--compare", "live")
    differs = await desk.json(*other, code=5)
    assert differs["comparison"]["differing"] > 0
    assert set(differs["comparison"]["by_cause"]) == {"clock_start"}
    shown = (await desk.run(*other, "--details", code=5)).stdout
    assert "because of clock_start" in shown
    assert "clock_start of spell 1" in shown
    listed = {row["name"]: row for row in await desk.json("replay", "list")}
    assert listed["nl-24h"]["digest"] == pure_digest(told)
    await fill(ledger, story(20))
    refused = await desk.run("replay", "promote", "nl-24h", code=5)
    assert "--follow-to-live" in refused.output
    done = await desk.json("replay", "promote", "nl-24h", "--follow-to-live")
    assert (done["followed"], done["before"]) == (1, "before_nl-24h")
    assert await ledger.digest() == pure_digest([*told, *story(20)])
    await fill(ledger, story(21))
    behind = await desk.run("replay", "back", "nl-24h", code=5)
    assert "`takedown replay back nl-24h --follow-to-live`" in behind.output
    await desk.run("replay", "back", "nl-24h", "--follow-to-live")
    await desk.run("replay", "drop", "delivered-24h")
    assert [row["schema"] for row in await desk.json("replay", "list")] == ["replay_nl-24h"]
    await desk.run("replay", "drop", "delivered-24h", code=1)


async def test_another_definition_is_promoted_by_a_yes_alone(ledger: Lab, desk: Desk) -> None:
    """What stops, what must be set and the next command are said before and after; without a yes nothing moves."""
    await fill(ledger, stories(4))
    digest = await ledger.digest()
    await desk.run("replay", "--methodology", "delivered-24h")
    refused = await desk.run("replay", "promote", "delivered-24h", code=2)
    following = "TAKEDOWN_METHODOLOGY=delivered-24h takedown up"
    for words in ("from nl-24h version 1 to delivered-24h", "stops", "--yes", following):
        assert words in refused.stderr
    assert await ledger.digest() == digest
    done = await desk.run("replay", "promote", "delivered-24h", "--yes")
    assert f"have stopped or must be stopped; now run: {following}" in done.stdout
    asked = await desk.run("replay", "back", "delivered-24h", code=2)
    assert "TAKEDOWN_METHODOLOGY=nl-24h takedown up" in asked.stderr
    await desk.run("replay", "back", "delivered-24h", "--yes")
    assert await ledger.digest() == digest


@asynccontextmanager
async def monitor(data: Path, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Hold the data directory as a `takedown up` does."""
    child = [sys.executable, "-m", "tests.integration.monitor_child", str(data), *words]
    process = await asyncio.create_subprocess_exec(*child, stdout=PIPE, cwd=REPOSITORY)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"holds\n"
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_promotion_waits_until_the_monitor_has_stopped(
    ledger: Lab, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle `takedown up` is stopped and gone before the next command is named; one that stays is named instead."""
    await fill(ledger, stories(2))
    await desk.run("replay", "--methodology", "delivered-24h")
    async with monitor(tmp_path / "data") as running:
        done = await desk.run("replay", "promote", "delivered-24h", "--yes")
        assert await asyncio.wait_for(running.wait(), 10) == 0
    assert "stops      ledger, prober: all of this `takedown up`" in done.stderr
    assert f"waiting until `takedown up` (process {running.pid}) has stopped" in done.stderr
    following = "TAKEDOWN_METHODOLOGY=delivered-24h takedown up"
    assert f"`takedown up` has stopped; now run: {following}" in done.stdout
    monkeypatch.setattr(replay_exchange, "_STOP_SECONDS", 0.3)
    async with monitor(tmp_path / "data", "--deaf") as running:
        back = await desk.run("replay", "back", "delivered-24h", "--yes", "--json")
        assert running.returncode is None
    assert json.loads(back.stdout)["name"]
    assert f"(process {running.pid}) still runs: stop it, and then run: TAKEDOWN" in back.stderr


async def test_an_operator_archives_verifies_and_replays(
    ledger: Lab, desk: Desk, tmp_path: Path
) -> None:
    """The archive's replay has the digest of the evidence; a changed file is refused with status 5."""
    told = stories(6)
    await ledger.produce(told)
    folder = tmp_path / "kept"
    wrote = await desk.json("archive", "write", str(folder))
    assert wrote["records"] == len(told)
    assert (await desk.json("archive", "verify", str(folder)))["digest"] == wrote["digest"]
    found = await desk.run("replay", "--archive", str(folder), "--name", "kept")
    assert pure_digest(told) in found.stdout
    victim = next(folder.rglob("*.zst"))
    victim.write_bytes(victim.read_bytes() + b"x")
    broken = await desk.run("archive", "verify", str(folder), code=5)
    assert "SHA-256" in broken.output
    stopped = await desk.run("replay", "--archive", str(folder), "--name", "other", code=5)
    assert "SHA-256" in stopped.output


async def test_wrong_ranges_are_refused_in_words(ledger: Lab, desk: Desk) -> None:
    """Options that mean nothing end with status 2 and say what is wanted."""
    await ledger.produce(story(1))
    wrong = await desk.run("replay", "--until-offsets", "reports=3", code=2)
    assert "TOPIC/PARTITION=OFFSET" in wrong.output
    await desk.run("replay", "--name", "BAD NAME", code=2)
    await desk.run("replay", "--from", "2026-01-01T00:00:00", code=2)
    await desk.run("replay", "--methodology", "none-such", code=2)
    day, before = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
    for pair in (("--from", "--to"), ("--recorded-from", "--recorded-to")):
        backwards = await desk.run("replay", pair[0], day, pair[1], before, code=2)
        assert "does not lie after" in backwards.output
    place = "takedown.reports.v1/0"
    bounds = ("--from-offsets", f"{place}=3", "--until-offsets", f"{place}=3")
    assert "does not lie after" in (await desk.run("replay", *bounds, code=2)).output
    # What it is to be compared with is asked for first: nothing was folded in vain.
    await desk.run("replay", "--compare", "none-such", code=1)
    assert await desk.json("replay", "list") == []


async def test_an_operator_replays_archives_and_then_kafka(
    ledger: Lab, desk: Desk, tmp_path: Path
) -> None:
    """Archives are named one by one or by their folder; a gap or a missing begin ends with status 2, in words."""
    await fill(ledger, stories(6))
    await desk.run("replay", "--and-kafka", code=2)
    kept, rest, later = tmp_path / "kept", tmp_path / "rest", tmp_path / "later"

    def bounds(option: str, offset: int) -> list[str]:
        places = [f"takedown.reports.v1/{number}={offset}" for number in range(PARTITIONS)]
        return [part for place in places for part in (option, place)]

    await desk.run("archive", "write", str(kept / "1"), *bounds("--until-offsets", 1))
    await fill(ledger, story(20))
    await desk.run("archive", "write", str(rest), *bounds("--from-offsets", 1))
    await desk.run("archive", "write", str(later), *bounds("--from-offsets", 2))
    chain = ("replay", "--archive", str(kept / "1"), "--and-kafka", "--name", "chain")
    found = await desk.json(*chain, "--compare", "live")
    digest = found["result"]["digest"]
    assert digest == pure_digest([*stories(6), *story(20)])
    by_folder = await desk.json("replay", "--archive", str(kept), "--and-kafka", "--name", "chain")
    assert (by_folder["result"]["resumed"], by_folder["result"]["digest"]) == (True, digest)
    both = ("--archive", str(kept), "--archive", str(rest))
    files = await desk.json("replay", *both, "--name", "files")
    assert files["result"]["digest"] == digest
    other = await desk.run("replay", *both, "--name", "chain", code=2)
    assert "source" in other.output
    gap = ("--archive", str(kept), "--archive", str(later), "--name", "gap")
    missing = await desk.run("replay", *gap, code=2)
    assert "offset 1 of takedown.reports.v1/" in missing.output
    assert "--archive" in missing.output
