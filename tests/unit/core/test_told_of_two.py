"""Of several providers that serve a URL a notice says which one is charged; looks at another one are not its own."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import shipped
from services.core.case import Case
from services.core.fold import fold
from services.core.machines import Clock
from services.reports.evidence_reasons import explain
from tests.strategies import START, event, look

NL = shipped()["nl-24h"]
DELIVERED = structs.replace(NL, clock_start="notice_delivered")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def report() -> Event:
    return event(START, ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x"))


def notice(hours: float, provider: str) -> Event:
    return event(at(hours), ev.NoticeSent(notice_id=f"n-{provider}", provider=provider))


def delivery(hours: float, provider: str) -> Event:
    return event(at(hours), ev.NoticeDelivered(notice_id=f"n-{provider}"))


def served(hours: float, **by: bool | str) -> Event:
    """Make a sighting: of each provider whether it serves, "proxy" if so as one, or "silent" if nobody could tell."""
    ways = [
        ev.Served(
            address=f"192.0.2.{number}",
            provider=name,
            online=how in (True, "proxy"),
            gone=how is False,
            role="proxy" if how == "proxy" else "hosting",
        )
        for number, (name, how) in enumerate(sorted(by.items()), 1)
    ]
    seen = look(at(hours), "online")
    assert isinstance(seen.data, ev.LookMade)
    return event(seen.time, structs.replace(seen.data, served=tuple(ways)))


def folded(*events: Event, **changes: Any) -> Case:
    return fold([report(), *events], structs.replace(NL, **changes))[0]


def told(*events: Event, **changes: Any) -> tuple[str | None, datetime | None]:
    spell = folded(*events, **changes).spell
    return spell.provider, spell.clock_started_at


def test_looks_elsewhere_of_the_one_before_move_nothing() -> None:
    """Three looks made a move of the one that was charged; of the one that is told now there is one."""
    away = (served(1, aid=False, small=True), served(1.25, aid=False, small=True))
    back = (served(1.75, aid=True, small=False), served(2, aid=True, small=True))
    case = folded(served(0.5, aid=True, small=True), *away, notice(1.5, "small"), *back)
    assert [(s.provider, s.clock_started_at) for s in case.spells] == [("small", at(1.5))]
    assert case.spell.swaps[0].looks == 1


def test_one_that_no_longer_serves_is_not_charged_whoever_else_does() -> None:
    """The charged one is silent, another one serves: that the third was asked and gone counts all the same."""
    first = served(0.5, aid=True, big=True, small=True)
    partly = served(0.8, aid="silent", big=True, small=False)
    assert told(first, partly, notice(1, "small")) == ("aid", None)
    assert told(first, partly, notice(1, "big")) == ("big", at(1))
    everywhere = event(at(0.8), structs.replace(partly.data, verdict="removed", reason="not_found"))
    assert told(first, everywhere, notice(1, "small"))[0] == "aid"


def test_a_notice_in_between_counts_once_it_serves_again() -> None:
    """A node that lacked the file for a look made its provider silent for that long only."""
    lacked = served(0.8, aid=True, small=False)
    again = served(1.5, aid=True, small=True)
    assert told(served(0.5, aid=True, small=True), lacked, notice(1, "small"), again) == (
        "small",
        at(1),
    )


def test_a_correction_of_history_outweighs_a_notice() -> None:
    """Who answers by a statement is charged, though another one serves it too and was told."""
    said = ev.CaseAttributed(
        provider="aid", method="manual", actor="analyst", effective_from=at(0.7)
    )
    both, corrected = served(0.5, aid=True, small=True), event(at(9), said)
    assert told(both, notice(1, "small"), corrected) == ("aid", None)
    assert told(both, notice(1, "small"), served(2, aid=True, small=True), corrected)[0] == "aid"


def test_the_first_that_a_notice_reached_is_charged() -> None:
    """Where deliveries count, their order does, also where both came before a look met whom they reached."""
    words = (notice(1, "big"), notice(1.2, "small"), delivery(2, "small"), delivery(3, "big"))
    late = served(4, aid=True, big=True, small=True)
    early = served(0.5, aid=True, big=True, small=True)
    delivered: dict[str, Any] = {"clock_start": "notice_delivered"}
    assert told(served(0.5, aid=True), *words, late, **delivered) == ("small", at(2))
    assert told(early, *words, **delivered) == ("small", at(2))


def test_the_first_of_two_notices_that_waited_starts_the_clock() -> None:
    """Two notices to one provider came before a look met it: the one that was delivered first counts."""
    second = event(at(1.2), ev.NoticeSent(notice_id="n-2", provider="small"))
    reached = event(at(2), ev.NoticeDelivered(notice_id="n-2"))
    words = (notice(1, "small"), second, reached, delivery(3, "small"))
    late = served(4, aid=True, small=True)
    assert told(served(0.5, aid=True), *words, late, clock_start="notice_delivered") == (
        "small",
        at(2),
    )


def test_who_stands_for_a_proxy_beside_is_its_host() -> None:
    """Two proxies pass it on; one names the host, which a notice charges from then on, and the proxy no more."""
    both = served(0.5, edge="proxy", other="proxy")
    named = event(at(0.8), ev.AddressAttributed(via="other", provider="host", method="answer"))
    assert told(both, named, notice(1, "host")) == ("host", at(1))
    assert told(both, named, notice(1, "other"))[0] == "edge"


def test_a_reason_says_that_nobody_was_told_of_those_who_serve() -> None:
    """Without a notice the reason speaks of the others too; so it does of a vantage that was kept out."""
    case = folded(served(0.5, aid=True, small=True))
    said = explain(case, case.spell, NL, at(48)).sentence
    assert said == (
        "no notice went to the provider, nor to another one that was seen serving it too"
    )


def test_a_reason_names_the_vantage_that_was_kept_out() -> None:
    """Three looks agree and confirm nothing: the reason says why."""
    blocked = look(at(11), "undetermined", reason="blocked_legal")
    found = (look(at(10), "removed"), blocked)
    case = folded(served(0.5, aid=True), notice(1, "aid"), *found)
    said = explain(case, case.spell, NL, at(48)).sentence
    assert case.spell.clock is Clock.RUNNING
    assert "gone from v1 at 2026-01-01T10:00:00.500000Z, which was kept out since" in said
