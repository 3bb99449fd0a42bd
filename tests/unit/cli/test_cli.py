"""The command line without servers: help, errors, exit statuses, keys, names of cases, checks of input."""

import gc
import importlib
import json
import logging as stdlog
from datetime import UTC, datetime

import click
import pytest
from aiokafka.errors import KafkaConnectionError
from asyncpg import InvalidPasswordError

from schemas.urls import canonical
from services.cli import app, submit_command, support, up_command
from services.cli.case_views import defanged
from services.cli.lines import Refusal, read_lines
from services.cli.support import cell, counted, unreachable
from services.cli.up_command import without_password
from services.runtime import keyfile, logging
from services.runtime.logging import silence
from services.runtime.settings import Log, Settings

NOW = datetime(2025, 2, 1, tzinfo=UTC)
URL = "https://marker-host.example/page"
REPORT = {
    "type": "takedown.report.filed.v1",
    "time": "2025-01-31T12:00:00Z",
    "data": {"reporter": "hotline", "url": URL},
}
NOTICE = {
    "type": "takedown.notice.sent.v1",
    "time": "2025-01-31T12:05:00Z",
    "subject": "ab" * 16,
    "data": {"notice_id": "n1", "provider": "giant"},
}


SIMULATED = {
    "TAKEDOWN_PROBE_MODE": "simulated",
    "TAKEDOWN_PROBE_NAMESERVERS": "127.0.0.1:5353",
}


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_has_help(run, name):
    """Each command explains itself."""
    result = run(name, "--help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage: ")


def test_no_help_shows_an_escape():
    """Lists in a help text stand as they were written: click took the mark that says so."""
    shown = [
        command.get_help(click.Context(command, info_name=name)) for name, command in _commands()
    ]
    assert len(shown) > 40
    assert not [text for text in shown if "\\b" in text]
    assert "\n  relay      publishes" in next(text for text in shown if "Usage: run " in text)


def _commands():
    for name, (module, _) in app.COMMANDS.items():
        waiting = [(name, importlib.import_module(module).command)]
        while waiting:
            name_, found = waiting.pop()
            yield name_, found
            if isinstance(found, click.Group):
                waiting += [(f"{name_} {inner}", one) for inner, one in found.commands.items()]


@pytest.mark.parametrize("name", app.COMMANDS)
def test_summaries_are_sentences(name):
    """The line in the list of commands is one sentence, and its module has the command."""
    module, line = app.COMMANDS[name]
    assert line.endswith(".")
    assert isinstance(importlib.import_module(module).command, click.Command)


def test_help_documents_the_exit_statuses(run):
    """Scripts can rely on what `--help` says."""
    output = run("--help").output
    assert all(f"\n    {status} " in output for status in (0, 1, 2, 3, 4, 5, 130))


def test_version(run):
    """The version is that of the distribution."""
    assert run("--version").output.startswith("takedown, version ")


def test_two_addresses_are_not_set(run):
    """The error of what is missing is a sentence, whatever is missing."""
    both = run("submit", "-", "--wait", input="").stderr
    assert "TAKEDOWN_DATABASE_URL and TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS are not set" in both
    assert "TAKEDOWN_DATABASE_URL is not set" in run("case", "list").stderr


def test_unknown_command(run):
    """What is no command ends in status 2."""
    assert run("take-down").exit_code == 2


def test_error_is_one_line_with_a_way_out(run):
    """Without a server the commands say what to start, in one line, with status 3."""
    result = run("case", "list")
    assert result.exit_code == 3
    assert result.stderr.startswith("error: no `takedown up` runs")
    assert result.stderr.count("\n") == 1


def test_wrong_setting_is_status_2(run):
    """A wrong setting is told apart from a failure."""
    result = run("check-config", env={"TAKEDOWN_PROBE_MODE": "public"})
    assert result.exit_code == 2
    assert "TAKEDOWN_PROBE_OPERATOR" in result.stderr


def test_public_probing_refuses_to_start(run):
    """The prober does not start for public addresses before somebody answers for it."""
    result = run("run", "prober", env={"TAKEDOWN_PROBE_MODE": "public"})
    assert result.exit_code == 2
    assert "legal basis" in result.stderr


def test_probing_is_off_by_default(run):
    """Nobody probes by accident."""
    result = run("run", "prober")
    assert result.exit_code == 2
    assert "probing is off" in result.stderr


def test_prober_needs_a_canary_where_the_methodology_asks_for_one(run):
    """A prober whose every removal would be refused does not start."""
    result = run("run", "prober", env=SIMULATED)
    assert result.exit_code == 2
    assert "TAKEDOWN_CANARY_URL" in result.stderr


def test_check_config_tells_everything_at_once(run, tmp_path, keyring):
    """Names, values, and the files that settings name: one run shows all that is to be mended."""
    (tmp_path / "map.toml").write_text("[[provider]]\n")
    (tmp_path / "keys.toml").write_text("naming = 3\n")
    wrong = {
        "TAKEDOWN_PROBE_MODE": "publik",
        "TAKEDOWN_HTTP_PORT": "99999",
        "TAKEDOWN_DATABSE_URL": "x",
        "TAKEDOWN_PROVIDER_MAP": str(tmp_path / "map.toml"),
    }
    result = run("check-config", env=wrong)
    assert result.exit_code == 2
    head, *told = result.stderr.splitlines()
    assert head == "error: 5 settings are wrong:"
    for word in (*list(wrong)[:3], "keys.toml", "map.toml"):
        assert [line for line in told if word in line], word
    assert "check-config" not in result.output


def test_check_config_hides_secrets(run):
    """The list of settings shows where each comes from, and no password."""
    secret = "postgresql://u:hunter2@db.example/x"
    result = run("check-config", "--json", env={"TAKEDOWN_DATABASE_URL": secret})
    rows = {row["variable"]: row for row in json.loads(result.stdout)}
    assert rows["TAKEDOWN_DATABASE_URL"] == {
        "variable": "TAKEDOWN_DATABASE_URL",
        "value": "***",
        "from": "environment",
    }
    assert "hunter2" not in result.output


def test_keys_new_makes_them_once(run, tmp_path):
    """Keys are made with a word on their backup, and a second time refused."""
    result = run("keys", "new")
    assert result.exit_code == 0
    assert "Back it up" in result.stderr
    assert run("keys", "new").exit_code == 2
    secrets = keyfile.read_keys(tmp_path / "keys.toml")
    assert secrets.naming not in result.output + run("keys", "show").output


def test_keys_rotate_in_two_steps(run, tmp_path):
    """A rotation adds a key that nothing is sealed with until it is activated."""
    run("keys", "new")
    before = json.loads(run("keys", "show", "--json").stdout)
    assert run("keys", "rotate").exit_code == 0
    added = json.loads(run("keys", "show", "--json").stdout)
    (name,) = set(added["sealing"]) - set(before["sealing"])
    assert added["active"] == before["active"]
    assert run("keys", "activate", name).exit_code == 0
    assert json.loads(run("keys", "show", "--json").stdout)["active"] == name
    assert run("keys", "activate", "k-nosuch").exit_code == 2


def test_case_id_reads_urls_from_standard_input(run, keyring):
    """A URL names its case however it is written; it is never an argument."""
    result = run("case", "id", input=f"{URL}\nhxxps://MARKER-host[.]example/page#x\n")
    expected = keyring.case_id(canonical(URL))
    assert result.stdout.split() == [expected, expected]


def test_case_id_of_no_url(run, keyring):
    """What is no URL is refused by its line, and not repeated."""
    text = f"{URL}\n\nmarker-without-scheme\n{URL}\n"
    result = run("case", "id", input=text)
    named = keyring.case_id(canonical(URL))
    assert result.exit_code == 4
    assert result.stdout.split() == [named, "-", named]
    assert result.stderr.startswith("line 3: ")
    assert "error: 1 of 3 lines have no case id" in result.stderr
    assert "marker-without" not in result.stderr
    rows = json.loads(run("case", "id", "--json", input=text).stdout)
    assert [(row["line"], row["case_id"]) for row in rows] == [(1, named), (3, None), (4, named)]


def test_a_url_in_the_place_of_a_case_id_is_not_repeated(run):
    """A slip of the hand does not put a URL on the terminal."""
    result = run("case", "show", URL)
    assert result.exit_code == 2
    assert "marker-host" not in result.output


def test_reveal_needs_a_purpose(run):
    """No URL is opened without saying why."""
    assert run("case", "reveal", "ab" * 16).exit_code == 2
    assert run("case", "reveal", "ab" * 16, "--purpose", " ").exit_code == 2


def test_defanged_urls_are_read_again(keyring):
    """What `reveal` prints opens nothing by accident, and names the same case."""
    url = canonical(URL)
    text = defanged(url)
    assert text == "hxxps://marker-host[.]example/page"
    assert canonical(text) == url


def lines(*events):
    return "".join(json.dumps(event) + "\n" for event in events)


def test_dry_run_checks_and_sends_nothing(run, keyring):
    """Good lines pass without a broker."""
    result = run("submit", "-", "--dry-run", input=lines(REPORT, NOTICE) + "\n")
    assert (result.exit_code, result.stdout) == (0, "2 events checked\n")


REFUSED = {
    "misspelt field of the data": (REPORT | {"data": REPORT["data"] | {"provder": "x"}}, "provder"),
    "misspelt field": (REPORT | {"tme": "x"}, "tme"),
    "no zone": (REPORT | {"time": "2025-01-31T12:00:00"}, "zone"),
    "no time": ({k: v for k, v in REPORT.items() if k != "time"}, "time"),
    "wrong type": (REPORT | {"data": {"reporter": 3, "url": URL}}, "reporter"),
    "unknown event": (REPORT | {"type": "takedown.report.filed.v9"}, "unknown_type"),
    "version of CloudEvents": (REPORT | {"specversion": "0.3"}, '`specversion` must be "1.0"'),
    "in the future": (REPORT | {"time": "2199-01-01T00:00:00Z"}, "bad_time"),
    "misspelt type": (
        REPORT | {"type": "report.filled"},
        "did you mean takedown.report.filed.v1?",
    ),
    "nearest field": (
        REPORT | {"data": {"reporter": "x", "ulr": URL}},
        "`data.ulr` (did you mean `url`?)",
    ),
    "misspelt field that must be": (
        REPORT | {"data": {"reportr": "x", "url": URL}},
        "`data.reportr` (did you mean `reporter`?)",
    ),
    "no case": ({k: v for k, v in NOTICE.items() if k != "subject"}, "no_case"),
    "another case": (REPORT | {"subject": "ab" * 16}, "wrong_case"),
    "no URL": (REPORT | {"data": {"reporter": "x", "url": "marker-host.example"}}, "bad_url"),
    "ours to say": (
        {
            "type": "takedown.outcome.voided.v1",
            "time": "2025-01-31T12:00:00Z",
            "subject": "ab" * 16,
            "data": {
                "outcome_id": "6e0cbbd4-52d8-5d5c-9d1a-1f0d2b7f1c11",
                "outcome_type": "takedown.spell.breached.v1",
            },
        },
        "wrong_topic",
    ),
}


@pytest.mark.parametrize(("event", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_line_is_refused_with_its_number(run, keyring, event, said):
    """A line that can't be used stops everything before anything is sent, and no URL is repeated."""
    result = run("submit", "-", "--dry-run", input=lines(NOTICE, event))
    assert result.exit_code == 4
    assert result.stderr.startswith("line 2: ")
    assert said in result.stderr
    assert "1 of 2 lines refused; nothing was sent" in result.stderr
    assert "marker-host" not in result.output


def test_refused_lines_as_json(run, keyring):
    """A program reads on standard output which lines were refused, and why."""
    lines_ = lines(NOTICE, REPORT | {"time": "now"})
    result = run("submit", "-", "--dry-run", "--json", input=lines_)
    told = json.loads(result.stdout)
    assert result.exit_code == 4
    assert (told["events"], told["refused"], told["sent"]) == (1, 1, False)
    (refusal,) = told["refusals"]
    assert (refusal["line"], refusal["reason"]) == (2, "bad_time")
    assert result.stderr == "error: 1 of 2 lines refused; nothing was sent\n"


def test_byte_order_mark_is_accepted(run, keyring):
    """A file written on Windows is read; a mark anywhere else is no JSON."""
    result = run("submit", "-", "--dry-run", input="\ufeff" + lines(REPORT))
    assert (result.exit_code, result.stdout) == (0, "1 event checked\n")
    assert (
        run("submit", "-", "--dry-run", input=lines(REPORT) + "\ufeff" + lines(REPORT)).exit_code
        == 4
    )


@pytest.mark.filterwarnings("error")
def test_a_broker_that_went_away_is_one_line(run, keyring, monkeypatch, caplog):
    """Where no broker answers, one line says so: no log of the client, and no producer left open."""
    monkeypatch.setattr(support, "_knock", lambda _: None)
    environment = {"TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    result = run("submit", "-", input=lines(REPORT), env=environment)
    gc.collect()
    assert result.exit_code == 3
    assert result.stderr.startswith("error: no broker of Kafka can be reached")
    assert result.stderr.count("\n") == 1
    assert not [record for record in caplog.records if "nclosed" in record.getMessage()]


def test_a_library_can_be_silenced(monkeypatch):
    """What a command says itself, its client does not say too."""
    logger = stdlog.getLogger("aiokafka")
    monkeypatch.setattr(logger, "level", logger.level)
    silence("aiokafka")
    assert not logger.isEnabledFor(stdlog.ERROR)


def test_a_url_in_the_place_of_a_field_is_not_repeated(run, keyring):
    """Not even an unknown field's name is repeated where it is no name."""
    event = REPORT | {"data": REPORT["data"] | {URL: 1}}
    assert "marker-host" not in run("submit", "-", "--dry-run", input=lines(event)).output


def test_many_bad_lines_are_not_all_shown(run, keyring):
    """A file of another kind does not flood the terminal."""
    result = run("submit", "-", "--dry-run", input="nonsense\n" * 50)
    assert result.stderr.count("line ") == submit_command._SHOWN
    assert "30 more not shown" in result.stderr


def test_what_leaves_is_sealed(keyring):
    """The event of a report holds its URL sealed only, and the same line gives the same event."""
    line = json.dumps(REPORT).encode()
    first, second = read_lines([line, b" \n", line], keyring, NOW)
    assert first == second
    assert not isinstance(first, Refusal)
    assert first.data.url is None
    assert keyring.open(first.data.sealed_url, first.case_id, purpose="look") == canonical(URL)


@pytest.mark.parametrize(("level", "silenced"), [("info", True), ("debug", False)])
def test_up_says_what_happens_once(monkeypatch, level, silenced):
    """What `up` says in prose it does not log as well, unless it is asked for everything."""
    configured, quiet = [], []
    monkeypatch.setattr(logging, "configure", lambda log, *_, **__: configured.append(log.level))
    monkeypatch.setattr(logging, "silence", quiet.append)
    up_command._log(Settings(log=Log(level=level)))
    assert configured == ["error" if silenced else "info"]
    assert ("services" in quiet) is silenced


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://takedown:hunter2@/takedown?host=/run",
        "postgresql://takedown:hun@ter2@db.example/takedown",
        "postgresql://takedown@db.example/takedown?sslmode=require&password=hunter2&port=1",
        "postgresql://takedown@db.example/takedown?password=hun@ter2",
    ],
)
def test_address_is_printed_without_password(dsn):
    """What `up` prints can be pasted anywhere."""
    assert "ter2" not in without_password(dsn)
    assert without_password(dsn).startswith("postgresql://takedown@")


def test_foreign_errors_become_one_line():
    """A library's error is told as the server that it is about, without its text, which names hosts."""
    assert "Kafka" in unreachable(KafkaConnectionError("evil.example"))
    assert "Postgres" in unreachable(InvalidPasswordError("evil.example"))
    assert "evil" not in unreachable(ConnectionRefusedError("evil.example"))
    assert unreachable(KeyError("x")) is None


def test_cells_are_for_people():
    """What is unknown is a dash, what is yes or no is a word."""
    assert [cell(None), cell(True), cell(False), cell(3)] == ["-", "yes", "no", "3"]


def test_method_list_names_the_digest(run):
    """Every figure names its methodology; this is where its digest is looked up."""
    rows = json.loads(run("method", "list", "--json").stdout)
    assert {row["id"] for row in rows} >= {"nl-24h", "demo"}
    assert all(len(row["digest"]) == 64 for row in rows)


def test_method_show_of_a_file(run, tmp_path):
    """A methodology of one's own is read and checked."""
    file = tmp_path / "own.toml"
    file.write_text('id = "own"\nversion = 1\ntitle = "x"\n[cadence]\nsteps = [{ every = "1h" }]\n')
    assert json.loads(run("method", "show", str(file), "--json").stdout)["norm"] == "24h"
    file.write_text('id = "own"\n')
    assert run("method", "show", str(file)).exit_code == 2


def test_retry_needs_to_know_what(run):
    """Dead letters are sent back by name, or all by an explicit word."""
    assert run("dead-letters", "retry").exit_code == 2
    assert run("dead-letters", "retry", "x", "--all").exit_code == 2


def test_doctor_finds_open_keys(run, tmp_path, keyring):
    """Keys that others can read are a failure, with the command that mends it."""
    (tmp_path / "keys.toml").chmod(0o644)
    result = run("doctor", "--json")
    found = {f["check"]: f for f in json.loads(result.stdout)}
    assert result.exit_code == 5
    assert found["keys"]["state"] == "failed"
    assert "chmod 600" in found["keys"]["said"]


def test_doctor_finds_a_file_where_the_data_should_be(run, tmp_path):
    """What `up` would fail at, the doctor says before."""
    (tmp_path / "file").touch()
    result = run("doctor", "--json", env={"TAKEDOWN_DATA_DIR": str(tmp_path / "file")})
    found = {f["check"]: f for f in json.loads(result.stdout)}
    assert found["data directory"]["state"] == "failed"
    assert "is no folder; set TAKEDOWN_DATA_DIR" in found["data directory"]["said"]


def test_doctor_passes_on_a_fresh_machine(run):
    """Nothing is wrong before the first start: what is not there yet is a note."""
    result = run("doctor", "--json")
    states = {f["check"]: f["state"] for f in json.loads(result.stdout)}
    assert result.exit_code == 0
    assert states["Kafka"] == states["Postgres"] == "note"


def test_defects_are_told_apart_and_redacted(monkeypatch, capsys):
    """What nobody foresaw ends in status 1 with a trace that names no host."""

    def broken(**_):
        raise RuntimeError("at https://marker-host.example/page")

    monkeypatch.setattr(app.cli, "main", broken)
    assert app.main([]) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: at [url]" in said
    assert "marker-host" not in said


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_what_cannot_be_undone_wants_a_yes(run, answer):
    """No, and nobody there to answer, change nothing and name the option."""
    done = run("correct", "erase", "0" * 32, "--reason", "asked", input=answer)
    assert done.exit_code == 1
    assert "nothing was changed; --yes does it" in done.stderr


def test_one_alone_is_no_plural():
    """Numbers stand with their noun in the right form."""
    assert [counted(number, "row") for number in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


@pytest.mark.parametrize(
    "typed",
    [
        ("probe", URL),
        ("case", URL),
        ("status", URL),
        ("case", "list", "--limit", URL),
        ("providers", "lookup", URL),
        ("providers", "ask", URL),
    ],
)
def test_a_url_that_was_typed_is_not_shown_again(typed, capfd, monkeypatch, tmp_path):
    """It has no place on a command line, and the message says where it has one."""
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(tmp_path))
    assert app.main(typed) in (2, 4)
    printed = "".join(capfd.readouterr())
    assert "marker" not in printed
    assert "(a URL)" in printed


@pytest.mark.parametrize(
    ("typed", "meant"), [(("stat",), "status"), (("case", "lsit"), "list"), (("weather",), None)]
)
def test_a_mistyped_command_names_the_nearest(typed, meant, capfd):
    """Where one is near."""
    assert app.main(typed) == 2
    message = capfd.readouterr().err
    assert ("Did you mean" in message) is (meant is not None)
    assert meant is None or f"'{meant}'?" in message
