"""What sources say of addresses in the fold: looks that left a provider open, proxies, and the hosts behind them."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from msgspec import structs

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import shipped
from services.core.bounds import standing
from services.core.case import Case
from services.core.fold import extend, fold, may_extend
from tests.strategies import CASE, START, event

NL = shipped()["nl-24h"]
HOST, NEXT, EDGE = "192.0.2.1", "198.51.100.1", "203.0.113.1"


def at(hours: float) -> Any:
    return START + timedelta(hours=hours)


def seen(hours: float, *served: ev.Served, verdict: str = "online") -> Event:
    look = ev.LookMade(
        vantage="v1",
        tick=at(hours),
        started_at=at(hours),
        finished_at=at(hours),
        verdict=verdict,  # type: ignore[arg-type]
        reason="served",
        served=served,
        canary_at=at(hours),
        providers_left_out=(),
    )
    return event(at(hours), look)


def served(address: str, provider: str | None = None, **more: Any) -> ev.Served:
    return ev.Served(address=address, provider=provider, online=True, **more)


def stated(hours: float, provider: str | None, address: str | None = None, **more: Any) -> Event:
    fact = ev.AddressAttributed(provider=provider, address=address, method="cymru", **more)
    return event(at(hours), fact)


def notice(hours: float, provider: str = "giant") -> list[Event]:
    report = ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x")
    return [
        event(at(hours), report),
        event(at(hours), ev.NoticeSent(notice_id="n1", provider=provider)),
    ]


def spells(events: Iterable[Event]) -> list[tuple[str | None, str | None]]:
    case, _ = fold(events, NL)
    return [(spell.provider, spell.closed_reason) for spell in case.spells]


def test_open_look_is_filled_in() -> None:
    """A statement names the provider of looks that begin at or after it, and of none before."""
    looks = [seen(1, served(HOST)), seen(2, served(HOST))]
    assert spells([looks[0], stated(1, "giant", HOST)]) == [("giant", None)]
    assert spells([looks[0], stated(1.5, "giant", HOST)]) == [(None, None)]
    assert spells([*looks, stated(1.5, "giant", HOST)]) == [("giant", None)]
    assert spells([*looks, stated(1.5, "giant", NEXT)]) == [(None, None)]


def test_look_keeps_what_it_said() -> None:
    """What a look itself says of an address stands."""
    assert spells([seen(1, served(HOST, "giant")), stated(0, "small", HOST)]) == [("giant", None)]


def test_statement_moves_nothing() -> None:
    """That an address is another provider's ends no spell before looks have shown it for long enough."""
    looks = [seen(1, served(HOST, "giant")), seen(2, served(NEXT))]
    assert spells([*notice(0), *looks, stated(2, "small", NEXT)]) == [("giant", None)]
    later = [seen(3, served(NEXT)), seen(4, served(NEXT))]
    moved = [("giant", "moved"), ("small", None)]
    assert spells([*notice(0), *looks, *later, stated(2, "small", NEXT)]) == moved


def test_unknown_again() -> None:
    """A later statement that nobody is known leaves later looks open: unknown stays unknown."""
    facts = [stated(1, "giant", HOST), stated(3, None, HOST, unknown="unlisted_as")]
    case, _ = fold([*facts, *notice(0), *[seen(n, served(HOST)) for n in (1, 2, 4)]], NL)
    assert [spell.provider for spell in case.spells] == ["giant"]
    assert case.spell.known_online_at == at(4)


def test_edge_before_the_host() -> None:
    """A proxy that comes before the charged host is no move, and no sighting at the host: nobody sees who holds it."""
    looks = [
        seen(1, served(HOST, "giant")),
        *[seen(n, served(EDGE, "cdn", role="proxy")) for n in range(2, 40)],
    ]
    case, _ = fold([*notice(0), *looks], NL)
    assert [(s.provider, s.closed_reason) for s in case.spells] == [("giant", None)]
    assert case.spell.known_online_at == at(1)
    assert case.spell.breached_at is None


def test_edge_that_named_the_host() -> None:
    """Once the proxy has named the host, what the edge serves is online at the host."""
    looks = [
        seen(1, served(HOST, "giant")),
        *[seen(n, served(EDGE, "cdn", role="proxy")) for n in range(2, 40)],
    ]
    named = event(at(3), ev.AddressAttributed(provider="giant", via="cdn", method="edge_reply"))
    case, _ = fold([*notice(0), *looks, named], NL)
    assert [(s.provider, s.closed_reason) for s in case.spells] == [("giant", None)]
    assert case.spell.breached_at == at(24)


def test_edge_passes_on() -> None:
    """A charged proxy that names the host has passed it on: its spell ends, and the host waits for its own notice."""
    looks = [seen(n, served(EDGE, "cdn", role="proxy")) for n in range(1, 40)]
    named = event(at(3), ev.AddressAttributed(provider="small", via="cdn", method="edge_reply"))
    case, transitions = fold([*notice(0, "cdn"), *looks, named], NL)
    assert [(s.provider, s.closed_reason) for s in case.spells] == [
        ("cdn", "passed_on"),
        ("small", None),
    ]
    assert case.spells[0].edge
    assert standing(case, case.spells[0], NL, at(100)) == "excluded:moved"
    assert case.spell.clock_started_at is None
    assert case.spell.known_online_at == at(39)
    assert "passed_on" in {one.detail for one in transitions}


def test_host_behind_the_edge_changes() -> None:
    """A proxy that names another host later shows a move once looks have confirmed it."""
    looks = [seen(n, served(EDGE, "cdn", role="proxy")) for n in range(1, 12)]
    named = [
        event(at(n), ev.AddressAttributed(provider=p, via="cdn", method="edge_reply"))
        for n, p in ((0, "giant"), (5, "small"))
    ]
    assert spells([*notice(0), *looks, *named]) == [("giant", "moved"), ("small", None)]


def test_edge_of_another_operator() -> None:
    """A charged proxy in whose place another one serves has been left: that is a move."""
    looks = [
        seen(1, served(EDGE, "cdn", role="proxy")),
        *[seen(n, served(NEXT, "other", role="proxy")) for n in range(2, 8)],
    ]
    assert spells([*notice(0, "cdn"), *looks]) == [("cdn", "moved"), ("other", None)]


def test_extension_is_a_fold() -> None:
    """A case that holds statements is extended by later looks to what a fold of all gives."""
    facts = [stated(1, "giant", HOST), stated(4, "small", NEXT)]
    looks = [seen(n, served(HOST if n < 5 else NEXT)) for n in range(1, 9)]
    whole, _ = fold([*facts, *looks], NL)
    case, _ = fold([*facts, *looks[:4]], NL)
    for look in looks[4:]:
        assert may_extend(case, look)
        extend(case, look, NL)
    assert _shape(case) == _shape(whole)
    assert len(whole.spells) == 2


def _shape(case: Case) -> list[tuple[object, ...]]:
    return [(s.provider, s.closed_reason, s.known_online_at, s.looks) for s in case.spells]


def test_case_of_statements() -> None:
    """A case that statements alone speak of is one, with nothing seen."""
    case, _ = fold([stated(1, "giant", HOST)], NL)
    assert (case.case_id, case.spell.provider, case.spell.looks) == (CASE, None, 0)


def test_answerability_by_role() -> None:
    """A definition may leave out what a proxy passes on; under one that does not, its spell counts like any other."""
    looks = [seen(n, served(EDGE, "cdn", role="proxy")) for n in range(1, 40)]
    hosts = structs.replace(NL, id="hosts", exclude=(*NL.exclude, "proxy"))
    case, _ = fold([*notice(0, "cdn"), *looks], NL)
    assert standing(case, case.spell, NL, at(100)) == "certain_breaches"
    assert standing(case, case.spell, hosts, at(100)) == "excluded:proxy"
    host, _ = fold([*notice(0), *[seen(n, served(HOST, "giant")) for n in range(1, 40)]], hosts)
    assert standing(host, host.spell, hosts, at(100)) == "certain_breaches"
