"""Why a notice did not arrive, and whose fault that is: what servers of many makers say, in our words."""

import pytest

from services.notices.bounce_reasons import cause_of, status_in
from services.notices.phrases import families

SAID = {
    ("unknown_mailbox", "theirs"): [
        "550 5.1.1 that account does not exist",
        "550 5.1.1 <abuse@host.example>: Recipient address rejected: User unknown in local table",
        "551 not our user",
        "550 Unknown user",
        "unknown user: abuse",
        "550 5.2.1 the mailbox is disabled",
        "550 5.4.1 Recipient address rejected: Access denied",
        "550 Benutzer unbekannt",
        "550 utilisateur inconnu",
        "no mailbox here by that name. (#5.1.1)",
        "525 5.7.13 Disabled recipient address",
        "the address couldn't be found",
        "Benutzer abuse ist nicht im Verzeichnis aufgeführt",
        "gebruiker onbekend",
        "usuário desconhecido",
        "nieznany użytkownik",
        "пользователь не найден",
        "收件人地址不存在",
        "550 nie ma takiego uzytkownika",
        "Nie znaleziono adresu",
        "O endereço de e-mail não foi encontrado",
        "L'indirizzo di posta elettronica immesso non è stato trovato",
        "Benutzer abuse nicht im Domino Directory aufgeführt",
    ],
    ("mailbox_full", "theirs"): [
        "552 5.2.2 mailbox full",
        "550 5.2.2 something that may mean anything",
        "user is over quota",
        "the number of messages in the mailbox exceeded the local limit",
        "maildir: Disk quota exceeded",
        "the inbox is out of storage space",
        "550 5.1.1 Your message was rejected: not enough disk space",
        "Das Postfach des Empfängers ist voll",
        "Buzón lleno",
        "Casella di posta piena",
        "对方邮箱空间已满",
    ],
    ("blocked", "ours"): [
        "554 5.7.1 Client host [192.0.2.1] blocked using list.dnsbl.example",
        "550 poor reputation of your network",
        "450 4.7.1 cannot find your reverse hostname",
        "421 4.7.0 temporarily deferred due to unexpected volume",
        "452 4.3.2 Connection rate limit exceeded",
        "550 5.7.606 access denied, banned sending IP",
        "451 4.7.1 greylisted, come back later",
        "553 see http://list.example/query/bl?ip=192.0.2.1",
        "too many recipients",
        "553 Exceeded limit on recipients",
        "421 4.7.28 an unusual rate of mail from your SPF domain",
        "550 192.0.2.1 is listed at bl.list.example",
        "554 IP address is black listed.",
        "553 5.7.2 [X09] All messages from 192.0.2.1 will be deferred for good",
        "554 5.7.1 Sender address [notices@hotline.example] blocked using a list",
    ],
    ("blocked", "theirs"): [
        "550 your address has been blocked by the recipient",
        "550 5.7.1 message blocked by the administrator of the recipient",
        "550 you have been banned",
        "550 rejected by header based manually Blocked Senders",
        "554 5.7.1 sender address has been blacklisted here",
        "554 5.7.1 <notices@hotline.example>: Sender address rejected: Access denied",
        "554 5.7.1 <relay.example[192.0.2.1]>: Client host rejected: Access denied",
    ],
    ("policy", "ours"): [
        "550 5.7.23 SPF check failed",
        "550-5.7.26 unauthenticated mail is refused due to the DMARC policy of hotline.example",
        "554 5.7.1 relay access denied",
        "553 5.1.8 domain of sender address does not exist",
        "after MAIL FROM:<notices@hotline.example>: 550 no such domain",
        "530 authentication required",
        "550 denied by policy",
        "450 4.7.1 <out.hotline.example>: Helo command rejected: Host not found",
        "450 4.1.8 <notices@hotline.example>: Sender address rejected: Domain not found",
        "550 Sender verify failed",
    ],
    ("policy", "unclear"): ["550 access denied", "550 message refused"],
    ("policy", "theirs"): [
        "you are not a member of this list",
        "permission to post messages to the group",
        "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required",
    ],
    ("content", "theirs"): [
        "554 5.7.0 Reject - SPAM",
        "554 5.7.1 URL in body [bad.example] blocked using dbl.example",
        "550 сообщение отклонено как спам",
        "552 message blocked because its content presents a risk",
        "550 message looks like phishing",
        "554 5.7.1 the message contains bad URL(s)",
        "550 5.2.0 Mail rejete. ofr_506 [506]",
    ],
    ("content", "ours"): [
        "550 infected by a virus",
        "554 5.6.1 body type not supported",
        "552 5.6.0 headers too large",
        "550 it has lines too long for transport",
    ],
    ("too_large", "ours"): [
        "552 5.3.4 message size exceeds fixed limit",
        "550 5.2.3 message too large for this recipient",
        "message is too big for the transport",
    ],
    ("network", "theirs"): [
        "host or domain name not found. type=MX: Host not found",
        "responded with code NXDOMAIN",
        "550 5.1.2 host unknown",
        "unrouteable mail domain host.example",
    ],
    ("network", "way"): [
        "connect to host.example[192.0.2.1]:25: no route to host",
        "lost connection while sending RCPT TO",
        "554 5.4.6 too many hops",
        "name service error: malformed or unexpected name server reply",
        "TLS handshake failed",
        "remote host address is the local host",
    ],
    ("expired", "way"): [
        "connection timed out",
        "message expired",
        "Could not deliver for the last 432000 seconds. Giving up.",
        "I'm not going to try again; this message has been in the queue too long.",
        "retry timeout exceeded",
    ],
    ("refused", "theirs"): [
        "domain host.example does not accept mail (nullMX)",
        "556 5.1.10 null MX",
        "the MX record indicated no SMTP service",
    ],
    ("form_only", "theirs"): [
        "550 5.7.1 reports by mail are refused, please use our web form",
        "550 5.7.1 reports are taken only at https://host.example/report",
        "550 report it at https://host.example/abuse instead of by mail",
        "550 mail to this address is not accepted, use https://host.example/abuse",
    ],
    ("other", "unclear"): ["554 transaction failed", "451 temporary failure", ""],
}  # fmt: skip
_CASES = [(text, cause) for cause, texts in SAID.items() for text in texts]


@pytest.mark.parametrize(("text", "cause"), _CASES)
def test_what_servers_say_has_a_reason_and_a_fault(text: str, cause: tuple[str, str]) -> None:
    """Each reply ends in its reason, and with the one whose fault it is."""
    found = cause_of([text], status_in(text))
    assert (found.reason, found.fault) == cause


def test_a_reason_outweighs_a_nearer_refusal() -> None:
    """Where the nearest words only refuse, the words around them may say why."""
    found = cause_of(["550 address rejected", "the mailbox is full"], None)
    assert found.reason == "mailbox_full"


def test_giving_up_is_a_reason_only_without_another() -> None:
    """A reply that was met for days says why; that somebody gave up is no news then."""
    text = "450 4.2.2 mailbox full. I'm not going to try again; this message has been in the queue too long."
    assert cause_of([text], None).reason == "mailbox_full"
    assert cause_of(["421 busy. " + text.partition(". ")[2]], None).reason == "expired"


def test_a_failed_spf_never_counts_against_a_provider() -> None:
    """Whatever stands beside it, what our own mail lacks is our fault."""
    for beside in ("user unknown", "mailbox unavailable", "message refused", "blocked"):
        assert (
            cause_of([f"550 5.7.1 SPF fail for hotline.example: {beside}"], "5.1.1").fault == "ours"
        )


def test_the_families_use_the_words_of_the_events() -> None:
    """Every reason and fault of the phrases is one that an event can hold, and no pattern is empty."""
    for family in (*families("reason"), *families("reason", general=True), *families("stage")):
        assert family.pattern.pattern
        assert family.pattern.search("") is None
