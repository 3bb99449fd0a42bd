"""What follows from the profile of a case: its cadence, and when its deadline is near."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

import structlog

from schemas.methodology import Methodology
from services.core.cadence import Plan, plan_of
from services.probing.schedule.profiles import Profile

log = structlog.get_logger(__name__)

_SOON_SHARE = 12
_MICROSECOND = timedelta(microseconds=1)


class ProfilePlan(NamedTuple):
    """A cadence, and how near a deadline comes first, in microseconds."""

    plan: Plan
    soon: float


class ProfilePlans:
    """Plans by the number of a profile; an entry that names no methodology of ours has the first one's cadence."""

    def __init__(self, methodologies: Mapping[str, Methodology]) -> None:
        self._methodologies = methodologies
        self._default = next(iter(methodologies.values()))
        self._unknown: set[str] = set()
        self.by_number: dict[int, ProfilePlan] = {}

    def __repr__(self) -> str:
        return f"<ProfilePlans {len(self.by_number)}>"

    def add(self, number: int, profile: Profile) -> ProfilePlan:
        """Work out what follows from a profile that is new."""
        method = self._methodology(profile.methodology)
        soon = method.norm_for(profile.category) / _MICROSECOND / _SOON_SHARE
        plan = self.by_number[number] = ProfilePlan(plan_of(method), soon)
        return plan

    def _methodology(self, name: str) -> Methodology:
        method = self._methodologies.get(name)
        if method is None:
            if name not in self._unknown:
                self._unknown.add(name)
                log.error("prober.methodology_unknown", methodology=name, used=self._default.id)
            return self._default
        return method
