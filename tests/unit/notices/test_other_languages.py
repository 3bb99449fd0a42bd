"""Mails in other languages, and words of a failure that no mail server wrote."""

import pytest

from services.notices.mail_reading import read_mail
from tests.unit.notices.bounces import OUR_ID, dsn, group, plain

ABUSE = "abuse@host.example"
TO_OURS = f"In-Reply-To: {OUR_ID}\n"
AUTO = "Auto-Submitted: auto-replied\n"


def answer(text: str, subject: str, head: str, sender: str = "Abuse Desk <abuse@host.example>"):
    """Write an answer to a notice, and read it."""
    fields = f"From: {sender}\nTo: notices@hotline.example\nSubject: {subject}\n{head}"
    return read_mail(f"{fields}\n{text}\n".encode())


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Unzustellbar: Notice 7", f"Die Nachricht konnte nicht zugestellt werden:\n\n{ABUSE}\n"),
        (
            "No se puede entregar: Notice 7",
            f"No se ha podido entregar su mensaje:\n\n  {ABUSE}: x\n",
        ),
        ("Mancata consegna", f"Il messaggio non è stato recapitato:\n\n  {ABUSE}\n"),
        ("Niedostarczona wiadomość", f"Nie można dostarczyć wiadomości:\n\n  {ABUSE}\n"),
        ("Não entregue: Notice 7", f"Não foi possível entregar sua mensagem:\n\n  {ABUSE}\n"),
        ("系统退信", f"收件人邮件地址（{ABUSE}）不存在，邮件无法送达。\n"),
    ],
)
def test_a_failure_in_another_language_is_one(subject: str, text: str) -> None:
    """A bounce without a delivery status fails its recipient, and is never taken for an answering machine."""
    reading = read_mail(plain(text, subject=subject, sender="postmaster@host.example"))
    assert [(fate.address, fate.outcome) for fate in reading.fates] == [(ABUSE, "failed")]


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Zustellung verzögert", "Die Nachricht wurde noch nicht zugestellt. Es wird weiterhin versucht."),
        ("Bezorging vertraagd", "De bezorging is vertraagd. De server blijft het proberen."),
        ("Remise retardée", "Ce message n'a pas encore été remis. Le serveur continuera d'essayer."),
        ("Entrega retrasada", "Su mensaje aún no se ha podido entregar. Se volverá a intentar."),
    ],
)  # fmt: skip
def test_a_delay_in_another_language_is_no_failure(subject: str, text: str) -> None:
    """A warning that delivery goes on is a delay in each language that is known here."""
    assert read_mail(plain(f"{text}\n\n  {ABUSE}\n", subject=subject)).outcome == "delayed"


def test_what_a_mail_server_says_in_no_known_language_proves_no_arrival() -> None:
    """Words of a mail server that nobody knows here are for a person to read: no failure, and no answer."""
    text = f"Az üzenetét nem tudtuk kézbesíteni: {ABUSE}"
    mail = plain(text, subject="Kézbesítetlen levél").replace(b"\nTo:", f"\n{AUTO}To:".encode())
    assert (read_mail(mail).kind, read_mail(mail).outcome) == ("other", None)


@pytest.mark.parametrize(
    ("sender", "subject"),
    [
        ("Postmaster <postmaster@host.example>", "Re: Notice 7"),
        ("Server Administrator <admin@host.example>", "AW: Notice 7 could not be reached"),
        ("Abuse <notification@host.example>", "RE: Notice 7"),
    ],
)
def test_a_person_at_a_mailbox_that_sounds_like_a_server_is_a_person(
    sender: str, subject: str
) -> None:
    """An answer that speaks of what was not found or blocked invents no failure, whatever the address."""
    reading = answer("We blocked it: the address is not found any more.", subject, TO_OURS, sender)
    assert (reading.kind, reading.fates) == ("reply", ())


def test_a_tracker_that_tells_of_a_ticket_is_no_bounce() -> None:
    """A machine that answers under its own subject may say rejected or not found of anything."""
    text = "Status changed to rejected. The mail address was not found at our customer's."
    head = TO_OURS + "Auto-Submitted: auto-generated\n"
    reading = answer(text, "[ABUSE-77] Notice 7", head, "Tracker <notifications@host.example>")
    assert (reading.kind, reading.fates) == ("auto_reply", ())


def test_a_report_on_encryption_is_no_bounce() -> None:
    """A report of RFC 8460 counts failures of many mails, and is about no notice."""
    reading = answer(
        "2 mails could not be delivered.",
        "Report",
        "TLS-Report-Domain: a.example\n",
        "smtp-tls@isp.example",
    )
    assert (reading.kind, reading.fates) == ("other", ())


@pytest.mark.parametrize(
    "subject",
    [
        "Afwezig: Notice 7",
        "Réponse automatique : Notice 7",
        "=?utf-8?q?R=C3=A9ponse_automatique_=3A_Notice_7?=",
        "Respuesta automática",
        "Risposta automatica",
        "Autosvar: Notice 7",
        "Автоответ: Notice 7",
    ],
)
def test_an_answering_machine_in_another_language_is_one(subject: str) -> None:
    """The subject tells a machine from a person where no field does, encoded or as plain bytes."""
    assert answer("...", subject, TO_OURS).kind == "auto_reply"


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("We no longer accept\nreports by e-mail. Submit them through\nour form.", True),
        ("Meldungen per E-Mail werden nicht bearbeitet. Bitte nutzen Sie unser Formular.", True),
        ("Dit adres wordt niet meer gelezen. Gebruik ons meldformulier.", True),
        ("Cette adresse n'est plus utilisée. Merci d'utiliser notre formulaire.", True),
        ("Esta dirección ya no se utiliza. Use nuestro formulario.", True),
        ("We are unable to process reports sent by email. Complete the abuse form.", True),
        ("We only process English reports. This mail was sent from an unmonitored address. See our portal.", False),
        ("Reports about copyright must be sent through our form. All others are read.", False),
        ("Antworten auf diese E-Mail werden nicht bearbeitet. Für Rückfragen gibt es ein Formular.", False),
        ("Removed.\n\n> This mailbox is not read. Please use our form.", False),
    ],
)  # fmt: skip
def test_use_our_form_is_said_of_reports(text: str, only: bool) -> None:
    """What is said of answers, of one kind of report, or in a quotation refuses no notice."""
    assert answer(text, "Auto: Notice 7", AUTO).form_only is only


def test_an_address_beyond_ascii_is_read() -> None:
    """RFC 6533 writes it as it is, or escaped."""
    for written in ("utf-8; abüse@host.example", r"utf-8; ab\x{FC}se@host.example"):
        fields = group().replace("rfc822; abuse@host.example", written)
        (fate,) = read_mail(dsn(fields)).fates
        assert fate.address == "abüse@host.example"
