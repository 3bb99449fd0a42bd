"""`takedown import scart|xarf|dsa|tco` and `takedown intake` without servers: what they print, and how they end."""

import json

import pytest

from services.intake.reporter_tokens import hashed, read_tokens
from tests.unit.intake.intake_kit import DATA

SCART, XARF = DATA / "scart", DATA / "xarf"
OPTIONS = ("--zone", "Europe/Amsterdam", "--providers", str(SCART / "providers.csv"))


@pytest.mark.usefixtures("keyring")
def test_an_export_is_checked_without_a_server(run):
    """Every row has its end, dead letters are shown with their lines, and the status is 4."""
    result = run("import", "scart", str(SCART / "dialect-b.csv"), *OPTIONS, "--dry-run")
    assert result.exit_code == 4
    assert "31 taken, 6 dead letter, 1 duplicate, 1 update, 1 skipped" in result.stdout
    assert "line 8: received at a wall-clock time that never was" in result.stderr
    assert "site-" not in result.output


@pytest.mark.usefixtures("keyring")
def test_a_program_gets_every_row_without_its_url(run):
    """With --json: line, end, events with both ends of their times, and the claims beside them."""
    result = run("import", "scart", str(SCART / "dialect-c.csv"), *OPTIONS, "--dry-run", "--json")
    told = json.loads(result.stdout)
    row = told["rows"][4]
    assert told["dialect"] == "c"
    assert (row["line"], row["outcome"], len(row["events"])) == (6, "events", 2)
    assert row["events"][0]["time"] == {
        "earliest": "2026-10-25T00:30:00Z",
        "latest": "2026-10-25T01:30:00Z",
    }
    assert row["claims"]["status"] == "scheduler_checkonline"
    assert "site-85" not in result.output


@pytest.mark.usefixtures("keyring")
def test_an_export_without_urls_says_what_only_the_ledger_knows(run):
    """In a dry run its statements are counted, and the cases are looked up when it is none."""
    result = run("import", "scart", str(SCART / "dialect-a.csv"), *OPTIONS, "--dry-run")
    assert "0 events checked" in result.stdout
    assert "of cases that only the ledger can name" in result.stderr


@pytest.mark.usefixtures("keyring")
def test_unknown_columns_and_hosters_are_named(run, tmp_path):
    """What was passed over is said, so that nobody takes it for read."""
    path = tmp_path / "export.csv"
    path.write_text(
        "filenumber;url;received_at;colour;hoster_owner;hoster_first_ntd_at\n"
        "F1;https://a.example/1;2026-07-01 07:00:00;red;Nobody B.V.;2026-07-01 08:00:00\n"
    )
    result = run("import", "scart", str(path), *OPTIONS, "--dry-run")
    assert result.exit_code == 0
    assert "columns that nobody here knows, passed over: colour" in result.stderr
    assert "hoster 'Nobody B.V.' is not in the providers' file: 1 notice left out" in result.stderr


@pytest.mark.usefixtures("keyring")
def test_xarf_is_read_from_standard_input(run):
    """Its evidence is counted and left out; a document that is no report ends in status 4."""
    good = (XARF / "v4.2" / "content-csam.json").read_bytes()
    result = run("import", "xarf", "-", "--dry-run", input=good)
    assert (result.exit_code, result.stdout) == (0, "2 events checked\n1 taken\n")
    assert "1 piece of content left out unread" in result.stderr
    spam = (XARF / "v4.2" / "messaging-spam.json").read_bytes()
    result = run("import", "xarf", "-", "--dry-run", input=spam)
    assert result.exit_code == 4
    assert "only the category `content`" in result.stderr


@pytest.mark.usefixtures("keyring")
def test_orders_and_statements_of_reasons_are_read(run, tmp_path):
    """An order is three events for a URL; a statement counts for the case that the table names, from JSON and CSV."""
    order = {
        "reference": "RO-1",
        "authority": "A",
        "urls": ["https://a.example/1"],
        "issued_at": "2026-03-01",
        "received_at": "2026-03-01 12:00:00",
        "provider": "giant",
    }
    result = run("import", "tco", "-", "--zone", "UTC", "--dry-run", input=json.dumps(order))
    assert (result.exit_code, result.stdout) == (0, "3 events checked\n1 taken\n")
    cases, dump, sent = tmp_path / "cases.csv", tmp_path / "sor.csv", tmp_path / "sor.json"
    cases.write_text(f"puid,case_id,notice_id\nP-1,{'c' * 32},n-1\n")
    names = "uuid,platform_uid,platform_name,application_date,created_at,source_type,decision_visibility"
    dump.write_text(
        f"{names}\nu,P-1,Big,2026-03-01 00:00:00,2026-03-02 08:00:00,SOURCE_ARTICLE_16,"
        '"[""DECISION_VISIBILITY_CONTENT_REMOVED""]"\n'
        "u,P-2,Big,2026-03-01 00:00:00,2026-03-02 08:00:00,SOURCE_VOLUNTARY,[]\n"
    )
    sent.write_text(json.dumps([{"puid": "P-1", "application_date": "2026-03-01"}]))
    result = run("import", "dsa", str(dump), "--cases", str(cases), "--dry-run")
    assert (result.exit_code, result.stdout) == (0, "2 events checked\n1 taken, 1 skipped\n")
    result = run("import", "dsa", str(sent), "--cases", str(cases), "--dry-run")
    assert result.stdout == "1 event checked\n1 taken\n"


def test_a_reporter_gets_a_token_once(run, tmp_path, monkeypatch):
    """The file has its hash alone; it is listed by a short id, and taken back."""
    path = tmp_path / "own" / "tokens.toml"
    monkeypatch.setenv("TAKEDOWN_INTAKE_TOKENS_FILE", str(path))
    token = run("intake", "token", "hotline-nl").stdout.strip()
    assert read_tokens(path) == {hashed(token): "hotline-nl"}
    assert run("intake", "list").stdout == f"hotline-nl  {hashed(token)[:12]}\n"
    assert run("intake", "token", "No Slug").exit_code == 2
    assert run("intake", "revoke", "hotline-nl").exit_code == 0
    assert read_tokens(path) == {}
    assert run("intake", "revoke", "hotline-nl").exit_code == 2


def test_without_a_file_there_are_no_reporters(run):
    """The command says which setting is missing."""
    result = run("intake", "list")
    assert result.exit_code == 2
    assert "TAKEDOWN_INTAKE_TOKENS_FILE" in result.output


DUMP = "uuid,decision_visibility,application_date,platform_name,platform_uid,created_at\n"
DECISION = (
    "u1,DECISION_VISIBILITY_CONTENT_REMOVED,2026-03-01 00:00:00,Platform,P-1,2026-03-02 10:00:00\n"
)
SENT = b'{"statements": [{"puid": "P-1", "application_date": "2026-03-01"}]}'


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize(
    "raw",
    [
        (DUMP + DECISION).encode(),
        (DUMP.upper() + DECISION).replace(",", ";").encode("utf-8-sig"),
        (DUMP + DECISION).replace(",", "\t").encode(),
        SENT,
    ],
)
def test_a_dump_may_have_been_saved_again(run, tmp_path, raw):
    """With other separators or capitals in the header; several statements may be sent in one object."""
    (tmp_path / "dump").write_bytes(raw)
    cases = tmp_path / "cases.csv"
    cases.write_text(f"puid,case_id\nP-1,{'a' * 32}\n")
    result = run("import", "dsa", str(tmp_path / "dump"), "--cases", str(cases), "--dry-run")
    assert (result.exit_code, "1 event checked" in result.stdout) == (0, True)


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"PK\x03\x04", "zip archive"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PAR1", "Parquet"),
        ((DUMP + DECISION).encode("utf-16"), "UTF-16"),
        (b"a,b\n1,2\n", "`platform_uid`"),
        (b"", "`platform_uid`"),
    ],
)
def test_what_is_no_dump_says_what_to_do(run, tmp_path, raw, says):
    """Its rows are not read as dead letters, nor is it taken for a dump without rows."""
    (tmp_path / "dump").write_bytes(raw)
    result = run("import", "dsa", str(tmp_path / "dump"), "--dry-run")
    assert (result.exit_code, says in result.stderr) == (4, True)
