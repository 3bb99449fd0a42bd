"""Removal orders and statements of reasons: the events that they make, and what they do not."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.events import TYPE_OF, ClaimStated, Event
from schemas.methodology import shipped
from services.core.bounds import standing
from services.core.fold import fold
from services.intake.decision_subjects import BadSubjects, read_subjects
from services.intake.hoster_names import HosterNames
from services.intake.named_entries import Naming
from services.intake.removal_orders import order_entries
from services.intake.statements_of_reasons import SubjectOfDecision, reasons_entries
from tests.strategies import look
from tests.unit.intake.intake_kit import admit

UTC_ZONE = ZoneInfo("UTC")
HOUR = shipped()["terrorist-1h"]
ISSUED = datetime(2026, 3, 1, 9, tzinfo=UTC)
ORDER = {
    "reference": "RO-2026-1",
    "authority": "Authority DE",
    "urls": ["https://a.example/1", "https://a.example/2"],
    "issued_at": "2026-03-01T10:00:00+01:00",
    "received_at": "2026-03-01T09:20:00Z",
    "provider": "giant",
}


def orders(*listed: Mapping[str, Any], zone: ZoneInfo | None = None) -> Any:
    raw = [(number, json.dumps(one).encode()) for number, one in enumerate(listed, start=1)]
    hosters = HosterNames({"giant hosting": "giant"}, {})
    return list(Naming(admit, "test", {}).named(order_entries(raw, zone, hosters)))


def types(events: tuple[Event, ...]) -> list[str]:
    return [event.type.removeprefix("takedown.").removesuffix(".v1") for event in events]


def test_each_url_of_an_order_is_a_case() -> None:
    """A report of the authority, a notice, and its delivery, for each."""
    first, second = orders(ORDER)
    assert types(first.events) == ["report.filed", "notice.sent", "notice.delivered"]
    assert first.events[0].case_id != second.events[0].case_id
    assert first.events[0].data.category == "terrorist"
    assert first.events[2].time == datetime(2026, 3, 1, 9, 20, tzinfo=UTC)


def seen(events: tuple[Event, ...], minutes: int) -> Event:
    at = ISSUED + timedelta(minutes=minutes)
    return look(at, "online", provider="giant", case=events[0].case_id)


@pytest.mark.parametrize(
    ("received", "minutes", "stands"),
    [
        ("2026-03-01T09:20:00Z", 79, "undecided"),
        ("2026-03-01T09:20:00Z", 81, "certain_breaches"),
        (None, 600, "not_started"),
        ("2026-03-01", 600, "undecided"),
        ("2026-03-01", 24 * 60, "certain_breaches"),
    ],
)
def test_the_hour_runs_from_the_receipt(received: str | None, minutes: int, stands: str) -> None:
    """Not from the issue; without a receipt there is no clock, and a date alone leaves a day of doubt."""
    order = {k: v for k, v in ({**ORDER, "received_at": received}).items() if v is not None}
    named = orders(order, zone=UTC_ZONE)[0]
    case, _ = fold([*named.events, seen(named.events, minutes)], HOUR)
    assert standing(case, case.spell, HOUR, ISSUED + timedelta(days=9)) == stands


@pytest.mark.parametrize(("minutes", "stands"), [(79, "undecided"), (81, "certain_breaches")])
def test_a_date_of_issue_leaves_no_doubt_of_the_receipt(minutes: int, stands: str) -> None:
    """What was received at an instant had been issued before: the hour runs from that instant."""
    named = orders(ORDER | {"issued_at": "2026-03-01"}, zone=UTC_ZONE)[0]
    case, _ = fold([*named.events, seen(named.events, minutes)], HOUR)
    assert standing(case, case.spell, HOUR, ISSUED + timedelta(days=9)) == stands
    assert case.spell.clock_started_from is None


def test_the_receipt_may_come_later() -> None:
    """The same order with it adds the delivery, and repeats the rest under the same names."""
    before = {name: value for name, value in ORDER.items() if name != "received_at"}
    (early, *_), (late, *_) = orders(before), orders(ORDER)
    assert {e.id for e in early.events} < {e.id for e in late.events}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"provider": None, "addressee": None}, "to whom it went"),
        ({"received_at": "2026-02-28T09:00:00Z"}, "received before"),
        ({"issued_at": "2026-03-01T10:00:00"}, "no zone"),
        ({"urls": []}, "no removal order"),
        ({"screenshot": "x"}, "unknown field; an order has reference"),
        ({"provider": "Giant Hosting"}, "small letters"),
        ({"issued_at": " "}, "`issued_at` is empty"),
        ({"urls": ["not a url"]}, "URL"),
    ],
)
def test_an_order_that_can_not_be_used_says_why(changes: dict[str, Any], message: str) -> None:
    """Each fault has its own words, which repeat nothing of the order."""
    order = {k: v for k, v in (ORDER | changes).items() if v is not None}
    (named,) = orders(order)
    assert named.entry.outcome == "dead_letter"
    assert message in named.entry.why


def test_an_addressee_is_a_name_of_the_providers_file() -> None:
    """Where the order gives the name and not the id."""
    order = {k: v for k, v in (ORDER | {"addressee": "Giant  Hosting"}).items() if k != "provider"}
    assert orders(order)[0].events[1].data.provider == "giant"


def test_an_empty_time_of_receipt_is_none() -> None:
    """A form that was exported has every field, and starts no clock of one hour."""
    named, *_ = orders(ORDER | {"received_at": ""})
    assert (named.entry.outcome, named.entry.notice_known) == ("events", False)


def test_that_it_was_removed_is_a_claim() -> None:
    """The provider's own word moves nothing."""
    named = orders(ORDER | {"removed_at": "2026-03-01T09:40:00Z"})[0]
    case, _ = fold([*named.events, seen(named.events, 81)], HOUR)
    assert types(named.events)[-1] == "claim.stated"
    assert standing(case, case.spell, HOUR, ISSUED + timedelta(days=9)) == "certain_breaches"


REASONS = {
    "puid": "P-1",
    "platform_name": "Big Platform",
    "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
    "source_type": "SOURCE_ARTICLE_16",
    "application_date": "2026-03-01",
    "created_at": "2026-03-02 08:00:00",
}
CASE = "c" * 32
SUBJECTS = {"P-1": SubjectOfDecision(case_id=CASE, notice_id="n-1")}


def reasons(record: Mapping[str, Any] | None, zone: ZoneInfo = UTC_ZONE) -> Any:
    (named,) = Naming(admit, "test", {}).named(reasons_entries([(2, record)], SUBJECTS, zone, None))
    return named


def test_a_decision_is_a_claim_of_a_whole_day() -> None:
    """Never an instant, and never a removal; the answer to a notice is an acknowledgement."""
    named = reasons(REASONS)
    assert types(named.events) == ["claim.stated", "notice.acknowledged"]
    claim = named.events[0].data
    assert isinstance(claim, ClaimStated)
    assert claim.claimant == "dsa:Big Platform"
    assert claim.gone_earliest == datetime(2026, 3, 1, tzinfo=UTC)
    assert claim.gone_at == datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-03-01", "2026-03-01 00:00:00", "2026-03-01T00:00:00.000000Z"]
)
def test_a_midnight_behind_a_date_says_nothing(text: str) -> None:
    """The dumps write one behind every date."""
    claim = reasons(REASONS | {"application_date": text}).events[0].data
    assert claim.gone_at - claim.gone_earliest == timedelta(hours=24)


def test_a_dump_writes_lists_as_text() -> None:
    """And calls the platform's id otherwise."""
    row = REASONS | {
        "platform_uid": "P-1",
        "decision_visibility": '["DECISION_VISIBILITY_CONTENT_DISABLED"]',
    }
    row.pop("puid")
    assert reasons(row).events[0].data.status == "visibility_content_disabled"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"puid": "P-2"}, "skipped"),
        ({"puid": "no puid!"}, "dead_letter"),
        ({"application_date": "2026-03-01 14:30:00"}, "dead_letter"),
        ({"application_date": None}, "dead_letter"),
        ({"created_at": "yesterday"}, "dead_letter"),
    ],
)
def test_a_statement_about_nothing_of_ours_is_counted(
    changes: dict[str, Any], outcome: str
) -> None:
    """And one that can't be read is a dead letter."""
    assert reasons(REASONS | changes).entry.outcome == outcome
    assert reasons(None).entry.outcome == "dead_letter"


def test_several_decisions_may_stand_in_one_text() -> None:
    """What was disabled and demoted is claimed to be gone."""
    both = "DECISION_VISIBILITY_CONTENT_DISABLED,DECISION_VISIBILITY_CONTENT_DEMOTED"
    claim = reasons(REASONS | {"decision_visibility": both}).events[0].data
    assert claim.status == "visibility_content_disabled,visibility_content_demoted"
    assert claim.gone_at is not None


def test_content_that_is_only_demoted_is_not_claimed_to_be_gone() -> None:
    """The decision is kept in its own words."""
    claim = reasons(
        REASONS | {"decision_visibility": ["DECISION_VISIBILITY_CONTENT_DEMOTED"]}
    ).events[0]
    assert (claim.data.status, claim.data.gone_at) == ("visibility_content_demoted", None)


def test_the_table_of_ids_is_checked() -> None:
    """It names a case or a reference for each id."""
    good = read_subjects(["puid,case_id,reference,notice_id", f"P-1,{CASE},,n-1", "P-2,,F1,"])
    assert (good["P-1"].notice_id, good["P-2"].reference) == ("n-1", "F1")
    for bad in (["a,b"], ["puid,case_id", "P-1,x"], ["puid,case_id", "P-1,"]):
        with pytest.raises(BadSubjects):
            read_subjects(bad)


def test_every_type_that_these_forms_make_is_evidence() -> None:
    """A claim stands on the topic of reports, as what others say does."""
    assert TYPE_OF[ClaimStated] == "takedown.claim.stated.v1"
