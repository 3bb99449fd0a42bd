"""Fold the events of one case into its spells: a function of the set of events and the methodology.

`fold` takes any collection; `extend` takes one later look and gives what `fold` would have given.
Facts that reach back in time (a notice that turns out to have failed, a category, a corrected attribution) are
collected before the ordered pass, so that their order of arrival can't matter; that is why only looks may extend.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import Methodology
from services.core import notice_conflicts, notices, presence
from services.core.case import AddressFact, Case, Correction, Hold, Transition
from services.core.spells import Pass

UNKNOWN_CATEGORY = "unknown"
_LOOKS = frozenset({ev.LookMade, ev.LookMissed})


order: Callable[[Event], tuple[datetime, UUID]] = attrgetter("time", "id")
"""The one order of a fold: event time, then event id."""


def fold(events: Iterable[Event], methodology: Methodology) -> tuple[Case, list[Transition]]:
    """Fold all events of one case; duplicates by id count once."""
    return fold_unique({event.id: event for event in events}.values(), methodology)


def fold_unique(events: Iterable[Event], methodology: Methodology) -> tuple[Case, list[Transition]]:
    """Fold all events of one case whose ids are known to differ."""
    ordered = sorted(events, key=order)
    if not ordered:
        raise ValueError("a case has at least one event")
    case = _facts(ordered)
    run = Pass(case, methodology)
    if case.corrections:
        for at, event in in_effect(ordered):
            _apply(run, event, at)
    else:
        for event in ordered:
            _apply(run, event, event.time)
    case.last_time, case.last_id = run.now, run.cause
    return case, run.transitions


def in_effect(ordered: Sequence[Event]) -> list[tuple[datetime, Event]]:
    """Put events in the order in which they take effect: corrections of history before what they correct.

    A correction takes effect at its `effective_from`, or with the case's first event if that is later.
    """
    first = ordered[0].time
    placed = []
    for event in ordered:
        since = _effective_from(event)
        at = event.time if since is None else max(since, first)
        placed.append((at, since is None, event.id, event))
    return [(at, event) for at, _, _, event in sorted(placed, key=lambda place: place[:3])]


def _effective_from(event: Event) -> datetime | None:
    """Give the instant from which a correction of history holds; None for every other event."""
    data = event.data
    if not isinstance(data, ev.CaseAttributed) or data.effective_from is None:
        return None
    return data.effective_from if data.effective_from < event.time else None


def may_extend(case: Case, event: Event) -> bool:
    """Tell whether `extend` gives what a fold of everything would."""
    if type(event.data) not in _LOOKS:
        return False
    if case.last_time is None or case.last_id is None:
        return True
    return (case.last_time, case.last_id) < order(event)


def may_extend_by(case: Case, ordered: Sequence[Event]) -> bool:
    """Tell whether `extend_by` gives what a fold of everything would; no two of the events have one id."""
    if not may_extend(case, ordered[0]):
        return False
    return all(type(event.data) in _LOOKS for event in ordered)


def extend(case: Case, event: Event, methodology: Methodology) -> list[Transition]:
    """Apply one look that is later than everything in `case`, in place; return what it changed."""
    return extend_by(case, (event,), methodology)


def extend_by(case: Case, ordered: Sequence[Event], methodology: Methodology) -> list[Transition]:
    """Apply looks, in order, that are later than everything in `case`, in place; return what they changed."""
    run = Pass(case, methodology)
    for event in ordered:
        run.begin(event, event.time)
        _HANDLERS[type(event.data)](run, event)
    case.last_time, case.last_id = run.now, run.cause
    return run.transitions


def _facts(ordered: list[Event]) -> Case:
    case = Case(case_id=ordered[0].case_id, category=UNKNOWN_CATEGORY, spells=[])
    # Nearly all are looks, and no look reaches back.
    statements = [event for event in ordered if type(event.data) not in _LOOKS]
    reports = [(e.time, e.data) for e in statements if isinstance(e.data, ev.ReportFiled)]
    if reports:
        case.reported_at, case.category = reports[0][0], reports[0][1].category
        case.reports = len(reports)
        case.historic = all(data.historic for _, data in reports)
    for _, data in reports:
        case.not_measurable = case.not_measurable or data.not_measurable
    case.reporters = list(dict.fromkeys(data.reporter for _, data in reports))
    case.retraction = _retraction(statements)
    failures = [e.data for e in statements if isinstance(e.data, notices.FAILURES)]
    case.failed_notices = {failure.notice_id for failure in failures}
    case.notice_conflicts = notice_conflicts.conflicts(statements)
    corrections = [c for event in statements if (c := _correction(event)) is not None]
    case.corrections = sorted(
        corrections, key=lambda c: (c.effective_from, c.stated_at, c.event_id)
    )
    facts = [
        _address_fact(e, e.data) for e in statements if isinstance(e.data, ev.AddressAttributed)
    ]
    case.address_facts = sorted(facts, key=lambda fact: (fact.at, fact.event_id))
    return case


def _retraction(ordered: Sequence[Event]) -> UUID | None:
    """Name the event after which no reporter's report stands any more."""
    standing: set[str] = set()
    last = None
    for event in ordered:
        if isinstance(event.data, ev.ReportFiled):
            standing.add(event.data.reporter)
            last = None
        elif isinstance(event.data, ev.ReporterRetracted) and event.data.reporter in standing:
            standing.discard(event.data.reporter)
            last = None if standing else event.id
    return last


def _address_fact(event: Event, data: ev.AddressAttributed) -> AddressFact:
    return AddressFact(
        at=event.time,
        event_id=event.id,
        provider=data.provider,
        address=data.address,
        via=data.via,
        role=data.role,
        method=data.method,
        reseller=data.reseller,
        unknown=data.unknown,
    )


def _correction(event: Event) -> Correction | None:
    since = _effective_from(event)
    if since is None:
        return None
    assert isinstance(event.data, ev.CaseAttributed)
    return Correction(
        provider=event.data.provider,
        effective_from=since,
        stated_at=event.time,
        event_id=event.id,
    )


def _apply(run: Pass, event: Event, at: datetime) -> None:
    run.begin(event, at)
    kind = type(event.data)
    if kind not in _LOOKS:
        run.expire_hold()
    _HANDLERS[kind](run, event)


def _report_filed(run: Pass, event: Event) -> None:
    data = event.data
    assert isinstance(data, ev.ReportFiled)
    _take_url(run.case, data)
    if data.seen_online_at is not None:
        presence.take_reported_sighting(run, data.seen_online_at)
    if not data.historic:
        run.note_report()
    spell = run.case.spell
    if spell.provider is None and data.provider is not None:
        spell.provider = data.provider
    if run.case.not_measurable is not None:
        run.close("not_measurable")
    elif run.methodology.clock_start == "report" and spell.clock_started_at is None:
        run.start_clock(event.time, data.earliest)


def _take_url(case: Case, report: ev.ReportFiled) -> None:
    """Take the URL of the first report that has one; after an erasure a report is a new claim, with its own."""
    case.erased = False
    case.sealed_url = case.sealed_url or report.sealed_url


def _report_retracted(run: Pass, event: Event) -> None:
    run.case.retracted = True
    run.close("retracted")


def _reporter_retracted(run: Pass, event: Event) -> None:
    """Retract the case with its last report; while another reporter's stands, nothing moves."""
    if event.id == run.case.retraction:
        _report_retracted(run, event)


def _claim_stated(run: Pass, event: Event) -> None:
    """What another system says moves nothing."""


def _hold_placed(run: Pass, event: Event) -> None:
    data = event.data
    assert isinstance(data, ev.HoldPlaced)
    if data.expires_at <= event.time:
        return
    run.place_hold(
        Hold(placed_at=event.time, expires_at=data.expires_at, actor=data.actor, event_id=event.id)
    )


def _hold_lifted(run: Pass, event: Event) -> None:
    run.release_hold(event.time)


def _case_attributed(run: Pass, event: Event) -> None:
    data = event.data
    assert isinstance(data, ev.CaseAttributed)
    run.attribute([data.provider], run.now)


def _address_attributed(run: Pass, event: Event) -> None:
    data = event.data
    assert isinstance(data, ev.AddressAttributed)
    if data.via is not None and data.provider is not None:
        run.pass_on(data.via, data.provider)


def _case_erased(run: Pass, event: Event) -> None:
    run.case.erased = True
    run.case.sealed_url = None


_HANDLERS: dict[type[ev.Payload], Callable[[Pass, Event], None]] = {
    ev.ReportFiled: _report_filed,
    ev.ReportRetracted: _report_retracted,
    ev.ReporterRetracted: _reporter_retracted,
    ev.NoticeSent: notices.sent,
    ev.NoticeDelivered: notices.delivered,
    ev.NoticeFailed: notices.failed,
    ev.NoticeUndelivered: notices.failed,
    ev.NoticeDelayed: notices.delayed,
    ev.NoticeEscalated: notices.escalated,
    ev.NoticeAcknowledged: notices.acknowledged,
    ev.ClaimStated: _claim_stated,
    ev.HoldPlaced: _hold_placed,
    ev.HoldLifted: _hold_lifted,
    ev.CaseAttributed: _case_attributed,
    ev.AddressAttributed: _address_attributed,
    ev.CaseErased: _case_erased,
    ev.LookMade: presence.take_look,
    ev.LookMissed: presence.take_missed_look,
}
__all__ = [
    "UNKNOWN_CATEGORY",
    "extend",
    "extend_by",
    "fold",
    "fold_unique",
    "in_effect",
    "may_extend",
    "may_extend_by",
    "order",
]
