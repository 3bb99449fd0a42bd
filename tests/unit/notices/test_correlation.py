"""Which notice a mail means, and what is said of it: the surest way first, and nothing where two could be meant."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas import events as ev
from services.notices.correlation import Match, NoticeRegister, SentNotice, Unmatched
from services.notices.fates import Fate, MailReading
from services.notices.mail_reading import read_mail
from services.notices.notice_events import events_of, fate_of
from services.notices.tokens import message_id, return_path, token, tokens_in
from tests.unit.notices.bounces import OUR_ID, dsn, group

KEY = b"k" * 32
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW = NOON + timedelta(days=30)
CASES = ("a" * 32, "b" * 32)


def sent(name: str, contact: str | None = "abuse@host.example", **fields: object) -> SentNotice:
    made = {"provider": "host", "channel": "email", "sent_at": NOON, "cases": CASES[:1]} | fields
    return SentNotice(notice_id=name, contact=contact, **made)


def to_token(name: str) -> str:
    return return_path("notices@hotline.example", token(KEY, name))


def matched(raw: bytes, *notices: SentNotice) -> tuple[str, str] | str:
    match = NoticeRegister(KEY, notices).match(read_mail(raw))
    return (match.notice.notice_id, match.by) if isinstance(match, Match) else match.why


def test_our_token_decides_first() -> None:
    """Whatever Message-ID and recipient say, the return path names the notice, in capitals too."""
    notices = sent("n-1", message_id=OUR_ID), sent("n-2")
    assert matched(dsn(group(), to=to_token("n-2").upper()), *notices) == ("n-2", "token")


def test_the_returned_message_id_comes_next() -> None:
    """Two notices went to one address, and the Message-ID tells which."""
    notices = sent("n-1", message_id=OUR_ID), sent("n-2", message_id="<other@hotline.example>")
    assert matched(dsn(group()), *notices) == ("n-1", "message_id")


def test_a_token_in_the_message_id_needs_no_record_of_it() -> None:
    """A Message-ID that we made of the token names its notice though the event did not state it."""
    ours = message_id("notices@hotline.example", token(KEY, "n-1"))
    raw = dsn(group()).replace(OUR_ID.encode(), ours.encode())
    assert matched(raw, sent("n-1"), sent("n-2")) == ("n-1", "token")


@pytest.mark.parametrize(
    "path",
    [
        "SRS0=Ab12=XY=hotline.example=notices+{}@forward.example",
        "SRS1=Cd34=forward.example==Ab12=XY=hotline.example=notices+{}@second-forward.example",
        "prvs=1234567abc=notices+{}@hotline.example",
        "bounces-12-notices=2B{}=hotline.example@list.example",
        "notices%2B{}%40hotline.example@gateway.example",
    ],
)
def test_a_rewritten_return_path_names_its_notice(path: str) -> None:
    """Forwarders put our return path into theirs, however they write its plus sign and however long it grows."""
    returned = (
        f"Return-Path: <{path.format(token(KEY, 'n-2'))}>\nMessage-ID: <x@gateway.example>\n\nx"
    )
    raw = dsn(group("desk@inside.example"), returned=returned)
    assert matched(raw, sent("n-1"), sent("n-2")) == ("n-2", "token")


@pytest.mark.parametrize(
    "field", [f"X-Original-Message-ID: {OUR_ID}", f"X-Postfix-Sender: rfc822; {to_token('n-1')}"]
)
def test_what_a_status_says_of_the_whole_mail_names_its_notice(field: str) -> None:
    """Where no mail was returned, the status may name its Message-ID or its return path."""
    raw = dsn(group("desk@inside.example"), returned="x")
    raw = raw.replace(b"Reporting-MTA:", f"{field}\nReporting-MTA:".encode())
    assert matched(raw, sent("n-1", message_id=OUR_ID), sent("n-2")) in (
        ("n-1", "message_id"),
        ("n-1", "token"),
    )


@pytest.mark.parametrize(
    "written",
    ["abuse@HOST.example.", '"abuse"@host.example', "mailto:abuse@host.example", "<SMTP:abuse@host.example>"],
)  # fmt: skip
def test_a_recipient_is_known_however_it_is_written(written: str) -> None:
    """A type, needless quotes and a dot at the end make no other address."""
    assert matched(dsn(group(written), returned="x"), sent("n-1")) == ("n-1", "recipient")


def test_a_message_id_without_brackets_is_one() -> None:
    """Some programs drop them from the field that says what they answer."""
    raw = f"From: desk@host.example\nSubject: Re: Notice 7\nIn-Reply-To: {OUR_ID.strip('<>')}\n\nDone.\n"
    assert matched(raw.encode(), sent("n-1", message_id=OUR_ID)) == ("n-1", "message_id")


def test_the_recipient_alone_is_enough_only_for_one_notice() -> None:
    """Where a second notice could be meant nothing is said of either; an old one could not."""
    assert matched(dsn(group()), sent("n-1")) == ("n-1", "recipient")
    assert matched(dsn(group()), sent("n-1"), sent("n-2")) == "ambiguous"
    old = sent("n-0", sent_at=NOON - timedelta(days=40))
    assert matched(dsn(group()), old, sent("n-1")) == ("n-1", "recipient")


def test_the_recipient_is_the_original_one_too() -> None:
    """A bounce that names the address behind theirs is known by the original recipient."""
    forwarded = group(
        "desk@inside.example", more="Original-Recipient: rfc822; ABUSE@host.example\n"
    )
    assert matched(dsn(forwarded), sent("n-1")) == ("n-1", "recipient")


def test_a_token_of_another_key_is_none() -> None:
    """Nobody makes a token without our key."""
    raw = dsn(group("x@y.example"), to=return_path("n@hotline.example", token(b"z" * 32, "n-1")))
    assert matched(raw, sent("n-1")) == "unknown_notice"


def test_a_bounce_in_a_bounce_voids_nobodys_notice() -> None:
    """What came back is a mail server's report, so that no notice is meant, whoever stands in it."""
    inner = dsn(group()).decode().replace("b1", "b2")
    raw = dsn(group("MAILER-DAEMON@relay.example"), returned=inner, to=to_token("n-1"))
    assert matched(raw, sent("n-1", message_id=OUR_ID)) == "bounce_of_a_report"


def test_two_tokens_are_ambiguous() -> None:
    """A mail that came to two return paths of ours means neither for sure."""
    both = f"{to_token('n-1')}, {to_token('n-2')}"
    assert matched(dsn(group(), to=both), sent("n-1"), sent("n-2")) == "ambiguous"


def test_a_receipt_names_its_notice() -> None:
    """A receipt of an interface is known by the id that we gave it."""
    reading = MailReading(kind="receipt", notice_id="n-1")
    match = NoticeRegister(KEY, [sent("n-1", contact=None)]).match(reading)
    assert isinstance(match, Match)
    assert match.by == "notice_id"
    assert NoticeRegister(KEY, []).match(reading) == Unmatched("unknown_notice")


# -- tokens --------------------------------------------------------------------------------------


def test_tokens_are_keyed_and_fit_a_local_part() -> None:
    """Equal ids give equal tokens under one key alone, and the local part stays within 64 characters."""
    assert token(KEY, "n-1") == token(KEY, "n-1") != token(KEY, "n-2")
    assert token(KEY, "n-1") != token(b"z" * 32, "n-1")
    path = to_token("n-1")
    assert len(path.partition("@")[0]) <= 64
    assert list(tokens_in(f"<{path.upper()}>")) == [token(KEY, "n-1")]


@pytest.mark.parametrize(
    "text", ["n1short@x", "xn1abcdefghijklmnopqrst", "n1abcdefghijklmnopqrst9", ""]
)
def test_what_is_no_token_is_passed_over(text: str) -> None:
    """A token has its mark, its length and ends of its own."""
    assert list(tokens_in(text)) == []


# -- events --------------------------------------------------------------------------------------


def events(raw: bytes, notice: SentNotice, now: datetime = NOW) -> list[ev.Event]:
    return events_of(read_mail(raw), notice, now)


def test_each_case_of_a_notice_has_its_event() -> None:
    """A notice that told of two cases failed for both, with reason, fault, status and contact."""
    made = events(dsn(group()), sent("n-1", cases=CASES))
    assert [event.case_id for event in made] == list(CASES)
    assert made[0].data == ev.NoticeUndelivered(
        notice_id="n-1",
        reason="unknown_mailbox",
        fault="theirs",
        status="5.1.1",
        contact="abuse@host.example",
    )
    assert made[0].time == NOON + timedelta(hours=1)


def test_the_same_mail_gives_the_same_ids() -> None:
    """Read again, much later, a mail says the same facts under the same names."""
    notice = sent("n-1", cases=CASES)
    again = events(dsn(group()), notice, NOW + timedelta(days=300))
    assert [e.id for e in events(dsn(group()), notice)] == [e.id for e in again]


def test_a_delay_is_an_event_of_its_own() -> None:
    """A delay names no failure."""
    (made,) = events(
        dsn(group(action="delayed", status="4.4.1", said="smtp; no route to host")), sent("n-1")
    )
    assert isinstance(made.data, ev.NoticeDelayed)
    assert (made.data.reason, made.data.status) == ("network", "4.4.1")


def test_the_contact_decides_where_it_is_among_the_recipients() -> None:
    """That a colleague's mailbox is full says nothing of the abuse desk that took the notice."""
    raw = dsn(group(action="delivered", status="2.0.0"), group("noc@host.example"))
    (made,) = events(raw, sent("n-1"))
    assert made.data == ev.NoticeDelivered(notice_id="n-1", evidence="status")


def test_a_notice_that_reached_one_recipient_has_arrived() -> None:
    """Where nobody knows whom we wrote to, one delivery outweighs a failure, and that a delay."""
    fates = [Fate(address=f"{n}@h.example", outcome=n) for n in ("delayed", "failed", "delivered")]
    notice = sent("n-1", contact=None)
    assert fate_of(fates, notice) == fates[2]
    assert fate_of(fates[:2], notice) == fates[1]
    assert fate_of([], notice) is None


def test_an_address_behind_theirs_is_not_kept() -> None:
    """The event holds the contact that we wrote to, and no other person's address."""
    (made,) = events(dsn(group("person@inside.example")), sent("n-1"))
    assert isinstance(made.data, ev.NoticeUndelivered)
    assert made.data.contact is None


@pytest.mark.parametrize(
    ("head", "text", "data"),
    [
        ("Auto-Submitted: auto-replied\n", "Your ticket is 7.", ev.NoticeDelivered(notice_id="n-1", evidence="answer")),
        (f"In-Reply-To: {OUR_ID}\n", "Gone.", ev.NoticeAcknowledged(notice_id="n-1")),
        (
            "Auto-Submitted: auto-replied\n",
            "Reports by mail are not read. Please use our web form.",
            ev.NoticeUndelivered(notice_id="n-1", reason="form_only", fault="theirs"),
        ),
    ],
    ids=["machine", "person", "form"],
)  # fmt: skip
def test_answers_become_what_they_are(head: str, text: str, data: ev.Payload) -> None:
    """A machine's answer shows arrival, a person's acknowledges, and "use our form" is `form_only`."""
    raw = f"From: abuse@host.example\nTo: {to_token('n-1')}\nSubject: Re: Notice\n{head}\n{text}\n"
    (made,) = events(raw.encode(), sent("n-1"))
    assert made.data == data


@pytest.mark.parametrize("date", ["", "nonsense", "Mon, 1 Jan 2035 00:00:00 +0000"])
def test_a_mail_without_a_sound_date_is_dated_by_its_notice(date: str) -> None:
    """No clock of ours makes the time of a fact, and a date of next year is no date."""
    (made,) = events(dsn(group(), date=date), sent("n-1"))
    assert made.time == NOON
