"""What a report holds: plain structs, so that text, JSON, CSV and HTML show the same figures."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from services.notices.measurability import ChannelCount

By = Literal["provider", "reporter", "category", "country"]


class Quantile(Struct, frozen=True, kw_only=True):
    """The time by which a share was gone, in hours as an interval; not reached: it never was so far."""

    reached: bool
    lower_hours: float | None = None
    upper_hours: float | None = None


class Curve(Struct, frozen=True, kw_only=True):
    """Turnbull's estimate: masses on intervals (left, right] in hours; a right end of None is beyond every look."""

    lefts: list[float]
    rights: list[float | None]
    masses: list[float]


class Row(Struct, kw_only=True):
    """One group's figures, or the pooled ones. Shares are 0 to 1, None where n is below the minimum.

    `provider` is the group's name, whatever the groups are. `sampling` is the 95 % interval around lower and upper,
    apart from the bounds: Wilson's for a group, the bootstrap by provider for pooled ones. Exposure is in hours.
    `estimate` is Turnbull's share at the norm, an interval where the curve has a gap there.
    `incidence` gives, as bounds at the norm over `incidence_n` spells, what had become of them.
    `suppressed`: too small a group to be published; its counts are all 0.
    `no_clock` splits `not_started` by why: `fault:reason` of the last failure where no notice arrived, else a word.
    `roles`, `resellers` and `attribution` count all spells, `escalations` rungs; `not_measurable` says why the provider
    can't be measured by notice, `parent` from whom it rents.
    """

    provider: str
    n: int = 0
    within: int = 0
    not_certainly_outside: int = 0
    certain_breaches: int = 0
    undecided: int = 0
    lower: float | None = None
    upper: float | None = None
    sampling: tuple[float, float] | None = None
    estimate: tuple[float, float] | None = None
    median: Quantile | None = None
    p90: Quantile | None = None
    too_few: bool = False
    suppressed: bool = False
    watched: bool = False
    younger_than_norm: int = 0
    reports_younger_than_norm: int = 0
    not_started: int = 0
    gone_before_notice: int = 0
    excluded: dict[str, int] = {}
    still_online: int = 0
    returned: int = 0
    moved: int = 0
    exposure_lower_hours: float = 0.0
    exposure_upper_hours: float = 0.0
    looks: int = 0
    undetermined: int = 0
    missed: int = 0
    incidence_n: int = 0
    incidence: dict[str, tuple[float, float]] = {}
    curve: Curve | None = None
    no_clock: dict[str, int] = {}
    roles: dict[str, int] = {}
    resellers: dict[str, int] = {}
    attribution: dict[str, int] = {}
    escalations: dict[str, int] = {}
    not_measurable: str | None = None
    parent: str | None = None

    @property
    def undetermined_share(self) -> float | None:
        """The share of looks that could not tell; None where there were none."""
        return self.undetermined / self.looks if self.looks else None


class HourCell(Struct, frozen=True, kw_only=True):
    """The spells whose clock started in one hour of the week; weekday 0 is Sunday. None: too few to publish."""

    weekday: int
    hour: int
    n: int | None
    lower: float | None
    upper: float | None


class Month(Struct, frozen=True, kw_only=True):
    """The spells whose clock started in one month; `breaks` where another definition begins."""

    month: str
    methodology: str
    methodology_version: int
    methodology_digest: str
    breaks: bool
    row: Row


class Warning(Struct, frozen=True, kw_only=True):
    """A provider was warned at an instant, and had until `grace_ends`."""

    provider: str
    warned_at: datetime
    grace_ends: datetime


class Warned(Struct, frozen=True, kw_only=True):
    """A warned provider's cohorts: clocks started before the warning, in the grace period, after it."""

    provider: str
    warned_at: datetime
    grace_ends: datetime
    before: Row
    grace: Row
    after: Row


class ChannelFigures(ChannelCount, frozen=True, kw_only=True):
    """What became of the notices to one provider by one channel, and what the channel carries.

    `theirs`, `ours`, `way` and `unclear` are failures by whose fault they are. A contact is undeliverable where the
    last notice to it failed by the provider's fault. `waiting` and `not_measurable` are the provider's: its open cases
    that no notice told it of, and why it can't be measured by notice.
    """

    contacts: int = 0
    undeliverable_contacts: int = 0
    waiting: int = 0
    per_hour: float | None = None
    takes_hours: float | None = None
    forecast: str | None = None
    not_measurable: str | None = None


class Flow(Struct, kw_only=True):
    """The cases that went from one provider (or country) to another; None is one that nobody knows."""

    origin: str | None
    origin_country: str | None
    target: str | None
    target_country: str | None
    moved: int = 0
    passed_on: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


class Table(Struct, kw_only=True):
    """A league table with everything that is needed to recompute it.

    `corrected`: corrections made after the cut-off are in it, as far as they speak of the time before.
    `newest_evidence`: where the data end before the cut-off. `newest_sighting`: when anything of the stock was last
    seen online; `stale`: longer before the cut-off than the cadence leaves between two looks.
    """

    methodology: str
    methodology_version: int
    methodology_digest: str
    methodology_title: str
    norm: str
    norms: dict[str, str]
    exclude: tuple[str, ...]
    clock_start: str
    calendar: str
    time_zone: str
    cutoff: datetime
    minimum_n: int
    by: By
    public: bool = False
    corrected: bool = False
    newest_evidence: datetime | None = None
    newest_sighting: datetime | None = None
    stale: bool = False
    reports: int
    cases: int
    pooled: Row
    without_largest: Row | None
    unweighted: tuple[float, float] | None
    providers: list[Row]
    hours: list[HourCell]
    trend: list[Month]
    warnings: list[Warned]
    channels: list[ChannelFigures] = []
    flows: list[Flow] = []
