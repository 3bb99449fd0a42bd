"""Read one mail: bytes in, what it says out. No clock, no I/O, no exception, whatever the bytes are.

By structure first (RFC 3464, 5965, 8098), then by the words of the mail server.
Only what a mail server says makes a failure: an answer of a person or of a machine never does, except that it says
that reports are taken through a form alone.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec.structs import replace

from services.notices import delivery_status as ds
from services.notices.bounce_reasons import cause_of, status_in
from services.notices.bounce_signs import (
    is_answer,
    is_arrival,
    is_automatic,
    is_bounce,
    is_by_a_person,
    is_complaint,
    is_delay,
    is_held,
    is_mailer,
    is_turned_away,
    is_unclear,
    says_form_only,
)
from services.notices.fates import WEIGHT, Fate, Kind, MailReading, Outcome
from services.notices.mail_dates import first_instant, instant_of
from services.notices.mail_material import Material, gather
from services.notices.mail_structure import parse
from services.notices.receipts import read_receipt
from services.notices.reported_text import (
    ADDRESS,
    Named,
    forwarded_for,
    mentioned,
    named_recipients,
)

# Rewritten return paths (SRS) outgrow the 64 characters of a local part.
_LONG_ADDRESS = re.compile(
    r"(?<![^\s<>\"'(:;,*|\[])[^\s<>@,;:()\[\]\"'|\\/]{1,250}@[a-z0-9.-]{1,250}", re.I
)
_ID = re.compile(r"<[^<>\s]{3,900}>")
_BARE_ID = re.compile(r"[^<>\s@]{1,450}@[^<>\s@]{1,450}")
_TO_US = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-rcpt-to",
    "apparently-to",
    "to",
    "cc",
)
_MOST_FATES = 100


def read_mail(raw: bytes) -> MailReading:
    """Say what a mail says."""
    material = gather(parse(raw))
    receipt = read_receipt(material.report) if material.report.lstrip()[:1] == "{" else None
    if receipt is None and raw.lstrip()[:1] == b"{":
        receipt = read_receipt(raw[:200_000].decode("utf-8", "replace"))
    if receipt is not None:
        return receipt
    kind, fates = _judge(material)
    return MailReading(
        kind=kind,
        fates=fates,
        addressed_to=_addressed_to(material),
        returned_ids=_returned_ids(material, kind),
        returned_from=_returned_from(material),
        at=_sent_at(material),
        of_a_report=kind == "bounce" and _came_back_as_report(material),
        arrival_unsaid=kind == "complaint"
        and _delivery_result(material) not in (None, "delivered", "spam"),
        form_only=kind in ("auto_reply", "reply") and says_form_only(material.report),
    )


def _judge(material: Material) -> tuple[Kind, tuple[Fate, ...]]:
    if is_complaint(material):
        return _of_complaint(material)
    if material.disposition is not None:
        return _of_disposition(material)
    return _of_status(material) if material.status else _of_text(material)


def _of_text(material: Material) -> tuple[Kind, tuple[Fate, ...]]:
    if is_arrival(material):
        named = _of_words(material)
        return "delivered", tuple(Fate(address=one.address, outcome="delivered") for one in named)
    by_a_person = is_by_a_person(material)
    if not by_a_person and is_bounce(material):
        return "bounce", _of_words(material)
    if is_held(material):
        return "other", ()
    return "reply" if by_a_person else _kind_of_answer(material), ()


def _kind_of_answer(material: Material) -> Kind:
    if is_unclear(material):
        return "other"
    if is_automatic(material):
        return "auto_reply"
    return "reply" if is_answer(material) else "other"


def _of_complaint(material: Material) -> tuple[Kind, tuple[Fate, ...]]:
    """Read feedback (RFC 5965); a report about authentication (RFC 6591) may say that the mail was refused."""
    if _delivery_result(material) == "reject":
        address = ds.address_of(material.feedback or {}, "original-rcpt-to")
        return "bounce", (Fate(address=address, outcome="failed", reason="policy", fault="ours"),)
    return "complaint", ()


def _delivery_result(material: Material) -> str | None:
    """Give what a report about authentication says of the delivery, or nothing; None for other feedback."""
    feedback = material.feedback or {}
    if ds.first_of(feedback, "feedback-type").strip().lower() != "auth-failure":
        return None
    return ds.first_of(feedback, "delivery-result").strip().lower()


def _of_disposition(material: Material) -> tuple[Kind, tuple[Fate, ...]]:
    """Read a receipt of a mail program (RFC 8098): it has arrived, unless a filter turned it away by a receipt."""
    assert material.disposition is not None
    address = ds.address_of(material.disposition, "final-recipient")
    original = ds.address_of(material.disposition, "original-recipient")
    fate = Fate(address=address, original=original, outcome="delivered")
    if is_turned_away(material):
        return "bounce", (_because(replace(fate, outcome="failed"), (material.report,)),)
    return "delivered", (fate,)


# -- by the fields of a delivery status ----------------------------------------------------------


def _of_status(material: Material) -> tuple[Kind, tuple[Fate, ...]]:
    passages = {name.address.lower(): name.words for name in named_recipients(material.report)}
    fates = [_of_group(group, passages, material) for group in material.status[:_MOST_FATES]]
    merged = merge(fates)
    if all(fate.outcome == "delivered" for fate in merged):
        return "delivered", merged
    if all(fate.address is None for fate in merged):
        named = _of_words(material)
        return "bounce", tuple(replace(fate, outcome=merged[0].outcome) for fate in named)
    return "bounce", merged


def _of_group(group: ds.Group, passages: dict[str, str], material: Material) -> Fate:
    final, original = (
        ds.address_of(group, "final-recipient"),
        ds.address_of(group, "original-recipient"),
    )
    status, diagnostic = ds.status_of(group), ds.diagnostic_of(group)
    outcome = ds.action_of(group) or _outcome_of(status, material)
    passage = passages.get((final or "").lower()) or passages.get((original or "").lower()) or ""
    fate = Fate(
        address=final or original,
        original=original if final and original and original.lower() != final.lower() else None,
        outcome=outcome,
        status=_telling(status, diagnostic or passage),
        at=instant_of(ds.first_of(group, "last-attempt-date")),
    )
    # What stands elsewhere in the mail is about this recipient only if there is no other.
    rest = material.report if len(material.status) == 1 or not (diagnostic or passage) else ""
    return fate if outcome == "delivered" else _because(fate, (diagnostic, passage, rest))


def _outcome_of(status: str | None, material: Material) -> Outcome:
    """Judge a group without an action: only a class of 2 is a delivery, and only words make a delay."""
    if status is not None and status.startswith("2"):
        return "delivered"
    return "delayed" if is_delay(material) else "failed"


def _telling(status: str | None, words: str) -> str | None:
    """Prefer the code in the words where the field says nothing (x.0.0)."""
    if status is None or status.endswith(".0.0"):
        return status_in(words) or status
    return status


def _because(fate: Fate, texts: Iterable[str]) -> Fate:
    """Add the reason, from what was said, the nearest words first."""
    cause = cause_of([text for text in texts if text.strip()], fate.status)
    return replace(fate, reason=cause.reason, fault=cause.fault)


# -- by the words of the server ------------------------------------------------------------------


def _of_words(material: Material) -> tuple[Fate, ...]:
    outcome: Outcome = "delayed" if is_delay(material) else "failed"
    named = _meant(material)
    fates = [
        _because(_of_named(one, outcome), (one.words, material.report if len(named) == 1 else ""))
        for one in named[:_MOST_FATES]
    ]
    if not fates:
        fates = [
            _because(
                Fate(address=None, outcome=outcome, status=status_in(material.report)),
                (material.report,),
            )
        ]
    return merge(_with_status(fate, material) for fate in fates)


def _of_named(one: Named, outcome: Outcome) -> Fate:
    status, original = status_in(one.words), forwarded_for(one.words)
    return Fate(address=one.address, original=original, outcome=outcome, status=status)


def _with_status(fate: Fate, material: Material) -> Fate:
    return fate if fate.status else replace(fate, status=status_in(material.report))


def _meant(material: Material) -> list[Named]:
    """Find the recipients: by a field of the server's, by lines that name one, by sentences, by the returned mail."""
    stated = [
        m[0]
        for text in material.head.get("x-failed-recipients", ())
        for m in ADDRESS.finditer(text)
    ]
    named = named_recipients(material.report)
    if stated:
        words = {one.address.lower(): one.words for one in reversed(named)}
        return [Named(address, words.get(address.lower(), material.report)) for address in stated]
    ours = {address.lower() for address in _own(material)}
    returned_to = [m[0] for text in material.of_returned("to") for m in ADDRESS.finditer(text)]
    if sure := [
        one for one in named if one.address.lower() not in ours or one.address in returned_to
    ]:
        return sure
    others = [a for a in mentioned(material.report) if a.lower() not in ours and not is_mailer(a)]
    others = [a for a in others if a in returned_to] or others or returned_to
    return [Named(others[0], material.report)] if others else []


def _own(material: Material) -> Iterator[str]:
    for name in ("to", "from", "delivered-to"):
        for text in material.head.get(name, ()):
            yield from (match[0] for match in ADDRESS.finditer(text))


def merge(fates: Iterable[Fate]) -> tuple[Fate, ...]:
    """Join what is said of one recipient: a failure outweighs a delay, and that a delivery."""
    merged: dict[str, Fate] = {}
    for fate in fates:
        name = (fate.address or "").lower()
        before = merged.get(name)
        if before is None or WEIGHT.index(before.outcome) < WEIGHT.index(fate.outcome):
            merged[name] = fate
    if len(merged) > 1:
        merged.pop("", None)
    return tuple(merged.values())


# -- what the mail is about ----------------------------------------------------------------------


def _addressed_to(material: Material) -> tuple[str, ...]:
    texts = [text for name in _TO_US for text in material.head.get(name, ())]
    return _unique(match[0] for text in texts for match in ADDRESS.finditer(text))


def _returned_from(material: Material) -> tuple[str, ...]:
    texts = [
        text
        for name in ("return-path", "sender", "from", "errors-to")
        for text in material.of_returned(name)
    ]
    texts += material.about.get("x-postfix-sender", [])
    return _unique(match[0] for text in texts for match in _LONG_ADDRESS.finditer(text[:2_000]))


def _returned_ids(material: Material, kind: Kind) -> tuple[str, ...]:
    """Name the mail that came back, or, for an answer, those that it refers to, the nearest first."""
    texts = list(material.of_returned("message-id"))
    texts += material.about.get("x-original-message-id", [])
    if material.disposition is not None:
        texts += material.disposition.get("original-message-id", [])
    if kind in ("auto_reply", "reply", "delivered"):
        texts += material.head.get("in-reply-to", [])
        texts += [
            " ".join(reversed(_ID.findall(text))) for text in material.head.get("references", ())
        ]
    return _unique(identity for text in texts for identity in _ids_in(text))


def _ids_in(text: str) -> list[str]:
    """Find Message-IDs; one alone may have lost its brackets."""
    ids: list[str] = _ID.findall(text)
    return ids or ([f"<{text.strip()}>"] if _BARE_ID.fullmatch(text.strip()) else [])


def _came_back_as_report(material: Material) -> bool:
    """Tell whether the returned mail is one of a mail server: then no notice of ours came back."""
    path = material.of_returned("return-path")[:1]
    kinds = " ".join(material.of_returned("content-type")).lower()
    sender = " ".join(material.of_returned("from"))
    return path in (["<>"], ["<MAILER-DAEMON>"]) or "multipart/report" in kinds or is_mailer(sender)


def _sent_at(material: Material) -> datetime | None:
    hops = [text.rpartition(";")[2] for text in material.head.get("received", ())]
    return first_instant([*material.head.get("date", ()), *hops])


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))[:_MOST_FATES]
