"""What follows from the shape of a case: its cadence, and when its deadline is near."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

import structlog

from schemas.methodology import Methodology
from services.core.cadence import Plan, plan_of
from services.probing.schedule.shapes import Shape

log = structlog.get_logger(__name__)

_SOON_SHARE = 12
_MICROSECOND = timedelta(microseconds=1)


class Kind(NamedTuple):
    """A cadence, and how near a deadline comes first, in microseconds."""

    plan: Plan
    soon: float


class Kinds:
    """Kinds by the number of a shape; an entry that names no methodology of ours has the first one's cadence."""

    def __init__(self, methodologies: Mapping[str, Methodology]) -> None:
        self._methodologies = methodologies
        self._default = next(iter(methodologies.values()))
        self._unknown: set[str] = set()
        self.known: dict[int, Kind] = {}

    def __repr__(self) -> str:
        return f"<Kinds {len(self.known)}>"

    def learn(self, number: int, shape: Shape) -> Kind:
        """Work out what follows from a shape that is met for the first time."""
        method = self._methodology(shape.methodology)
        soon = method.norm_for(shape.category) / _MICROSECOND / _SOON_SHARE
        found = self.known[number] = Kind(plan_of(method), soon)
        return found

    def _methodology(self, name: str) -> Methodology:
        found = self._methodologies.get(name)
        if found is None:
            if name not in self._unknown:
                self._unknown.add(name)
                log.error("prober.methodology_unknown", methodology=name, used=self._default.id)
            return self._default
        return found
