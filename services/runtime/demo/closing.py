"""The closing of the article's scenario: the ranking, the share, and who could not be told, beside what was true."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from msgspec import Struct, structs

from services.notices.channel_capacity import forecast
from services.notices.measurability import NOT_MEASURABLE, POLICE
from services.reports.figures import ChannelFigures, Row, Table
from services.simulation.article import FORM_PER_HOUR, reports_per_case
from services.simulation.facts import Verification
from services.simulation.world import World


class RankLine(Struct, frozen=True, kw_only=True):
    """One provider of the ranking; `reports` are those of the article that its cases stand for.

    `without_clock` are the spells that no notice told it of, `reasons` why. Shares are None where too few were judged.
    """

    provider: str
    cases: int
    reports: int
    share_of_all: float
    n: int
    lower: float | None
    upper: float | None
    true_share: float | None
    certain_breaches: int
    without_clock: int
    reasons: dict[str, int]
    by_police: int
    not_measurable: str | None


class ArticleClosing(Struct, frozen=True, kw_only=True):
    """The ranking, the share of all, and what contradicts the truth.

    `backlogs` are sentences in the article's numbers and hours.
    """

    reports: int
    reports_per_case: float
    lines: list[RankLine]
    lower: float
    upper: float
    true_share: float | None
    backlogs: list[str]
    contradictions: list[str]


def closing(table: Table, world: World, verification: Verification) -> ArticleClosing:
    """Rank the providers by their cases, and hold what the table says of notices against the world's truth."""
    per_case, cases = reports_per_case(len(world.cases)), Counter(c.provider for c in world.cases)
    rows = {row.provider: row for row in table.providers}
    lines = [
        _line(rows.get(provider, Row(provider=provider)), number, per_case, world, verification)
        for provider, number in sorted(cases.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return ArticleClosing(
        reports=round(per_case * len(world.cases)),
        reports_per_case=per_case,
        lines=lines,
        lower=verification.total.lower,
        upper=verification.total.upper,
        true_share=verification.total.true_share,
        backlogs=list(_backlogs(lines, per_case, world)),
        contradictions=list(_contradictions(lines, rows, world)),
    )


def _line(
    row: Row, cases: int, per_case: float, world: World, verification: Verification
) -> RankLine:
    figures = verification.providers.get(row.provider)
    sent = [n for case in world.cases for n in case.notices if n.provider == row.provider]
    return RankLine(
        provider=row.provider,
        cases=cases,
        reports=round(cases * per_case),
        share_of_all=cases / len(world.cases),
        n=row.n,
        lower=row.lower,
        upper=row.upper,
        true_share=figures.true_share if figures and not row.too_few else None,
        certain_breaches=row.certain_breaches,
        without_clock=row.not_started,
        reasons=row.no_clock,
        by_police=sum(notice.channel == POLICE for notice in sent),
        not_measurable=row.not_measurable,
    )


def _backlogs(lines: list[RankLine], per_case: float, world: World) -> Iterator[str]:
    """Say how long the forms would take, in the article's numbers and hours."""
    norm = timedelta(hours=world.scenario.norm_hours)
    for line in lines:
        if line.not_measurable is not None and line.without_clock:
            waiting = round(line.without_clock * per_case)
            yield f"{line.provider}: {forecast(waiting, FORM_PER_HOUR, norm)}"


def in_scaled_hours(table: Table, world: World) -> Table:
    """Give a table whose channels speak of the hours of the world, and not of those of the clock."""
    factor, norm = 3600.0 / world.scenario.hour_seconds, timedelta(hours=world.scenario.norm_hours)
    channels = [_scaled(one, factor, norm) for one in table.channels]
    return structs.replace(table, channels=channels)


def _scaled(one: ChannelFigures, factor: float, norm: timedelta) -> ChannelFigures:
    if one.per_hour is None:
        return one
    carries = forecast(one.waiting, one.per_hour / factor, norm)
    return structs.replace(
        one,
        per_hour=carries.per_hour,
        takes_hours=carries.takes / timedelta(hours=1),
        forecast=str(carries),
    )


# -- beside the truth ------------------------------------------------------------------------------


def _contradictions(lines: list[RankLine], rows: dict[str, Row], world: World) -> Iterator[str]:
    spells = [spell for truth in world.truths() for spell in truth.spells]
    untold = Counter(s.provider for s in spells if s.clock_started_at is None)
    refusing = {s.id for s in world.scenario.providers if s.refuses_mail}
    for line in lines:
        name, row = line.provider, rows.get(line.provider, Row(provider=line.provider))
        yield from _differs(name, "cases without a clock", line.without_clock, untold[name])
        if name not in refusing:
            continue
        yield from _differs(
            name, "measurable by notice", line.not_measurable in NOT_MEASURABLE, True
        )
        yield from _differs(name, "reasons", line.reasons, _reasons(world, name))
        late = sum(s.within is False for s in spells if s.provider == name)
        yield from _differs(name, "certain breaches", line.certain_breaches, late)
        rungs = Counter(e.to for c in world.cases if c.provider == name for e in c.escalations)
        yield from _differs(name, "escalations", row.escalations, dict(sorted(rungs.items())))
    for line in lines:
        if line.provider not in refusing and line.not_measurable is not None:
            yield f"{line.provider} takes notices, and is called {line.not_measurable}"
    if not _ranked_as(lines, rows):
        yield "the ranking by cases is another one in truth"


def _differs(provider: str, what: str, measured: object, true: object) -> Iterator[str]:
    if measured != true:
        yield f"{provider}: {what} {measured}, in truth {true}"


def _reasons(world: World, provider: str) -> dict[str, int]:
    """Count the last failures of what no notice told a provider of."""
    last = Counter(
        f"theirs:{case.notices[-1].failure}"
        for case in world.cases
        if case.provider == provider and not any(notice.arrives for notice in case.notices)
    )
    return dict(sorted(last.items()))


def _ranked_as(lines: list[RankLine], rows: dict[str, Row]) -> bool:
    """Tell whether the table's spells rank the providers as their cases do, but for what moves may have changed."""
    spells = [sum(rows.get(one.provider, Row(provider="")).roles.values()) for one in lines]
    moved = sum(row.moved for row in rows.values())
    falls = (before >= after for before, after in pairwise(spells))
    near = (one.cases - other.cases <= moved for one, other in pairwise(lines))
    return all(fall or close for fall, close in zip(falls, near, strict=True))
