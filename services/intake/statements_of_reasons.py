"""Statements of reasons under the DSA (Regulation (EU) 2022/2065, Article 17), as the transparency database has them.

A statement says what a platform decided, about what it alone can name (`puid`, in the daily dumps `platform_uid`): it
holds no URL. It speaks of a case where the operator's table says of which, or where the ledger has a report with that
reference; all others are none of ours, and are counted.

It is no observation: that visibility was removed or disabled is a claim. `application_date` is a date without a time,
also where a dump writes midnight behind it, so the claim is a span of 24 hours. Where the decision answers a notice,
and the table names it, the platform has acknowledged the notice at `created_at`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from schemas.errors import TakedownError
from schemas.events import ClaimStated, NoticeAcknowledged
from services.core.time_spans import TimeSpan
from services.intake.entries import IntakeEntry
from services.intake.intake_statements import Statement
from services.intake.spans import NoTime, day, said_time

_GONE = ("DECISION_VISIBILITY_CONTENT_REMOVED", "DECISION_VISIBILITY_CONTENT_DISABLED")
_AFTER_NOTICE = ("SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION")
_PUID = re.compile(r"[A-Za-z0-9_-]{1,500}")
_MIDNIGHT = re.compile(r"[T ]00:00:00(?:\.0+)?(?:Z|\+00:00)?")
_LONGEST_NAME = 150


class SubjectOfDecision(Struct, frozen=True, kw_only=True):
    """What a platform's own id means here: a case, or the reference of its report, and the notice about it."""

    case_id: str | None = None
    reference: str | None = None
    notice_id: str | None = None


class _UnusableReasons(TakedownError):
    """Why a statement is a dead letter."""


def reasons_entries(
    records: Iterable[tuple[int, Mapping[str, Any] | None]],
    subjects: Mapping[str, SubjectOfDecision],
    zone: ZoneInfo,
    platform: str | None,
) -> Iterator[IntakeEntry]:
    """Give every statement with its end; a record is None where the input is broken.

    `platform` is taken where a statement does not name its own, as one that is sent to the database does not.
    """
    for row, (line, record) in enumerate(records, start=1):
        try:
            yield _entry(line, row, record, subjects, zone, platform)
        except (_UnusableReasons, NoTime) as error:
            yield IntakeEntry(line=line, row=row, outcome="dead_letter", why=str(error))


def _entry(
    line: int,
    row: int,
    record: Mapping[str, Any] | None,
    subjects: Mapping[str, SubjectOfDecision],
    zone: ZoneInfo,
    platform: str | None,
) -> IntakeEntry:
    if record is None:
        raise _UnusableReasons("no statement of reasons: a JSON object or a row of the dump")
    puid = _puid(record)
    subject = subjects.get(puid)
    if subject is None:
        why = "about nothing that is known here: its puid is in no table, and no report has it as reference"
        return IntakeEntry(line=line, row=row, outcome="skipped", reference=puid[:40], why=why)
    name = f"dsa:{_text(record, 'platform_name') or platform or 'unknown'}"[:_LONGEST_NAME]
    stated_at = _created(record, zone)
    span = day_of_decision(_text(record, "application_date"), zone)
    statements = [
        _claim(record, subject, name, span, stated_at),
        *_acknowledgement(record, subject, stated_at),
    ]
    claims = {"status": _status(record), "gone": span.shown() if _is_gone(record) else None}
    return IntakeEntry(
        line=line,
        row=row,
        outcome="events",
        reference=puid[:40],
        statements=tuple(statements),
        claims={key: value for key, value in claims.items() if value is not None},
    )


def _puid(record: Mapping[str, Any]) -> str:
    puid = _text(record, "puid") or _text(record, "platform_uid")
    if puid is None or _PUID.fullmatch(puid) is None:
        raise _UnusableReasons("no `puid` (`platform_uid`) of letters, digits, - and _")
    return puid


def day_of_decision(text: str | None, zone: ZoneInfo) -> TimeSpan:
    """Read `application_date`: a date, whatever midnight stands behind it; raises `NoTime`."""
    if text is None:
        raise NoTime("no `application_date`")
    return day(_MIDNIGHT.sub("", text), zone)


def _created(record: Mapping[str, Any], zone: ZoneInfo) -> TimeSpan | None:
    text = _text(record, "created_at")
    return None if text is None else said_time(text, zone)


def _claim(
    record: Mapping[str, Any],
    subject: SubjectOfDecision,
    name: str,
    span: TimeSpan,
    stated_at: TimeSpan | None,
) -> Statement:
    """Keep what the platform says; it is dated by when it said so, else by what it speaks of."""
    gone = _is_gone(record)
    data = ClaimStated(
        claimant=name,
        status=_status(record),
        gone_at=span.latest if gone else None,
        gone_earliest=span.earliest if gone else None,
    )
    at = (stated_at or span).latest
    return Statement(
        data=data, time=TimeSpan.at(at), reference=subject.reference, case_id=subject.case_id
    )


def _acknowledgement(
    record: Mapping[str, Any], subject: SubjectOfDecision, stated_at: TimeSpan | None
) -> list[Statement]:
    source = _text(record, "source_type")
    if subject.notice_id is None or stated_at is None or source not in _AFTER_NOTICE:
        return []
    data = NoticeAcknowledged(notice_id=subject.notice_id)
    time = TimeSpan.at(stated_at.latest)
    return [Statement(data=data, time=time, reference=subject.reference, case_id=subject.case_id)]


def _is_gone(record: Mapping[str, Any]) -> bool:
    return any(word in _GONE for word in _words(record, "decision_visibility"))


def _status(record: Mapping[str, Any]) -> str | None:
    """Give the platform's decision in its own words, without the prefix that all share."""
    words = [
        word.removeprefix("DECISION_").lower()
        for name in ("decision_visibility", "decision_provision", "decision_account")
        for word in _words(record, name)
        if re.fullmatch(r"DECISION_[A-Z_]{1,80}", word)
    ]
    return ",".join(words)[:200] or None


def _words(record: Mapping[str, Any], name: str) -> list[str]:
    """Give a list of codes: JSON has a list, a dump has it as text, some have one word."""
    value = record.get(name)
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    text = value.strip() if isinstance(value, str) else ""
    if text.startswith("["):
        try:
            return msgspec.json.decode(text.encode(), type=list[str])
        except (msgspec.DecodeError, UnicodeEncodeError):
            pass
    return re.findall(r"[A-Z0-9_]+", text)


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    text = str(value).strip() if isinstance(value, str | int) else ""
    return text or None
