"""What became of the notices to one contact, and what that says of the contact."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.notices.contact_history import (
    ContactHistory,
    ContactNotice,
    by_contact,
    contact_history,
    events_of_contact,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
BOX = "abuse@giant.example"


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def notice(number: int, **fields: Any) -> ContactNotice:
    """A notice of a day; `failed`: a reason and a fault, an hour later."""
    failed = fields.pop("failed", None)
    if failed:
        fields |= {"failed_at": day(number + 0.04), "reason": failed[0], "fault": failed[1]}
    given = {
        "contact": BOX,
        "provider": "giant",
        "notice_id": f"n-{number}",
        "sent_at": day(number),
    }
    return ContactNotice(**(given | fields))


def history(*notices: ContactNotice, placeholder: bool = False) -> ContactHistory:
    return contact_history("giant", BOX, notices, placeholder=placeholder)


GONE, FULL = ("unknown_mailbox", "theirs"), ("mailbox_full", "theirs")


@pytest.mark.parametrize(
    ("notices", "state"),
    [
        ([], "unused"),
        ([notice(1)], "unproven"),
        ([notice(1, delivered_at=day(1.1))], "works"),
        ([notice(1, failed=FULL)], "bouncing"),
        ([notice(1, failed=GONE)], "stale"),
        ([notice(n, failed=FULL) for n in (1, 2, 3)], "stale"),
        ([notice(1, failed=GONE), notice(2, acknowledged_at=day(3))], "works"),
        ([notice(1, delivered_at=day(1.1)), notice(2, failed=GONE)], "stale"),
        # A relay took it, and then it came back: it never arrived.
        ([notice(1, delivered_at=day(1.01), failed=GONE)], "stale"),
        ([notice(n, failed=("policy", "ours")) for n in range(1, 9)], "unproven"),
        ([notice(1, failed=("network", "way")), notice(2, delayed_at=day(2.1))], "unproven"),
    ],
)
def test_states(notices: list[ContactNotice], state: str) -> None:
    """Only what is their fault counts, an unknown mailbox at once, and what arrives later ends it."""
    assert history(*notices).state == state


def test_a_placeholder_is_one_whatever_came_of_it() -> None:
    """A mailbox that nobody reads may take every mail."""
    assert history(notice(1, delivered_at=day(1.1)), placeholder=True).state == "placeholder"


def test_the_dates_of_a_stale_contact() -> None:
    """Since when nothing arrives, and what came last of either kind."""
    told = history(
        notice(1, delivered_at=day(1.5)),
        notice(2, failed=FULL),
        notice(3, failed=GONE),
    )
    assert (told.stale_since, told.last_arrival, told.last_bounce) == (
        day(2.04),
        day(1.5),
        day(3.04),
    )
    assert (told.notices, told.arrived, told.bounced, told.in_a_row) == (3, 1, 2, 2)
    assert (told.reason, told.fault) == GONE


def test_the_history_is_in_the_order_of_time() -> None:
    """Every notice with all that became of it."""
    events = events_of_contact([notice(2, failed=FULL), notice(1, delivered_at=day(2.5))])
    assert [(event.notice_id, event.what) for event in events] == [
        ("n-1", "sent"),
        ("n-2", "sent"),
        ("n-2", "failed"),
        ("n-1", "delivered"),
    ]


def test_contacts_are_told_apart_by_provider_and_not_by_their_letters() -> None:
    """One mailbox may be that of two providers, and its letters large or small."""
    notices = [notice(1), notice(2, contact=BOX.upper()), notice(3, provider="small")]
    assert {key: len(mine) for key, mine in by_contact(notices).items()} == {
        ("giant", BOX): 2,
        ("small", BOX): 1,
    }
