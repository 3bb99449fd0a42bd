"""Removal orders for terrorist content (Regulation (EU) 2021/784, Article 3), as JSON in the terms of its Annex I.

The regulation has a form on paper and no schema; these fields are the parts of the form that a measurement needs:

| field | part of the form |
| --- | --- |
| `reference` | reference number of the order |
| `authority` | the competent authority that issued it |
| `provider` or `addressee` | the hosting service provider: its id here, or its name in the providers' file |
| `urls` | the exact URLs |
| `issued_at` | date and time of issuing |
| `transmitted_at` | when it was sent; `issued_at` where missing |
| `received_at` | when the provider received it: the hour runs from here |
| `channel` | the way it was sent, for example `email` |
| `removed_at` | Annex II: when the provider says that it removed or disabled the content: a claim |

Times have their offset, or are read in the zone that is given; a date alone is a span of 24 hours. Each URL is a report
of the category `terrorist` by the authority, a notice, and its delivery. Without `received_at` no clock of one hour
starts; the same order with it, later, adds the delivery and nothing else.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from schemas.errors import BadUrl, TakedownError
from schemas.event_words import in_words
from schemas.events import ClaimStated, Name, NoticeDelivered, NoticeSent, ReportFiled, Slug
from schemas.urls import canonical
from services.core.time_spans import TimeSpan
from services.intake.documents import UnfitDocument, decoded
from services.intake.entries import IntakeEntry
from services.intake.hoster_names import HosterNames
from services.intake.intake_statements import Statement
from services.intake.spans import NoTime, said_time

CATEGORY = "terrorist"
_Reference = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/ -]{0,99}$")]


class RemovalOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One order."""

    reference: _Reference
    authority: Name
    urls: Annotated[tuple[str, ...], Meta(min_length=1, max_length=1000)]
    issued_at: str
    provider: Slug | None = None
    addressee: Name | None = None
    transmitted_at: str | None = None
    received_at: str | None = None
    channel: Slug = "email"
    removed_at: str | None = None


class _Times(Struct, frozen=True):
    issued: TimeSpan
    sent: TimeSpan
    received: TimeSpan | None
    removed: TimeSpan | None


class _UnusableOrder(TakedownError):
    """Why an order, or one of its URLs, is a dead letter."""


def order_entries(
    documents: Iterable[tuple[int, bytes]], zone: ZoneInfo | None, hosters: HosterNames
) -> Iterator[IntakeEntry]:
    """Give every URL of every order with its end; an order that can't be read is one dead letter."""
    row = 0
    for line, raw in documents:
        try:
            order = _read(raw)
            entries = list(_urls(order, _times(order, zone), _provider(order, hosters)))
        except (_UnusableOrder, NoTime) as error:
            entries = [IntakeEntry(line=0, row=0, outcome="dead_letter", why=str(error))]
        for entry in entries:
            row += 1
            yield msgspec.structs.replace(entry, line=line, row=row)


def _read(raw: bytes) -> RemovalOrder:
    try:
        return decoded(raw, RemovalOrder)
    except UnfitDocument as error:
        raise _UnusableOrder(f"no removal order: {in_words(str(error))}{_fields(error)}") from None


def _fields(error: UnfitDocument) -> str:
    """Name the fields of an order where one that it does not have was sent."""
    names = ", ".join(RemovalOrder.__struct_fields__)
    return f"; an order has {names}" if "unknown field" in str(error) else ""


def _times(order: RemovalOrder, zone: ZoneInfo | None) -> _Times:
    issued = _time("issued_at", order.issued_at, zone)
    if issued is None:
        raise _UnusableOrder("`issued_at` is empty")
    sent = _time("transmitted_at", order.transmitted_at, zone) or issued
    received = _time("received_at", order.received_at, zone)
    if received is not None and received.latest < sent.earliest:
        raise _UnusableOrder("received before it was sent")
    # What was received had been sent, and what was sent had been issued.
    sent = sent if received is None else _no_later(sent, received)
    issued = _no_later(issued, sent)
    return _Times(issued, sent, received, _time("removed_at", order.removed_at, zone))


def _no_later(span: TimeSpan, limit: TimeSpan) -> TimeSpan:
    return TimeSpan(min(span.earliest, limit.latest), min(span.latest, limit.latest))


def _time(name: str, text: str | None, zone: ZoneInfo | None) -> TimeSpan | None:
    if text is None or not text.strip():
        return None
    try:
        return said_time(text, zone)
    except NoTime as error:
        raise _UnusableOrder(f"`{name}`: {error}") from None


def _provider(order: RemovalOrder, hosters: HosterNames) -> str:
    provider = order.provider or hosters.provider(order.addressee or "", "")
    if provider is None:
        raise _UnusableOrder(
            "to whom it went is not known: give `provider`, or list the `addressee` in --providers"
        )
    return provider


def _urls(order: RemovalOrder, times: _Times, provider: str) -> Iterator[IntakeEntry]:
    for url in order.urls:
        place = {"line": 0, "row": 0, "reference": order.reference}
        try:
            canonical(url)
        except BadUrl as error:
            yield IntakeEntry(
                line=0, row=0, reference=order.reference, outcome="dead_letter", why=str(error)
            )
            continue
        received = times.received is not None
        yield IntakeEntry(
            **place,  # type: ignore[arg-type]
            outcome="events",
            why=None if received else "received at no time: no clock from receipt yet",
            statements=tuple(_statements(order, times, provider, url)),
            claims=None if times.removed is None else {"gone": times.removed.shown()},
            notice_known=received,
        )


def _statements(order: RemovalOrder, times: _Times, provider: str, url: str) -> Iterator[Statement]:
    authority, notice = f"tco:{order.authority}"[:200], f"tco:{order.reference}"
    report = ReportFiled(
        reporter=authority,
        category=CATEGORY,
        url=url,
        provider=provider,
        reference=order.reference,
    )
    yield Statement(data=report, time=times.issued)
    sent = NoticeSent(notice_id=notice, provider=provider, channel=order.channel)
    yield Statement(data=sent, time=times.sent)
    if times.received is not None:
        yield Statement(data=NoticeDelivered(notice_id=notice), time=times.received)
    if times.removed is not None:
        gone = times.removed
        claim = ClaimStated(
            claimant=f"provider:{provider}",
            status="removed",
            gone_at=gone.latest,
            gone_earliest=gone.first,
        )
        yield Statement(data=claim, time=TimeSpan.at(gone.latest))
