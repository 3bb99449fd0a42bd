"""Whose answer a mail is: a person's, a machine's, or that of a filter that still holds the notice."""

import pytest

from services.notices.mail_reading import read_mail
from tests.unit.notices.bounces import OUR_ID, RETURNED

ABUSE = "abuse@host.example"


def answer(subject: str, text: str, head: str = ""):
    """Write an answer to a notice, and read it."""
    fields = f"From: Desk <{ABUSE}>\nTo: notices@hotline.example\nSubject: {subject}\n"
    return read_mail(f"{fields}In-Reply-To: {OUR_ID}\n{head}\n{text}\n".encode())


MACHINES = {
    "tracker's tag": ("[host.example #77] Notice 7", "This was automatically generated for a new ticket.", ""),
    "tag of another form": ("[#ABC-12-34]: Notice 7", "This is an automated response: we got your mail.", ""),
    "opened": ("Re: Notice 7", "A support ticket has now been opened for you.", ""),
    "asked for no reply": ("Re: Notice 7", "*** This is an automatic message, don't answer it. ***", ""),
    "German": ("Re: Notice 7", "Dies ist eine automatisch erzeugte Nachricht.", ""),
    "German receipt": ("Ihre Anfrage", "Das ist eine automatische Eingangsbestätigung.", ""),
    "Dutch": ("Re: Notice 7", "Dit bericht is automatisch verzonden.", ""),
    "French": ("Re: Notice 7", "Ceci est un message automatique.", ""),
    "Spanish": ("Re: Notice 7", "Este es un correo automático.", ""),
    "Italian": ("Re: Notice 7", "Questa è una risposta automatica.", ""),
    "Portuguese": ("Re: Notice 7", "Esta é uma resposta automática.", ""),
    "Polish": ("Re: Notice 7", "Odpowiedź została wygenerowana automatycznie.", ""),
    "Swedish": ("Re: Notice 7", "Detta är ett automatiskt svar.", ""),
    "Czech": ("Re: Notice 7", "Toto je automatická zpráva.", ""),
    "Russian": ("Re: Notice 7", "Это автоматическое уведомление.", ""),
    "Japanese": ("Re: Notice 7", "自動送信のメールです。", ""),
    "Chinese": ("Re: Notice 7", "此为自动回复。", ""),
    "Turkish subject": ("Otomatik Yanıt: Notice 7", "x", ""),
    "Hungarian subject": ("Automatikus válasz: Notice 7", "x", ""),
    "Finnish subject": ("Automaattinen vastaus: Notice 7", "x", ""),
    "junk": ("Re: Notice 7", "Away.", "Precedence: junk\n"),
    "old precedence": ("Re: Notice 7", "Away.", "X-Precedence: auto_reply\n"),
    "old responder": ("Re: Notice 7", "Away.", "X-Mail-Autoreply: true\n"),
    "asks for no answers": ("Report received (4711)", "Noted.", "X-Auto-Response-Suppress: All\n"),
    "receipt in words": ("Read: Notice 7", "Your message\n  To: Desk\n\nwas read on Saturday.", ""),
}  # fmt: skip


@pytest.mark.parametrize(("subject", "text", "head"), MACHINES.values(), ids=MACHINES.keys())
def test_a_machine_that_says_so_acknowledges_nothing(subject: str, text: str, head: str) -> None:
    """An answer that calls itself automatic shows that the notice arrived, and not that somebody read it."""
    assert answer(subject, text, head).kind == "auto_reply"


PERSONS = {
    "held account": "The customer's account is held; we confirm that the files are gone.",
    "quarantine": "The server is in quarantine; we verified that the URL answers 404.",
    "robot": "Our robot found it too. The message board is closed, we confirm.",
    "mail of the customer": "We could not deliver your message to the customer, so the address is null-routed.",
    "ticket": "Your ticket went to our abuse team, and we removed it.",
    "scanned": "Gone.\n-- \nThis mail was automatically scanned.",
    "quoted by signs": "Gone.\n\n> This was automatically generated.",
    "quoted by a head": "Gone.\n\nFrom: Hotline <notices@hotline.example>\nSent: today\n\nAutomatically generated.",
    "quoted by a line": "Gone.\n\nOn Saturday, Hotline <notices@hotline.example> wrote:\n\nAutomatically generated.",
    "quoted below": "Gone.\n\n-----Original Message-----\nAutomatically generated.",
}  # fmt: skip


@pytest.mark.parametrize("text", PERSONS.values(), ids=PERSONS.keys())
def test_a_person_who_speaks_of_such_things_is_a_person(text: str) -> None:
    """What is held, confirmed or automatic at the provider's, or stands in a quotation, makes no machine."""
    assert answer("Re: Notice 7", text).kind == "reply"


HELD = [
    "Your mail requires verification: prove that you are human by a reply to this one.",
    "Your message is being held because your address is unknown here. Confirm it by an empty mail.",
    "Click the link once so I can receive your mails.",
    "Your mail was redirected to a suspect mail folder. Click below to ask for it to be approved.",
    "Your mail to the list is being\nheld until its moderator can review it.",
    "Your message was quarantined and waits for the review of an administrator.",
    "Votre message est en attente. Merci de vous authentifier par ce lien.",
    "Ihre Nachricht wird zurückgehalten. Bestätigen Sie, dass Sie kein Roboter sind.",
    "Uw bericht wordt vastgehouden. Bevestig dat u een mens bent.",
    "Sua mensagem está retida. Confirme que você não é um robô.",
    "Su mensaje está retenido. Confirme que no es un robot.",
    "Il suo messaggio è trattenuto. Confermi di non essere un robot.",
]


@pytest.mark.parametrize("head", ["", "Auto-Submitted: auto-replied\n"], ids=["bare", "marked"])
@pytest.mark.parametrize("text", HELD)
def test_a_notice_that_is_held_has_not_arrived(text: str, head: str) -> None:
    """What waits for its sender to prove to be human, or for a moderator, was neither delivered nor refused."""
    for subject in ("Re: Notice 7", "Please act"):
        reading = answer(subject, text, head)
        assert (reading.kind, reading.outcome) == ("other", None)


def feedback(fields: str):
    """Write a feedback report on a notice, and read it."""
    raw = f"""\
From: feedback@isp.example
Subject: FW: Notice 7
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

A report.
--b1
Content-Type: message/feedback-report

{fields}
--b1
Content-Type: message/rfc822

{RETURNED}
--b1--
"""
    return read_mail(raw.encode())


@pytest.mark.parametrize(
    ("fields", "kind", "unsaid"),
    [
        ("Feedback-Type: fraud", "complaint", False),
        ("Feedback-Type: auth-failure\nDelivery-Result: delivered", "complaint", False),
        ("Feedback-Type: auth-failure\nDelivery-Result: spam", "complaint", False),
        ("Feedback-Type: auth-failure\nDelivery-Result: policy", "complaint", True),
        ("Feedback-Type: auth-failure", "complaint", True),
        ("Feedback-Type: auth-failure\nDelivery-Result: reject", "bounce", False),
    ],
)
def test_a_report_on_authentication_is_no_proof_of_arrival(
    fields: str, kind: str, unsaid: bool
) -> None:
    """RFC 6591 says in a field whether the mail was delivered; where it was refused, our fault is the reason."""
    reading = feedback(fields)
    assert (reading.kind, reading.arrival_unsaid) == (kind, unsaid)
    assert [(fate.reason, fate.fault) for fate in reading.fates] == (
        [("policy", "ours")] if kind == "bounce" else []
    )


@pytest.mark.parametrize(
    ("disposition", "text", "outcome", "reason"),
    [
        ("deleted", "Your message was automatically rejected: mailbox quota exceeded", "failed", "mailbox_full"),
        ("deleted", "was automatically rejected by a filter. Use our abuse form.", "failed", "form_only"),
        ("deleted", "Ihre Nachricht wurde automatisch abgelehnt: Postfach voll", "failed", "mailbox_full"),
        ("deleted", "Your message was deleted without being read.", "delivered", None),
        ("displayed", "Your message about what was rejected was read.", "delivered", None),
        ("dispatched", "x", "delivered", None),
    ],
)  # fmt: skip
def test_a_filter_that_refuses_by_a_receipt_is_no_arrival(
    disposition: str, text: str, outcome: str, reason: str | None
) -> None:
    """Filters of a mailbox refuse mail by a receipt (RFC 5429); a mail program's receipt is a delivery."""
    raw = f"""\
From: Postmaster <postmaster@host.example>
Subject: Notice 7
Content-Type: multipart/report; report-type=disposition-notification; boundary="b1"

--b1
Content-Type: text/plain; charset=utf-8

{text}
--b1
Content-Type: message/disposition-notification

Final-Recipient: rfc822; {ABUSE}
Original-Message-ID: {OUR_ID}
Disposition: automatic-action/MDN-sent-automatically; {disposition}

--b1--
"""
    (fate,) = read_mail(raw.encode()).fates
    assert (fate.address, fate.outcome, fate.reason) == (ABUSE, outcome, reason)
