"""Reconciliation: the matching rules, the dates, and that no row of a list is lost."""

import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import events as ev
from schemas.methodology import shipped
from services.core.case import Removal
from services.core.time_spans import TimeSpan
from services.reports.evidence_case import Scope
from services.reports.reconcile import Ours, Reconciliation, our_side, reconcile
from services.reports.reconcile_list import BadList, ProviderList, read_list
from services.runtime.redaction import redact
from tests.strategies import START, event, histories, look

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TOLERANCE = 15 * MINUTE
SCOPE = Scope(provider="giant", methodology=shipped()["nl-24h"], cutoff=START + 99 * HOUR)
MARKER = "https://marker-host.example/secret"


def name(number: int) -> str:
    return f"{number:032x}"


def ours(number: int, notice: str = "n1", **fields) -> Ours:
    """Give a notice sent at START, delivered a minute later, gone between 5 and 6 hours."""
    told = {
        "case_id": name(number),
        "notice_id": notice,
        "references": (f"r{number}",),
        "sent_at": START,
        "delivered_at": START + MINUTE,
        "failed": False,
        "removals": (
            Removal(lower=START + 5 * HOUR, upper=START + 6 * HOUR, layer="content", reason="x"),
        ),
    }
    return Ours(**told | fields)


def theirs(text: str, zone=None) -> ProviderList:
    return read_list(io.StringIO(text, newline=""), zone)


def compared(mine: list[Ours], text: str, scope: Scope = SCOPE) -> Reconciliation:
    return reconcile(mine, theirs(text), scope, TOLERANCE, redact)


def statuses(result: Reconciliation) -> list[tuple[str, int | None]]:
    return [(detail.status, detail.line) for detail in result.details]


def differences(result: Reconciliation) -> list[tuple[str | None, float | None]]:
    return [(d.field, d.seconds) for d in result.details if d.status == "differs"]


# -- matching ------------------------------------------------------------------------------------


def test_a_case_id_matches():
    """A row that names a case speaks for our notice about it."""
    result = compared([ours(1)], f"case_id\n{name(1).upper()}\n")
    assert (result.matched, result.ours_matched, result.agrees) == (1, 1, True)


def test_a_notice_id_speaks_for_all_cases_of_the_notice():
    """One notice may hold many URLs (P13): one row then matches them all."""
    result = compared([ours(1), ours(2), ours(3, "n2")], "notice_id\nn1\n")
    assert (result.matched, result.ours_matched, result.only_ours) == (1, 2, 1)


def test_a_reference_matches_our_report():
    """A row may quote the reference of our report."""
    result = compared([ours(1), ours(2)], "reference\nr2\n")
    assert statuses(result) == [("matched", 2), ("only_ours", None)]


def test_all_names_of_a_row_must_fit():
    """A notice that is ours and a case that is not in it are no match, and the row says which is known."""
    result = compared([ours(1), ours(2, "n2")], f"notice_id,case_id\nn1,{name(2)}\n")
    assert (result.only_theirs, result.only_ours) == (1, 2)
    assert "notice_id, case_id" in str(result.details[0].note)


def test_a_reference_of_their_own_is_passed_over():
    """A reference that is not ours does not keep a row from matching by its notice."""
    result = compared([ours(1)], "notice_id,reference\nn1,TICKET-77\n")
    assert (result.matched, result.details[0].note) == (1, "the reference is not known here")


def test_missing_on_either_side_is_counted():
    """What only one side has stands there with its line or its notice."""
    result = compared([ours(1), ours(2, "n2")], "notice_id\nn1\nn9\n")
    assert statuses(result) == [("matched", 2), ("only_theirs", 3), ("only_ours", None)]
    assert not result.agrees


def test_a_repeated_row_is_no_second_match():
    """A row whose notices were all spoken for is repeated."""
    result = compared([ours(1)], "notice_id\nn1\nn1\n")
    assert (result.rows, result.matched, result.repeated, result.agrees) == (2, 1, 1, True)


def test_a_period_bounds_what_the_list_must_have():
    """A list of one month need not have the notices of another, but may."""
    scope = Scope(
        provider="giant", methodology=SCOPE.methodology, cutoff=SCOPE.cutoff, since=START + HOUR
    )
    result = compared([ours(1), ours(2, "n2")], "notice_id\nn1\n", scope)
    assert (result.ours, result.ours_matched, result.only_ours) == (1, 1, 0)


# -- dates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("2026-01-01T00:10:00Z", []),
        ("2026-01-01T01:10:00+01:00", []),
        ("2026-01-01T00:16:00Z", []),
        ("2026-01-01T00:16:01Z", [("received_at", 901.0)]),
        ("2025-12-31T23:00:00Z", [("received_at", -3660.0)]),
    ],
)
def test_received_is_compared_with_the_delivery(received, expected):
    """Up to the tolerance it agrees; beyond it, the difference is theirs less ours."""
    result = compared([ours(1)], f"notice_id,received_at\nn1,{received}\n")
    assert differences(result) == expected


def test_received_is_compared_with_the_nearest_notice():
    """A case that was notified twice has two deliveries; a row agrees with either."""
    again = ours(1, "n2", sent_at=START + 48 * HOUR, delivered_at=None)
    text = f"case_id,received_at\n{name(1)},2026-01-03T00:00:00Z\n"
    assert differences(compared([ours(1), again], text)) == []


def test_received_there_but_failed_here_is_a_difference():
    """A notice that we saw fail and they received would have started the clock."""
    result = compared([ours(1, failed=True)], "notice_id,received_at\nn1,2026-01-01T00:01:00Z\n")
    assert differences(result) == [("received_at", None)]


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ("2026-01-01T05:30:00Z", []),
        ("2026-01-01T04:45:00Z", []),
        ("2026-01-01T04:44:00Z", [("removed_at", -960.0)]),
        ("2026-01-01T04:44Z", []),
        ("2026-01-01T04:43Z", [("removed_at", -960.0)]),
        ("2026-01-01 04:44 UTC", []),
        ("2026-01-01T06:20:00Z", [("removed_at", 1200.0)]),
        ("2026-01-01T00:00:00-05:00", []),
    ],
)
def test_removed_is_compared_with_the_interval(removed, expected):
    """Any instant of (L, R] agrees, and a minute that reaches it: that is as much as both know."""
    result = compared([ours(1)], f"notice_id,removed_at\nn1,{removed}\n")
    assert differences(result) == expected


def test_a_removal_on_one_side_only_is_a_difference():
    """Removed there and not here, or here and not there, are both said."""
    still = ours(1, removals=())
    there = compared([still], "notice_id,removed_at\nn1,2026-01-01T05:30:00Z\n")
    here = compared([ours(1)], "notice_id,removed_at\nn1,\n")
    assert [d.note for r in (there, here) for d in r.details if d.status == "differs"] == [
        "removed there; no removal is confirmed here",
        "removed here, not there",
    ]
    assert differences(compared([ours(1)], "notice_id\nn1\n")) == []


def test_a_date_alone_is_a_day():
    """A date agrees with any instant of its day, in the zone of the list (P16)."""
    zone = ZoneInfo("Europe/Amsterdam")
    (claim,) = theirs("notice_id,received_at\nn1,2026-03-29\n", zone).claims
    expected = TimeSpan(
        datetime(2026, 3, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )
    assert claim.received_at == expected


# -- no row is lost ------------------------------------------------------------------------------


def test_what_cannot_be_read_is_reported_with_its_line():
    """Each bad row has its line and its fault; the rows around it are read."""
    text = (
        "case_id,received_at\r\n"
        f"{name(1)},2026-01-01T00:00:00Z\r\n"
        "nonsense,2026-01-01T00:00:00Z\r\n"
        f"{name(2)},yesterday\r\n"
        "\r\n"
        f"{name(3)},2026-01-01T00:00:00\r\n"
        f"{name(4)}\r\n"
        ",2026-01-01T00:00:00Z\r\n"
        f"{name(5)},2026-01-01T00:00:00Z\r\n"
    )
    found = theirs(text)
    assert [claim.line for claim in found.claims] == [2, 9]
    assert [(bad.line, bad.message.partition(" ")[0]) for bad in found.malformed] == [
        (3, "case_id"),
        (4, "received_at"),
        (6, "received_at"),
        (7, "1"),
        (8, "names"),
    ]


def test_a_quote_that_never_closes_names_all_its_lines():
    """What a broken quote swallows is said, up to which line; rows before it are read."""
    found = theirs('notice_id\nn1\n"n2\nn3\nn4\n')
    assert [claim.notice_id for claim in found.claims] == ["n1"]
    assert [(bad.line, bad.message) for bad in found.malformed] == [
        (3, "broken quoting, up to line 5")
    ]


def test_a_row_that_is_not_utf8_is_refused_alone():
    """Bytes that are no text cost their own row only."""
    raw = io.TextIOWrapper(
        io.BytesIO(b"notice_id\nn1\n\xff\xfe\nn3\n"),
        encoding="utf-8-sig",
        errors="surrogateescape",
        newline="",
    )
    found = read_list(raw)
    assert [claim.line for claim in found.claims] == [2, 4]
    assert [bad.line for bad in found.malformed] == [3]


def test_semicolons_a_byte_order_mark_and_any_case_are_read():
    """What spreadsheets of Europe write is read as it is."""
    found = theirs("\ufeffNotice ID;Received At;Remark\nn1;2026-01-01T00:00:00Z;a,b\n")
    assert (found.columns, found.rows) == (("notice_id", "received_at"), 1)


@pytest.mark.parametrize(
    "text", ["", "n1,n2\n", "url\nhttps://marker-host.example/\n", "notice_id,notice_id\n"]
)
def test_a_list_without_a_header_is_refused(text):
    """Without a header nothing is guessed, and nothing of the file is repeated."""
    with pytest.raises(BadList) as caught:
        theirs(text)
    assert "marker" not in str(caught.value)


def test_no_url_of_the_list_is_repeated():
    """A URL that stands where a name should is not shown again (G4)."""
    text = f"notice_id,reference,case_id,received_at\n{MARKER},{MARKER},,\nx,,{MARKER},\ny,,,{MARKER}\n"
    result = compared([ours(1, MARKER)], text)
    assert result.rows == 3
    assert "marker" not in repr(result)


rows = st.lists(
    st.sampled_from(["n1", "n2", "n9", '"', "", "n1,x", "\udcff", name(1), "n1\0"]), max_size=12
)


@given(rows, st.lists(st.sampled_from(["n1", "n2", "n3"]), max_size=4))
def test_rows_and_notices_always_add_up(lines, notices):
    """Every row and every notice is counted once, whatever the list holds."""
    mine = [ours(place, notice) for place, notice in enumerate(notices)]
    result = compared(mine, "notice_id\n" + "\n".join(lines))
    assert result.rows == (result.matched + result.repeated + result.only_theirs + result.malformed)
    assert result.ours == result.ours_matched + result.only_ours == len(notices)
    whole = [detail for detail in result.details if detail.status != "differs"]
    assert len(whole) == result.rows + result.only_ours


# -- our side ------------------------------------------------------------------------------------


def test_our_side_is_a_fold_of_the_log():
    """Notices, deliveries, references and removal intervals come from the evidence."""
    case = name(7)
    events = [
        event(START, ev.ReportFiled(reporter="h", reference="r7", provider="giant"), case),
        event(START + HOUR, ev.NoticeSent(notice_id="n7", provider="giant"), case),
        event(START + 2 * HOUR, ev.NoticeDelivered(notice_id="n7"), case),
        event(START + HOUR, ev.NoticeSent(notice_id="other", provider="small"), case),
        *(look(START + h * HOUR, "online", case=case) for h in (3, 4)),
        *(look(START + h * HOUR, "removed", case=case) for h in (5, 6, 7)),
    ]
    (found,) = our_side(events, SCOPE)
    assert (found.notice_id, found.references) == ("n7", ("r7",))
    assert (found.sent_at, found.arrived_at) == (START + HOUR, START + 2 * HOUR)
    assert [(r.lower, r.upper) for r in found.removals] == [
        (START + 4 * HOUR, START + 5 * HOUR + timedelta(seconds=0.5))
    ]


@given(histories)
def test_our_side_has_every_notice_to_the_provider(events):
    """Of any history, each notice that was sent to the provider is there once, as the first of its id says."""
    first = {}
    for one in sorted(events, key=lambda e: (e.time, e.id)):
        if isinstance(one.data, ev.NoticeSent):
            first.setdefault(one.data.notice_id, one.data.provider)
    found = our_side(events, SCOPE)
    expected = sorted(notice for notice, provider in first.items() if provider == "giant")
    assert sorted(one.notice_id for one in found) == expected
