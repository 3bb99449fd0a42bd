"""What became of a notice, as the fold keeps it: delays, failures with a fault, escalations."""

from datetime import datetime, timedelta
from typing import get_args

import pytest

from schemas import events as ev
from schemas.events import Event
from schemas.events_of_notices import DeliveryFailure, DeliveryReason
from schemas.methodology import shipped
from services.core.case import Case
from services.core.fold import fold
from services.core.machines import Clock
from services.core.notices import fault_of
from services.core.stock import notice_state
from tests.strategies import START, event

NL = shipped()["nl-24h"]


def at(hours: float) -> datetime:
    return START + hours * timedelta(hours=1)


def folded(*events: Event) -> Case:
    data = ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x", provider="giant")
    sent = ev.NoticeSent(notice_id="n1", provider="giant", contact="abuse@giant.example")
    return fold([event(at(0), data), event(at(1), sent), *events], NL)[0]


def test_a_delay_leaves_the_clock_as_it_is() -> None:
    """A mail server that goes on trying changes nothing but what is known of the notice."""
    late = event(at(5), ev.NoticeDelayed(notice_id="n1", reason="network"))
    before, after = folded(), folded(late)
    assert after.spell == before.spell
    assert after.spell.clock is Clock.RUNNING
    assert after.notices["n1"].delayed_at == at(5)
    assert notice_state(after.notices["n1"]) == "sent"


def test_a_failure_after_a_delay_starts_no_clock() -> None:
    """The final word holds, and says whose fault it was."""
    late = event(at(5), ev.NoticeDelayed(notice_id="n1"))
    failure = ev.NoticeUndelivered(notice_id="n1", reason="mailbox_full", fault="theirs")
    case = folded(late, event(at(9), failure))
    assert case.spell.clock_started_at is None
    assert (case.notices["n1"].failure, case.notices["n1"].fault) == ("mailbox_full", "theirs")
    assert case.notices["n1"].contact == "abuse@giant.example"


def test_a_delay_after_a_failure_gives_no_clock_back() -> None:
    """Mails arrive in any order; what failed stays failed."""
    failure = event(at(2), ev.NoticeUndelivered(notice_id="n1", reason="expired", fault="way"))
    late = event(at(9), ev.NoticeDelayed(notice_id="n1"))
    assert folded(failure, late).spell.clock_started_at is None


def test_the_first_delivery_says_by_what_it_is_known() -> None:
    """A second proof of arrival changes neither the time nor the evidence."""
    first = event(at(2), ev.NoticeDelivered(notice_id="n1", evidence="status"))
    second = event(at(3), ev.NoticeDelivered(notice_id="n1", evidence="answer"))
    notice = folded(first, second).notices["n1"]
    assert (notice.delivered_at, notice.arrived_by) == (at(2), "status")


def test_an_escalation_is_recorded_and_starts_no_clock() -> None:
    """That the police were told has an instant of its own; the provider's clock is another's."""
    step = ev.NoticeEscalated(
        to="police", actor="officer", reason="mail is refused", channel="phone"
    )
    failure = ev.NoticeUndelivered(notice_id="n1", reason="blocked", fault="theirs")
    case = folded(event(at(2), failure), event(at(3), step))
    assert case.spell.clock_started_at is None
    assert [(one.to, one.at, one.channel) for one in case.escalations] == [
        ("police", at(3), "phone")
    ]


def test_a_notice_that_the_police_pass_on_starts_the_clock() -> None:
    """The by-pass is a notice of its own, with that channel."""
    failure = ev.NoticeUndelivered(notice_id="n1", reason="blocked", fault="theirs")
    by_police = ev.NoticeSent(notice_id="n2", provider="giant", channel="police")
    case = folded(event(at(2), failure), event(at(30), by_police))
    assert case.spell.clock_started_at == at(30)


@pytest.mark.parametrize("reason", get_args(DeliveryFailure))
def test_the_first_version_s_reasons_have_a_fault_too(reason: DeliveryFailure) -> None:
    """What was recorded before has the fault of the reason; where that says nothing, nobody's."""
    fault = fault_of(ev.NoticeFailed(notice_id="n1", reason=reason))
    assert fault == ("unclear" if reason in ("api_error", "other") else "theirs")


def test_the_second_version_has_every_reason_of_the_first() -> None:
    """No reader of the second version meets a word that it lacks."""
    assert set(get_args(DeliveryFailure)) < set(get_args(DeliveryReason))
