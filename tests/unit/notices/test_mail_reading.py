"""What the reader makes of mails of our own making."""

import pytest

from services.notices.mail_reading import read_mail
from tests.unit.notices.bounces import OUR_ID, RETURNED, dsn, group, plain

ABUSE = "abuse@host.example"


def first(raw: bytes):
    (fate,) = read_mail(raw).fates
    return fate


def test_a_delivery_status_is_read() -> None:
    """Recipient, outcome, reason, fault, status and the Message-ID that came back stand in one reading."""
    reading = read_mail(dsn(group()))
    (fate,) = reading.fates
    assert reading.kind == "bounce"
    assert (fate.address, fate.outcome, fate.reason, fate.fault, fate.status) == (
        ABUSE, "failed", "unknown_mailbox", "theirs", "5.1.1",
    )  # fmt: skip
    assert reading.returned_ids == (OUR_ID,)
    assert reading.addressed_to == ("notices@hotline.example",)


@pytest.mark.parametrize(
    ("action", "status", "outcome"),
    [
        ("failed", "4.4.7", "failed"),
        ("failed", "5.0.0", "failed"),
        ("delayed", "5.0.0", "delayed"),
        ("Delayed (still trying)", "4.4.1", "delayed"),
        ("relayed", "2.0.0", "delivered"),
        ("expanded", "2.0.0", "delivered"),
        ("delivered", "2.1.5", "delivered"),
    ],
)
def test_the_outcome_is_the_action(action: str, status: str, outcome: str) -> None:
    """The first digit of the status decides nothing where there is an action."""
    assert first(dsn(group(action=action, status=status))).outcome == outcome


def test_a_failure_outweighs_a_delay_for_each_recipient() -> None:
    """Of two words on one recipient the final one holds; another recipient keeps its own."""
    reading = read_mail(
        dsn(group(action="delayed", status="4.4.1"), group(), group("noc@host.example", "delayed"))
    )
    assert {fate.address: fate.outcome for fate in reading.fates} == {
        ABUSE: "failed",
        "noc@host.example": "delayed",
    }


@pytest.mark.parametrize(
    "fields",
    [
        "final-recipient: rfc822; abuse@host.example\nACTION: failed\nstatus: 5.1.1\n",
        "Final-Recipient: rfc822;\n abuse@host.example\nAction: failed\nStatus: 5.1.1\n",
        "Final-Recipient: rfc822; abuse@host.example (Abuse Desk)\nAction: failed\nStatus:\t5.1.1\n",
        "Final-Recipient: <abuse@host.example>\nAction: Failed\nStatus: 5.1.1 (no such user)\n",
        "  Final-Recipient: RFC822;abuse@host.example\n  Action: failed\n  Status: 5.1.1\n",
        "Original-Recipient: rfc822;abuse@host.example\nAction: failed\nStatus: 5.1.1\n",
    ],
    ids=["case", "folded", "comment", "brackets", "indented", "original alone"],
)
def test_fields_are_read_however_they_are_written(fields: str) -> None:
    """Case, folding, comments, tabs, brackets and an indentation change nothing."""
    fate = first(dsn(fields))
    assert (fate.address, fate.outcome, fate.status) == (ABUSE, "failed", "5.1.1")


def test_an_address_with_an_equals_sign_stays_whole() -> None:
    """A rewritten address (SRS, VERP) is not cut at its `=`."""
    address = "SRS0=Ab12=XY=host.example=abuse@forward.example"
    assert first(dsn(group(address))).address == address


def test_the_original_recipient_is_kept_beside_the_final_one() -> None:
    """Where mail was forwarded, the address that we wrote to is known too."""
    more = "Original-Recipient: rfc822; abuse@host.example\n"
    fate = first(dsn(group("desk@inside.example", more=more)))
    assert (fate.address, fate.original) == ("desk@inside.example", ABUSE)


def test_fields_outside_their_part_are_read() -> None:
    """A gateway that flattens the report into one text hides nothing."""
    fate = first(plain("The mail system\n\nReporting-MTA: dns; relay.example\n\n" + group()))
    assert (fate.address, fate.outcome) == (ABUSE, "failed")


def test_a_boundary_that_no_header_names_is_found() -> None:
    """Parts are seen where the head declares another boundary, or none."""
    raw = dsn(group()).replace(b'boundary="b1"', b'boundary="lost"')
    assert first(raw).address == ABUSE


WORDS = {
    "bare address": "The following address failed:\n\n  abuse@host.example\n    550 5.1.1 user unknown\n",
    "brackets": "<abuse@host.example>:\nRemote host said: 550 5.1.1 no such user here\n",
    "sentence": "There was an error delivering your mail to <abuse@host.example>.\n\n550 5.1.1 User unknown\n",
    "transcript": "----- Transcript of session follows -----\n550 <abuse@host.example>... User unknown\n",
    "bullet": "Delivery to these recipients failed permanently:\n\n   * abuse@host.example\n\nNo such user here\n",
    "on a date": "did not reach:\n\nabuse@host.example on Sat, 31 Jan 2026\n    Recipient name not recognized\n",
    "undeliverable to": "undeliverable to abuse@host.example\nGenerated response:\n550 unknown user\n",
}  # fmt: skip


@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS.keys())
def test_reports_of_words_alone_are_read(text: str) -> None:
    """Recipient and reason are found without a delivery status, and never in the mail that came back."""
    raw = plain(
        f"Your mail could not be delivered.\n\n{text}\n--- Below this line is a copy of the message.\n\n{RETURNED}"
    )
    reading = read_mail(raw)
    (fate,) = reading.fates
    assert (reading.kind, fate.address, fate.outcome) == ("bounce", ABUSE, "failed")
    assert (fate.reason, fate.fault) == ("unknown_mailbox", "theirs")
    assert reading.returned_ids == (OUR_ID,)


def test_several_recipients_keep_their_own_reasons() -> None:
    """What was said of one recipient is not said of the next."""
    text = (
        "could not be delivered:\n\n<abuse@host.example>:\nRemote host said: 550 5.1.1 no such user\n\n"
        "<noc@host.example>:\nRemote host said: 552 5.2.2 mailbox full\n"
    )
    fates = {fate.address: fate.reason for fate in read_mail(plain(text)).fates}
    assert fates == {ABUSE: "unknown_mailbox", "noc@host.example": "mailbox_full"}


DELAYS = (
    "This is a warning message only. You do not need to resend your message.\n"
    "<abuse@host.example>: connect: No route to host\n",
    "has not yet been delivered:\n\n  abuse@host.example\n    Delay reason: Connection timed out\n\n"
    "Delivery attempts will continue for some time. Eventually the mail delivery software will give up.\n",
    "Delivery to the following recipient has been delayed:\n\n     abuse@host.example\n\n"
    "Message will be retried for 2 more days\n",
    "has not been delivered yet:\n\n<abuse@host.example>:\n    connection timed out\n\n"
    "The system will continue to try to deliver the message.\n",
    "is being enqueued and attempted again:\n\n  Recipient address: abuse@host.example\n",
)  # fmt: skip


@pytest.mark.parametrize("text", DELAYS)
def test_a_delay_is_no_failure(text: str) -> None:
    """A warning that delivery goes on is a delay, though it says that the server will give up one day."""
    fate = first(plain(text, subject="Warning: message delayed"))
    assert (fate.address, fate.outcome) == (ABUSE, "delayed")


def test_a_bounce_in_a_bounce_is_not_read() -> None:
    """Only the outermost status counts, and the mail says that what came back is a report itself."""
    inner = dsn(group("victim@other.example")).decode().replace("b1", "b2")
    reading = read_mail(dsn(group("MAILER-DAEMON@relay.example"), returned=inner))
    assert reading.of_a_report
    assert [fate.address for fate in reading.fates] == ["MAILER-DAEMON@relay.example"]
    assert reading.returned_ids == ()


AUTO, TO_OURS = "Auto-Submitted: auto-replied\n", f"In-Reply-To: {OUR_ID}\n"
ANSWERS = {
    "out of office": ("Automatic reply: Notice 7", AUTO, "I am away until Monday.", "auto_reply"),
    "ticket": ("[#77] We have received your report", AUTO, "Thank you. Your ticket is 77.", "auto_reply"),
    "person": ("Re: Notice 7", TO_OURS, "We removed it, thank you.", "reply"),
    "person that quotes a failure": ("Re: Notice 7", TO_OURS, "The URL could not be found: 404.", "reply"),
    "somebody else": ("Offer", "", "Buy our servers.", "other"),
}  # fmt: skip


@pytest.mark.parametrize(("subject", "head", "text", "kind"), ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_are_no_failures(subject: str, head: str, text: str, kind: str) -> None:
    """An answer of a person or a machine has a kind of its own, and no recipient fails by it."""
    raw = f"From: abuse@host.example\nTo: notices@hotline.example\nSubject: {subject}\n{head}\n{text}\n"
    reading = read_mail(raw.encode())
    assert (reading.kind, reading.outcome, reading.form_only) == (kind, None, False)


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("This mailbox is not monitored. Please use our web form to report abuse.", True),
        ("We no longer accept reports by e-mail. Submit them through the abuse form.", True),
        ("Reports are processed exclusively via our online form.", True),
        ("Thank you for your report. For a faster answer you may use our online form.", False),
        ("Thank you. We do not discuss single cases.", False),
    ],
)
def test_use_our_form_is_told_from_we_also_have_a_form(text: str, only: bool) -> None:
    """Only an answer that refuses reports by mail and names a form says so."""
    raw = f"From: abuse@host.example\nSubject: Auto: Notice 7\nAuto-Submitted: auto-replied\n\n{text}\n"
    reading = read_mail(raw.encode())
    assert (reading.kind, reading.form_only) == ("auto_reply", only)


def test_a_feedback_report_is_a_complaint() -> None:
    """ARF (RFC 5965) is a complaint about a mail that arrived, with its Message-ID."""
    raw = f"""\
From: feedback@host.example
Subject: Abuse report
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is an abuse report for a message that could not be delivered without complaint.
--b1
Content-Type: message/feedback-report

Feedback-Type: abuse
Version: 1

--b1
Content-Type: message/rfc822

{RETURNED}
--b1--
"""
    reading = read_mail(raw.encode())
    assert (reading.kind, reading.fates, reading.returned_ids) == ("complaint", (), (OUR_ID,))


def test_a_read_receipt_is_a_delivery() -> None:
    """A disposition notification (RFC 8098) shows that the notice arrived."""
    raw = f"""\
From: abuse@host.example
Subject: Read: Notice 7
Content-Type: multipart/report; report-type=disposition-notification; boundary="b1"

--b1
Content-Type: message/disposition-notification

Final-Recipient: rfc822; abuse@host.example
Original-Message-ID: {OUR_ID}
Disposition: manual-action/MDN-sent-manually; deleted

--b1--
"""
    reading = read_mail(raw.encode())
    assert (reading.kind, reading.outcome, reading.returned_ids) == (
        "delivered",
        "delivered",
        (OUR_ID,),
    )


@pytest.mark.parametrize(
    ("status", "message", "outcome", "reason", "fault"),
    [
        (202, "", "delivered", None, None),
        (429, "", "failed", "rate_limited", "theirs"),
        (403, "", "failed", "refused", "theirs"),
        (401, "", "failed", "policy", "ours"),
        (503, "", "failed", "api_error", "theirs"),
        (400, "Please use our web form.", "failed", "form_only", "theirs"),
    ],
)
def test_receipts_of_an_interface_are_read(
    status: int, message: str, outcome: str, reason: str | None, fault: str | None
) -> None:
    """A receipt in JSON names its notice, and its status what became of it."""
    text = f'{{"notice_id": "n-7", "status": {status}, "at": "2026-01-31T12:00:00Z", "message": "{message}"}}'
    reading = read_mail(text.encode())
    (fate,) = reading.fates
    assert (reading.kind, reading.notice_id) == ("receipt", "n-7")
    assert (fate.outcome, fate.reason, fate.fault) == (outcome, reason, fault)


@pytest.mark.parametrize(
    ("kind", "part", "outcome", "reason"),
    [
        ("DeliveryDelay", '"deliveryDelay": {"delayedRecipients": [{"emailAddress": "abuse@host.example", '
         '"status": "4.2.2", "diagnosticCode": "smtp; 452 4.2.2 full"}]}', "delayed", "mailbox_full"),
        ("Reject", '"reject": {"reason": "Bad content"}', "failed", "content"),
        ("Delivery", '"delivery": {"recipients": ["abuse@host.example"]}', "delivered", None),
    ],
)  # fmt: skip
def test_notifications_of_a_sending_service_are_read(
    kind: str, part: str, outcome: str, reason: str | None
) -> None:
    """What Amazon SES says of one mail is read, that it goes on trying and that it sent nothing too."""
    mail = f'"mail": {{"destination": ["{ABUSE}"], "commonHeaders": {{"messageId": "{OUR_ID}"}}}}'
    reading = read_mail(f'{{"eventType": "{kind}", {mail}, {part}}}'.encode())
    (fate,) = reading.fates
    assert (fate.address, fate.outcome, fate.reason) == (ABUSE, outcome, reason)
    assert reading.returned_ids == (OUR_ID,)


@pytest.mark.parametrize("end", [b"\r\n", b"\r\r\n", b"\r"], ids=repr)
def test_line_ends_of_any_kind_are_read(end: bytes) -> None:
    """Tools that copy mails double a CR or leave it alone; the parts are the same."""
    assert read_mail(dsn(group()).replace(b"\n", end)) == read_mail(dsn(group()))


def test_an_arrival_in_words_is_a_delivery() -> None:
    """A mail server that says in words that a mail was delivered reports no failure."""
    text = "Your message was successfully delivered to these recipients.\n\nabuse@host.example: 250 2.0.0\n"
    fate = first(plain(text, subject="Delivery status notification: success"))
    assert (fate.address, fate.outcome) == (ABUSE, "delivered")


@pytest.mark.parametrize(
    "text", ['{"notice_id": "n-7"}', '{"notice_id": "n", "status": true}', "{", "[" * 5000]
)
def test_other_json_is_no_receipt(text: str) -> None:
    """What names no notice, has no status of HTTP, or is no JSON at all says nothing."""
    assert read_mail(text.encode()).kind == "other"


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"\x00\xff\xfe", b"Content-Type: multipart/report; boundary=\n\n--\n", b"From "],
    ids=repr,
)
def test_no_mail_at_all_is_read_as_nothing(raw: bytes) -> None:
    """Whatever the bytes are, a reading comes of them."""
    assert read_mail(raw).outcome is None


def test_words_in_other_encodings_are_read() -> None:
    """Base64, quoted-printable and HTML say the same as plain text."""
    html = (
        "<html><style>p {}</style><p>abuse@host.example<br>550 5.2.2 mailbox&nbsp;full</p></html>"
    )
    raw = (
        "From: MAILER-DAEMON@relay.example\nSubject: =?utf-8?B?VW5kZWxpdmVyYWJsZQ==?=\n"
        f"Content-Type: text/html; charset=utf-8\n\nDelivery failed:<br>{html}"
    )
    fate = first(raw.encode())
    assert (fate.address, fate.reason) == (ABUSE, "mailbox_full")
