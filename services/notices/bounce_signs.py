"""Signs of a kind of mail: who writes, how the subject reads, what mail servers and answering machines say."""

import re

from services.notices.mail_material import Material
from services.notices.mail_structure import decoded_words
from services.notices.phrases import sign

_SENDER, _SUBJECT, _FAILED = sign("mailer"), sign("subject"), sign("failed")
_DELAYED, _FINAL, _AWAY = sign("delayed"), sign("final"), sign("away")
_FORM, _MAIL_REFUSED, _ASIDE = sign("form"), sign("mail_refused"), sign("form_aside")
_DAEMON = re.compile(
    r"mailer[-_.]?daemon|post[-_.]?master|mail[ .]delivery|delivery (?:sub)?system", re.I
)
_COMPLAINT_SUBJECT = re.compile(r"complaint about message from|^unsubscribe$", re.I)
_FEEDBACK_FIELD = re.compile(r"^feedback-type[ \t]*:", re.I | re.M)
_LIST_PRECEDENCE = re.compile(r"auto|junk|bulk", re.I)
_REPLY_SUBJECT = re.compile(
    r"(?:re|aw|antw|sv|vs|rif|odp|res|回复|答复|ответ)(?:\[\d+\])?[ \t]*[:：]", re.I
)
_SMTP_LINE = re.compile(r"^[ \t]*(?:[45]\d\d[ -]|rcpt to:)", re.I | re.M)
_SENTENCE = re.compile(r"(?<=[.!?。])\s+|\n[ \t]*\n")
_QUOTED = re.compile(r"^[ \t]*[>|].*$", re.M)
_NOBODY = ("<>", "<MAILER-DAEMON>", "<#@[]>")
_RESPONDERS = ("x-autoreply", "x-autorespond", "x-auto-response", "x-autoresponder")
_OF_MACHINES = ("auto-submitted", "x-failed-recipients", *_RESPONDERS)
# Whoever reads a bounce finds out early that it is one.
_HEAD = 6_000


def is_mailer(text: str) -> bool:
    """Tell whether a sender or an address is that of a mail server."""
    return _DAEMON.search(text) is not None


def is_complaint(material: Material) -> bool:
    """Tell a feedback report (ARF, RFC 5965), and the older forms that are a mail about a mail."""
    if (
        material.feedback is not None
        or "feedback-report" in material.first("content-type").lower()
        or _FEEDBACK_FIELD.search(material.report)
    ):
        return True
    match = _COMPLAINT_SUBJECT.search(_subject(material))
    return match is not None and (material.returned is not None or is_automatic(material))


def is_bounce(material: Material) -> bool:
    """Tell whether a machine's mail without a status says that delivery failed or is late: by sender and words."""
    if "x-failed-recipients" in material.head:
        return True
    if _is_other_report(material):
        return False
    fails, by_server = _FAILED.search(material.report, 0, _HEAD), _is_by_server(material)
    if material.status_part:
        return bool(fails or by_server)
    subject = _subject(material)
    says_so = _SUBJECT.search(subject) is not None
    if not says_so and _is_away(material, subject):
        return False
    answers = "in-reply-to" in material.head
    if fails and by_server and (says_so or not answers or is_mailer(material.first("from"))):
        return True
    return says_so and bool(fails or by_server) and not answers


def is_delay(material: Material) -> bool:
    """Tell whether delivery goes on: said so, and nowhere that it was given up."""
    words = f"{_subject(material)}\n{material.report[:_HEAD]}"
    return _DELAYED.search(words) is not None and _FINAL.search(words) is None


def is_automatic(material: Material) -> bool:
    """Tell whether a machine wrote it (RFC 3834, and what came before)."""
    stated = material.first("auto-submitted").strip().lower()
    return (
        (bool(stated) and not stated.startswith("no"))
        or any(name in material.head for name in _RESPONDERS)
        or _LIST_PRECEDENCE.search(material.first("precedence")) is not None
        or material.first("return-path") == "<>"
        or _AWAY.search(_subject(material)) is not None
        or is_mailer(material.first("from"))
    )


def is_answer(material: Material) -> bool:
    """Tell whether it answers a mail."""
    return "in-reply-to" in material.head or "references" in material.head


def is_unclear(material: Material) -> bool:
    """Tell a mail server's words that are not known here: they may be a failure in another language."""
    by_mailer = is_mailer(decoded_words(material.first("from")))
    return by_mailer and not _is_away(material, _subject(material))


def is_by_a_person(material: Material) -> bool:
    """Tell a person's answer, from whatever address: no sign of a machine, no line of SMTP, no mail returned."""
    return (
        is_answer(material)
        and not material.of_returned("received")
        and not _SMTP_LINE.search(material.report, 0, _HEAD)
        and _REPLY_SUBJECT.match(_subject(material)) is not None
        and not _AWAY.search(_subject(material))
        and not any(name in material.head for name in _OF_MACHINES)
        and material.first("return-path") not in _NOBODY
        and "daemon" not in material.first("from").lower()
    )


def says_form_only(words: str) -> bool:
    """Tell whether an answer takes reports by a form and not by mail; that there is a form as well is not enough."""
    sentences = _SENTENCE.split(_QUOTED.sub("", words[:4_000]))
    plain = [" ".join(sentence.split()) for sentence in sentences]
    stated = " ".join(sentence for sentence in plain if not _ASIDE.search(sentence))
    return all(pattern.search(stated) for pattern in (_FORM, _MAIL_REFUSED))


def _subject(material: Material) -> str:
    return decoded_words(material.first("subject")).strip()


def _is_by_server(material: Material) -> bool:
    sender = f"{material.first('from')} {material.first('sender')}"
    return (
        _SENDER.search(decoded_words(sender)) is not None
        or material.first("return-path") in _NOBODY
    )


def _is_other_report(material: Material) -> bool:
    """Tell a report about many mails (RFC 7489, 8460), which speaks of failures too and of no notice."""
    kind = material.first("content-type").lower()
    return "tls-report-domain" in material.head or "tlsrpt" in kind


def _is_away(material: Material, subject: str) -> bool:
    """Tell an answering machine: by the subject, or by the words where it says that it is one."""
    if _AWAY.search(subject):
        return True
    return is_automatic(material) and _AWAY.search(material.report, 0, 2_000) is not None
