"""The article's scenario: ideal looks and the real core give its ranking, its share, and who refuses notices."""

import io
from datetime import UTC, datetime

import pytest
from msgspec import structs
from rich.console import Console

from services.core.case import Case
from services.reports.table import Choice, Table, build
from services.runtime.demo import show
from services.runtime.demo.closing import closing, in_scaled_hours
from services.runtime.demo.play import DemoResult
from services.runtime.demo.stage import capacities_of
from services.simulation import builder
from services.simulation.article import article
from services.simulation.facts import Verification, measured
from services.simulation.truth import check
from services.simulation.world import World
from tests.unit.simulation.play import DEMO, watched
from tests.unit.simulation.test_simulation_world import KEYS

START = datetime(2026, 1, 1, tzinfo=UTC)
CASES = 250
"""Half of the usual number: each of them stands for 740 reports."""

Play = tuple[World, list[Case], Table]


def table_of(world: World, cases: list[Case]) -> Table:
    choice = Choice(capacities=capacities_of(world.scenario), countries={"giant": "NL"})
    return in_scaled_hours(build(cases, DEMO, world.end, choice), world)


@pytest.fixture(scope="module")
def played() -> Play:
    world = builder.build(article(CASES), seed=1, start=START, port=18080, keyring=KEYS)
    cases = list(watched(world))
    return world, cases, table_of(world, cases)


def checked(world: World, cases: list[Case]) -> Verification:
    spells = [spell for case in cases for spell in measured(case)]
    return check(world.truths(), spells, until=world.end, settle=world.settle)


def result_of(play: Play) -> DemoResult:
    world, cases, table = play
    verification = checked(world, cases)
    return DemoResult(
        table=table,
        verification=verification,
        breaches_metric=table.pooled.certain_breaches,
        breaches_ledger=table.pooled.certain_breaches,
        digest="",
        seconds=1.0,
        logs={},
        article=closing(table, world, verification),
    )


def test_the_figures_of_the_article_come_out(played: Play) -> None:
    """94 % at one provider, some 4,500 at the next two, 84 % within the norm, and nothing against the truth."""
    result = result_of(played)
    assert result.article is not None
    assert (result.ok, result.article.contradictions) == (True, [])
    ranking = [(one.provider, one.reports) for one in result.article.lines]
    assert ranking[0][0] == "giant"
    assert 0.93 < result.article.lines[0].share_of_all < 0.96
    assert {name for name, _ in ranking[1:3]} == {"deltanet", "refuser"}
    assert all(4_400 <= reports <= 5_200 for _, reports in ranking[1:3])
    assert result.article.reports == 185_000
    assert result.article.true_share is not None
    assert result.article.lower <= result.article.true_share <= result.article.upper
    assert 0.83 < result.article.true_share < 0.85


def test_who_refuses_notices_is_not_measurable_and_its_cases_are_no_breaches(played: Play) -> None:
    """Mail is blocked, the form takes five an hour: no clock, reason and fault, and how long the backlog takes."""
    closed = result_of(played).article
    assert closed is not None
    refuser = next(one for one in closed.lines if one.provider == "refuser")
    assert (refuser.not_measurable, refuser.certain_breaches) == ("capacity", 0)
    assert refuser.reasons == {"theirs:rate_limited": refuser.without_clock}
    assert refuser.cases == refuser.without_clock + refuser.by_police + 1
    assert [one.not_measurable for one in closed.lines if one.provider != "refuser"] == [None] * 3
    (backlog,) = closed.backlogs
    waiting = refuser.without_clock * 740
    assert backlog == f"refuser: at 5 an hour, {waiting:,} open cases take {waiting / 120:.1f} days"


def test_a_wrong_figure_contradicts_the_truth(played: Play) -> None:
    """Cases that are hidden, one that is charged, and a provider that is called unmeasurable are named."""
    world, cases, table = played
    hidden = [
        case
        for case in cases
        if case.spell.provider != "refuser" or case.spell.clock_started_at is not None
    ]
    outcome = checked(world, cases)
    said = closing(table_of(world, hidden), world, outcome).contradictions
    assert any("cases without a clock 0" in text for text in said)
    rows = [
        structs.replace(row, not_measurable="capacity") if row.provider == "deltanet" else row
        for row in table.providers
    ]
    (text,) = closing(structs.replace(table, providers=rows), world, outcome).contradictions
    assert text == "deltanet takes notices, and is called capacity"
    charged = [
        structs.replace(row, certain_breaches=1) if row.provider == "refuser" else row
        for row in table.providers
    ]
    (text,) = closing(structs.replace(table, providers=charged), world, outcome).contradictions
    assert text == "refuser: certain breaches 1, in truth 0"


def test_the_demo_closes_with_the_ranking(played: Play) -> None:
    """The scale, the ranking, who is not measurable by notice, and the backlog stand there; the demo leads there."""
    result = result_of(played)
    closing_words = written(result)
    for words in (
        "185,000 reports, of which one case stands for 740",
        "not measurable: capacity",
        "none is hidden and none of them a breach",
        "at 5 an hour",
        "the monitor agrees with the truth",
    ):
        assert words in closing_words, words
    assert "takedown demo --scenario article" in written(structs.replace(result, article=None))


def written(result: DemoResult) -> str:
    console = Console(width=220, file=io.StringIO())
    show.final(result, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]
