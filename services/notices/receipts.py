"""Receipts in JSON: what a sending service or a provider's interface says of one notice.

Two forms: the notifications of Amazon SES, plain or wrapped by SNS, and one of ours for notices that went over an
interface: `{"notice_id": "n-17", "status": 202, "at": "2026-01-31T12:00:00Z"}`, `status` being that of HTTP.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from services.notices.bounce_reasons import cause_of, status_in
from services.notices.fates import Fate, MailReading, Outcome
from services.notices.mail_dates import instant_of
from services.notices.phrases import Cause

# Mails wrap long lines inside of strings.
_decoder = json.JSONDecoder(strict=False)
_MOST_DEPTH = 3
_PARTS = {"deliverydelay": "deliveryDelay"}
_BY_STATUS: Mapping[int, Cause] = {
    400: Cause("api_error", "ours"),
    401: Cause("policy", "ours"),
    403: Cause("refused", "theirs"),
    404: Cause("api_error", "unclear"),
    410: Cause("api_error", "theirs"),
    413: Cause("too_large", "ours"),
    422: Cause("api_error", "ours"),
    429: Cause("rate_limited", "theirs"),
}


def read_receipt(text: str) -> MailReading | None:
    """Read a receipt; gives nothing where the text is none."""
    body = document(text)
    for _ in range(_MOST_DEPTH):
        if body is None:
            return None
        if "notificationType" in body or "eventType" in body:
            return _of_service(body)
        if "notice_id" in body and "status" in body:
            return _of_interface(body)
        inner = body.get("Message")
        body = document(inner) if isinstance(inner, str) else None
    return None


def document(text: str) -> dict[str, Any] | None:
    """Read the JSON object that a text begins with."""
    try:
        body, _ = _decoder.raw_decode(text.lstrip()[:200_000])
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _of_service(body: Mapping[str, Any]) -> MailReading | None:
    kind = str(body.get("notificationType") or body.get("eventType")).lower()
    part, mail = _object(body.get(_PARTS.get(kind, kind))), _object(body.get("mail"))
    ids = _texts([_object(mail.get("commonHeaders")).get("messageId")])
    at = instant_of(str(part.get("timestamp", "")))
    if kind == "bounce":
        soft = part.get("bounceType") == "Transient"
        fates = tuple(
            _bounced(one, at, soft=soft) for one in _objects(part.get("bouncedRecipients"))
        )
        return MailReading(kind="bounce", fates=fates, returned_ids=ids, at=at)
    if kind == "delivery":
        named = _texts(part.get("recipients")) or _texts(mail.get("destination"))
        delivered = tuple(Fate(address=address, outcome="delivered", at=at) for address in named)
        return MailReading(kind="delivered", fates=delivered, returned_ids=ids, at=at)
    if kind == "deliverydelay":
        late = tuple(
            replace(_bounced(one, at, soft=True), outcome="delayed")
            for one in _objects(part.get("delayedRecipients"))
        )
        return MailReading(kind="bounce", fates=late, returned_ids=ids, at=at)
    if kind == "reject":
        # It found a virus in what we sent, and sent nothing.
        refused = tuple(
            Fate(address=address, outcome="failed", reason="content", fault="ours", at=at)
            for address in _texts(mail.get("destination"))
        )
        return MailReading(kind="bounce", fates=refused, returned_ids=ids, at=at)
    if kind == "complaint":
        return MailReading(kind="complaint", returned_ids=ids, at=at)
    return None


def _bounced(one: Mapping[str, Any], at: datetime | None, *, soft: bool) -> Fate:
    words, status = str(one.get("diagnosticCode", "")), str(one.get("status", ""))
    outcome: Outcome = "delayed" if one.get("action") == "delayed" else "failed"
    cause = cause_of([words], status_in(status))
    if soft and cause.reason == "other":
        cause = Cause("expired", "way")
    address = str(one.get("emailAddress", ""))
    return Fate(
        address=address if "@" in address else None,
        outcome=outcome,
        reason=cause.reason,
        fault=cause.fault,
        status=status_in(status) or status_in(words),
        at=at,
    )


def _of_interface(body: Mapping[str, Any]) -> MailReading | None:
    status, at = body["status"], instant_of(str(body.get("at", "")))
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        return None
    return MailReading(
        kind="receipt",
        fates=(_answered(status, str(body.get("message", "")), at),),
        at=at,
        notice_id=str(body["notice_id"])[:200],
    )


def _answered(status: int, words: str, at: datetime | None) -> Fate:
    if status < 300:
        return Fate(address=None, outcome="delivered", at=at)
    cause = cause_of([words], None)
    if cause.reason != "form_only":
        cause = _BY_STATUS.get(status, Cause("api_error", "theirs" if status >= 500 else "unclear"))
    return Fate(address=None, outcome="failed", reason=cause.reason, fault=cause.fault, at=at)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [_object(one) for one in value[:100]] if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    return (
        tuple(one for one in value[:100] if isinstance(one, str)) if isinstance(value, list) else ()
    )
