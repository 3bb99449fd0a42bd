"""Output of a demo: the table while it runs, and the league table beside the truth at the end."""

from rich import box
from rich.console import Console, Group
from rich.table import Table as Grid
from rich.text import Text

from services.reports.answer_sheets import counts
from services.reports.table import Row
from services.reports.text import share, shares, written
from services.runtime.demo.closing import ArticleClosing, RankLine
from services.runtime.demo.play import DemoResult, Moment
from services.simulation.facts import ProviderFigures

_LIVE = ("provider", "judged", "within", "breached", "undecided", "running", "online", "looks")
_SHOWN_FAILURES = 12
_RANKING = (
    *("", "provider", "cases", "reports", "of all", "n", "lower", "truth", "upper"),
    *("no clock", "by notice"),
)
_LEAD_ON = (
    "the article's four providers, 185,000 reports scaled down: takedown demo --scenario article"
)


def live(moment: Moment) -> Group:
    """Lay out the state of the ledger while the demo runs."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0))
    for number, head in enumerate(_LIVE):
        grid.add_column(head, justify="left" if number == 0 else "right")
    table = moment.table
    for row in [*sorted(table.providers, key=lambda r: -r.looks)[:10], table.pooled]:
        grid.add_row(*_live_cells(row), style="bold" if row is table.pooled else "")
    title = f"{moment.elapsed:5.1f} of {moment.total:.0f} s; an hour takes two seconds, the norm is 48 s"
    return Group(Text(title), grid)


def line(moment: Moment) -> str:
    """Write the same in one line, for what is no terminal."""
    row = moment.table.pooled
    return (
        f"{moment.elapsed:3.0f}/{moment.total:.0f} s {moment.table.cases} cases: {row.within} within, "
        f"{row.certain_breaches} breached, {row.undecided} undecided, {row.still_online} online"
    )


def _live_cells(row: Row) -> list[str]:
    numbers = (
        row.n,
        row.within,
        row.certain_breaches,
        row.undecided,
        row.younger_than_norm,
        row.still_online,
        row.looks,
    )
    return [row.provider, *(str(number) for number in numbers)]


def final(result: DemoResult, console: Console) -> None:
    """Print the league table, the truth beside the measured bounds, and the verdict on the monitor."""
    console.print(Text.from_ansi(written(result.table, width=console.width)))
    console.print(_beside_truth(result))
    if result.article is not None:
        console.print(_ranking(result.article))
    for text in _checks(result):
        console.print(text)


def _ranking(article: ArticleClosing) -> Group:
    """Lay out the article's ranking in fiction, and what it takes to tell who refuses notices."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(_RANKING):
        grid.add_column(head, justify="left" if number in (1, 10) else "right")
    for place, one in enumerate(article.lines, 1):
        grid.add_row(*_ranking_cells(place, one))
    title = (
        f"The article's four providers, in fiction: {article.reports:,} reports, of which one case stands for "
        f"{article.reports_per_case:g}"
    )
    judged = (
        f"of what could be judged {shares((article.lower, article.upper))} was gone within the norm, in truth "
        f"{share(article.true_share)}"
    )
    texts = [judged, *map(_refusal, (one for one in article.lines if one.not_measurable))]
    return Group(Text(title), grid, Text("\n".join([*texts, *article.backlogs])))


def _ranking_cells(place: int, one: RankLine) -> list[str]:
    return [
        str(place),
        one.provider,
        str(one.cases),
        f"{one.reports:,}",
        share(one.share_of_all),
        str(one.n),
        share(one.lower),
        share(one.true_share),
        share(one.upper),
        str(one.without_clock),
        f"not measurable: {one.not_measurable}" if one.not_measurable else "measurable",
    ]


def _refusal(one: RankLine) -> str:
    return (
        f"{one.provider} is not measurable by notice: of its {one.cases} cases {one.without_clock} have no clock "
        f"({counts(one.reasons)}), none is hidden and none of them a breach; {one.by_police} came by the police"
    )


def _beside_truth(result: DemoResult) -> Group:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    heads = ("provider", "n", "lower", "truth", "upper", "undecided", "truth inside")
    for number, head in enumerate(heads):
        grid.add_column(head, justify="left" if number == 0 else "right")
    for name, figures in result.verification.providers.items():
        grid.add_row(name, *_truth_cells(figures))
    grid.add_section()
    grid.add_row("all", *_truth_cells(result.verification.total), style="bold")
    return Group(Text("Measured bounds beside the simulator's truth"), grid)


def _truth_cells(figures: ProviderFigures) -> list[str]:
    return [
        str(figures.n),
        share(figures.lower),
        share(figures.true_share),
        share(figures.upper),
        str(figures.undecided),
        "yes" if figures.brackets_truth else "NO",
    ]


def _rate(rate: float | None) -> str:
    return "not counted" if rate is None else f"{rate:.2f}"


def _checks(result: DemoResult) -> list[str]:
    verification = result.verification
    lines = [
        f"true removals inside their interval: {verification.found_removals} of {verification.expected_removals}",
        f"undecided: {verification.undecided_share:.2%} of those judged",
        f"breaches by /metrics: {result.breaches_metric:g}, by the ledger: {result.breaches_ledger}",
        f"requests per look: {_rate(result.requests_per_look)}",
        f"digest of the ledger: {result.digest}",
        f"took {result.seconds:.0f} s",
    ]
    for failure in verification.failures[:_SHOWN_FAILURES]:
        lines.append(
            f"WRONG {failure.kind} case {failure.case_id} spell {failure.spell}: {failure.detail}"
        )
    hidden = len(verification.failures) - _SHOWN_FAILURES
    if hidden > 0:
        lines.append(f"and {hidden} more")
    if result.article is None:
        lines.append(_LEAD_ON)
    else:
        lines += [f"WRONG {text}" for text in result.article.contradictions]
    lines.append("the monitor agrees with the truth" if result.ok else "THE MONITOR WAS WRONG")
    return lines
