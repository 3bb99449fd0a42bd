"""What people type reaches SQL checked: on a real ledger, a value that can't be stored is a usage error."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from schemas import events as ev
from services.cli import app
from services.cli.known_references import cases_of
from services.cli.support import client_settings
from services.runtime import logging
from tests.integration.ledger_kit import START, case_of, event, look, notice, report
from tests.integration.test_report_ledger import fill

CASE = case_of(1)
FOR_GOOD = event(
    CASE,
    START + timedelta(hours=2),
    ev.HoldPlaced(
        actor="police", reason="order 1", expires_at=START.replace(year=9999, month=12, day=31)
    ),
)
HALF, NUL = "\udcff", "a\x00b"
HUGE = str(2**63)
EARLY, LATE = "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"


@pytest.fixture
async def takedown(
    postgres_dsn: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    await fill(
        postgres_dsn,
        [
            report(1, reference="r-1"),
            notice(1, START + timedelta(minutes=5)),
            FOR_GOOD,
            look(1, START + timedelta(hours=1), "online"),
        ],
    )
    monkeypatch.setattr(logging, "configure", lambda *_, **__: None)
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TAKEDOWN_DATABASE_URL", postgres_dsn)
    monkeypatch.setenv("TAKEDOWN_TIME_ZONE", "Europe/Amsterdam")

    async def run(*words: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, app.cli, words)

    return run


def lines() -> list[tuple[str, ...]]:
    """Give command lines with a value that no statement can take."""
    texts = [
        ("case", "list", "--provider"),
        ("case", "list", "--category"),
        ("case", "reveal", CASE, "--purpose"),
        ("audit", "list", "--action"),
        ("notices", "failed", "--provider"),
        ("notices", "due", "--provider"),
        ("notices", "status", "--provider"),
        ("notices", "contacts", "--provider"),
        ("notices", "contact"),
        ("evidence", "create"),
        ("reconcile", "--provider"),
        ("providers", "lookup"),
    ]
    limits = [
        ("case", "list", "--limit"),
        ("case", "show", CASE, "--looks"),
        ("audit", "list", "--limit"),
        ("notices", "failed", "--limit"),
        ("notices", "escalations", "--limit"),
    ]
    instants = [
        ("case", "list", "--breached-since"),
        ("report", "--cutoff"),
        ("moves", "--cutoff"),
        ("providers", "lookup", "192.0.2.1", "--at"),
    ]
    correction = ("correct", "hold", CASE, "--reason", "x", "--until")
    return [
        *((*words, text) for words in texts for text in (HALF, NUL)),
        *((*words, HUGE) for words in limits),
        *((*words, at) for words in instants for at in (EARLY, LATE)),
        ("report", "--methodology", f"nl-24h@{LATE}"),
        ("case", "list", "--due-within", "999999999d"),
        ("case", "list", "--breached-since", "999999999d"),
        (*correction, LATE),
        (*correction, "9999-12-31T23:59:59.999999Z"),
        ("notices", "escalate", CASE, "--to", "police", "--reason", "x", "--channel", "No Slug"),
        ("notices", "escalate", CASE, "--to", "police", "--reason", "x", "--notice", "x" * 201),
    ]


@pytest.mark.parametrize("words", lines(), ids=range(len(lines())))
async def test_a_value_that_sql_cannot_take_is_a_usage_error(
    takedown: Callable[..., Any], words: tuple[str, ...]
) -> None:
    """It ends with status 2 and a line that says what is wrong, before any server is asked, and without a trace."""
    done = await takedown(*words)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2
    assert done.stderr.lower().splitlines()[-1].startswith("error: ")


async def test_the_ends_of_the_calendar_can_be_asked_for(takedown: Callable[..., Any]) -> None:
    """What is a date in UTC is taken, and shown in UTC where the clocks here have no such date."""
    latest = "9999-12-31T23:59:59Z"
    for words in (
        ("case", "list", "--breached-since", "0001-01-01"),
        ("case", "list", "--breached-since", latest),
        ("case", "list", "--due-within", "36500d"),
        ("report", "--cutoff", latest),
        ("report", "--cutoff", "0001-01-01T00:00:00Z"),
        ("case", "show", CASE, "--looks", "1000000000"),
    ):
        done = await takedown(*words)
        assert (done.exit_code, done.stderr) == (0, ""), (words, done.exception)


async def test_what_postgres_refuses_all_the_same_is_no_outage(
    takedown: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that no check foresaw is a usage error too: nobody is sent to look for a server."""
    monkeypatch.setattr(app, "require_text", lambda _: None)
    done = await takedown("case", "list", "--provider", NUL)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: Postgres takes no such value (CharacterNotInRepertoire")


async def test_a_reference_that_is_no_text_means_no_case(takedown: Callable[..., Any]) -> None:
    """What an import read from a foreign file is asked for without what no report can have."""
    settings = client_settings(database=True)
    found = await asyncio.to_thread(cases_of, settings, ["r-1", NUL, HALF], None)
    assert found == {"r-1": CASE}
