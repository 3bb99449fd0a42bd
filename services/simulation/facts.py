"""The facts that a check compares: what is true of a simulated case, and what the ledger says of it.

A removal is defined with respect to the provider of the spell: the instant from which that provider no longer held
the material while no other one did. Where another provider answers from the same instant on, it moved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.core.case import Case

Interval = tuple[datetime | None, datetime]
STARTED = ("RUNNING", "WITHIN", "BREACHED", "UNDECIDED", "ON_HOLD")


@dataclass(frozen=True, slots=True)
class Stay:
    """The material was at one provider in [since, until); `until` None: to the end."""

    since: datetime
    until: datetime | None

    def covers(self, at: datetime) -> bool:
        """Tell whether the material was there at an instant."""
        return self.since <= at and (self.until is None or at < self.until)

    def touches(self, since: datetime, until: datetime) -> bool:
        """Tell whether it was there at some instant of [since, until]."""
        return self.since <= until and (self.until is None or since < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpellTruth:
    """What is true of one case at one provider.

    `removals` are the instants at which it went away without moving, `shown` those from which each of them shows from
    outside (None: never); without any, they show at once. `moved_at` ends the spell.
    `deadline` counts holds; it and `clock_started_at` are None where no notice arrived.
    """

    provider: str
    stays: tuple[Stay, ...]
    removals: tuple[datetime, ...]
    moved_at: datetime | None
    clock_started_at: datetime | None
    deadline: datetime | None
    shown: tuple[datetime | None, ...] = ()

    def shows_at(self, removed: datetime) -> datetime | None:
        """Give the instant from which a removal shows; None: never."""
        return dict(zip(self.removals, self.shown or self.removals, strict=True))[removed]

    @property
    def first_removed_at(self) -> datetime | None:
        """The first removal."""
        return self.removals[0] if self.removals else None

    @property
    def gone_before_notice(self) -> bool:
        """Whether it was gone when the clock would have started."""
        start = self.clock_started_at
        return start is not None and not any(s.until is None or s.until > start for s in self.stays)

    @property
    def within(self) -> bool | None:
        """Whether it was gone at the deadline; None without a clock."""
        if self.deadline is None:
            return None
        return not any(stay.covers(self.deadline) for stay in self.stays)

    def back_at(self, removed_at: datetime) -> datetime | None:
        """Give the first instant after a removal at which it was there again."""
        return min((s.since for s in self.stays if s.since > removed_at), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of one case; one that is not measurable is only counted."""

    index: int
    case_id: str
    story: str
    reported_at: datetime
    retracted_at: datetime | None
    spells: tuple[SpellTruth, ...]
    measurable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the ledger says of one spell; the fields of `services.core.case.Spell` that are checked."""

    case_id: str
    number: int
    provider: str | None
    clock: str
    clock_started_at: datetime | None = None
    deadline: datetime | None = None
    breached_at: datetime | None = None
    gone_before_notice: bool = False
    closed_reason: str | None = None
    removals: tuple[Interval, ...] = ()
    returned_at: tuple[datetime, ...] = ()


def measured(case: Case) -> list[Measured]:
    """Take the spells of a folded case."""
    return [
        Measured(
            case_id=case.case_id,
            number=spell.number,
            provider=spell.provider,
            clock=str(spell.clock),
            clock_started_at=spell.clock_started_at,
            deadline=spell.deadline,
            breached_at=spell.breached_at,
            gone_before_notice=spell.gone_before_notice,
            closed_reason=spell.closed_reason,
            removals=tuple((removal.lower, removal.upper) for removal in spell.removals),
            returned_at=tuple(spell.returned_at),
        )
        for spell in case.spells
    ]


@dataclass(frozen=True, slots=True)
class Failure:
    """One contradiction between the ledger and the truth; it names the case, never the URL."""

    case_id: str
    spell: int
    kind: str
    detail: str


@dataclass(slots=True)
class ProviderFigures:
    """Counts of one provider: spells in n whose deadline had passed at the end, beside their truth."""

    n: int = 0
    within: int = 0
    breached: int = 0
    undecided: int = 0
    truly_within: int = 0

    @property
    def lower(self) -> float:
        """Share certainly within the norm."""
        return self.within / self.n if self.n else 0.0

    @property
    def upper(self) -> float:
        """Share not certainly outside the norm."""
        return (self.n - self.breached) / self.n if self.n else 1.0

    @property
    def true_share(self) -> float | None:
        """True share within the norm; None where n is 0."""
        return self.truly_within / self.n if self.n else None

    @property
    def brackets_truth(self) -> bool:
        """Whether the true share lies between the measured bounds."""
        return self.within <= self.truly_within <= self.n - self.breached


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome of a check: `ok` only with no failure at all.

    `expected_removals` were true and long enough to be confirmed; `unseen` spells were gone before a look saw them;
    `undecided` names the stories of those that are.
    """

    failures: tuple[Failure, ...]
    cases: int
    spells: int
    expected_removals: int
    found_removals: int
    missed_returns: int
    unseen: int
    providers: Mapping[str, ProviderFigures] = field(default_factory=dict)
    undecided: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the ledger contradicts the truth nowhere."""
        return not self.failures

    @property
    def total(self) -> ProviderFigures:
        """The figures of all providers together."""
        total = ProviderFigures()
        for one in self.providers.values():
            for name in ("n", "within", "breached", "undecided", "truly_within"):
                setattr(total, name, getattr(total, name) + getattr(one, name))
        return total

    @property
    def undecided_share(self) -> float:
        """The share of n that is undecided."""
        total = self.total
        return total.undecided / total.n if total.n else 0.0
