"""The looks of an evidence pack, each with what it counts as in the fold."""

from collections.abc import Callable

from schemas import events as ev
from schemas.events import Event
from schemas.ids import instant
from schemas.methodology import Methodology
from services.core.attributions import completed
from services.core.case import Case
from services.core.freshness import counted_verdict
from services.core.moves import place_of, serving
from services.reports.evidence_rows import LookRow

Clean = Callable[[str], str]


def look_rows(
    placed: list[tuple[Event, list[int]]],
    case: Case,
    in_scope: set[int],
    methodology: Methodology,
    clean: Clean,
) -> list[LookRow]:
    """Give the looks that belong to the wanted spells, in the order of the fold; each once."""
    rows, seen = [], False
    for event, numbers in placed:
        seen = seen or _says_online(event, methodology)
        data = event.data
        mine = next((number for number in numbers if number in in_scope), None)
        if mine is not None and isinstance(data, ev.LookMade):
            counted = _counted_as(data, case, mine, methodology, seen)
            rows.append(_row(event, data, mine, counted, clean))
        elif mine is not None and isinstance(data, ev.LookMissed):
            rows.append(_missed(event, data, mine, clean))
    return rows


def _says_online(event: Event, methodology: Methodology) -> bool:
    """Tell whether an event says that somebody saw the URL online."""
    data = event.data
    if isinstance(data, ev.ReportFiled):
        return data.seen_online_at is not None and methodology.reported_sighting == "counts"
    return (
        isinstance(data, ev.LookMade)
        and counted_verdict(data, methodology, seen_before=False) == "online"
    )


def _counted_as(
    look: ev.LookMade, case: Case, spell: int, methodology: Methodology, seen: bool
) -> str:
    """Say what a look counts as; a correction of history outweighs where it saw the URL."""
    verdict = counted_verdict(look, methodology, seen_before=seen)
    provider = case.spells[spell - 1].provider
    if verdict != "online" or provider is None or case.corrections:
        return verdict
    whole = completed(look, case)
    place = place_of(whole, serving(whole), provider, edge=case.spells[spell - 1].edge)
    return verdict if place == "here" else "elsewhere"


def _row(event: Event, look: ev.LookMade, spell: int, counted_as: str, clean: Clean) -> LookRow:
    seen = look.fingerprint or ev.Fingerprint()
    return LookRow(
        case_id=event.case_id,
        spell=spell,
        event_id=str(event.id),
        vantage=clean(look.vantage),
        tick=instant(look.tick),
        started_at=instant(look.started_at),
        finished_at=instant(look.finished_at),
        verdict=look.verdict,
        counted_as=counted_as,
        layer=look.layer,
        reason=clean(look.reason),
        method=look.method,
        agent=look.agent,
        status=seen.status,
        redirect=None if seen.redirect is None else clean(seen.redirect),
        canary_at=None if look.canary_at is None else instant(look.canary_at),
        resolution_age_seconds=look.resolution_age_seconds,
        addresses_asked=len(look.served),
        addresses_online=sum(served.online for served in look.served),
        imputed=look.imputed,
    )


def _missed(event: Event, look: ev.LookMissed, spell: int, clean: Clean) -> LookRow:
    return LookRow(
        case_id=event.case_id,
        spell=spell,
        event_id=str(event.id),
        vantage=clean(look.vantage),
        tick=instant(look.tick),
        started_at=None,
        finished_at=None,
        verdict="missed",
        counted_as="missed",
        layer=None,
        reason=look.reason,
        method=None,
        agent=None,
        status=None,
        redirect=None,
        canary_at=None,
        resolution_age_seconds=None,
        addresses_asked=0,
        addresses_online=0,
        imputed=False,
    )
