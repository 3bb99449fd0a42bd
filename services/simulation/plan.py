"""The plan of one URL: who answers for it and how, from which instant on.

Offsets are seconds after the start of the world, rounded to microseconds so that a server that compares them with
the clock and a truth that states them as instants agree to the last digit.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from services.simulation.behaviours import NATURE, Behaviour, Shows

BEGINNING = -86400.0


def rounded(offset: float) -> float:
    """Round an offset to microseconds."""
    return round(offset, 6)


@dataclass(frozen=True, slots=True)
class Phase:
    """From `offset` on, `provider` answers at `addresses` with `behaviour`.

    `there` says whether the material is at the provider; a behaviour that shows it can't contradict it.
    """

    offset: float
    behaviour: Behaviour
    provider: str
    addresses: tuple[str, ...]
    there: bool

    def __post_init__(self) -> None:
        """Refuse a phase whose behaviour and truth contradict each other."""
        shows = NATURE[self.behaviour].shows
        if (shows is Shows.PRESENT and not self.there) or (shows is Shows.ABSENT and self.there):
            raise ValueError(f"{self.behaviour} and there={self.there} contradict each other")


@dataclass(frozen=True, slots=True)
class PlannedStay:
    """The material was at `provider` in [since, until); `until` None: to the end."""

    provider: str
    since: float
    until: float | None


@dataclass(frozen=True)
class UrlPlan:
    """The phases of one URL in order of time."""

    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        """Refuse phases out of order."""
        offsets = [phase.offset for phase in self.phases]
        if not offsets or offsets != sorted(set(offsets)):
            raise ValueError("a plan needs phases with growing offsets")

    @cached_property
    def _offsets(self) -> list[float]:
        return [phase.offset for phase in self.phases]

    def at(self, offset: float) -> Phase:
        """Give the phase in force at an offset; before the first one, the first."""
        return self.phases[max(bisect_right(self._offsets, offset) - 1, 0)]

    @cached_property
    def presences(self) -> tuple[PlannedStay, ...]:
        """Derive who really held the material when, neighbours of one provider merged."""
        stretches: list[PlannedStay] = []
        for phase, until in zip(self.phases, [*self._offsets[1:], None], strict=True):
            if not phase.there:
                continue
            last = stretches[-1] if stretches else None
            if last and last.until == phase.offset and last.provider == phase.provider:
                stretches[-1] = PlannedStay(phase.provider, last.since, until)
            else:
                stretches.append(PlannedStay(phase.provider, phase.offset, until))
        return tuple(stretches)

    def by_provider(self) -> list[tuple[str, list[PlannedStay]]]:
        """Group the stays by provider, in order of time; one that gets it back has two groups."""
        groups: list[tuple[str, list[PlannedStay]]] = []
        for presence in self.presences:
            if groups and groups[-1][0] == presence.provider:
                groups[-1][1].append(presence)
            else:
                groups.append((presence.provider, [presence]))
        return groups

    def addresses(self) -> Iterable[str]:
        """Name every address that ever answers for the URL."""
        return {address for phase in self.phases for address in phase.addresses}
