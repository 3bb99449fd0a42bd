"""A notice whose time is known as a span: what is certain holds for every instant that it may mean."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import Methodology
from services.core.bounds import standing
from services.core.case import Case
from services.core.fold import fold
from services.core.removal import removal_time
from services.reports.evidence_reasons import explain
from tests.strategies import NL, START, event, look
from tests.unit.core.test_fold import at, gone, online, report, stands

LATE = START + timedelta(days=90)
DAY = timedelta(days=1)


def dated(hours: float) -> Event:
    """A notice of which no more than the day before this hour is known."""
    data = ev.NoticeSent(notice_id="n1", provider="giant", earliest=at(hours) - DAY)
    return event(at(hours), data)


def folded(*events: Event) -> Case:
    return fold([report(), *events], NL)[0]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([online(5), *gone(30)], "within"),
        ([online(25), *gone(47.9)], "within"),
        ([online(25), *gone(49)], "undecided"),
        ([online(60), *gone(71)], "undecided"),
        ([online(71), *gone(73)], "undecided"),
        ([online(73)], "certain_breaches"),
        ([*gone(20)], "excluded:gone_before_notice"),
        ([online(5), *gone(30), online(50)], "undecided"),
        ([online(5), *gone(30), online(50), online(80)], "undecided"),
        ([online(5), *gone(50), online(60), online(80)], "undecided"),
        ([online(5), *gone(30), online(40), online(80)], "certain_breaches"),
        ([*gone(0), online(47), online(80)], "certain_breaches"),
        ([*gone(0), online(48), online(80)], "undecided"),
    ],
)
def test_only_what_every_instant_gives_is_certain(evidence: list[Event], expected: str) -> None:
    """In time before the first deadline, a breach after the last, gone before the first start; else undecided."""
    assert stands(folded(dated(48), *evidence), 400) == expected


looks = st.lists(
    st.builds(
        look,
        st.integers(0, 6 * 24).map(lambda h: START + timedelta(hours=h)),
        st.sampled_from(["online", *["removed"] * 5]),
        provider=st.just("giant"),
        vantage=st.just("v1"),
    ),
    min_size=4,
    max_size=30,
)


def stand(events: list[Event], method: Methodology) -> str:
    case, _ = fold(events, method)
    return standing(case, case.spell, method, LATE)


methodologies = st.sampled_from([NL, replace(NL, return_before_deadline="ignored")])


@given(looks, st.integers(24, 96), st.integers(1, 30), st.floats(0, 1), methodologies)
def test_no_instant_of_the_span_contradicts_what_is_certain(
    evidence: list[Event], hour: int, span: int, part: float, method: Methodology
) -> None:
    """A certain breach is one, and `within` is in time or gone before, whenever in the span the notice was sent."""
    latest = START + timedelta(hours=hour)
    first = latest - timedelta(hours=span)
    instant = first + part * (latest - first)
    known = [event(START, ev.ReportFiled(reporter="h", sealed_url="s", provider="giant"))]
    notice = ev.NoticeSent(notice_id="n", provider="giant", earliest=first)
    exact = ev.NoticeSent(notice_id="n", provider="giant")
    folded_span, _ = fold([*known, event(latest, notice), *evidence], method)
    told = standing(folded_span, folded_span.spell, method, LATE)
    assert explain(folded_span, folded_span.spell, method, LATE).standing == told
    true = stand([*known, event(instant, exact), *evidence], method)
    if told == "certain_breaches":
        assert true == "certain_breaches"
    elif told == "within":
        assert true in ("within", "excluded:gone_before_notice")
    elif told.startswith("excluded"):
        assert true == told


@pytest.mark.parametrize(
    ("seen_gone", "expected"),
    [
        (5, "excluded:gone_before_notice"),
        (9.9, "within"),
        (12, "undecided"),
        (27, "undecided"),
        (30, "certain_breaches"),
    ],
)
def test_a_delivery_before_the_end_of_its_sending(seen_gone: float, expected: str) -> None:
    """Sent on a day, delivered at its hour six: the clock started then, or until the day's end, and no earlier."""
    norm = replace(NL, clock_start="notice_delivered", norm="4h", norms={})
    sent = event(at(24), ev.NoticeSent(notice_id="n", provider="giant", earliest=at(0)))
    arrived = event(at(6), ev.NoticeDelivered(notice_id="n"))
    evidence = [report(), arrived, sent, online(seen_gone - 0.5), *gone(seen_gone)]
    case, _ = fold(evidence, norm)
    assert standing(case, case.spell, norm, at(400)) == expected


def test_the_removal_time_is_as_wide_as_the_span() -> None:
    """Its lower end is counted from the last instant of the start, its upper end from the first."""
    case = folded(dated(48), online(50), *gone(52))
    norm = timedelta(hours=24)
    assert removal_time(case.spell, NL, norm) == (2 * 3600, pytest.approx(28 * 3600, abs=5))


def test_a_provider_is_told_of_the_span() -> None:
    """The sentence about an undecided spell names both ends of the start, whatever was seen."""
    for evidence in ([online(25), *gone(49)], [online(5), *gone(30), online(50)]):
        case = folded(dated(48), *evidence)
        reason = explain(case, case.spell, NL, at(400))
        assert (reason.standing, reason.word) == ("undecided", "start_within_span")
        assert "the clock started between" in reason.sentence


def test_a_claim_moves_nothing() -> None:
    """What another system says leaves the case as it was, its last event apart."""
    claim = ev.ClaimStated(claimant="scart:hotline", status="close_offline", gone_at=at(9))
    evidence = [report(), dated(48), online(50)]
    told, moves = fold([*evidence, event(at(60), claim)], NL)
    before, moves_before = fold(evidence, NL)
    assert (told.spells, moves) == (before.spells, moves_before)
