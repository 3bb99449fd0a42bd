"""The evidence pack: a function of the evidence, signed to the byte, with a reason for every standing and no URL."""

import csv
import hashlib
import json
import random
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given

from schemas import events as ev
from schemas.errors import ConfigError
from schemas.methodology import shipped
from services.core.bounds import standing
from services.core.digest import case_digest, combined
from services.core.fold import fold
from services.reports.evidence_case import Scope, dossier
from services.reports.evidence_pack import Operator, Pack, PackWriter
from services.reports.evidence_rows import TABLES
from services.reports.evidence_seal import (
    SIGNATURE,
    SUMS,
    PackRejected,
    public_pem,
    read_public,
    verify,
    write_zip,
)
from services.reports.table import build
from services.runtime.redaction import redact
from tests.strategies import START, event, histories, look

METHOD = shipped()["nl-24h"]
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
HOUR = timedelta(hours=1)
CUTOFF = START + 60 * HOUR
SCOPE = Scope(provider="giant", methodology=METHOD, cutoff=CUTOFF)
MARKER = "https://marker-host.example/very/secret"


def case_name(number: int) -> str:
    return f"{number:032x}"


def told(number: int, *, gone_from: int = 99, failed: bool = False) -> list[ev.Event]:
    """Give a case that was notified an hour after the report and seen gone from an hour on."""
    case = case_name(number)
    events = [
        event(
            START, ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x", provider="giant"), case
        ),
        event(START + HOUR, ev.NoticeSent(notice_id=f"n{number}", provider="giant"), case),
    ]
    if failed:
        bounced = ev.NoticeFailed(notice_id=f"n{number}", reason="mailbox_full")
        events.append(event(START + 2 * HOUR, bounced, case))
    for hour in range(2, 40):
        verdict = "removed" if hour >= gone_from else "online"
        events.append(look(START + hour * HOUR, verdict, provider="giant", case=case))
    return events


def world() -> list[list[ev.Event]]:
    """Give one case of each kind: removed in time, breached, undecided, retracted, held, moved, never told."""
    within, breached = told(1, gone_from=10), told(2)
    undecided = [e for e in told(3, gone_from=30) if not 24 * HOUR < e.time - START < 30 * HOUR]
    retraction = ev.ReportRetracted(actor="hotline", reason="not illegal")
    retracted = [*told(4), event(START + 5 * HOUR, retraction, case_name(4))]
    hold = ev.HoldPlaced(actor="police", reason="enquiry", expires_at=START + 50 * HOUR)
    lift = ev.HoldLifted(actor="prosecutor", reason="enquiry over")
    held = [
        *told(5),
        event(START + 3 * HOUR, hold, case_name(5)),
        event(START + 9 * HOUR, lift, case_name(5)),
    ]
    moving = [
        look(START + hour * HOUR, "online", provider="small", case=case_name(6))
        for hour in range(12, 15)
    ]
    moved = [e for e in told(6) if e.time < START + 12 * HOUR] + moving
    return [within, breached, undecided, retracted, held, moved, told(7, failed=True)]


def made(folder: Path, cases: list[list[ev.Event]], scope: Scope = SCOPE) -> Pack:
    folder.mkdir()
    with PackWriter(folder, scope, redact) as writer:
        for case in cases:
            writer.add(case)
    return writer.finish(KEY, Operator(name="Hotline", contact="appeals@hotline.example"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def lines(folder: Path, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture
def pack(tmp_path):
    made(tmp_path / "pack", world())
    return tmp_path / "pack"


# -- what it says --------------------------------------------------------------------------------


def test_every_spell_has_a_standing_and_a_reason(pack):
    """Why a spell is within, a breach, undecided or excluded stands beside it."""
    found = {row["case_id"]: (row["standing"], row["reason"]) for row in lines(pack, "spells")}
    assert found == {
        case_name(1): ("within", "removed_in_time"),
        case_name(2): ("certain_breaches", "seen_online_late"),
        case_name(3): ("undecided", "straddles_deadline"),
        case_name(4): ("excluded:retracted", "retracted"),
        case_name(5): ("certain_breaches", "seen_online_late"),
        case_name(6): ("excluded:moved", "moved"),
        case_name(7): ("not_started", "no_notice_arrived"),
    }


def test_the_figures_are_those_of_the_spells(pack):
    """The sum of within, breaches and undecided is n (law 5), and too few spells give no share."""
    figures = json.loads((pack / "pack.json").read_text())["figures"]
    assert (figures["n"], figures["within"], figures["certain_breaches"], figures["undecided"]) == (
        (4, 1, 2, 1)
    )
    assert figures["excluded"] == {"moved": 1, "retracted": 1}
    assert (figures["too_few"], figures["lower"]) == (True, None)
    assert figures["notices"] == {"failed": 1, "sent": 6}


def test_the_figures_are_those_of_the_league_table(pack):
    """A pack and the table say the same of a provider: counts, exclusions and exposure."""
    figures = json.loads((pack / "pack.json").read_text())["figures"]
    table = build([fold(events, METHOD)[0] for events in world()], METHOD, CUTOFF)
    (row,) = [row for row in table.providers if row.provider == "giant"]
    for name in ("n", "within", "certain_breaches", "undecided", "not_started", "excluded"):
        assert figures[name] == getattr(row, name), name
    hours = (figures["exposure_lower_hours"], figures["exposure_upper_hours"])
    assert hours == pytest.approx((row.exposure_lower_hours, row.exposure_upper_hours), abs=0.01)


def test_every_look_and_notice_is_there(pack):
    """Looks and notices of the provider's spells are complete, a failed notice with its reason."""
    looks = [row for row in lines(pack, "looks") if row["case_id"] == case_name(2)]
    assert len(looks) == 38
    failed = [row for row in lines(pack, "notices") if row["state"] == "failed"]
    assert [(row["notice_id"], row["failure"], row["spell"]) for row in failed] == [
        ("n7", "mailbox_full", 1)
    ]


def test_corrections_and_holds_name_who_and_why(pack):
    """A retraction and a hold stand there with actor and reason, and with what ended the hold."""
    (correction,) = lines(pack, "corrections")
    assert (correction["kind"], correction["actor"], correction["reason"]) == (
        ("retracted", "hotline", "not illegal")
    )
    (hold,) = lines(pack, "holds")
    assert (hold["actor"], hold["ended_by"], hold["lifted_by"], hold["lifted_reason"]) == (
        ("police", "lifted", "prosecutor", "enquiry over")
    )


def test_where_a_case_went_is_not_told_to_whom_it_left(pack, tmp_path):
    """The look that shows the move is evidence for both; the new address is given to the new provider only."""
    (left,) = [r for r in lines(pack, "attribution") if r["provider"] == "small"]
    assert (left["address"], left["spell"]) == (None, 1)
    scope = Scope(provider="small", methodology=METHOD, cutoff=CUTOFF)
    made(tmp_path / "small", world(), scope)
    (come,) = lines(tmp_path / "small", "attribution")
    assert (come["address"], come["spell"], come["looks"]) == ("192.0.2.1", 2, 3)
    assert [row["spell"] for row in lines(tmp_path / "small", "looks")] == [2, 2, 2]


def test_looks_that_find_the_same_are_one_row(pack):
    """An address that many looks in a row found is one row with the first and the last instant."""
    rows = [r for r in lines(pack, "attribution") if r["case_id"] == case_name(2)]
    assert [(row["source"], row["looks"]) for row in rows] == [
        ("report", 0),
        ("notice", 0),
        ("look", 38),
    ]


def test_the_definition_is_its_own_digest(pack):
    """SHA-256 of methodology.json is the digest that every figure names (G14)."""
    body = (pack / "methodology.json").read_bytes()
    assert hashlib.sha256(body).hexdigest() == METHOD.digest
    assert json.loads((pack / "pack.json").read_text())["methodology_digest"] == METHOD.digest


def test_the_digest_is_that_of_the_core(pack):
    """The digest over the cases is the core's, so that the operator can compute it from the log."""
    digests = []
    for events in world():
        case, moved = fold(events, METHOD)
        case.sealed_url = None
        digests.append((case.case_id, case_digest(case, moved)))
    assert json.loads((pack / "pack.json").read_text())["ledger_digest"] == combined(digests)


def test_both_forms_of_a_table_say_the_same(pack):
    """CSV and JSON Lines have the same rows and columns."""
    for name in TABLES:
        with (pack / f"{name}.csv").open(newline="") as file:
            sheet = list(csv.DictReader(file))
        rows = lines(pack, name)
        assert [set(row) for row in sheet] == [set(row) for row in rows]
        assert [row["case_id"] for row in sheet] == [row["case_id"] for row in rows]


def test_a_cell_is_no_formula(tmp_path):
    """What a spreadsheet would run gets an apostrophe; JSON Lines keeps it to the letter."""
    case = case_name(1)
    noted = ev.ReportRetracted(actor="=1+1", reason="x")
    made(tmp_path / "p", [[*told(1), event(START + HOUR, noted, case)]])
    assert lines(tmp_path / "p", "corrections")[0]["actor"] == "=1+1"
    assert ",'=1+1," in (tmp_path / "p" / "corrections.csv").read_text()


def test_a_period_takes_spells_by_the_start_of_their_clock(tmp_path):
    """--from and --to bound the clock's start: from is in, to is out."""
    start = START + HOUR
    inside = Scope(provider="giant", methodology=METHOD, cutoff=CUTOFF, since=start)
    outside = Scope(provider="giant", methodology=METHOD, cutoff=CUTOFF, until=start)
    assert made(tmp_path / "in", [told(1)], inside).figures.cases == 1
    assert made(tmp_path / "out", [told(1)], outside).figures.cases == 0


def test_evidence_after_the_cutoff_is_not_used(tmp_path):
    """At a cut-off before the deadline a spell is too young, whatever was seen later."""
    early = Scope(provider="giant", methodology=METHOD, cutoff=START + 6 * HOUR)
    figures = made(tmp_path / "p", [told(2)], early).figures
    assert (figures.n, figures.younger_than_norm, figures.rows["looks"]) == (0, 1, 4)


@given(histories)
def test_any_history_gives_rows_that_agree_with_the_core(events):
    """Of any history, each spell of a provider stands in its pack as the core says, with a reason."""
    case, _ = fold(events, METHOD)
    for provider in ("giant", "small"):
        scope = Scope(provider=provider, methodology=METHOD, cutoff=START + 999 * HOUR)
        found = dossier(events, scope, redact)
        expected = [
            (spell.number, standing(case, spell, METHOD, scope.cutoff))
            for spell in case.spells
            if spell.provider == provider
        ]
        rows = found.spells if found else []
        assert [(row.spell, row.standing) for row in rows] == expected
        assert all(row.reason and row.explanation for row in rows)


@given(histories)
def test_no_look_is_missing(events):
    """Each look stands in the pack of a provider whose spell it was counted for."""
    case, _ = fold(events, METHOD)
    made_or_missed = {e.id for e in events if isinstance(e.data, ev.LookMade | ev.LookMissed)}
    found = set()
    for provider in {spell.provider for spell in case.spells} - {None}:
        scope = Scope(provider=provider, methodology=METHOD, cutoff=START + 999 * HOUR)
        pack = dossier(events, scope, redact)
        assert pack is not None
        for spell in pack.spells:
            counted = [row for row in pack.looks if row.spell == spell.spell]
            assert len(counted) >= spell.looks + spell.missed
        found |= {row.event_id for row in pack.looks}
    nameless = any(spell.provider is None for spell in case.spells)
    assert nameless or found == {str(name) for name in made_or_missed}


# -- the same bytes ------------------------------------------------------------------------------


def test_the_same_evidence_gives_the_same_bytes(pack, tmp_path):
    """Shuffled and doubled evidence gives every file again, signature and zip included."""
    dice = random.Random(5)
    again = []
    for case in world():
        mixed = [*case, *case[:3]]
        dice.shuffle(mixed)
        again.append(mixed)
    made(tmp_path / "again", again)
    assert contents(tmp_path / "again") == contents(pack)
    for name in ("pack", "again"):
        with (tmp_path / f"{name}.zip").open("wb") as file:
            write_zip(tmp_path / name, file)
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "pack.zip").read_bytes()


def test_an_erased_url_changes_no_byte(pack, tmp_path):
    """The sealed URL is no part of any digest: a pack of an earlier cut-off stays the same after an erasure."""
    filed = ev.ReportFiled(reporter="hotline", provider="giant")
    bare = [[msgspec.structs.replace(first, data=filed), *rest] for first, *rest in world()]
    erased = [
        [*case, event(CUTOFF + HOUR, ev.CaseErased(actor="officer", reason="age"), case[0].case_id)]
        for case in bare
    ]
    made(tmp_path / "later", erased)
    assert contents(tmp_path / "later").keys() == contents(pack).keys()
    assert contents(tmp_path / "later") == contents(pack)


# -- signed --------------------------------------------------------------------------------------


@pytest.fixture
def zipped(pack, tmp_path):
    path = tmp_path / "pack.zip"
    with path.open("wb") as file:
        write_zip(pack, file)
    return path


def test_a_pack_verifies_as_folder_and_as_zip(pack, zipped):
    """An untouched pack holds, and names its files and its key."""
    public = KEY.public_key()
    assert verify(pack, public) == verify(zipped, public)
    assert set(verify(pack, public).files) == set(contents(pack)) - {SUMS, SIGNATURE}


def test_a_change_of_any_byte_of_the_zip_is_found(tmp_path):
    """Each byte counts: of the files, the list, the signature, and of the zip around them."""
    made(tmp_path / "pack", [told(1, gone_from=4)[:4]])
    path = tmp_path / "pack.zip"
    with path.open("wb") as file:
        write_zip(tmp_path / "pack", file)
    whole = path.read_bytes()
    # Every byte of the list's end, the signature and the zip's directory, every 23rd of the rest.
    places = {*range(0, len(whole), 23), *range(64), *range(len(whole) - 1800, len(whole))}
    missed = []
    for place in sorted(places):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            verify(path, KEY.public_key())
            missed.append(place)
        except PackRejected:
            pass
    assert missed == []


@pytest.mark.parametrize("extra", [b"\0", b"PK"])
def test_a_longer_or_shorter_zip_is_found(zipped, extra):
    """Bytes before, after or missing at the end are found."""
    whole = zipped.read_bytes()
    for changed in (whole + extra, extra + whole, whole[:-1]):
        zipped.write_bytes(changed)
        with pytest.raises(PackRejected):
            verify(zipped, KEY.public_key())


def test_a_change_of_a_folder_is_found(pack, tmp_path):
    """A file changed, removed, added or turned into a link is found."""

    def emptied(folder):
        (folder / "looks.csv").write_bytes(b"")

    def removed(folder):
        (folder / "holds.jsonl").unlink()

    def added(folder):
        (folder / "more.txt").write_text("x")

    def nested(folder):
        (folder / "more").mkdir()

    def linked(folder):
        (folder / "looks.csv").rename(tmp_path / "elsewhere.csv")
        (folder / "looks.csv").symlink_to(tmp_path / "elsewhere.csv")

    def unsigned(folder):
        (folder / SIGNATURE).unlink()

    for change in (emptied, removed, added, nested, linked, unsigned):
        copy = tmp_path / change.__name__
        shutil.copytree(pack, copy)
        change(copy)
        with pytest.raises(PackRejected):
            verify(copy, KEY.public_key())


def test_another_key_is_refused(pack):
    """A pack signed by somebody else does not hold, even if its list is right."""
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key()
    with pytest.raises(PackRejected, match="key is another one"):
        verify(pack, other)


def test_a_public_key_is_read_back():
    """PEM holds the key; what is none is refused."""
    public = KEY.public_key()
    assert read_public(public_pem(public).encode()) == public
    with pytest.raises(ConfigError):
        read_public(b"-----BEGIN nothing")


def test_the_list_is_what_sha256sum_reads(pack):
    """A provider without this program can check the files with a tool that every system has."""
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("no sha256sum here")
    done = subprocess.run(
        [tool, "--check", "--strict", SUMS], cwd=pack, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_openssl_reads_the_signature(pack, tmp_path):
    """A provider without this program can check the signature with openssl."""
    tool = shutil.which("openssl")
    if tool is None:
        pytest.skip("no openssl here")
    pem = tmp_path / "operator.pem"
    pem.write_text(public_pem(KEY.public_key()))
    command = [tool, "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(pem)]
    files = ["-in", str(pack / SUMS), "-sigfile", str(pack / SIGNATURE)]
    done = subprocess.run([*command, *files], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


# -- no URL --------------------------------------------------------------------------------------


def test_no_url_and_no_host_gets_into_a_pack(tmp_path):
    """A URL that was put into every text that an event has stands nowhere in the pack (G4)."""
    case, at = case_name(1), START + 3 * HOUR
    host = "marker-host.example"
    events = [
        event(
            START,
            ev.ReportFiled(reporter=MARKER, url=MARKER, reference=MARKER, provider="giant"),
            case,
        ),
        event(START + HOUR, ev.NoticeSent(notice_id=MARKER, provider="giant", channel=host), case),
        event(at, ev.HoldPlaced(actor=MARKER, reason=MARKER, expires_at=at + HOUR), case),
        event(at + HOUR / 2, ev.HoldLifted(actor=MARKER, reason=MARKER), case),
        event(
            at,
            ev.CaseAttributed(provider="giant", method=host, actor=MARKER, reason=MARKER),
            case,
        ),
        event(at, ev.CaseErased(actor=MARKER, reason=MARKER), case),
        event(START + 4 * HOUR, ev.LookMissed(vantage=host, tick=at, reason="overload"), case),
        event(
            START + 5 * HOUR,
            ev.LookMade(
                vantage=host,
                tick=START + 5 * HOUR,
                started_at=START + 5 * HOUR,
                finished_at=START + 5 * HOUR,
                verdict="online",
                reason=host,
                served=(ev.Served(address=host, provider="giant", method=host, online=True),),
                fingerprint=ev.Fingerprint(status=200, redirect=MARKER, server_class=MARKER),
            ),
            case,
        ),
        event(START + 6 * HOUR, ev.ReportRetracted(actor=MARKER, reason=MARKER), case),
    ]
    made(tmp_path / "p", [events])
    assert len(lines(tmp_path / "p", "looks")) == 2
    for name, body in contents(tmp_path / "p").items():
        assert b"marker" not in body.lower(), name
        assert b"very/secret" not in body, name
