"""The events: what reporters, probers and the ledger say, as frozen structs.

A type's name is `takedown.<noun>.<past participle>.v<version>`; its struct is the `data` of a CloudEvent.
Times are UTC instants. No struct but `ReportFiled`, on the inbound topic, can hold an unsealed URL.
Where a source says no instant (a date without a time, the hour that comes twice in autumn), the event's own time is the
latest that it may mean, and `earliest` the first.
"""

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from schemas.event_words import CASE_ID, SLUG, Instant, Name, Payload, Slug, Whole
from schemas.events_of_notices import (
    NoticeAcknowledged,
    NoticeDelayed,
    NoticeDelivered,
    NoticeEscalated,
    NoticeFailed,
    NoticeSent,
    NoticeUndelivered,
)
from schemas.events_of_retractions import ReporterRetracted, ReportRetracted

# What other modules know as part of this one.
__all__ = [
    "Instant",
    "Name",
    "NoticeAcknowledged",
    "NoticeDelayed",
    "NoticeDelivered",
    "NoticeEscalated",
    "NoticeFailed",
    "NoticeSent",
    "NoticeUndelivered",
    "Payload",
    "ReportRetracted",
    "ReporterRetracted",
    "Slug",
]

CaseId = Annotated[str, Meta(pattern=CASE_ID, description="Keyed name of a canonical URL.")]
# A `Slug` in what comes by the million: a pattern takes msgspec longer than all the rest of a text, and there
# are few different ones, so that the struct holds it by `_slugs`.
_Common = Annotated[str, Meta(extra_json_schema={"pattern": SLUG})]
_slug = re.compile(SLUG).search
_MANY = 10_000
_slugs: set[str] = set()


def is_slug(text: str) -> bool:
    """Tell whether a text has the form of a `Slug`."""
    return _slug(text) is not None


def _hold(text: str) -> None:
    """Remember a slug; raises `ValueError`, which msgspec makes its own, without the text."""
    if not is_slug(text):
        raise ValueError(
            "Expected a name of 1 to 120 characters: a to z, 0 to 9 and _.:/-, a letter or digit first"
        )
    if len(_slugs) < _MANY:
        _slugs.add(text)


Verdict = Literal["online", "removed", "undetermined"]
Layer = Literal["content", "account", "host", "domain", "network"]
NotMeasurable = Literal["private", "onion", "scheme", "credentials", "fragment"]
Role = Literal["hosting", "proxy"]
Confidence = Literal["high", "medium", "low"]
Unattributed = Literal["silent", "conflict", "refused", "unlisted_as"]
Agent = Literal["identified", "neutral"]
MissedReason = Literal[
    "prober_down", "overload", "assignment_lost", "shutdown", "politeness", "unreadable", "failed"
]


class ReportFiled(Payload, frozen=True, kw_only=True):
    """A reporter says that a URL holds illegal material: exactly one of `url` and `sealed_url`.

    `seen_online_at` is when the reporter's analyst saw it online, never after the report's own time.
    `historic` marks a report taken over from another system's records: it is counted and never looked at.
    """

    reporter: Name
    category: Slug = "csam"
    url: str | None = None
    sealed_url: str | None = None
    provider: Slug | None = None
    reference: Name | None = None
    not_measurable: NotMeasurable | None = None
    historic: bool = False
    seen_online_at: Instant | None = None
    earliest: Instant | None = None


def unsealed(data: Payload) -> Payload:
    """Leave the sealed URL out: it changes with the active key, goes at an erasure, and is named by the case."""
    return msgspec.structs.replace(data, sealed_url=None) if isinstance(data, ReportFiled) else data


class ClaimStated(Payload, frozen=True, kw_only=True):
    """What another system says of a case and nobody here has seen; it is kept, and moves nothing.

    `status` is that system's own word. Each instant is the latest that it may mean, `..._earliest` the first.
    """

    claimant: Name
    status: Name | None = None
    seen_online_at: Instant | None = None
    seen_online_earliest: Instant | None = None
    gone_at: Instant | None = None
    gone_earliest: Instant | None = None


class HoldPlaced(Payload, frozen=True, kw_only=True):
    """An authority asked to leave the material where it is: the norm pauses until lifted or expired."""

    actor: Name
    reason: Name
    expires_at: Instant


class HoldLifted(Payload, frozen=True, kw_only=True):
    """An authority ended a hold."""

    actor: Name
    reason: Name | None = None


class CaseAttributed(Payload, frozen=True, kw_only=True):
    """Somebody states, with a method, which provider answers for a case from this instant on.

    With `effective_from` it corrects history: this provider answered from then on, whatever looks up to the
    statement's own time say. An instant later than that time changes nothing.
    """

    provider: Slug
    method: Slug
    actor: Name
    reason: Name | None = None
    effective_from: Instant | None = None


class AddressAttributed(Payload, frozen=True, kw_only=True):
    """A source says who answers for an address that served a case, or which host a proxy (`via`) passes it on to."""

    method: Slug
    provider: Slug | None = None
    address: Annotated[str, Meta(max_length=45)] | None = None
    via: Slug | None = None
    role: Role = "hosting"
    confidence: Confidence = "high"
    prefix: Annotated[str, Meta(max_length=49)] | None = None
    as_numbers: Annotated[tuple[Whole, ...], Meta(max_length=100)] = ()
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None
    reseller: Slug | None = None
    unknown: Unattributed | None = None
    actor: Name | None = None
    reason: Name | None = None
    answered_at: Instant | None = None


class CaseErased(Payload, frozen=True, kw_only=True):
    """The sealed URL is destroyed; timings stay."""

    actor: Name
    reason: Name


class Served(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One address that was asked: who answers for it, as of the look, and whether it served the URL.

    `gone`: it gave a removal-class answer; where it is neither, nobody can tell. `as_number` and `prefix` are what
    another method than the map attributed it by.
    """

    address: str
    provider: _Common | None = None
    role: Role = "hosting"
    method: _Common = "map"
    online: bool = False
    gone: bool = False
    as_number: Whole | None = None
    prefix: str | None = None

    def __post_init__(self) -> None:
        """Hold what the annotations say."""
        if self.method not in _slugs:
            _hold(self.method)
        if self.provider not in _slugs and self.provider is not None:
            _hold(self.provider)


class Fingerprint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the allow-listed headers said (G2); no content, no cookie, no host.

    `method` is the one that they answered; `sibling` names how paths that can't exist were answered at that look.
    """

    status: Whole | None = None
    content_type: str | None = None
    content_length: Whole | None = None
    etag_digest: str | None = None
    last_modified: str | None = None
    redirect: str | None = None
    server_class: str | None = None
    cache_age: Whole | None = None
    method: Literal["HEAD", "GET"] | None = None
    sibling: str | None = None


class LookMade(Payload, frozen=True, kw_only=True):
    """One probe of one case from one vantage, and its verdict.

    `started_at` bounds from below when it was online, `finished_at` from above when it was gone.
    `phases` are seconds. `canary_at` is the last instant at which the vantage's canary was seen.
    `resolution_age_seconds` is how old the name's resolution was at the start; absent: a literal address, or unknown.
    `providers_left_out` names providers of addresses that were not asked, if none of their other ones served; absent:
    unknown.
    """

    vantage: _Common
    tick: Instant
    started_at: Instant
    finished_at: Instant
    verdict: Verdict
    reason: _Common
    layer: Layer | None = None
    method: Literal["HEAD", "GET", "DNS", "IMPORT"] = "HEAD"
    agent: Agent = "identified"
    served: tuple[Served, ...] = ()
    fingerprint: Fingerprint | None = None
    canary_at: Instant | None = None
    phases: dict[str, float] = msgspec.field(default_factory=dict)
    imputed: bool = False
    resolution_age_seconds: Annotated[float, Meta(ge=0)] | None = None
    providers_left_out: tuple[_Common, ...] | None = None

    def __post_init__(self) -> None:
        """Hold what the annotations say."""
        if self.vantage not in _slugs:
            _hold(self.vantage)
        if self.reason not in _slugs:
            _hold(self.reason)
        if self.providers_left_out:
            for provider in self.providers_left_out:
                if provider not in _slugs:
                    _hold(provider)


class LookMissed(Payload, frozen=True, kw_only=True):
    """A look that could not be made, with its reason: there are no silent gaps.

    `unreadable`: no key here opens the sealed URL. `failed`: the look itself broke or never ended.
    """

    vantage: Slug
    tick: Instant
    reason: MissedReason


class WatchEntry(Payload, frozen=True, kw_only=True):
    """What a prober needs to watch one case; compacted, latest wins.

    `known_online`: some look saw it online, or a report says so; `baseline` is what verdicts need of what the spell's
    first such look saw. `further_looks`: so many more looks than usual are wanted to confirm what is suspected.
    `host_dark`: a vantage finds the whole host dark, so another one need not wait to say so.
    """

    sealed_url: str
    category: _Common
    methodology: _Common
    watch_from: Instant
    clock_started_at: Instant | None = None
    deadline: Instant | None = None
    suspected_at: Instant | None = None
    removed_at: Instant | None = None
    returned_at: Instant | None = None
    second_vantage: bool = False
    known_online: bool = False
    baseline: Fingerprint | None = None
    host_dark: bool = False
    further_looks: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        """Hold what the annotations say."""
        if self.category not in _slugs:
            _hold(self.category)
        if self.methodology not in _slugs:
            _hold(self.methodology)


class Outcome(Payload, frozen=True, kw_only=True):
    """Base of what the ledger concluded about one spell."""

    spell: int
    provider: Slug | None
    category: Slug
    methodology: Slug
    methodology_digest: str
    caused_by: UUID
    clock_started_at: Instant | None = None
    deadline: Instant | None = None
    known_online_at: Instant | None = None
    first_gone_at: Instant | None = None


class SpellBreached(Outcome, frozen=True, kw_only=True):
    """Seen online at or after the deadline: a certain breach."""


class SpellRemoved(Outcome, frozen=True, kw_only=True):
    """A removal was confirmed, in (known_online_at, first_gone_at]."""


class SpellReturned(Outcome, frozen=True, kw_only=True):
    """Online again after a confirmed removal."""


class SpellMoved(Outcome, frozen=True, kw_only=True):
    """The URL answers from another provider: this spell ended."""


class OutcomeVoided(Payload, frozen=True, kw_only=True):
    """A late or correcting event took an outcome back; the outcome itself is not deleted."""

    outcome_id: UUID
    outcome_type: Slug


TYPES: dict[str, type[Payload]] = {
    "takedown.report.filed.v1": ReportFiled,
    "takedown.report.retracted.v1": ReportRetracted,
    "takedown.report.retracted.v2": ReporterRetracted,
    "takedown.notice.sent.v1": NoticeSent,
    "takedown.notice.delivered.v1": NoticeDelivered,
    "takedown.notice.failed.v1": NoticeFailed,
    "takedown.notice.failed.v2": NoticeUndelivered,
    "takedown.notice.delayed.v1": NoticeDelayed,
    "takedown.notice.escalated.v1": NoticeEscalated,
    "takedown.notice.acknowledged.v1": NoticeAcknowledged,
    "takedown.claim.stated.v1": ClaimStated,
    "takedown.hold.placed.v1": HoldPlaced,
    "takedown.hold.lifted.v1": HoldLifted,
    "takedown.case.attributed.v1": CaseAttributed,
    "takedown.case.attributed.v2": AddressAttributed,
    "takedown.case.erased.v1": CaseErased,
    "takedown.look.made.v1": LookMade,
    "takedown.look.missed.v1": LookMissed,
    "takedown.watch.set.v1": WatchEntry,
    "takedown.spell.breached.v1": SpellBreached,
    "takedown.spell.removed.v1": SpellRemoved,
    "takedown.spell.returned.v1": SpellReturned,
    "takedown.spell.moved.v1": SpellMoved,
    "takedown.outcome.voided.v1": OutcomeVoided,
}
TYPE_OF: dict[type[Payload], str] = {struct: name for name, struct in TYPES.items()}


class Event(Struct, frozen=True, kw_only=True):
    """One event about one case, as the core and the ledger handle it.

    `time` is event time; `id` and `time` order the fold. A look's time is its `finished_at`.
    """

    id: UUID
    time: datetime
    source: str
    case_id: str
    data: Payload

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return TYPE_OF[type(self.data)]

    @property
    def earliest(self) -> datetime | None:
        """The first instant that the event's time may mean; None where its source says the instant."""
        if isinstance(self.data, ReportFiled | NoticeSent | NoticeDelivered):
            return self.data.earliest
        return None
