"""Retention on a real broker and a real database: URLs go everywhere, timings stay, and a killed round goes on."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consumers.record.archive_reader import (
    read_manifest,
)
from consumers.retention.mover import Mover, archives_in
from consumers.retention.proof import REPORTS
from consumers.retention.redactor import Redactor
from consumers.retention.round_lock import RetentionBusy, RoundLock
from schemas import topics
from services.cli import app
from services.ledger import audit
from services.runtime import keyfile, logging
from tests.integration.ledger_kit import (
    KEYRING,
    START,
    Lab,
    case_of,
    look,
    notice,
    report,
    url_of,
)
from tests.integration.retention_kit import (
    DAYS,
    RECENT,
    SOON,
    begins,
    removed,
    retention,
    sealed_urls,
    standing,
    taken,
    unpacked,
)
from tests.servers import eventually

pytestmark = pytest.mark.usefixtures("running")


async def test_a_url_goes_so_many_days_after_its_watch(ledger: Lab, tmp_path: Path) -> None:
    """The watch of a removed case ends 30 days after; 90 days later its URL goes, and not a day before."""
    await ledger.produce([*removed(1), *removed(2, START + 20 * DAYS)])
    await ledger.drained()
    early, due = START + 119 * DAYS, START + 121 * DAYS
    nothing = await retention(ledger, tmp_path, early).round()
    assert (nothing.erased, await sealed_urls(ledger)) == (0, {case_of(1), case_of(2)})
    done = await taken(ledger, await retention(ledger, tmp_path, due).round())
    assert (done.erased, await sealed_urls(ledger)) == (1, {case_of(2)})
    again = await retention(ledger, tmp_path, due).round()
    assert again.erased == 0
    (row,) = await ledger.pool.fetch("SELECT * FROM spells WHERE case_id = $1", case_of(1))
    assert (row["clock"], row["presence"]) == ("WITHIN", "REMOVED")
    acts = await audit.newest(ledger.pool, "erase", None, 10)
    assert [(a["actor"], a["purpose"][:7]) for a in acts] == [("retention", "1 cases")]


async def test_what_is_said_twice_is_one_erasure(ledger: Lab, tmp_path: Path) -> None:
    """Two rounds before the ledger has read the first leave one event: it is a function of the evidence."""
    await ledger.produce(removed(1))
    await ledger.drained()
    await ledger.stop()
    for hours in (0, 1):
        at = START + 130 * DAYS + timedelta(hours=hours)
        ledger.sent += (await retention(ledger, tmp_path, at).round()).erased
    ledger.start()
    await ledger.drained()
    found = await ledger.pool.fetch("SELECT 1 FROM events WHERE type = 'takedown.case.erased.v1'")
    assert (len(found), await sealed_urls(ledger)) == (1, set())


async def test_a_case_under_watch_keeps_its_url(ledger: Lab, tmp_path: Path) -> None:
    """What was seen online lately is watched on, however old its report is."""
    late = START + 150 * DAYS
    await ledger.produce([report(3), notice(3, START), look(3, late, "online")])
    await ledger.drained()
    done = await retention(ledger, tmp_path, late + 80 * DAYS).round()
    assert (done.erased, await sealed_urls(ledger)) == (0, {case_of(3)})


async def test_old_records_move_to_archives_without_urls(ledger: Lab, tmp_path: Path) -> None:
    """Plain and sealed URLs, and what could not be read, are on no topic and in no file; the rest is there."""
    plain = b'{"reporter":"hotline","url":"%s"}' % url_of(5).encode()
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"5"),
        ("ce_source", b"test"),
        ("ce_type", b"takedown.report.filed.v1"),
        ("ce_time", b"2026-01-01T00:00:00Z"),
    ]
    await ledger.produce_raw(
        [
            (REPORTS, url_of(5).encode(), plain, headers),
            (REPORTS, None, b"http://host6.example/material/6", []),
        ]
    )
    await ledger.produce(removed(1, RECENT))
    await ledger.drained()
    assert len(await standing(ledger, topics.REPORTS.dlq)) == 1
    kept = await retention(ledger, tmp_path, datetime.now(UTC) + 80 * DAYS).round()
    assert (kept.moved, kept.forgotten) == (0, 0)
    done = await retention(ledger, tmp_path, SOON).round()
    assert (done.moved, done.forgotten) == (4, 1)
    assert [r.value for r in await standing(ledger, REPORTS)] == []
    assert await standing(ledger, topics.REPORTS.dlq) == []
    assert len(await standing(ledger, topics.OBSERVATIONS.name)) == 5
    (folder,) = archives_in(tmp_path)
    manifest = read_manifest(folder)
    assert (manifest.without_urls, manifest.records) == (True, 4)
    content = unpacked(folder)
    for number in (1, 5, 6):
        assert url_of(number).encode() not in content
    assert b"s1.k1." not in content
    assert case_of(5).encode() in content


async def test_a_round_that_was_ended_goes_on(
    ledger: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended between the archive and the deletion, the next round deletes, and writes nothing twice."""
    await ledger.produce([report(n, RECENT) for n in range(12)])
    await ledger.drained()

    async def ended(self: Mover, ends: object) -> None:
        raise OSError("ended")

    with monkeypatch.context() as patched:
        patched.setattr(Mover, "_delete", ended)
        with pytest.raises(OSError, match="ended"):
            await retention(ledger, tmp_path, SOON).round()
    assert sum(await begins(ledger, REPORTS)) == 0
    await ledger.produce([report(20, RECENT)])
    await ledger.drained()
    later = SOON + timedelta(hours=1)
    assert (await retention(ledger, tmp_path, later).round()).moved == 1
    spans = [read_manifest(folder) for folder in archives_in(tmp_path)]
    assert [m.records for m in spans] == [12, 1]
    assert sum(await begins(ledger, REPORTS)) == 13


async def test_what_the_ledger_has_not_taken_stays(ledger: Lab, tmp_path: Path) -> None:
    """Records that no ledger has read yet are moved nowhere, however old they are."""
    await ledger.produce([report(1, RECENT)])
    await ledger.drained()
    await ledger.stop()
    await ledger.produce([report(n, RECENT) for n in range(2, 8)])
    assert (await retention(ledger, tmp_path, SOON).round()).moved == 1
    assert len(await standing(ledger, REPORTS)) == 6


async def test_only_one_moves_at_a_time(ledger: Lab, tmp_path: Path) -> None:
    """A second process on the same folder is told to wait; the lock goes with the first."""

    async def alone() -> None:
        """Nobody else is at work."""

    mover, other = (
        Mover(ledger.kafka, ledger.pool, tmp_path, Redactor(KEYRING), lambda: None, alone)
        for _ in "ab"
    )
    moving = asyncio.create_task(mover.move(SOON, SOON, {}))
    await asyncio.sleep(0)
    with pytest.raises(RetentionBusy):
        await other.move(SOON, SOON, {})
    await moving
    assert await mover.move(SOON, SOON, {}) == 0


async def test_the_role_works_by_itself(ledger: Lab, tmp_path: Path) -> None:
    """As a role it makes rounds until it is stopped, with nobody asking."""
    await ledger.produce(removed(1))
    await ledger.drained()
    stop = asyncio.Event()
    begun, passing = datetime.now(UTC), retention(ledger, tmp_path, SOON)
    passing._clock = lambda: SOON + (datetime.now(UTC) - begun) + 400 * DAYS
    running = asyncio.create_task(passing.run(stop))

    async def gone() -> bool:
        return not await sealed_urls(ledger) and len(await standing(ledger, REPORTS)) == 0

    await eventually("the URL is gone", gone)
    stop.set()
    await running


async def test_an_operator_does_it_now(
    ledger: Lab,
    kafka_bootstrap: str,
    postgres_dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`takedown retention` tells what is due, asks before it destroys, and does it with --yes."""
    for name in [name for name in os.environ if name.startswith("TAKEDOWN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TAKEDOWN_DATABASE_URL", postgres_dsn)
    monkeypatch.setenv("TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    # The log of a whole test run is not a command's to redirect.
    monkeypatch.setattr(logging, "configure", lambda *_, **__: None)
    monkeypatch.setattr(logging, "silence", lambda _: None)
    sealing = {name: key.hex() for name, key in KEYRING.sealing.items()}
    made = keyfile.KeyFile(naming=KEYRING.naming.hex(), active=KEYRING.active, sealing=sealing)
    keyfile.write_keys(tmp_path / "keys.toml", made)
    await ledger.produce(removed(1, datetime.now(UTC) - 130 * DAYS))
    await ledger.drained()

    async def run(*words: str, **more: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app.cli, ["retention", *words], **more)

    told = await run("--dry-run", "--json")
    assert json.loads(told.stdout)["kept"] == {"erased": 1, "moved": 0, "forgotten": 0}
    refused = await run(input="n\n")
    assert (refused.exit_code, "URLs of 1 case to destroy" in refused.stderr) == (1, True)
    assert await sealed_urls(ledger) == {case_of(1)}
    async with RoundLock(ledger.pool).held():
        busy = await run("--yes")
    assert (busy.exit_code, "another retention" in busy.stderr) == (1, True), busy.output
    assert await sealed_urls(ledger) == {case_of(1)}
    done = await run("--yes")
    assert (done.exit_code, "done: URLs of 1 case" in done.stdout) == (0, True), done.output
    ledger.sent += 1
    await ledger.drained()
    assert await sealed_urls(ledger) == set()
    monkeypatch.setenv("TAKEDOWN_RETENTION_URL_DAYS", "0")
    never = await run("--dry-run")
    assert (never.exit_code, "TAKEDOWN_RETENTION_URL_DAYS is 0" in never.stderr) == (2, True)
