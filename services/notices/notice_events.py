"""What a mail says, as events about the cases of its notice."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from schemas import events as ev
from schemas.codec import stated
from schemas.events import Event, Payload
from schemas.events_of_notices import Arrival
from services.notices.correlation import SentNotice, contact_key
from services.notices.fates import Fate, MailReading

SOURCE = "takedown:notices"
# A mail whose clock is further ahead than that is dated by its notice.
_MOST_AHEAD = timedelta(days=1)


def events_of(reading: MailReading, notice: SentNotice, now: datetime) -> list[Event]:
    """Say what became of a notice, once for each of its cases; nothing where the mail does not tell.

    Equal mails give equal ids: the time is that of the attempt, or of the mail, or of the notice itself.
    """
    fate = fate_of(reading.fates, notice)
    data = _statement(reading, notice, fate)
    if data is None:
        return []
    at = _first_past((fate.at if fate else None, reading.at, notice.sent_at), now)
    return [stated(case, data, at, SOURCE) for case in notice.cases]


def fate_of(fates: Sequence[Fate], notice: SentNotice) -> Fate | None:
    """Choose the recipient that decides: the one that we wrote to, or else the best that came of any.

    A notice that reached one of its recipients has arrived; where it reached none, one failure is final.
    """
    ours = [fate for fate in fates if notice.contact and _is_to(fate, notice.contact)]
    for outcome in ("delivered", "failed", "delayed"):
        chosen = next((fate for fate in ours or fates if fate.outcome == outcome), None)
        if chosen is not None:
            return chosen
    return None


def _is_to(fate: Fate, contact: str) -> bool:
    return contact_key(contact) in {contact_key(n) for n in (fate.address, fate.original) if n}


def _statement(reading: MailReading, notice: SentNotice, fate: Fate | None) -> Payload | None:
    if reading.kind in ("auto_reply", "reply"):
        return _of_answer(reading, notice)
    if reading.kind == "complaint":
        seen = ev.NoticeDelivered(notice_id=notice.notice_id, evidence="complaint")
        return None if reading.arrival_unsaid else seen
    if fate is None:
        return None
    if fate.outcome == "delivered":
        evidence: Arrival = "receipt" if reading.kind == "receipt" else "status"
        return ev.NoticeDelivered(notice_id=notice.notice_id, evidence=evidence)
    # The address of another recipient, behind theirs, is nobody's business here.
    contact = notice.contact if notice.contact and _is_to(fate, notice.contact) else None
    reason = fate.reason or "other"
    if fate.outcome == "delayed":
        return ev.NoticeDelayed(
            notice_id=notice.notice_id, reason=reason, status=fate.status, contact=contact
        )
    return ev.NoticeUndelivered(
        notice_id=notice.notice_id,
        reason=reason,
        fault=fate.fault or "unclear",
        status=fate.status,
        contact=contact,
    )


def _of_answer(reading: MailReading, notice: SentNotice) -> Payload:
    """Take an answer: a machine's shows that the notice arrived, a person's acknowledges it."""
    if reading.form_only:
        return ev.NoticeUndelivered(notice_id=notice.notice_id, reason="form_only", fault="theirs")
    if reading.kind == "auto_reply":
        return ev.NoticeDelivered(notice_id=notice.notice_id, evidence="answer")
    return ev.NoticeAcknowledged(notice_id=notice.notice_id)


def _first_past(candidates: Iterable[datetime | None], now: datetime) -> datetime:
    past = [at for at in candidates if at is not None and at <= now + _MOST_AHEAD]
    return past[0] if past else now
