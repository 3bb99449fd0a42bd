"""What a notice does to a case: it may start the clock of the provider that it was sent to."""

from datetime import datetime

from schemas import events as ev
from schemas.events import Event
from services.core.case import Notice
from services.core.spells import Pass


def sent(run: Pass, event: Event) -> None:
    """Count a notice for the spell of its provider; one that failed, now or later, starts no clock."""
    data = event.data
    assert isinstance(data, ev.NoticeSent)
    notice = _notice(run, data.notice_id)
    notice.provider, notice.channel, notice.sent_at = data.provider, data.channel, event.time
    notice.sent_from = data.earliest
    spell = run.case.spell
    if spell.provider is None:
        spell.provider = data.provider
    if spell.provider != data.provider:
        return
    start = run.methodology.clock_start
    if start == "notice_sent":
        run.count_notice(data.notice_id, event.time, data.earliest)
    elif start == "notice_delivered" and notice.delivered_at is not None:
        run.count_notice(data.notice_id, event.time, _arrived_from(notice, event.time))


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
        notice.delivered_at, notice.delivered_from = event.time, data.earliest
    if (
        run.methodology.clock_start == "notice_delivered"
        and notice.provider == run.case.spell.provider
    ):
        run.count_notice(data.notice_id, event.time, data.earliest)


def failed(run: Pass, event: Event) -> None:
    """Note a failure; that it starts no clock was known before the pass."""
    data = event.data
    assert isinstance(data, ev.NoticeFailed)
    notice = _notice(run, data.notice_id)
    notice.failed_at, notice.failure = event.time, data.reason


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
