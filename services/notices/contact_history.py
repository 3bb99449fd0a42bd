"""What became of the notices to one contact, in the order of time, and what that says of the contact.

Only failures by the provider's own fault count against it: a mail that was refused for our sake, or lost on the way,
says nothing about who reads the mailbox.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Literal

from msgspec import Struct

from schemas.events_of_notices import Fault
from services.notices.correlation import contact_key
from services.notices.measurability import LEAST_FAILURES

ContactState = Literal["works", "unproven", "bouncing", "stale", "placeholder", "unused"]
Turn = Literal["sent", "delivered", "acknowledged", "delayed", "failed"]
# After one of them nobody reads there; after others it may be a bad day.
_FINAL = frozenset({"unknown_mailbox", "form_only", "refused"})


class ContactNotice(Struct, frozen=True, kw_only=True):
    """One notice that went to a contact, with what became of it, by time."""

    contact: str
    provider: str
    notice_id: str
    sent_at: datetime
    delivered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    delayed_at: datetime | None = None
    failed_at: datetime | None = None
    reason: str | None = None
    fault: Fault | None = None
    status: str | None = None


class ContactEvent(Struct, frozen=True, kw_only=True):
    """One entry of a contact's history."""

    at: datetime
    notice_id: str
    what: Turn
    reason: str | None = None
    fault: Fault | None = None
    status: str | None = None


class ContactHistory(Struct, frozen=True, kw_only=True):
    """The history of one contact, in short; `stale_since` is the first failure of the run that goes on.

    `in_a_row` counts the failures by the provider's fault since something arrived last.
    """

    provider: str
    contact: str
    state: ContactState
    notices: int = 0
    arrived: int = 0
    bounced: int = 0
    in_a_row: int = 0
    first_sent: datetime | None = None
    last_sent: datetime | None = None
    last_arrival: datetime | None = None
    last_bounce: datetime | None = None
    reason: str | None = None
    fault: Fault | None = None
    stale_since: datetime | None = None


def events_of_contact(notices: Iterable[ContactNotice]) -> list[ContactEvent]:
    """Give everything that happened, by time."""
    return sorted(
        (event for notice in notices for event in _turns(notice)),
        key=attrgetter("at", "notice_id"),
    )


def _turns(notice: ContactNotice) -> Iterator[ContactEvent]:
    turns: tuple[tuple[Turn, datetime | None], ...] = (
        ("sent", notice.sent_at),
        ("delayed", notice.delayed_at),
        ("delivered", notice.delivered_at),
        ("acknowledged", notice.acknowledged_at),
    )
    for what, at in turns:
        if at is not None:
            yield ContactEvent(at=at, notice_id=notice.notice_id, what=what)
    if notice.failed_at is not None:
        yield ContactEvent(
            at=notice.failed_at,
            notice_id=notice.notice_id,
            what="failed",
            reason=notice.reason,
            fault=notice.fault,
            status=notice.status,
        )


def contact_history(
    provider: str, contact: str, notices: Sequence[ContactNotice], *, placeholder: bool
) -> ContactHistory:
    """Fold the notices to one contact; `placeholder`: it stands in the list of mailboxes that nobody reads."""
    events = events_of_contact(notices)
    sent = [event.at for event in events if event.what == "sent"]
    # A notice that failed after all did not arrive, whatever a relay said before.
    failed = {notice.notice_id for notice in notices if notice.failed_at is not None}
    arrivals = [
        event
        for event in events
        if event.what in ("delivered", "acknowledged") and event.notice_id not in failed
    ]
    bounces = [event for event in events if event.what == "failed"]
    run = _run(bounces, arrivals)
    last = bounces[-1] if bounces else None
    return ContactHistory(
        provider=provider,
        contact=contact,
        state="placeholder" if placeholder else _state(sent, arrivals, run),
        notices=len(notices),
        arrived=len({event.notice_id for event in arrivals}),
        bounced=len(bounces),
        in_a_row=len(run),
        first_sent=sent[0] if sent else None,
        last_sent=sent[-1] if sent else None,
        last_arrival=arrivals[-1].at if arrivals else None,
        last_bounce=last.at if last else None,
        reason=last.reason if last else None,
        fault=last.fault if last else None,
        stale_since=run[0].at if _is_final(run) else None,
    )


def _run(
    bounces: Sequence[ContactEvent], arrivals: Sequence[ContactEvent]
) -> Sequence[ContactEvent]:
    """Give the failures by the provider's fault since something arrived last."""
    after = arrivals[-1].at if arrivals else None
    return [
        event
        for event in bounces
        if event.fault == "theirs" and (after is None or event.at > after)
    ]


def _is_final(run: Sequence[ContactEvent]) -> bool:
    return len(run) >= LEAST_FAILURES or any(event.reason in _FINAL for event in run)


def _state(
    sent: Sequence[datetime], arrivals: Sequence[ContactEvent], run: Sequence[ContactEvent]
) -> ContactState:
    if run:
        return "stale" if _is_final(run) else "bouncing"
    if arrivals:
        return "works"
    return "unproven" if sent else "unused"


def by_contact(
    notices: Iterable[ContactNotice],
) -> dict[tuple[str, str], list[ContactNotice]]:
    """Sort notices by provider and contact; letters large and small are alike."""
    sorted_: dict[tuple[str, str], list[ContactNotice]] = {}
    for notice in notices:
        key = notice.provider, contact_key(notice.contact)
        sorted_.setdefault(key, []).append(notice)
    return sorted_
