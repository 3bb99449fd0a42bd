"""A case and its spells: what folding the events of one canonical URL gives.

These structs are mutable while a fold runs and are what the ledger stores; times are UTC instants.
What equals its default is left out of bytes and digests, so that a field added later changes no digest of before.
"""

from datetime import datetime
from uuid import UUID

from msgspec import Struct, field

from schemas.events import Fingerprint, Layer, NotMeasurable, Role, Unattributed
from schemas.events_of_notices import Arrival, DeliveryReason, Fault, Rung
from services.core.machines import Clock, Presence, Procedure


class Notice(Struct, kw_only=True, omit_defaults=True):
    """One notice of one case; `spell` is the number of the spell that it was counted for.

    `fault` is that of the failure; `delayed_at` the last word that a mail server goes on trying; `arrived_by` the
    evidence of the first delivery.
    `sent_from` and `delivered_from`: the first instant that is meant, where the source says no more than a time span.
    """

    notice_id: str
    provider: str
    channel: str
    sent_at: datetime | None = None
    sent_from: datetime | None = None
    delivered_at: datetime | None = None
    delivered_from: datetime | None = None
    failed_at: datetime | None = None
    failure: DeliveryReason | None = None
    acknowledged_at: datetime | None = None
    spell: int | None = None
    fault: Fault | None = None
    delayed_at: datetime | None = None
    arrived_by: Arrival | None = None
    contact: str | None = None


class NoticeConflict(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A notice whose id an earlier one of the case has with another content: it moves nothing."""

    at: datetime
    event_id: UUID
    notice_id: str
    provider: str
    channel: str


class Escalation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rung further about a case, and when."""

    at: datetime
    to: Rung
    channel: str
    notice_id: str | None = None


class Removal(Struct, kw_only=True, omit_defaults=True):
    """A removal interval (lower, upper]; `lower` is None where it was never seen online before."""

    lower: datetime | None
    upper: datetime
    layer: Layer | None
    reason: str


class Run(Struct, kw_only=True, omit_defaults=True):
    """A run of removal-class looks that has not confirmed a removal yet.

    `agreed_at`: the first look by which as many vantages as are needed saw it gone. `further`: so many more looks than
    usual are wanted, because served and gone alternated before. `doubted`: something was served since, so that the next
    look that finds it gone begins anew. `seconded_at`: the last look of another vantage than the first.
    `shut_out`: the first vantage was kept out since, so that it could not have refuted the run.
    """

    first_finished_at: datetime
    last_finished_at: datetime
    looks: int
    vantages: list[str]
    layer: Layer | None
    reason: str
    agreed_at: datetime | None = None
    further: int = 0
    doubted: bool = False
    seconded_at: datetime | None = None
    shut_out: bool = False


class Elsewhere(Struct, kw_only=True, omit_defaults=True):
    """A run of looks on which another provider served the URL and the charged one did not: no move yet.

    What the first of them saw (`provider` to `fingerprint`) begins the next spell, once the run is long enough.
    """

    provider: str
    started_at: datetime
    finished_at: datetime
    fingerprint: Fingerprint | None = None
    last_finished_at: datetime
    looks: int = 1
    further: int = 0


class Alternation(Struct, frozen=True, omit_defaults=True):
    """A sighting that refuted a run, and how many looks that run had."""

    at: datetime
    looks: int


class Reencoded(Struct, kw_only=True, omit_defaults=True):
    """A run of looks that saw one and the same other encoding in the place of the baseline."""

    fingerprint: Fingerprint
    first_finished_at: datetime
    looks: int = 0


class Block(Struct, kw_only=True, omit_defaults=True):
    """A vantage that is kept out, and how many of its looks in a row met a block; faults between them end no row."""

    vantage: str
    looks: int


class Hold(Struct, kw_only=True, omit_defaults=True):
    """A pause of the norm that an authority asked for; `owed_at` is the deadline of the paused clock without it."""

    placed_at: datetime
    expires_at: datetime
    actor: str
    event_id: UUID
    owed_at: datetime | None = None


class Correction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who answered for the case in [effective_from, stated_at], by a statement made later."""

    provider: str
    effective_from: datetime
    stated_at: datetime
    event_id: UUID


class AddressFact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who answered for an address from an instant on, or for what a proxy (`via`) passes on; None: nobody is known.

    `reseller` rents the address from the provider; `unknown` says why nobody is named.
    """

    at: datetime
    event_id: UUID
    provider: str | None = None
    address: str | None = None
    via: str | None = None
    role: Role = "hosting"
    method: str = "map"
    reseller: str | None = None
    unknown: Unattributed | None = None


class Spell(Struct, kw_only=True, omit_defaults=True):
    """One case at one provider. `last_seen_at` is L; the last removal's `upper` is R.

    `clock_started_from`: the first instant at which the clock may have started, where its source says no more than a
    time span; `clock_started_at` is then the last one, and the deadline is counted from it.
    `known_online_at`: the last look that saw it online; `reported_online_at`: the last report that says so, where the
    methodology counts it.
    `baseline` is what its first online look saw, or another encoding that stayed (`reencoded` is a run of looks that
    saw one); `dark` a run of looks that found the whole host dark.
    `block`: the vantage that watches is kept out, so that others are asked; it is evidence of nothing.
    `disputed`: one vantage saw it online while another found it gone, so one alone can't date its removal (P3);
    `lost_from`: those that found it gone, each until it sees it online again.
    `contested`: the last run that another vantage ended than those that it is of, until one of these sees it online.
    `reported_again_at`: the last report of it while it was gone, or seemed so; none once it has been seen again.
    `edge`: the provider passes on what another one hosts.
    `beside`: others that were seen serving it too, until one is found not to; none once the clock started.
    `alternations` and `swaps`: sightings that refuted a run of removal-class looks, and one of looks elsewhere.
    """

    number: int
    opened_at: datetime
    provider: str | None = None
    observed: bool = False
    edge: bool = False
    beside: list[str] = []
    procedure: Procedure = Procedure.REPORTED
    presence: Presence = Presence.UNSEEN
    clock: Clock = Clock.STOPPED
    closed_at: datetime | None = None
    closed_reason: str | None = None
    clock_started_at: datetime | None = None
    clock_started_from: datetime | None = None
    deadline: datetime | None = None
    gone_before_notice: bool = False
    held: bool = False
    held_at: datetime | None = None
    first_online_at: datetime | None = None
    known_online_at: datetime | None = None
    reported_online_at: datetime | None = None
    breached_at: datetime | None = None
    run: Run | None = None
    dark: Run | None = None
    elsewhere: Elsewhere | None = None
    block: Block | None = None
    baseline: Fingerprint | None = None
    reencoded: Reencoded | None = None
    disputed: bool = False
    lost_from: list[str] = []
    contested: Run | None = None
    reported_again_at: datetime | None = None
    alternations: list[Alternation] = []
    swaps: list[Alternation] = []
    removals: list[Removal] = []
    returned_at: list[datetime] = []
    looks: int = 0
    undetermined: int = 0
    missed: int = 0
    online_from: datetime | None = None
    maybe_online_from: datetime | None = None
    # Always written: a sum that comes to nothing is another object than the default, which msgspec goes by.
    exposure_lower_seconds: float = field(default_factory=float)
    exposure_upper_seconds: float = field(default_factory=float)

    @property
    def last_seen_at(self) -> datetime | None:
        """L: the last instant at which it was seen online, by a look or by whoever reported it."""
        seen, reported = self.known_online_at, self.reported_online_at
        return seen if reported is None or (seen is not None and seen > reported) else reported


class Case(Struct, kw_only=True, omit_defaults=True):
    """One canonical URL under watch, folded up to `last` = (event time, event id).

    `seen_elsewhere`: somebody saw it online in another way than by a look at the charged provider.
    `address_facts`: what sources say of addresses, in the order of time; they fill in what looks left open.
    `retraction`: the event by which the last reporter took back the last report; None while one stands.
    """

    case_id: str
    category: str
    spells: list[Spell]
    reported_at: datetime | None = None
    reports: int = 0
    reporters: list[str] = []
    historic: bool = False
    sealed_url: str | None = None
    notices: dict[str, Notice] = {}
    failed_notices: set[str] = set()
    hold: Hold | None = None
    corrections: list[Correction] = []
    address_facts: list[AddressFact] = []
    retracted: bool = False
    retraction: UUID | None = None
    erased: bool = False
    not_measurable: NotMeasurable | None = None
    seen_elsewhere: bool = False
    last_time: datetime | None = None
    last_id: UUID | None = None
    escalations: list[Escalation] = []
    notice_conflicts: list[NoticeConflict] = []

    def corrected(self, at: datetime) -> str | None:
        """Name who answered at an instant where a correction says so; the latest `effective_from` holds."""
        for correction in reversed(self.corrections):
            if correction.effective_from <= at <= correction.stated_at:
                return correction.provider
        return None

    @property
    def known_online(self) -> bool:
        """Tell whether anybody ever saw it online: a look, or a report where the methodology counts it."""
        return self.seen_elsewhere or any(s.first_online_at is not None for s in self.spells)

    @property
    def spell(self) -> Spell:
        """The spell that is open, or the last one."""
        return self.spells[-1]


class Transition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of one machine of one spell, with the event that caused it."""

    spell: int
    machine: str
    before: str
    after: str
    at: datetime
    cause: UUID
    detail: str | None = None
