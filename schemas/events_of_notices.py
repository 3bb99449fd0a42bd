"""The events about notices: sent, taken, not delivered, answered; and who was told next."""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.event_words import Instant, Name, Payload, Slug

DeliveryFailure = Literal[
    "unknown_mailbox", "mailbox_full", "blocked", "refused", "rate_limited", "api_error", "other"
]
# Why a notice did not arrive. The first version had fewer words; docs/notices.md maps one to the other.
DeliveryReason = Literal[
    "unknown_mailbox",
    "mailbox_full",
    "blocked",
    "policy",
    "content",
    "too_large",
    "network",
    "expired",
    "form_only",
    "rate_limited",
    "refused",
    "api_error",
    "other",
]
# Whose fault a failure is: the provider's, ours, that of what lies between, or nobody can tell.
Fault = Literal["theirs", "ours", "way", "unclear"]
Rung = Literal["provider", "site_owner", "registrar", "police"]
# By what it is known that a notice arrived: a mail server's or a service's word, an answer, a complaint about it.
Arrival = Literal["status", "answer", "complaint", "receipt"]
Contact = Annotated[str, Meta(pattern=r"^[^\s<>@]{1,64}@[^\s<>@]{1,255}$(?!\n)")]
MessageId = Annotated[str, Meta(pattern=r"^<[^<>\s]{1,900}>$(?!\n)")]
StatusCode = Annotated[str, Meta(pattern=r"^[245]\.[0-9]{1,3}\.[0-9]{1,3}$(?!\n)")]


class NoticeSent(Payload, frozen=True, kw_only=True):
    """A message that tells a provider of a case left us.

    `contact` is the address that it went to, `message_id` that of the mail, with its brackets: by them a mail that
    comes back is known again, where it has no token of ours.
    """

    notice_id: Name
    provider: Slug
    channel: Slug = "email"
    contact: Contact | None = None
    message_id: MessageId | None = None
    earliest: Instant | None = None


class NoticeDelivered(Payload, frozen=True, kw_only=True):
    """The provider's side took a notice; `evidence` says by what that is known."""

    notice_id: Name
    evidence: Arrival | None = None
    earliest: Instant | None = None


class NoticeFailed(Payload, frozen=True, kw_only=True):
    """A notice never arrived: it starts no clock."""

    notice_id: Name
    reason: DeliveryFailure


class NoticeUndelivered(Payload, frozen=True, kw_only=True):
    """A notice never arrived, with more reasons, and whose fault that is: it starts no clock.

    `status` is the enhanced status code (RFC 3463) that the mail states, `contact` the address that it names.
    """

    notice_id: Name
    reason: DeliveryReason
    fault: Fault = "unclear"
    status: StatusCode | None = None
    contact: Contact | None = None


class NoticeDelayed(Payload, frozen=True, kw_only=True):
    """A mail server goes on trying to deliver a notice: no failure, and nothing for the clock."""

    notice_id: Name
    reason: DeliveryReason | None = None
    status: StatusCode | None = None
    contact: Contact | None = None


class NoticeEscalated(Payload, frozen=True, kw_only=True):
    """Somebody went a rung further about a case: to the provider again, the site's owner, the registrar, the police.

    It starts no clock. A notice that the police pass on is a notice of its own, with that channel.
    """

    to: Rung
    actor: Name
    reason: Name
    channel: Slug = "email"
    notice_id: Name | None = None


class NoticeAcknowledged(Payload, frozen=True, kw_only=True):
    """The provider answered a notice."""

    notice_id: Name
