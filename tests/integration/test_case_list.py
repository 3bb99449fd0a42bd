"""`takedown case list` on a real ledger: what can still be done first, and the filters of a duty officer."""

import asyncio
import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from schemas import events as ev
from services.cli import app
from services.ledger.pool import DatabaseConnection
from services.runtime import keyfile, logging
from tests.as_configured import database_at
from tests.integration.ledger_kit import case_of, look, notice, report
from tests.integration.test_report_ledger import fill

NOW = datetime.now(UTC).replace(microsecond=0)
HOURS = {1: 22, 2: 10, 3: 30, 4: 200, 5: 26}
"""By case, how many hours ago its notice went out; its norm is 24 h."""


def evidence(first: int = 0) -> list[ev.Event]:
    """Give five cases: due soon, due later, breached today, breached long ago, and overdue without a look."""
    told: list[ev.Event] = []
    for number, hours in HOURS.items():
        began = NOW - timedelta(hours=hours)
        case = first + number
        told += [report(case, began), notice(case, began)]
        if number != 5:
            told.append(look(case, min(began + timedelta(hours=25), NOW), "online"))
    return told


@pytest.fixture
async def ledger(postgres_dsn: str) -> DatabaseConnection:
    await fill(postgres_dsn, evidence())
    return database_at(dsn=postgres_dsn)


@pytest.fixture
def listing(
    ledger: DatabaseConnection, postgres_dsn: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    monkeypatch.setattr(logging, "configure", lambda *_, **__: None)
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TAKEDOWN_DATABASE_URL", postgres_dsn)
    return lambda *words: CliRunner().invoke(app.cli, ["case", "list", *words])


def numbers(output: str) -> list[int]:
    """Name the cases of a JSON list in their order."""
    by_id = {case_of(number): number for number in HOURS}
    return [by_id[row["case_id"]] for row in json.loads(output)]


async def test_what_can_still_be_done_comes_first(listing: Callable[..., Any]) -> None:
    """Running clocks by their deadline, then what ran out unseen, then history, the newest first."""
    whole = await asyncio.to_thread(listing, "--json")
    assert numbers(whole.stdout) == [1, 2, 5, 3, 4]
    first = (await asyncio.to_thread(listing, "--limit", "1")).stdout.splitlines()
    assert "left" in first[0]
    assert re.search(r" 1 h \d\d min ", first[1])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--due-within", "2h"), [1]),
        (("--due-within", "1d"), [1, 2]),
        (("--breached-since", "24h"), [3]),
        (("--breached-since", "2000-01-01"), [3, 4]),
        (("--undecided",), [5]),
        (("--returned",), []),
        (("--provider", "nobody"), []),
    ],
)
async def test_filters_of_a_duty_officer(
    listing: Callable[..., Any], words: tuple[str, ...], wanted: list[int]
) -> None:
    """Each filter gives the cases that it names, and no other."""
    assert numbers((await asyncio.to_thread(listing, *words, "--json")).stdout) == wanted


async def test_a_list_for_a_spreadsheet(listing: Callable[..., Any]) -> None:
    """CSV has every column, instants with their zone, and no word for people."""
    rows = list(
        csv.DictReader(io.StringIO((await asyncio.to_thread(listing, "--csv", "-")).stdout))
    )
    assert rows[0]["case_id"] == case_of(1)
    assert datetime.fromisoformat(rows[0]["deadline"]) == NOW + timedelta(hours=2)


async def test_submitted_names_are_compared_with_the_ledger(
    postgres_dsn: str, listing: Callable[..., Any], tmp_path: Any
) -> None:
    """A mistyped provider, a notice of no case, and a notice id with another content: said before anything is sent."""
    keyfile.write_keys(tmp_path / "keys.toml", keyfile.new_keys())
    await fill(postgres_dsn, [notice(9, NOW)])
    began = (NOW - timedelta(hours=1)).isoformat()
    head = {"type": "takedown.notice.sent.v1", "time": began, "subject": case_of(1)}
    lines = [
        head | {"data": {"notice_id": "n2", "provider": "gaint"}},
        head | {"subject": "ab" * 16, "data": {"notice_id": "n2", "provider": "giant"}},
        head | {"data": {"notice_id": "n1", "provider": "giant"}},
        head | {"subject": case_of(9), "data": {"notice_id": "n9", "provider": "giant"}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    words = ["submit", "-", "--dry-run"]
    refused = await asyncio.to_thread(CliRunner().invoke, app.cli, words, input=text)
    assert refused.exit_code == 4
    for said in (
        "line 1: note: provider `gaint` is new here (did you mean `giant`?)",
        f"line 2: note: nobody reported case {'ab' * 16}",
        "line 3: conflict: its notice_id was used before with another time",
        # A notice alone made this one, and a second does not make it reported.
        f"line 4: note: nobody reported case {case_of(9)}",
    ):
        assert said in refused.stderr


async def test_an_empty_list_says_so(listing: Callable[..., Any]) -> None:
    """Nothing that fits is `none`, and not a row of heads; a name that no case has is told, with the nearest."""
    assert (await asyncio.to_thread(listing, "--returned")).output == "none\n"
    mistyped = await asyncio.to_thread(listing, "--provider", "gaint", "--category", "csan")
    assert mistyped.stdout == "none\n"
    assert "no case has the provider `gaint` (did you mean `giant`?)" in mistyped.stderr
    assert "no case has the category `csan` (did you mean `csam`?)" in mistyped.stderr


async def test_a_shell_with_another_definition_reads_the_ledger_under_its_own(
    listing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """List and status judge the clocks by the definition that they were folded under, and say so."""
    monkeypatch.setenv("TAKEDOWN_METHODOLOGY", "delivered-24h")
    words = "the ledger is folded under nl-24h version 1, and this shell is set to delivered-24h"
    assert words in (await asyncio.to_thread(listing)).stderr
    status = await asyncio.to_thread(CliRunner().invoke, app.cli, ["status", "--json"])
    assert words in status.stderr
    assert json.loads(status.stdout)["methodology"] == "nl-24h"
