"""The league table: groups, cohorts, months, and its forms as text, CSV and HTML."""

import colorsys
import csv
import io
import pickle
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec
import pytest

from schemas import events as ev
from schemas.errors import ConfigError
from schemas.events import Event
from schemas.methodology import shipped
from services.core.case import Case
from services.core.fold import fold
from services.reports import html, public, sheet, text
from services.reports.cohorts import Segment
from services.reports.figures import By, Quantile, Row, Table, Warning
from services.reports.local_times import in_zone
from services.reports.newest import with_newest
from services.reports.table import Builder, Choice, build
from services.reports.warned import load_warnings, warning
from tests.strategies import START, event, look

NL = msgspec.structs.replace(shipped()["nl-24h"], minimum_n=10)
RECEIPT = msgspec.structs.replace(shipped()["receipt-24h"], minimum_n=10)
HOUR = timedelta(hours=1)
CUTOFF = START + timedelta(days=90)


def history(
    number: int, provider: str, hours: float, *, reporter: str = "hotline", category: str = "csam"
) -> list[Event]:
    """Make a case: reported, noticed after an hour, last seen online just before `hours`, then gone."""
    name = f"{number:032x}"
    start = START + timedelta(hours=6.5 * number)
    filed = ev.ReportFiled(
        reporter=reporter, sealed_url="s1.k.x", provider=provider, category=category
    )
    sent = ev.NoticeSent(notice_id=f"n{number}", provider=provider)
    events = [event(start, filed, name), event(start + HOUR, sent, name)]
    events.append(look(start + 1.1 * HOUR, "online", provider=provider, case=name))
    gone = start + HOUR + hours * HOUR
    if hours > 0.2:
        events.append(look(gone - 0.05 * HOUR, "online", provider=provider, case=name))
    events += [look(gone + more * HOUR, "removed", case=name) for more in (0.1, 0.5, 1)]
    return events


def histories() -> Iterator[list[Event]]:
    """Give 180 cases: `giant` is quick for most, `slow` never, `few` has three."""
    for number in range(180):
        if number < 120:
            yield history(number, "giant", 5.0 if number % 4 else 40.0, category="csam")
        elif number < 177:
            yield history(number, "slow", 30.0 + number / 10, reporter="police")
        else:
            yield history(number, "few", 2.0, category="terrorist")


LOGS = list(histories())


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [fold(events, NL)[0] for events in LOGS]


@pytest.fixture(scope="module")
def table(cases: list[Case]) -> Table:
    warned = Warning(provider="giant", warned_at=START + 240 * HOUR, grace_ends=START + 480 * HOUR)
    choice = Choice(curves=True, watch=("refuser", "few"), warnings=(warned,))
    return build(cases, NL, CUTOFF, choice)


def row_of(table: Table, name: str) -> Row:
    return next(row for row in table.providers if row.provider == name)


def test_a_group_has_its_share_its_median_and_its_uncertainty(table: Table) -> None:
    """Bounds, Wilson's interval around them, and Turnbull's median and p90 in hours."""
    giant = row_of(table, "giant")
    assert (giant.n, giant.within, giant.certain_breaches) == (120, 90, 30)
    assert giant.lower == giant.upper == 0.75
    assert giant.sampling is not None
    assert giant.sampling[0] < 0.75 < giant.sampling[1]
    assert giant.estimate == (0.75, 0.75)
    assert giant.median is not None
    assert giant.median.reached
    assert giant.median.lower_hours == pytest.approx(4.95, abs=0.02)
    assert giant.median.upper_hours == pytest.approx(5.1, abs=0.02)
    assert giant.p90 is not None
    assert giant.p90.upper_hours == pytest.approx(40.1, abs=0.02)


def test_a_group_below_the_minimum_has_counts_and_no_share(table: Table) -> None:
    """Too few spells: counted, and neither ranked nor estimated."""
    few = row_of(table, "few")
    assert (few.n, few.too_few) == (3, True)
    assert few.lower is few.sampling is few.median is few.curve is None


def test_the_watch_list_is_always_there(table: Table) -> None:
    """A watched provider stands in the table without a single spell, and in the text beyond its limit."""
    assert row_of(table, "refuser").n == 0
    shown = written(table, most=1)
    assert "refuser *" in shown
    assert "few *" in shown
    assert "1 more groups not shown" in shown


def test_pooled_figures_leave_out_the_largest_and_draw_providers(table: Table) -> None:
    """Without the largest provider the share is another one, and the pooled interval is the bootstrap's."""
    assert table.without_largest is not None
    assert table.without_largest.provider == "all without giant"
    assert table.without_largest.n == table.pooled.n - 120
    assert table.pooled.sampling is not None
    low, high = table.pooled.sampling
    assert table.pooled.lower is not None
    # Three providers, of which one is all bad: far wider than the 180 spells alone would say.
    assert low < table.pooled.lower - 0.2
    assert high > table.pooled.lower + 0.2


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        ("reporter", {"hotline": 123, "police": 57}),
        ("category", {"csam": 177, "terrorist": 3}),
        ("country", {"NL": 120, "unknown": 60}),
    ],
)
def test_other_groups_count_the_same_spells(
    cases: list[Case], by: str, groups: dict[str, int]
) -> None:
    """The table by reporter, category or country has the same pooled figures, bootstrap included."""
    choice = Choice(by=by, countries={"giant": "NL"})  # type: ignore[arg-type]
    made, usual = build(cases, NL, CUTOFF, choice), build(cases, NL, CUTOFF)
    assert {row.provider: row.n for row in made.providers} == groups
    assert made.pooled == usual.pooled


def test_a_warning_splits_the_cohorts(table: Table) -> None:
    """Before, within the grace period and after: by when the clock started, and nothing is lost."""
    (warned,) = table.warnings
    parts = (warned.before, warned.grace, warned.after)
    assert sum(part.n for part in parts) == row_of(table, "giant").n
    assert [part.n for part in parts] == [37, 37, 46]


def test_months_break_where_the_definition_changes() -> None:
    """Each month stands under the definition in force, and the first of the new one says that it breaks."""
    change = START + timedelta(days=20)
    choice = Choice(before=(Segment(NL),), since=change)
    builder = Builder(RECEIPT, CUTOFF, choice)
    for events in LOGS:
        builder.add_before(fold(events, NL)[0], 0)
        builder.add(fold(events, RECEIPT)[0])
    trend = builder.finish().trend
    assert [(m.month, m.methodology, m.breaks) for m in trend] == [
        ("2026-01", "nl-24h", False),
        ("2026-01", "receipt-24h", True),
        ("2026-02", "receipt-24h", False),
    ]
    # The clock started an hour earlier under the new definition: one spell falls between the two stretches or not.
    assert sum(m.row.n for m in trend) == len(LOGS)


def test_the_heat_map_is_in_the_zone_of_the_methodology(table: Table) -> None:
    """The first notice left at 01:00 UTC on Thursday, 1 January: two o'clock in Amsterdam."""
    assert next(c for c in table.hours if (c.weekday, c.hour) == (4, 2)).n
    assert sum(cell.n or 0 for cell in table.hours) == table.pooled.n


def test_a_table_is_a_function_of_the_set_of_cases(cases: list[Case], table: Table) -> None:
    """Another order of the cases gives the same table, to the last digit."""
    choice = Choice(curves=True, watch=("refuser", "few"))
    again = build(reversed(cases), NL, CUTOFF, choice)
    assert again == msgspec.structs.replace(table, warnings=[])


# -- forms ---------------------------------------------------------------------------------------


def written(table: Table, most: int | None = None, width: int = 170) -> str:
    return click.unstyle(text.written(table, most, width))


def test_a_narrow_terminal_shows_every_column(table: Table) -> None:
    """At 80 columns nothing is cut: what does not fit beside the names stands in a table below."""
    wide, narrow = written(table), written(table, width=80)
    assert max(map(len, narrow.splitlines())) <= 80
    assert "\u2026" not in narrow
    for head in (*text._BOUNDS, "median h", "90 % gone h", *text._STOCK):
        assert head in wide
        assert head in narrow
    for cell in ("75.00%", "120", "5.0-5.1", "too few"):
        assert cell in narrow
    assert narrow.count("\n slow ") > wide.count("\n slow ") >= 2


@pytest.mark.parametrize(
    ("norm", "unit", "median"),
    [("48s", "s", "18000.0-"), ("1h", "min", "300.0-"), ("24h", "h", "5.0-")],
)
def test_times_are_told_in_the_unit_of_the_norm(
    table: Table, norm: str, unit: str, median: str
) -> None:
    """A norm of seconds has medians in seconds, in the text, on the page and beside its curves."""
    gone = Quantile(reached=True, lower_hours=5.0, upper_hours=5.1)
    giant = msgspec.structs.replace(row_of(table, "giant"), median=gone)
    other = msgspec.structs.replace(table, norm=norm, providers=[giant])
    shown, page = written(other), html.page(other)
    assert f"median {unit} " in shown
    assert f"90 % gone {unit}\n" in shown
    assert median in shown
    assert f"median, {unit}<" in page
    assert median in page


def test_pooled_rows_have_a_least_number_too(cases: list[Case]) -> None:
    """A ledger with a handful of spells publishes no share at all, in no row."""
    few = written(build(cases[177:], NL, CUTOFF))
    line = next(line for line in few.splitlines() if line.startswith(" all "))
    assert line.split()[:6] == ["all", "3", "too", "few", "too", "few"]


def test_the_text_names_definition_cutoff_and_exclusions(table: Table) -> None:
    """A figure without its definition is none."""
    shown = written(table)
    for words in (
        NL.digest[:12], "cut-off 2026-04-01", "too few", "75.00%", "warned 2026-01-11",
        "24h (1h for terrorist)",
    ):  # fmt: skip
        assert words in shown
    assert "within + certain breaches + undecided = n" in shown


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("notice_sent", "the first notice that was sent"),
        ("notice_delivered", "the first notice that was delivered"),
        ("report", "the report"),
    ],
)
def test_the_page_names_the_clock_of_the_methodology(table: Table, start: str, words: str) -> None:
    """Where the clock starts with the report, nothing speaks of the hour of the notice."""
    page = html.page(msgspec.structs.replace(table, clock_start=start))
    for sentence in (
        f"Weekday and hour of {words}",
        f"Time since {words}",
        f"By the month of {words}",
    ):
        assert sentence in page


def test_data_that_end_before_the_cutoff_say_so(table: Table) -> None:
    """The newest evidence stands beside the cut-off, and a stock without looks for longer than the cadence is stale."""
    ended = CUTOFF - timedelta(hours=3)
    fresh = with_newest(_seen(table, ended), ended, NL)
    assert "(newest evidence 2026-03-31 21:00:00 UTC)" in written(fresh)
    assert not fresh.stale
    # Reports came in until then, and nobody looked for a month.
    old = with_newest(_seen(table, CUTOFF - timedelta(days=30)), ended, NL)
    for shown in (written(old), html.page(old)):
        assert "STALE: nobody has seen any of it online since 2026-03-02 00:00:00 UTC" in shown
        assert "2026-03-31 21:00:00 UTC" in shown
    assert "online, stale" in written(old)
    assert html.page(old).count("online when last seen: stale") > 1
    assert "still online</" not in html.page(old)
    line = next(csv.DictReader(io.StringIO(sheet.sheet(old))))
    assert (line["newest_evidence"], line["stale"]) == ("2026-03-31T21:00:00+00:00", "True")
    assert line["newest_sighting"] == "2026-03-02T00:00:00+00:00"
    beyond = with_newest(_seen(table, ended), CUTOFF + timedelta(days=1), NL)
    assert beyond == _seen(table, ended)


def _seen(table: Table, at: datetime) -> Table:
    return msgspec.structs.replace(table, newest_sighting=at)


def test_the_newest_sighting_is_that_of_the_stock() -> None:
    """What is gone makes no stock fresh, and an empty one is never stale."""
    gone = fold(history(1, "giant", 5), NL)[0]
    log = history(2, "giant", 40)[:4]
    there = fold(log, NL)[0]
    empty = build([gone], NL, CUTOFF)
    assert empty.newest_sighting is None
    assert not with_newest(empty, log[-1].time, NL).stale
    first, second = Builder(NL, CUTOFF), Builder(NL, CUTOFF)
    first.add(gone)
    second.add(there)
    first.merge(second)
    stock = with_newest(first.finish(), log[-1].time, NL)
    assert stock.newest_sighting == log[-1].data.started_at
    assert stock.stale


def test_people_read_their_own_clock(table: Table) -> None:
    """In a zone every instant names it and may be given as a cut-off; days stay days, and no figure changes."""
    zone = ZoneInfo("America/New_York")
    here = in_zone(with_newest(_seen(table, START), CUTOFF - HOUR / 2, NL), zone)
    for shown in (written(here, width=250), html.page(here)):
        assert "cut-off 2026-03-31 20:00:00-04:00 America/New_York" in shown.replace(
            "of 2026", "2026"
        )
        assert "newest evidence 2026-03-31 19:30:00-04:00 America/New_York" in shown
        assert "since 2025-12-31 19:00:00-05:00 America/New_York" in shown
        assert "UTC" not in shown
    assert "warned 2026-01-11" in written(here)
    assert "Gone within 24h: provider league table, 2026-03-31" in html.page(here)
    assert datetime.fromisoformat("2026-03-31 20:00:00-04:00") == CUTOFF
    assert here.pooled == table.pooled


def test_the_newest_evidence_as_a_cutoff_loses_nothing() -> None:
    """Given as it is printed, it leaves out no look: counts and times are those of a report as of now."""
    newest = max(one.time for log in LOGS for one in log)
    assert newest.microsecond
    shown = re.search(
        r"newest evidence (\S+ \S+) UTC", written(with_newest(_as_of(CUTOFF), newest, NL))
    )
    assert shown is not None
    cutoff = datetime.fromisoformat(f"{shown[1]}+00:00")
    assert cutoff == newest
    then, today = _as_of(cutoff), _as_of(CUTOFF)
    for one, other in zip(
        (then.pooled, *then.providers), (today.pooled, *today.providers), strict=True
    ):
        assert (one.n + one.younger_than_norm, one.median) == (other.n, other.median)


def _as_of(cutoff: datetime) -> Table:
    """Count what was known at a cut-off."""
    logs = ([one for one in log if one.time <= cutoff] for log in LOGS)
    return build([fold(log, NL)[0] for log in logs if log], NL, cutoff)


def test_a_share_has_one_form(table: Table) -> None:
    """Text and page write every share in per cent with two places, an interval without a repeated sign."""
    assert [text.share(0.75), text.share(None)] == ["75.00%", "-"]
    assert [text.shares((0.75, 0.8)), text.shares((0.75, 0.75))] == ["75.00-80.00%", "75.00%"]
    for shown in (written(table), re.sub(r"<svg.*?</svg>|<style.*?</style>", "", html.page(table))):
        assert "75.00%" in shown
        assert not re.findall(r"\b0\.\d{4}\b", shown)


def test_a_norm_of_working_time_says_so(table: Table) -> None:
    """Sixteen hours of working time are two days, and no reader may take them for sixteen hours."""
    business = msgspec.structs.replace(table, norm="16h", norms={}, calendar="business")
    assert "within the norm of 16h of working time" in written(business)
    assert "16h of working time" in html.page(business)


def test_the_sheet_has_every_group_with_its_definition(table: Table) -> None:
    """CSV: one line per group and the pooled ones, digest and cut-off on each."""
    rows = list(csv.DictReader(io.StringIO(sheet.sheet(table))))
    assert [row["group"] for row in rows[:2]] == ["giant", "slow"]
    parts = Counter(row["part"].partition(" ")[0] for row in rows)
    assert parts == {
        "group": len(table.providers), "channel": len(table.channels), "pooled": 2, "unweighted": 1,
        "month": len(table.trend), "before": 1, "until": 1, "after": 1,
        "hour": sum(bool(cell.n) for cell in table.hours),
    }  # fmt: skip
    counted = [row for row in rows if row["part"] == "group" and row["n"]]
    assert sum(int(row["n"]) for row in counted) == table.pooled.n
    mean = next(row for row in rows if row["part"] == "unweighted")
    assert (float(mean["lower"]), float(mean["upper"])) == table.unweighted
    assert {row["methodology_digest"] for row in rows} == {NL.digest}
    assert rows[0]["lower"] == "0.75"
    assert next(row for row in rows if row["group"] == "few")["lower"] == ""


class Page(HTMLParser):
    """What a page holds, and that its elements are closed in order."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_nothing_of_the_network(table: Table) -> None:
    """Well-formed, no script, nothing to fetch, and each drawing says what it shows."""
    made = html.page(table)
    page = Page()
    page.feed(made)
    page.close()
    assert page.open == []
    tags = [tag for tag, _ in page.found]
    assert not {"script", "link", "img", "iframe", "object"} & set(tags)
    assert not any({"src", "href", "onload", "onclick"} & set(attrs) for _, attrs in page.found)
    assert set(re.findall(r"https?://[^\"' ]+", made)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in made
    drawings = [attrs for tag, attrs in page.found if tag == "svg"]
    # Distribution, three survival panels (all, giant, slow), months, and a warning's cohorts.
    assert len(drawings) == 6
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in drawings)
    headings = [tag for tag in tags if tag in ("th",)]
    assert headings
    assert NL.digest in made


def test_the_page_escapes_what_it_is_told() -> None:
    """A name can't become markup."""
    case, _ = fold(history(1, "giant", 2.0, reporter="<b>x</b>"), NL)
    made = html.page(build([case], NL, CUTOFF, Choice(by="reporter", curves=True)))
    assert "<b>x</b>" not in made
    assert "&lt;b&gt;x&lt;/b&gt;" in made


def luminance(red: float, green: float, blue: float) -> float:
    """Give the relative luminance of a colour (WCAG 2.2)."""
    parts = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_every_cell_of_the_heat_map_can_be_read() -> None:
    """Ink and ground differ by at least 4.5 to 1, as WCAG 2.2 asks, for every share."""
    for percent in range(101):
        light, ink = html.heat(percent / 100)
        ground = luminance(*colorsys.hls_to_rgb(208 / 360, light / 100, 0.62))
        written = 1.0 if ink == "#fff" else 0.0
        high, low = max(ground, written), min(ground, written)
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_an_empty_ledger_has_a_report_too() -> None:
    """With nothing to count every form still says under which definition nothing was found, and the text `none`."""
    empty = build([], NL, CUTOFF, Choice(curves=True))
    for form in (html.page(empty), written(empty), msgspec.json.encode(empty).decode()):
        assert NL.digest[:12] in form
    assert sheet.sheet(empty).count("\n") == 2
    assert "none" in written(empty).splitlines()
    assert "breaches  " not in written(empty)


# -- public --------------------------------------------------------------------------------------


def test_the_public_table_shows_no_small_count(table: Table) -> None:
    """No count from 1 to 4 anywhere, in JSON, and the sums still add up."""
    made = public.publish(table)
    for row in (*made.providers, made.pooled, *(month.row for month in made.trend)):
        counts = [getattr(row, name) for name in ("n", "within", "certain_breaches", "undecided")]
        counts += [row.still_online, row.returned, row.moved, row.gone_before_notice]
        assert not {1, 2, 3, 4} & set(counts)
        assert row.within + row.certain_breaches + row.undecided == row.n
    assert all(cell.n is None or cell.n >= 5 for cell in made.hours)
    assert row_of(made, "few").suppressed
    assert "<5" in written(made)


def test_public_bounds_only_widen(cases: list[Case]) -> None:
    """Hiding small counts keeps the truth inside: lower falls, upper rises."""
    for cut in range(40, 180, 7):
        exact = build(cases[:cut], NL, CUTOFF, Choice(curves=True))
        made = public.publish(exact)
        pairs = [
            (row, row_of(exact, row.provider)) for row in made.providers if row.lower is not None
        ]
        for shown, true in (*pairs, (made.pooled, exact.pooled)):
            assert shown.lower is not None and true.lower is not None  # noqa: PT018
            assert shown.upper is not None and true.upper is not None  # noqa: PT018
            assert shown.lower <= true.lower <= true.upper <= shown.upper


def test_public_cohorts_give_nothing_away(cases: list[Case]) -> None:
    """What a month or a cohort hides does not follow from the row of its provider."""
    days = 27.5
    warned = Warning(
        provider="giant",
        warned_at=START + timedelta(days=days),
        grace_ends=START + timedelta(days=days + 1),
    )
    exact = build(cases, NL, CUTOFF, Choice(warnings=(warned,)))
    (true,), giant = exact.warnings, row_of(exact, "giant")
    assert true.grace.n in range(1, 5)
    made = public.publish(exact)
    (shown,) = made.warnings
    assert shown.grace.suppressed
    parts = (shown.before, shown.after)
    for name in ("n", "within", "certain_breaches"):
        left = getattr(giant, name) - sum(getattr(row, name) for row in parts)
        assert left > getattr(true.grace, name)
        assert not any(getattr(row, name) % 5 for row in parts)
    for row, whole in zip(parts, (true.before, true.after), strict=True):
        assert row.lower is not None and whole.lower is not None  # noqa: PT018
        assert row.upper is not None and whole.upper is not None  # noqa: PT018
        assert row.lower <= whole.lower <= whole.upper <= row.upper


def test_public_pooled_rows_have_a_least_number_too(cases: list[Case]) -> None:
    """A public table gives no share that the table itself does not give."""
    made = public.publish(build(cases[:8], NL, CUTOFF))
    assert made.pooled.too_few
    assert (made.pooled.lower, made.pooled.upper) == (None, None)


def test_a_public_bootstrap_of_few_groups_is_left_out(table: Table) -> None:
    """Drawn from two providers its ends are the shares of one of them, hidden counts and all."""
    assert table.pooled.sampling is not None
    assert public.publish(table).pooled.sampling is None


def test_public_curves_hold_five_spells_a_step(table: Table) -> None:
    """Steps of a published curve stand for at least five spells, and still hold all of them."""
    made = row_of(public.publish(table), "slow")
    assert made.curve is not None
    assert sum(made.curve.masses) == pytest.approx(1)
    assert all(mass * made.n >= 5 - 1e-3 for mass in made.curve.masses)


# -- warnings ------------------------------------------------------------------------------------


def test_warnings_are_read_from_words_and_files(tmp_path: Path) -> None:
    """PROVIDER=DATE and a TOML file say the same."""
    file = tmp_path / "warnings.toml"
    file.write_text('[[warning]]\nprovider = "giant"\nwarned_at = 2020-07-01T00:00:00Z\n')
    told = warning("giant=2020-07-01", "60d")
    assert load_warnings(file) == [told]
    assert told.grace_ends == datetime(2020, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["giant", "=2020-01-01", "giant=yesterday", "giant=2020-13-01"])
def test_a_wrong_warning_is_refused(text: str) -> None:
    """What can't be read is refused with what it should look like."""
    with pytest.raises(ConfigError, match="PROVIDER=2020-07-01"):
        warning(text, "60d")


def test_a_wrong_file_of_warnings_names_the_line(tmp_path: Path) -> None:
    """An instant without a zone would be guessed."""
    file = tmp_path / "warnings.toml"
    file.write_text('[[warning]]\nprovider = "giant"\nwarned_at = 2020-07-01T00:00:00\n')
    with pytest.raises(ConfigError, match="line 3"):
        load_warnings(file)


def test_a_public_share_tells_no_exact_n() -> None:
    """Pooled shares are the same for every n that rounds up to one number, so that none tells what is hidden."""
    told = set()
    for n in range(101, 106):
        row = Row(provider="all", n=n, within=99, certain_breaches=2, undecided=n - 101)
        row.lower, row.upper = 99 / n, (n - 2) / n
        made = public._total(row)
        told.add((made.lower, made.upper))
        assert made.lower is not None
        assert made.lower <= row.lower
    assert len(told) == 1


def test_a_table_is_finished_as_often_as_it_is_wanted(cases: list[Case]) -> None:
    """Making the table changes no count: made again, or after further cases, it is that of all cases so far."""
    builder = Builder(NL, CUTOFF)
    for number, case in enumerate(cases):
        builder.add(case)
        if number == len(cases) // 2:
            builder.finish()
    assert builder.finish() == builder.finish() == build(cases, NL, CUTOFF)


@pytest.mark.parametrize("by", ["provider", "reporter", "category", "country"])
def test_cases_counted_apart_add_up(cases: list[Case], by: By) -> None:
    """Two processes that count half of the cases each, and one that counts all, make the same table."""
    choice = Choice(by=by, countries={"giant": "NL", "refuser": "DE"}, curves=True)
    first, second = Builder(NL, CUTOFF, choice), Builder(NL, CUTOFF, choice)
    for number, case in enumerate(cases):
        (second if number % 3 else first).add(case)
    first.merge(pickle.loads(pickle.dumps(second)))
    assert first.finish() == build(cases, NL, CUTOFF, choice)
