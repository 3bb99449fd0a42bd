"""Fold the events of one case into its spells: a function of the set of events and the methodology.

`fold` takes any collection; `extend` takes one later look and gives what `fold` would have given.
Facts that reach back in time (a notice that turns out to have failed, a category, a retraction) are collected
before the ordered pass, so that their order of arrival can't matter; that is why only looks may extend.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import Methodology
from services.core import looks, notices
from services.core.case import Case, Hold, Transition
from services.core.spells import Pass

UNKNOWN_CATEGORY = "unknown"
_LOOKS = (ev.LookMade, ev.LookMissed)


def order(event: Event) -> tuple[datetime, UUID]:
    """The one order of a fold: event time, then event id."""
    return event.time, event.id


def fold(events: Iterable[Event], methodology: Methodology) -> tuple[Case, list[Transition]]:
    """Fold all events of one case; duplicates by id count once."""
    unique = sorted({event.id: event for event in events}.values(), key=order)
    if not unique:
        raise ValueError("a case has at least one event")
    case = _facts(unique)
    run = Pass(case, methodology)
    for event in unique:
        _apply(run, event)
    return case, run.transitions


def may_extend(case: Case, event: Event) -> bool:
    """Tell whether `extend` gives what a fold of everything would."""
    if not isinstance(event.data, _LOOKS):
        return False
    if case.last_time is None or case.last_id is None:
        return True
    return (case.last_time, case.last_id) < order(event)


def extend(case: Case, event: Event, methodology: Methodology) -> list[Transition]:
    """Apply one look that is later than everything in `case`, in place; return what it changed."""
    run = Pass(case, methodology)
    _apply(run, event)
    return run.transitions


def _facts(ordered: list[Event]) -> Case:
    case = Case(case_id=ordered[0].case_id, category=UNKNOWN_CATEGORY, spells=[])
    filed = [(e.time, e.data) for e in ordered if isinstance(e.data, ev.ReportFiled)]
    if filed:
        case.reported_at, case.category = filed[0][0], filed[0][1].category
        case.reports = len(filed)
        case.historic = all(data.historic for _, data in filed)
    for _, data in filed:
        case.sealed_url = case.sealed_url or data.sealed_url
        case.not_measurable = case.not_measurable or data.not_measurable
    case.reporters = list(dict.fromkeys(data.reporter for _, data in filed))
    case.failed_notices = {e.data.notice_id for e in ordered if isinstance(e.data, ev.NoticeFailed)}
    return case


def _apply(run: Pass, event: Event) -> None:
    run.begin(event)
    if not isinstance(event.data, _LOOKS):
        run.expire_hold()
    _HANDLERS[type(event.data)](run, event)
    run.case.last_time, run.case.last_id = event.time, event.id


def _report_filed(run: Pass, event: Event) -> None:
    data = event.data
    assert isinstance(data, ev.ReportFiled)
    spell = run.case.spell
    if spell.provider is None and data.provider is not None:
        spell.provider = data.provider
    if run.case.not_measurable is not None:
        run.close("not_measurable")
    elif run.methodology.clock_start == "report" and spell.clock_started_at is None:
        run.start_clock(event.time)


def _report_retracted(run: Pass, event: Event) -> None:
    run.case.retracted = True
    run.close("retracted")


def _hold_placed(run: Pass, event: Event) -> None:
    data = event.data
    assert isinstance(data, ev.HoldPlaced)
    if data.expires_at <= event.time:
        return
    run.release_hold(event.time)
    run.case.hold = Hold(
        placed_at=event.time, expires_at=data.expires_at, actor=data.actor, event_id=event.id
    )
    run.pause_for_hold(event.time)


def _hold_lifted(run: Pass, event: Event) -> None:
    run.release_hold(event.time)


def _case_attributed(run: Pass, event: Event) -> None:
    data = event.data
    assert isinstance(data, ev.CaseAttributed)
    run.attribute([data.provider], event.time, event.time)


def _case_erased(run: Pass, event: Event) -> None:
    run.case.erased = True
    run.case.sealed_url = None


_HANDLERS: dict[type[ev.Payload], Callable[[Pass, Event], None]] = {
    ev.ReportFiled: _report_filed,
    ev.ReportRetracted: _report_retracted,
    ev.NoticeSent: notices.sent,
    ev.NoticeDelivered: notices.delivered,
    ev.NoticeFailed: notices.failed,
    ev.NoticeAcknowledged: notices.acknowledged,
    ev.HoldPlaced: _hold_placed,
    ev.HoldLifted: _hold_lifted,
    ev.CaseAttributed: _case_attributed,
    ev.CaseErased: _case_erased,
    ev.LookMade: looks.made,
    ev.LookMissed: looks.missed,
}
FOLDED = frozenset(_HANDLERS)
__all__ = ["FOLDED", "UNKNOWN_CATEGORY", "extend", "fold", "may_extend", "order"]
