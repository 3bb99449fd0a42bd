"""What a notice does to a case: it may start the clock of the provider that it was sent to."""

from datetime import datetime

from schemas import events as ev
from schemas.events import Event
from schemas.events_of_notices import Fault
from services.core.case import Escalation, Notice
from services.core.spells import Pass

FAILURES = (ev.NoticeFailed, ev.NoticeUndelivered)
# What the first version of the event calls so tells nobody whose fault it was.
_UNCLEAR = ("api_error", "other")


def sent(run: Pass, event: Event) -> None:
    """Count a notice for the spell of its provider; one that failed, now or later, starts no clock.

    One that contradicts an earlier one of its id does nothing.
    """
    data = event.data
    assert isinstance(data, ev.NoticeSent)
    if any(conflict.event_id == event.id for conflict in run.case.notice_conflicts):
        return
    notice = _notice(run, data.notice_id)
    notice.provider, notice.channel, notice.sent_at = data.provider, data.channel, event.time
    notice.contact = data.contact
    notice.sent_from = data.earliest
    spell = run.case.spell
    if spell.provider is None:
        spell.provider = data.provider
    _count(run, notice, "notice_sent", event.time, data.earliest)
    if notice.delivered_at is not None:
        _count(run, notice, "notice_delivered", event.time, _arrived_from(notice, event.time))


def _count(run: Pass, notice: Notice, start: str, at: datetime, since: datetime | None) -> None:
    """Count a notice where what became of it is what the methodology starts the clock by."""
    if run.methodology.clock_start == start and run.charge(notice):
        run.count_notice(notice.notice_id, at, since)


def _arrived_from(notice: Notice, at: datetime) -> datetime | None:
    """Give the first instant of a delivery that stands before the end of its sending; None where both are instants."""
    if notice.sent_from is None and notice.delivered_from is None:
        return None
    first = notice.delivered_from or notice.delivered_at
    return None if first == at else first


def delivered(run: Pass, event: Event) -> None:
    """Note a delivery; it starts the clock where the methodology says so."""
    data = event.data
    assert isinstance(data, ev.NoticeDelivered)
    notice = _notice(run, data.notice_id)
    if notice.delivered_at is None:
        notice.delivered_at, notice.arrived_by = event.time, data.evidence
        notice.delivered_from = data.earliest
    _count(run, notice, "notice_delivered", event.time, data.earliest)


def failed(run: Pass, event: Event) -> None:
    """Note a failure; that it starts no clock was known before the pass."""
    data = event.data
    assert isinstance(data, FAILURES)
    notice = _notice(run, data.notice_id)
    notice.failed_at, notice.failure, notice.fault = event.time, data.reason, fault_of(data)


def fault_of(failure: ev.NoticeFailed | ev.NoticeUndelivered) -> Fault:
    """Say whose fault a failure is; the first version of the event had no word for it."""
    if isinstance(failure, ev.NoticeUndelivered):
        return failure.fault
    return "unclear" if failure.reason in _UNCLEAR else "theirs"


def delayed(run: Pass, event: Event) -> None:
    """Note that a mail server goes on trying; the clock stays as it is."""
    data = event.data
    assert isinstance(data, ev.NoticeDelayed)
    _notice(run, data.notice_id).delayed_at = event.time


def escalated(run: Pass, event: Event) -> None:
    """Note a rung further; it starts no clock."""
    data = event.data
    assert isinstance(data, ev.NoticeEscalated)
    run.case.escalations.append(
        Escalation(at=event.time, to=data.to, channel=data.channel, notice_id=data.notice_id)
    )


def acknowledged(run: Pass, event: Event) -> None:
    """Note that the provider answered."""
    data = event.data
    assert isinstance(data, ev.NoticeAcknowledged)
    notice = _notice(run, data.notice_id)
    notice.acknowledged_at = notice.acknowledged_at or event.time


def _notice(run: Pass, notice_id: str) -> Notice:
    notice = run.case.notices.get(notice_id)
    if notice is None:
        notice = run.case.notices[notice_id] = Notice(notice_id=notice_id, provider="", channel="")
    return notice
