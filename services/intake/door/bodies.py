"""The bodies that the intake takes and gives: the source of the OpenAPI document.

Every time is the sender's own and has its offset, so that one body always makes one event, however often it is sent.
"""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from schemas.events import CaseId, Instant, Name, Slug
from schemas.events_of_notices import DeliveryReason, Fault, StatusCode
from schemas.urls import MAX_URL_LENGTH

_Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_URL_LENGTH,
        description="The whole URL as reported, defanged or not. It is sealed before anything is stored.",
        # No format of JSON Schema: browsers open more than RFC 3986 allows, and defanged ones are taken too.
        extra_json_schema={"format": "reported-url"},
    ),
]
_Earliest = Annotated[
    Instant | None,
    Meta(description="The first instant that the time may mean, where it is known as a span only."),
]
_NoticeId = Annotated[
    str, Meta(min_length=1, max_length=200, description="The sender's own name of the notice.")
]


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of what a reporter sends."""


class ReportBody(Body, frozen=True, kw_only=True):
    """A URL holds illegal material; the reporter is the one of the token."""

    url: _Url
    reported_at: Instant
    earliest: _Earliest = None
    category: Slug = "csam"
    provider: Slug | None = None
    reference: Name | None = None
    seen_online_at: Instant | None = None
    not_measurable: Literal["private"] | None = None


class NoticeBody(Body, frozen=True, kw_only=True):
    """A notice of a case left for a provider."""

    case_id: CaseId
    notice_id: _NoticeId
    provider: Slug
    sent_at: Instant
    earliest: _Earliest = None
    channel: Slug = "email"


class DeliveryBody(Body, frozen=True, kw_only=True):
    """The provider's side took a notice."""

    case_id: CaseId
    notice_id: _NoticeId
    delivered_at: Instant
    earliest: _Earliest = None


class FailureBody(Body, frozen=True, kw_only=True):
    """A notice never arrived; `fault` says whose fault that is, `status` is the mail's enhanced status code."""

    case_id: CaseId
    notice_id: _NoticeId
    failed_at: Instant
    reason: DeliveryReason
    fault: Fault = "unclear"
    status: StatusCode | None = None


class AcknowledgementBody(Body, frozen=True, kw_only=True):
    """The provider answered a notice."""

    case_id: CaseId
    notice_id: _NoticeId
    acknowledged_at: Instant


class RetractionBody(Body, frozen=True, kw_only=True):
    """Your own reports of a case were wrong, up to then; those of other reporters stand."""

    case_id: CaseId
    retracted_at: Instant
    reason: Annotated[
        Name, Meta(description="Why, in a few words; no URL and nothing of the content.")
    ]


class Receipt(Struct, frozen=True, kw_only=True):
    """What was recorded: Kafka has it on all replicas when this is sent."""

    case_id: CaseId
    event_id: UUID
    type: str
