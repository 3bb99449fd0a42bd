"""Corrections, erasure, evidence packs and reconciliation as commands, on a real broker and a real database."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from click.testing import CliRunner, Result

from consumers.ledger.relay import Relay
from schemas import events as ev
from schemas import topics
from schemas.ids import instant
from services.cli import app
from services.exporter.health import Health
from services.ledger import audit
from services.runtime import keyfile, logging
from services.runtime.checkup_running import dead_letters
from services.runtime.findings import CheckNote
from services.runtime.settings import load
from tests.integration.ledger_kit import (
    KEYRING,
    START,
    Lab,
    case_of,
    event,
    lab,
    look,
    notice,
    pure_digest,
    report,
    story,
    url_of,
)
from tests.servers import eventually

CUTOFF = instant(START + timedelta(hours=60))
WHO = ("--actor", "analyst", "--reason", "provider objected")
HOUR = timedelta(hours=1)


class Desk:
    """An operator at the command line, with a ledger that runs."""

    def __init__(self, ledger: Lab, dsn: str, folder: Path) -> None:
        self.ledger = ledger
        self.dsn = dsn
        self.folder = folder

    async def run(self, *arguments: str, code: int = 0) -> Result:
        """Run a command on a loop of its own, as a process would."""
        result = await asyncio.to_thread(CliRunner().invoke, app.cli, arguments)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    async def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads((await self.run(*arguments, "--json", code=code)).stdout)

    async def told(self, *events: ev.Event) -> None:
        """Have evidence in the ledger."""
        await self.ledger.produce(events)
        await self.ledger.drained()

    async def correct(self, *arguments: str) -> Any:
        """Run a correction; it returns once the ledger has it."""
        said = await self.json("correct", *arguments)
        self.ledger.sent += 1
        return said

    async def pack(self, *more: str, provider: str = "giant", name: str = "pack") -> Path:
        """Write an evidence pack."""
        out = self.folder / name
        await self.run("evidence", provider, "--out", str(out), "--cutoff", CUTOFF, *more)
        return out

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.ledger.pool.fetch(statement)]


@pytest.fixture
async def desk(
    kafka_bootstrap: str, postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    for name in [name for name in os.environ if name.startswith("TAKEDOWN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TAKEDOWN_DATABASE_URL", postgres_dsn)
    monkeypatch.setenv("TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    # The log of a whole test run is not a command's to redirect.
    monkeypatch.setattr(logging, "configure", lambda *_, **__: None)
    monkeypatch.setattr(logging, "silence", lambda _: None)
    sealing = {name: key.hex() for name, key in KEYRING.sealing.items()}
    made = keyfile.KeyFile(naming=KEYRING.naming.hex(), active=KEYRING.active, sealing=sealing)
    keyfile.write_keys(tmp_path / "data" / "keys.toml", made)
    async with lab(kafka_bootstrap, postgres_dsn) as ledger:
        ledger.start()
        yield Desk(ledger, postgres_dsn, tmp_path)
        await ledger.stop()


def lines(pack: Path, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pack / f"{table}.jsonl").read_text().splitlines()]


async def test_every_correction_is_seen_everywhere(desk: Desk) -> None:
    """A retraction stands in `case show`, in the pack and in the counts, and deletes nothing."""
    await desk.run("keys", "signing")
    await desk.told(*story(1), *story(2))
    before = await desk.rows("SELECT event_id FROM events")
    await desk.correct("retract", case_of(1), "--actor", "hotline", "--reason", "not illegal")
    shown = await desk.json("case", "show", case_of(1))
    (correction,) = shown["corrections"]
    assert (correction["kind"], correction["actor"], correction["reason"]) == (
        ("report_retracted", "hotline", "not illegal")
    )
    assert [spell["excluded"] for spell in shown["spells"]] == ["retracted"]
    assert len(await desk.rows("SELECT event_id FROM events")) == len(before) + 1
    out = desk.folder / "now"
    pack = await desk.json("evidence", "giant", "--out", str(out))
    assert (pack["figures"]["n"], pack["figures"]["excluded"]) == (1, {"retracted": 1})
    assert [row["actor"] for row in lines(out, "corrections")] == ["hotline"]
    # At a cut-off before the correction, the pack says what was said then.
    assert lines(await desk.pack(), "corrections") == []


async def test_an_attribution_corrects_history(desk: Desk) -> None:
    """With --effective-from, another provider is charged with what was seen since."""
    await desk.told(report(1), notice(1, START + HOUR), notice(1, START + HOUR, "small"))
    await desk.told(*(look(1, START + hour * HOUR, "online") for hour in (2, 30)))
    await desk.correct(
        "attribute", case_of(1), "--provider", "small", "--effective-from", instant(START), *WHO
    )
    shown = await desk.json("case", "show", case_of(1))
    assert {spell["provider"] for spell in shown["spells"]} == {"small"}
    assert (shown["corrections"][0]["provider"], shown["corrections"][0]["method"]) == (
        ("small", "manual")
    )
    assert shown["corrections"][0]["effective_from"] is not None


async def test_a_hold_is_placed_and_lifted(desk: Desk) -> None:
    """The clock stands still from the hold to its end, and both name who and why."""
    await desk.told(report(1), notice(1, START), look(1, START + HOUR, "online"))
    await desk.correct("hold", case_of(1), "--until", "2100-01-01T00:00:00Z", *WHO)
    clock = "SELECT clock FROM spells"
    assert await desk.rows(clock) == [{"clock": "ON_HOLD"}]
    await desk.correct("lift", case_of(1), "--actor", "prosecutor", "--reason", "enquiry over")
    assert await desk.rows(clock) == [{"clock": "RUNNING"}]
    again = await desk.run("correct", "lift", case_of(1), *WHO, code=1)
    assert "there is no hold on case" in again.stderr
    shown = await desk.json("case", "show", case_of(1))
    assert [(c["kind"], c["actor"], c["reason"]) for c in shown["corrections"]] == [
        ("hold_placed", "analyst", "provider objected"),
        ("hold_lifted", "prosecutor", "enquiry over"),
    ]


async def test_an_erased_url_is_gone_everywhere(desk: Desk) -> None:
    """The sealed URL is nowhere in the database and off the watch list; timings, digest and audit stay."""
    told = [report(1), notice(1, START), look(1, START + HOUR, "online")]
    await desk.told(*told, report(2))
    sealed = told[0].data.sealed_url  # type: ignore[attr-defined]
    relay = Relay(desk.ledger.kafka, desk.ledger.pool, Health(), batch_records=1000)
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))

    async def published() -> bool:
        return not await desk.rows("SELECT id FROM outbox")

    try:
        # What is still to be sent is emptied by the erasure too.
        await eventually("the probers were told of the case", published)
        revealed = await desk.run("case", "reveal", case_of(1), "--purpose", "enquiry 7")
        assert "hxxp://host1[.]example" in revealed.stdout
        said = await desk.correct("erase", case_of(1), "--yes", *WHO)
        await eventually("the outbox is empty", published)
    finally:
        stop.set()
        await running
    for table in ("events", "cases", "outbox", "audit_log", "outcomes", "transitions", "spells"):
        text = str(await desk.rows(f"SELECT t::text FROM {table} AS t"))
        assert (sealed in text, sealed.encode().hex() in text, table) == (False, False, table)
    (kept,) = await desk.rows(f"SELECT sealed_url FROM cases WHERE case_id = '{case_of(2)}'")
    assert kept["sealed_url"] is not None
    entries = [
        r for r in await desk.ledger.read(topics.WATCHLIST.name) if r.key == case_of(1).encode()
    ]
    assert entries[0].value is not None
    assert entries[-1].value is None
    await desk.run("case", "reveal", case_of(1), "--purpose", "enquiry 8", code=1)
    # People read the clock of their zone, programs UTC.
    assert re.search(r" CES?T", (await desk.run("audit", "list")).stdout)
    acts = await desk.json("audit", "list", "--case", case_of(1))
    assert [(a["action"], a["purpose"]) for a in acts] == [
        ("reveal", "enquiry 7"),
        ("erase", "provider objected"),
    ]
    at = datetime.fromisoformat(said["time"])
    erasure = event(case_of(1), at, ev.CaseErased(actor="analyst", reason="provider objected"))
    assert str(erasure.id) == said["event_id"]
    source = msgspec.structs.replace(erasure, source="takedown:correct")
    assert await desk.ledger.digest() == pure_digest([*told, report(2), source])


async def test_an_unknown_case_is_not_corrected(desk: Desk) -> None:
    """A case id that was mistyped makes no case: nothing is sent, nothing is audited."""
    await desk.run("correct", "erase", "f" * 32, "--yes", *WHO, code=1)
    assert await desk.rows("SELECT * FROM audit_log") == []
    assert [await desk.ledger.read(topic.name) for topic in topics.EVIDENCE] == [[], []]


async def test_reasons_name_no_place(desk: Desk) -> None:
    """A URL or a host name in an actor or a reason is refused and not repeated: these words are unsealed."""
    for word in (url_of(1), "see host1.example"):
        refused = await desk.run(
            "correct", "retract", case_of(1), "--actor", "x", "--reason", word, code=2
        )
        assert "host1" not in refused.output


async def test_a_pack_is_signed_audited_and_the_same_again(desk: Desk) -> None:
    """Two packs of one cut-off are equal to the byte, verify with the public key alone, and hold no URL."""
    await desk.run("evidence", "giant", "--out", str(desk.folder / "none"), code=2)
    public = desk.folder / "operator.pem"
    public.write_text((await desk.run("keys", "signing")).stdout)
    assert public.read_text() == (await desk.run("keys", "signing")).stdout
    told = [one for number in range(12) for one in story(number)]
    await desk.told(*told)
    first = await desk.pack(name="first.zip")
    await desk.told(look(1, START + 70 * HOUR, "online"))
    second = await desk.pack(name="second.zip")
    assert first.read_bytes() == second.read_bytes()
    verified = await desk.json("evidence", "verify", str(first), "--public-key", str(public))
    assert len(verified["files"]) == 23
    body = first.read_bytes()
    assert (b"host1.example" in body, b"example/material" in body, b"s1.k1." in body) == (
        (False, False, False)
    )
    first.write_bytes(body.replace(b"certain_breaches", b"certain_breachez", 1))
    await desk.run("evidence", "verify", str(first), "--public-key", str(public), code=5)
    acts = await desk.json("audit", "list", "--action", "evidence")
    assert [act["purpose"] for act in acts] == ["evidence pack for giant: right of reply"] * 2
    assert "2 entries, unbroken" in (await desk.run("audit", "verify")).stdout


async def test_an_unknown_provider_gets_no_pack(desk: Desk) -> None:
    """A mistyped provider ends in an error with the nearest name: no empty pack, no act in the audit log."""
    await desk.run("keys", "signing")
    await desk.told(*story(1))
    out = desk.folder / "pack.zip"
    refused = await desk.run("evidence", "gaint", "--out", str(out), code=1)
    assert "did you mean giant?" in refused.stderr
    assert "known are" in (await desk.run("evidence", "xyz", "--out", str(out), code=1)).stderr
    assert not out.exists()
    assert await desk.rows("SELECT * FROM audit_log") == []


async def test_a_list_of_cases_says_what_it_leaves_out(desk: Desk) -> None:
    """A list that ends early counts what it does not show, and 0 shows all."""
    await desk.told(*story(1), *story(2), *story(3))
    cut = await desk.run("case", "list", "--limit", "2")
    assert "there is 1 more case; --limit 0 lists all" in cut.stderr
    assert len(cut.stdout.splitlines()) == 3
    whole = await desk.run("case", "list", "--limit", "0", "--json")
    assert (len(json.loads(whole.stdout)), whole.stderr) == (3, "")
    assert (await desk.run("case", "list", "--limit", "3")).stderr == ""


async def test_what_one_asks_for_by_a_wrong_id(desk: Desk) -> None:
    """An id that nothing has ends in status 1, whatever it is of."""
    for words in (("case", "show", "f" * 32), ("dead-letters", "show", "nothing/0/0")):
        await desk.run(*words, code=1)
    await desk.run("dead-letters", "retry", "nothing/0/0", code=1)
    await desk.run("replay", "drop", "nothing", code=1)


async def test_acts_on_one_thing_as_json(desk: Desk) -> None:
    """A program reads what was opened and what was sent back; people read no lists of Python."""
    await desk.told(report(1))
    revealed = await desk.json("case", "reveal", case_of(1), "--purpose", "enquiry 7")
    assert revealed["case_id"] == case_of(1)
    assert revealed["defanged_url"].startswith("hxxp://host1[.]example")
    headers = [("ce_type", b"x"), ("trace", b"y")]
    await desk.ledger.produce_raw([(topics.REPORTS.name, b"k", b"{}", headers)])
    await desk.ledger.drained()
    assert re.search(r" CES?T", (await desk.run("dead-letters", "list")).stdout)
    (letter,) = await desk.json("dead-letters", "list")
    with pytest.raises(CheckNote, match="1 could not be used and count nowhere"):
        await dead_letters(load())
    shown = (await desk.run("dead-letters", "show", letter["id"])).stdout
    assert "headers   ce_type, trace\n" in shown
    assert "retried   no\n" in shown
    said = (await desk.run("dead-letters", "retry", letter["id"], "--json", code=4)).stdout
    # The ledger that runs beside the command here may log that it refused the record again.
    sent, _ = json.JSONDecoder().raw_decode(said[said.index("{\n") :])
    assert (sent["sent_back"], sent["sent_back_before"]) == (1, 0)
    (again,) = sent["refused_again"]
    assert (again["reason"], again["id"] != letter["id"]) == (letter["reason"], True)
    repeated = await desk.run("dead-letters", "retry", letter["id"])
    assert "0 sent back, 1 were sent back before" in repeated.stdout
    desk.ledger.sent += 1


async def test_a_pack_is_never_written_over(desk: Desk) -> None:
    """What exists stays as it is, and a failure leaves nothing behind."""
    await desk.run("keys", "signing")
    await desk.told(*story(1))
    out = await desk.pack()
    held = sorted(path.name for path in desk.folder.iterdir())
    await desk.run("evidence", "giant", "--out", str(out), code=2)
    await desk.run("evidence", "giant", "--out", str(desk.folder / "no" / "pack"), code=2)
    assert sorted(path.name for path in desk.folder.iterdir()) == held


async def test_a_pack_under_another_methodology_says_so(desk: Desk) -> None:
    """Another definition folds the same evidence anew; nothing in the ledger changes."""
    await desk.run("keys", "signing")
    await desk.told(*story(1))
    digest = await desk.ledger.digest()
    out = await desk.pack("--methodology", "receipt-24h")
    pack = json.loads((out / "pack.json").read_text())
    assert pack["methodology"] == "receipt-24h"
    (spell,) = lines(out, "spells")
    assert spell["clock_started_at"] == instant(START)
    assert await desk.ledger.digest() == digest == pure_digest(story(1))


async def test_reconciling_finds_what_each_side_lacks(desk: Desk) -> None:
    """As with SCART's 1,413 of 2,827: what matches, what is missing on either side, what differs."""
    await desk.told(*(one for number in (1, 2, 3) for one in story(number)))
    sheet = desk.folder / "list.csv"
    head = "case_id,notice_id,received_at,removed_at\n"
    agreeing = (
        f"{case_of(1)},n1,{instant(START + timedelta(minutes=6))},{instant(START + 9 * HOUR)}\n"
    )
    sheet.write_text(head + agreeing)
    result = await desk.json("reconcile", "giant", str(sheet), "--cutoff", CUTOFF, code=5)
    counts = ("rows", "matched", "only_theirs", "only_ours", "differing", "malformed")
    assert [result[name] for name in counts] == [1, 1, 0, 2, 0, 0]
    late = f"{case_of(2)},n1,{instant(START + 9 * HOUR)},\n"
    sheet.write_text(head + agreeing + late + f"{'f' * 32},,,\n" + "broken\n")
    details = desk.folder / "details.csv"
    result = await desk.json(
        "reconcile", "giant", str(sheet), "--cutoff", CUTOFF, "--csv", str(details), code=4
    )
    assert [result[name] for name in counts] == [4, 2, 1, 1, 1, 1]
    assert len(details.read_text().splitlines()) == len(result["details"]) + 1
    text = (await desk.run("reconcile", "giant", str(sheet), "--cutoff", CUTOFF, code=4)).stdout
    assert "4 rows = 2 matched, 0 repeated, 1 only there, 1 unreadable" in text
    local = f"{START + timedelta(minutes=66):%d-%m-%Y %H:%M}"
    sheet.write_text(f"Case;Ticket;In\n{case_of(1)};n1;{local}\n")
    own = ("--column", "case_id=Case", "--column", "notice_id=Ticket", "--column", "received_at=In")
    dates = ("--date-format", "dd-mm-yyyy HH:MM", "--zone", "Europe/Amsterdam", "--save-mapping")
    words = ("reconcile", "giant", str(sheet), "--cutoff", CUTOFF)
    await desk.run(*words, *own, *dates, code=5)
    kept = await desk.json(*words, code=5)
    assert [kept[name] for name in counts] == [1, 1, 0, 2, 0, 0]


async def test_lists_that_agree_exit_with_zero(desk: Desk) -> None:
    """Where both sides say the same, the exit status says so."""
    await desk.told(*story(1))
    sheet = desk.folder / "list.csv"
    sheet.write_text(f"case_id\n{case_of(1)}\n")
    await desk.run("reconcile", "giant", str(sheet), "--cutoff", CUTOFF)
    # With a name that nobody has, every list would differ and an empty one agree.
    unknown = await desk.run("reconcile", "gaint", str(sheet), "--cutoff", CUTOFF, code=1)
    assert "did you mean giant" in unknown.stderr


async def test_a_reader_sees_corrections_and_no_bodies(desk: Desk) -> None:
    """The reader's role has the view of corrections and the audit log, and still not the events' bodies."""
    session = await asyncpg.connect(desk.dsn)
    try:
        await session.execute("SET ROLE takedown_reader")
        await session.fetch("SELECT * FROM corrections")
        await audit.verify(session)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.fetch("SELECT body FROM events")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await audit.record(session, "x", "reveal", None, "y")
    finally:
        await session.close()


MAP = """[[provider]]
id = "small"
name = "Small"
[[provider]]
id = "giant"
name = "Giant"
[[provider.prefix]]
cidr = "192.0.2.0/25"
"""


async def test_an_accepted_map_changes_the_spells_that_it_should(desk: Desk) -> None:
    """Live, by replay and under the map itself the same spells move to the right provider, and no others."""
    path, table = desk.folder / "providers.toml", desk.folder / "table.csv"
    path.write_text(MAP)
    table.write_text(
        f"provider,prefix,valid_from\nsmall,192.0.2.1/32,{instant(START + 20 * HOUR)}\n"
    )
    hours = (2, 19, 22, 22.5, 23, 30)
    told = [e for n in (1, 2) for e in (report(n, provider=None), notice(n, START + HOUR))]
    told += [look(1, START + hour * HOUR, "online") for hour in hours]
    told += [at_address(look(2, START + hour * HOUR, "online"), "192.0.2.2") for hour in hours]
    await desk.told(*told)
    corrected = desk.folder / "corrected.toml"
    since = instant(START + 20 * HOUR)
    row = f'[[prefix]]\ncidr = "192.0.2.1/32"\nprovider = "small"\nvalid_from = {since}\n'
    corrected.write_text(MAP + row)
    await desk.run("replay", "--name", "mapped", "--provider-map", str(corrected), "--with-events")
    map_option = ("--map", str(path))
    shown = await desk.json("providers", "import", str(table), *map_option)
    assert [(one["sign"], one["subject"]) for one in shown["difference"]] == [("+", "192.0.2.1/32")]
    assert path.read_text() == MAP
    done = await desk.json("providers", "import", str(table), *map_option, "--accept", *WHO)
    assert (done["events"], done["cases"], done["cases_for_replay"]) == (1, 1, [])
    desk.ledger.sent += 1
    await desk.run("audit", "verify")
    assert (await desk.json("audit", "list"))[0]["action"] == "provider_map"
    statement = "SELECT provider, opened_at, clock FROM {}.spells ORDER BY case_id, spell"
    moved = {case_of(1): ["giant", "small"], case_of(2): ["giant"]}
    live = await desk.rows(statement.format("public"))
    assert [row["provider"] for row in live] == [p for c in sorted(moved) for p in moved[c]]
    await desk.run("replay", "--name", "again", "--compare", "live")
    session = await asyncpg.connect(desk.dsn)
    for shadow in ("replay_again", "replay_mapped"):
        rows = await session.fetch(statement.format(shadow))
        assert [dict(row) for row in rows] == live
    await session.close()
    again = await desk.json("providers", "import", str(table), *map_option, "--accept", *WHO)
    assert (again["difference"], again["events"]) == ([], 0)


def at_address(event_: ev.Event, address: str) -> ev.Event:
    """Have a look be one of another address."""
    look_ = event_.data
    assert isinstance(look_, ev.LookMade)
    served = tuple(msgspec.structs.replace(one, address=address) for one in look_.served)
    return msgspec.structs.replace(event_, data=msgspec.structs.replace(look_, served=served))


async def test_a_proxy_names_the_host(desk: Desk, tmp_path: Path) -> None:
    """The reply ends the proxy's spell as passed on; `moves` has the flow with its countries, beside a move."""
    providers = tmp_path / "map.toml"
    providers.write_text(
        '[[provider]]\nid = "giant"\nname = "Giant"\ncountry = "NL"\n'
        '[[provider]]\nid = "small"\nname = "Small"\ncountry = "DE"\n'
    )
    edge = ev.Served(address="192.0.2.1", provider="shield", role="proxy", online=True)
    seen = look(1, START + 2 * HOUR, "online")
    assert isinstance(seen.data, ev.LookMade)
    through = event(seen.case_id, seen.time, msgspec.structs.replace(seen.data, served=(edge,)))
    await desk.told(report(1), notice(1, START + HOUR, "shield"), through)
    await desk.told(report(2), notice(2, START + HOUR), look(2, START + 2 * HOUR, "online"))
    await desk.told(*(look(2, START + hour * HOUR, "online", "small") for hour in (3, 4, 5)))
    await desk.correct("edge-reply", case_of(1), "--proxy", "shield", "--provider", "giant", *WHO)
    shown = await desk.json("case", "show", case_of(1))
    assert [(s["provider"], s["closed_reason"]) for s in shown["spells"]] == [
        ("shield", "passed_on"),
        ("giant", None),
    ]
    flows = await desk.json("moves", "--map", str(providers))
    assert [(f["origin"], f["target"], f["moved"], f["passed_on"]) for f in flows] == [
        ("giant", "small", 1, 0),
        ("shield", "giant", 0, 1),
    ]
    countries = await desk.json("moves", "--by", "country", "--map", str(providers))
    assert [(f["origin_country"], f["target_country"]) for f in countries] == [
        (None, "NL"),
        ("NL", "DE"),
    ]
    assert await desk.json("moves", "--cutoff", instant(START + 3 * HOUR)) == []
