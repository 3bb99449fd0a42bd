"""Reports from a real ledger: stored and folded anew, as of an instant, under another definition, by the command."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from schemas.codec import encode_data
from schemas.events import TYPE_OF, CaseAttributed, Event, NoticeSent, ReportRetracted
from schemas.ids import content_id
from schemas.methodology import Methodology, shipped
from services.cli.app import main
from services.cli.gauge import Gauge
from services.cli.report_command import count
from services.core.fold import fold
from services.ledger.pool import DatabaseConnection, session_of
from services.ledger.store import Advance, LedgerStore
from services.reports import case_ranges
from services.reports.count_helpers import helpers
from services.reports.figures import Table
from services.reports.reading import CaseRange, PageRange, Selection, read_cases
from services.reports.table import Builder, Choice, build
from tests.as_configured import database_at
from tests.integration.ledger_kit import METHOD, START, clock, migrated_pool, stories
from tests.servers import run_apart

CUTOFF = START + timedelta(days=30)
COUNT = 60
TOLD = stories(COUNT, shuffled=5)


def attributed(provider: str, since: datetime | None) -> CaseAttributed:
    return CaseAttributed(
        provider=provider, method="manual", actor="ann", reason="wrong map", effective_from=since
    )


def correction(at: datetime, data: CaseAttributed | ReportRetracted, case_id: str) -> Event:
    name = content_id(TYPE_OF[type(data)], case_id, at, encode_data(data))
    return Event(id=name, time=at, source="takedown:test", case_id=case_id, data=data)


async def never(conflicts: list[int]) -> None:
    raise AssertionError(f"conflicts: {conflicts}")


async def fill(dsn: str, events: list[Event]) -> None:
    """Write events through the ledger's own store, in several batches."""
    pool = await migrated_pool(dsn)
    try:
        store = LedgerStore(pool, METHOD, clock)
        await store.check_methodology()
        claim = (await store.claim([("t", 0)]))["t", 0]
        for start in range(0, len(events), 500):
            batch = events[start : start + 500]
            advance = Advance("t", 0, claim.epoch, start + len(batch))
            await store.write(batch, [advance], never)
    finally:
        await pool.close()


@pytest.fixture
async def ledger(postgres_dsn: str) -> DatabaseConnection:
    await fill(postgres_dsn, TOLD)
    return database_at(dsn=postgres_dsn)


def expected(method: Methodology, cutoff: datetime, choice: Choice | None = None) -> Table:
    """Count the same evidence in memory: what was said by the cut-off, folded under a definition."""
    logs: dict[str, list[Event]] = {}
    for event in TOLD:
        if event.time <= cutoff:
            logs.setdefault(event.case_id, []).append(event)
    cases = [fold(logs[name], method)[0] for name in sorted(logs)]
    return build(cases, method, cutoff, choice)


async def test_stored_and_folded_anew_are_one_table(ledger: DatabaseConnection) -> None:
    """Without options the stored states are counted, and give to the digit what folding all evidence gives."""
    stored = await count(ledger, METHOD, CUTOFF)
    assert stored == await count(ledger, METHOD, CUTOFF, source="evidence")
    assert stored == expected(METHOD, CUTOFF)
    assert stored.pooled.n > 30


async def test_a_cutoff_is_what_was_known_then(ledger: DatabaseConnection) -> None:
    """As of an instant only events up to it count: a later sighting, removal or retraction is not there yet."""
    for hours in (0.05, 13, 26, 31):
        at = START + timedelta(hours=hours)
        assert await count(ledger, METHOD, at, source="evidence") == expected(METHOD, at)
    early = await count(ledger, METHOD, START + timedelta(hours=11), source="evidence")
    late = await count(ledger, METHOD, START + timedelta(hours=13), source="evidence")
    assert early.pooled.excluded.get("retracted", 0) == 0
    assert late.pooled.excluded["retracted"] > 0


async def test_corrections_made_since_can_be_taken_into_a_table_of_before(
    ledger: DatabaseConnection, postgres_dsn: str
) -> None:
    """With `corrected`, what was later retracted or said to be another's is so at the cut-off; nothing else is."""
    at, later = START + timedelta(hours=11), START + timedelta(days=40)
    early = expected(METHOD, at)
    named = [event.case_id for event in TOLD if isinstance(event.data, NoticeSent)]
    said = [
        correction(later, attributed("right-host", START), named[0]),
        # Without an instant it counts from its own time on, which is after the cut-off.
        correction(later, attributed("later-host", None), named[1]),
        correction(later, ReportRetracted(actor="ann", reason="not illegal"), named[2]),
        correction(later, ReportRetracted(actor="ann", reason="no such case by then"), "f" * 32),
    ]
    await fill(postgres_dsn, said)
    assert await count(ledger, METHOD, at, source="evidence") == early
    made = await count(ledger, METHOD, at, source="evidence", corrected=True)
    assert made.corrected
    assert made.cases == early.cases
    names = {row.provider for row in made.providers}
    assert "right-host" in names
    assert "later-host" not in names
    retracted = {e.case_id for e in TOLD if isinstance(e.data, ReportRetracted)} | {named[2]}
    spells = sum(v for k, v in made.pooled.excluded.items() if k == "retracted")
    assert spells >= len(retracted - {"f" * 32})


async def test_another_definition_is_applied_to_the_same_evidence(
    ledger: DatabaseConnection,
) -> None:
    """Under the receipt-based definition a bounced notice stops no clock, and the rest is folded anew."""
    receipt = shipped()["receipt-24h"]
    made = await count(ledger, receipt, CUTOFF, source="evidence")
    assert made == expected(receipt, CUTOFF)
    usual = await count(ledger, METHOD, CUTOFF)
    assert made.pooled.not_started < usual.pooled.not_started
    assert made.methodology_digest == receipt.digest != usual.methodology_digest


async def test_months_are_folded_under_their_own_definition(ledger: DatabaseConnection) -> None:
    """With a definition before and one after an instant, each stretch is that definition's own table."""
    from services.reports.cohorts import Segment  # noqa: PLC0415

    receipt, change = shipped()["receipt-24h"], START + timedelta(minutes=3)
    choice = Choice(before=(Segment(METHOD),), since=change)
    made = await count(ledger, receipt, CUTOFF, choice, source="evidence")
    # All notices left five minutes after the report at START: none before the change under the former definition,
    # and the clocks of the new one started at START, but for the spells that began with a move.
    assert {month.methodology for month in made.trend} == {"receipt-24h"}
    later = Choice(before=(Segment(METHOD),), since=START + timedelta(days=9))
    former = await count(ledger, receipt, CUTOFF, later, source="evidence")
    assert {month.methodology for month in former.trend} == {"nl-24h"}
    assert former.trend[0].row.n == expected(METHOD, CUTOFF).pooled.n


async def test_memory_holds_one_case_at_a_time(ledger: DatabaseConnection) -> None:
    """Cases come one by one while the rest of the log is not read yet."""
    selection = Selection(source="evidence", methodologies=[METHOD], cutoff=CUTOFF)
    async with session_of(ledger) as session, session.transaction():
        parts = read_cases(session, selection, CaseRange())
        seen = [cases[0].case_id async for part in parts for cases in part]
    assert seen == sorted(seen)
    assert len(seen) == COUNT


@pytest.mark.parametrize("corrected", [False, True])
async def test_only_what_went_on_after_a_cutoff_is_folded_again(
    ledger: DatabaseConnection, postgres_dsn: str, corrected: bool
) -> None:
    """The cases that stood so at the cut-off give with the others the table that a fold of all evidence gives."""
    since, later = START + timedelta(hours=1), START + timedelta(hours=30)
    names = [event.case_id for event in TOLD if isinstance(event.data, NoticeSent)]
    said = [
        # Takes effect before it is made: the case seems to have no event as late as that.
        correction(later, attributed("right-host", since), names[0]),
        correction(later, ReportRetracted(actor="ann", reason="not illegal"), names[1]),
    ]
    await fill(postgres_dsn, said)
    for hours in (0.05, 11, 13, 26, 29.5, 31, 720):
        at = START + timedelta(hours=hours)
        whole = await count(ledger, METHOD, at, source="evidence", corrected=corrected)
        made = await count(ledger, METHOD, at, source="stored_by", corrected=corrected)
        assert made == whole


async def test_processes_share_a_ledger(
    ledger: DatabaseConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranges that are counted in another process, of one snapshot, add up to the table of one, to the last bit."""
    monkeypatch.setattr(case_ranges, "_CASES_WORTH_A_PROCESS", 1)
    session = await asyncpg.connect(ledger.dsn)
    await session.execute("ANALYZE cases; ANALYZE events")
    await session.close()
    at, choice = START + timedelta(hours=26), Choice(by="reporter", curves=True)
    shown = Gauge("counting")
    with helpers(1) as others:
        made = await count(ledger, METHOD, CUTOFF, choice, helped_by=others, watcher=shown)
    assert made == expected(METHOD, CUTOFF, choice)
    assert repr(shown) == f"<Gauge counting: {COUNT} of {COUNT}>"
    with helpers(1) as others:
        made = await count(ledger, METHOD, at, choice, source="stored_by", helped_by=others)
    assert made == expected(METHOD, at, choice)


@pytest.mark.parametrize(
    ("parts", "ends"),
    [(case_ranges.ranges_of(24), ("", "g")), (case_ranges.pages_of(24, 3), tuple(PageRange()))],
)
def test_ranges_leave_no_case_out(
    parts: list[CaseRange] | list[PageRange], ends: tuple[object, object]
) -> None:
    """The ranges of several processes follow on each other, from the first id or page to beyond the last."""
    assert (parts[0].low, parts[-1].high) == ends
    assert [part.high for part in parts[:-1]] == [part.low for part in parts[1:]]
    assert list(parts) == sorted(parts)


async def test_the_log_is_read_in_the_order_of_its_key(ledger: DatabaseConnection) -> None:
    """No sort of the whole log: Postgres walks the primary key."""
    from schemas.sqlfiles import statements  # noqa: PLC0415

    session = await asyncpg.connect(ledger.dsn)
    try:
        await session.execute(
            "ANALYZE events; SET enable_seqscan = off; SET enable_bitmapscan = off"
        )
        statement = statements("services.reports", "ledger.sql")["report_events"]
        plan = await session.fetch(f"EXPLAIN {statement}", *CaseRange(), CUTOFF)
    finally:
        await session.close()
    told = "\n".join(row[0] for row in plan)
    assert "Index Scan using events_pkey" in told
    assert "Sort" not in told


# -- the command ---------------------------------------------------------------------------------

Run = Callable[..., dict[str, object]]


@pytest.fixture
def report(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run `takedown report --json` on a filled ledger and give what it printed."""
    run_apart(fill(postgres_dsn, TOLD))
    monkeypatch.setenv("TAKEDOWN_DATABASE_URL", postgres_dsn)

    def run(*arguments: str) -> dict[str, object]:
        capsys.readouterr()
        assert main(["report", "--json", *arguments]) == 0
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    return run


def test_the_command_counts_as_of_a_cutoff(report: Run) -> None:
    """`--cutoff` gives the table of that instant, `--methodology` that of another definition."""
    at = START + timedelta(hours=26)
    plain = report("--cutoff", at.isoformat())
    table = expected(METHOD, at)
    assert plain["pooled"] == json.loads(msgspec.json.encode(table.pooled))
    other = report("--cutoff", at.isoformat(), "--methodology", "receipt-24h")
    assert other["methodology"] == "receipt-24h"
    assert other["pooled"] != plain["pooled"]


def test_the_command_names_the_definition_that_it_counts_under(
    report: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the ledger is folded under another definition than is set, its evidence is folded anew."""
    at = datetime.now(UTC)
    plain = report()
    monkeypatch.setenv("TAKEDOWN_METHODOLOGY", "receipt-24h")
    other = report()
    names = ("n", "within", "certain_breaches", "undecided", "not_started", "excluded")
    for made, method in ((plain, METHOD), (other, shipped()["receipt-24h"])):
        assert made["methodology_digest"] == method.digest
        pooled, row = made["pooled"], expected(method, at).pooled
        assert isinstance(pooled, dict)
        assert [pooled[name] for name in names] == [getattr(row, name) for name in names]
    assert other["pooled"] != plain["pooled"]


def test_the_command_writes_every_form(report: Run, tmp_path: Path) -> None:
    """One run gives JSON, CSV and HTML of the same table."""
    sheet, page = tmp_path / "table.csv", tmp_path / "table.html"
    made = report(
        "--csv", str(sheet), "--html", str(page), "--watch", "refuser", "--warning", "giant=2026-01-01"
    )  # fmt: skip
    assert isinstance(made["providers"], list)
    names = [row["provider"] for row in made["providers"]]
    assert "refuser" in names
    groups = [row["group"] for row in csv.DictReader(io.StringIO(sheet.read_text("utf-8")))]
    assert groups[: len(names)] == names
    text = page.read_text("utf-8")
    assert str(made["methodology_digest"]) in text
    assert "Before and after a warning" in text


def test_the_public_form_hides_small_counts(report: Run) -> None:
    """`--public` shows no count from 1 to 4."""
    made = report("--public")
    assert made["public"] is True
    rows = made["providers"]
    assert isinstance(rows, list)
    for row in rows:
        assert not {1, 2, 3, 4} & {row[k] for k in ("n", "within", "certain_breaches", "undecided")}


def test_countries_come_from_the_provider_map(report: Run, tmp_path: Path) -> None:
    """`--by country` needs a provider map, and counts the unknown as such."""
    file = tmp_path / "providers.toml"
    file.write_text('[[provider]]\nid = "giant"\nname = "Giant"\ncountry = "NL"\n')
    made = report("--by", "country", "--provider-map", str(file))
    rows = made["providers"]
    assert isinstance(rows, list)
    assert {row["provider"] for row in rows} == {"NL", "unknown"}


def test_the_map_names_whom_to_watch_and_who_was_warned(report: Run, tmp_path: Path) -> None:
    """A tag of the provider map shows its provider, and compares before and after its warning."""
    file = tmp_path / "providers.toml"
    file.write_text(
        '[[provider]]\nid = "refuser"\nname = "R"\n[[provider.tag]]\ntag = "watch-list"\n'
        'actor = "analyst"\nreason = "x"\nwarned_on = 2026-01-01T00:00:00Z\nperiod = "30d"\n'
    )
    made = report("--provider-map", str(file))
    assert isinstance(made["providers"], list)
    assert "refuser" in [row["provider"] for row in made["providers"]]
    assert isinstance(made["warnings"], list)
    assert [one["provider"] for one in made["warnings"]] == ["refuser"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--by", "country"], "provider map"),
        (["--cutoff", "2026-01-01T00:00:00"], "zone"),
        (["--methodology", "nl-24h", "--methodology", "receipt-24h"], "instant of their own"),
        (["--methodology", "nowhere"], "no methodology nowhere"),
        (["--warning", "giant"], "PROVIDER=2020-07-01"),
        (["--methodology", "nl-24h@soon"], "instant with its zone"),
    ],
)
def test_what_can_not_be_read_is_refused(
    arguments: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong option ends with status 2 and what to give instead, before any server is asked."""
    monkeypatch.setenv("TAKEDOWN_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert main(["report", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_builder_takes_cases_in_any_order() -> None:
    """The choice of what to show changes no count."""
    empty = Builder(METHOD, CUTOFF).finish()
    assert (empty.cases, empty.pooled.n, empty.providers) == (0, 0, [])
