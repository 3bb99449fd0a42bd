"""A corrected attribution takes effect on all history, from the instant that it names."""

from datetime import timedelta

import msgspec

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import shipped
from services.core.case import Case
from services.core.fold import fold
from services.core.machines import Clock
from services.core.outcomes import outcomes
from tests.strategies import START, event, look

METHOD = shipped()["nl-24h"]
HOUR = timedelta(hours=1)


def report(provider: str = "giant") -> Event:
    return event(START, ev.ReportFiled(reporter="h", sealed_url="s1.k.x", provider=provider))


def notice(at: int, provider: str) -> Event:
    data = ev.NoticeSent(notice_id=f"{provider}-{at}", provider=provider)
    return event(START + at * HOUR, data)


def correction(at: int, since: int | None, provider: str = "small") -> Event:
    effective = None if since is None else START + since * HOUR
    data = ev.CaseAttributed(
        provider=provider, method="manual", actor="analyst", effective_from=effective
    )
    return event(START + at * HOUR, data)


def folded(*events: Event) -> Case:
    return fold(events, METHOD)[0]


def test_a_correction_from_the_start_renames_the_provider_of_all_history() -> None:
    """One spell, at the provider that the correction names, although every look said another."""
    looks = [look(START + n * HOUR, "online", provider="giant") for n in (1, 2, 3)]
    case = folded(report(), *looks, correction(10, 0))
    assert [spell.provider for spell in case.spells] == ["small"]
    assert case.spell.known_online_at == START + 3 * HOUR


def test_a_statement_without_an_instant_changes_no_history() -> None:
    """Without `effective_from` the charged provider's spell ends at the statement, by a move."""
    seen = look(START + 2 * HOUR, "online", provider="giant")
    case = folded(report(), notice(1, "giant"), seen, correction(10, None))
    assert [(s.provider, s.opened_at) for s in case.spells] == [
        ("giant", START),
        ("small", START + 10 * HOUR),
    ]


def test_a_correction_in_mid_history_is_a_move_at_that_instant() -> None:
    """The first provider keeps its clock up to the instant, the second has the looks after it."""
    looks = [look(START + n * HOUR, "online", provider="giant") for n in (2, 4, 6)]
    case = folded(report(), notice(1, "giant"), *looks, correction(10, 3))
    assert [(s.provider, s.looks) for s in case.spells] == [("giant", 1), ("small", 2)]
    assert case.spells[0].closed_at == START + 3 * HOUR
    assert case.spells[1].opened_at == START + 3 * HOUR


def test_a_notice_to_the_wrong_provider_starts_no_clock() -> None:
    """A notice to the provider that never hosted it charges nobody; one to the right one does."""
    wrong = folded(report(), notice(1, "giant"), correction(10, 0))
    right = folded(report(), notice(1, "giant"), notice(2, "small"), correction(10, 0))
    assert wrong.spell.clock is Clock.STOPPED
    assert right.spell.clock_started_at == START + 2 * HOUR


def test_a_look_after_the_statement_stands_for_itself() -> None:
    """The correction speaks of the past; what is seen after it is a move like any other."""
    later = [look(START + n * HOUR, "online", provider="giant") for n in (12, 12.25, 12.75)]
    case = folded(report(), notice(1, "small"), correction(10, 0), *later)
    assert [spell.provider for spell in case.spells] == ["small", "giant"]


def test_the_latest_correction_of_an_instant_holds() -> None:
    """Of two corrections, the one that reaches less far back takes over from its own instant on."""
    looks = [look(START + n * HOUR, "online", provider="giant") for n in (2, 6)]
    case = folded(
        report(), notice(1, "small"), *looks, correction(10, 0), correction(11, 5, "third")
    )
    assert [(s.provider, s.looks) for s in case.spells] == [("small", 1), ("third", 1)]


def test_nothing_opens_before_the_first_event() -> None:
    """An instant long before the report opens no spell there: exposure would be invented."""
    case = folded(report(), correction(1, -10_000))
    assert case.spell.opened_at == START
    assert case.spell.provider == "small"


def test_an_instant_after_the_statement_counts_from_the_statement_on() -> None:
    """Nobody can correct the future: such a statement is one without an instant."""
    assert folded(report(), notice(1, "giant"), correction(3, 9)).spells[1].opened_at == (
        START + 3 * HOUR
    )


def test_a_retracted_report_concludes_nothing() -> None:
    """A breach that was concluded before the retraction no longer stands, unless the definition keeps it."""
    late = look(START + 30 * HOUR, "online", provider="giant")
    retraction = event(START + 40 * HOUR, ev.ReportRetracted(actor="h", reason="legal"))
    before = [report(), notice(1, "giant"), late]
    kept = msgspec.structs.replace(METHOD, exclude=())
    assert [len(outcomes(*fold(before, METHOD), METHOD))] == [1]
    assert outcomes(*fold([*before, retraction], METHOD), METHOD) == []
    assert len(outcomes(*fold([*before, retraction], kept), kept)) == 1
