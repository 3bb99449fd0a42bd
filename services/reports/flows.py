"""From which providers and countries cases went to which: moves that looks confirmed, and what proxies passed on."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise

from msgspec import structs

from services.core.case import Case, Spell
from services.core.spells import LEAVING, PASSED_ON
from services.reports.figures import Flow


class FlowTable:
    """Counts flows; `countries` has the country of a provider. Retracted cases count for nothing."""

    def __init__(self, countries: Mapping[str, str | None], *, by_country: bool) -> None:
        self._countries = countries
        self._by_country = by_country
        self._flows: dict[tuple[str | None, ...], Flow] = {}

    def __repr__(self) -> str:
        return f"<FlowTable {len(self._flows)} flows>"

    def add(self, case: Case) -> None:
        """Count the ways of one case."""
        if case.retracted or len(case.spells) < 2:
            return
        for old, new in pairwise(case.spells):
            if old.closed_reason in LEAVING and old.closed_at is not None:
                self._count(old, new, old.closed_at)

    def _count(self, old: Spell, new: Spell, at: datetime) -> None:
        countries = self._country(old.provider), self._country(new.provider)
        names = (None, None) if self._by_country else (old.provider, new.provider)
        key = (*names, *countries)
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = Flow(
                origin=names[0],
                origin_country=countries[0],
                target=names[1],
                target_country=countries[1],
            )
        if old.closed_reason == PASSED_ON:
            flow.passed_on += 1
        else:
            flow.moved += 1
        flow.first_at = at if flow.first_at is None else min(flow.first_at, at)
        flow.last_at = at if flow.last_at is None else max(flow.last_at, at)

    def _country(self, provider: str | None) -> str | None:
        return None if provider is None else self._countries.get(provider)

    def merge(self, other: "FlowTable") -> None:
        """Add the ways of other cases."""
        for key, theirs in other._flows.items():
            mine = self._flows.get(key)
            self._flows[key] = theirs if mine is None else _joined(mine, theirs)

    def flows(self) -> list[Flow]:
        """Give the flows, the largest first."""
        return sorted(self._flows.values(), key=_rank)


def _joined(mine: Flow, theirs: Flow) -> Flow:
    firsts = [flow.first_at for flow in (mine, theirs) if flow.first_at is not None]
    lasts = [flow.last_at for flow in (mine, theirs) if flow.last_at is not None]
    return structs.replace(
        mine,
        moved=mine.moved + theirs.moved,
        passed_on=mine.passed_on + theirs.passed_on,
        first_at=min(firsts, default=None),
        last_at=max(lasts, default=None),
    )


def _rank(flow: Flow) -> tuple[int, str]:
    names = (flow.origin, flow.origin_country, flow.target, flow.target_country)
    return -flow.moved - flow.passed_on, " ".join(name or "" for name in names)
