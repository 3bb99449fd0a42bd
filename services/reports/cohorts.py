"""Cohorts by when their clock started: hours of the week, months under a definition, before and after a warning."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from schemas.methodology import Methodology
from services.core.hours import hour_of_week, local_time, month_name, month_number
from services.reports.figures import HourCell, Month, Row, Warned, Warning
from services.reports.tally import JUDGED, SpellStanding, Tally


class Hours:
    """Spells in n by weekday and hour of their clock's start."""

    def __init__(self) -> None:
        self._cells = [[[0, 0, 0] for _ in range(24)] for _ in range(7)]

    def add(self, judged: SpellStanding, start: datetime) -> None:
        """Count one spell, if it stands in n, by the local time at which its clock started."""
        standing = judged.standing
        if standing not in JUDGED:
            return
        weekday, hour = hour_of_week(start)
        cell = self._cells[weekday][hour]
        cell[0] += 1
        cell[1] += standing == "within"
        cell[2] += standing != "certain_breaches"

    def merge(self, other: "Hours") -> None:
        """Add the counts of other cases."""
        for mine, theirs in zip(self._cells, other._cells, strict=True):
            mine[:] = [
                [a + b for a, b in zip(*cells, strict=True)]
                for cells in zip(mine, theirs, strict=True)
            ]

    def finish(self) -> list[HourCell]:
        """Give all 168 cells, Sunday 0:00 first."""
        return [
            HourCell(
                weekday=weekday,
                hour=hour,
                n=n,
                lower=within / n if n else None,
                upper=possible / n if n else None,
            )
            for weekday, cells in enumerate(self._cells)
            for hour, (n, within, possible) in enumerate(cells)
        ]


class Segment(NamedTuple):
    """A stretch of time in which one methodology is the one that figures are published under."""

    methodology: Methodology
    since: datetime | None = None


class Trend:
    """Spells by month of their clock's start, each month under the methodology that was in force."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._whole = len(segments) == 1 and segments[0].since is None
        self._tallies: dict[tuple[int, int], Tally] = {}

    def add(self, judged: SpellStanding, start: datetime, segment: int) -> None:
        """Count one spell, judged under the methodology of a segment, by when its clock started."""
        zone = self._segments[segment].methodology.time_zone
        month = self.month(local_time(start, zone), segment)
        if month is not None:
            self._tally(segment, month).add(judged)

    def add_counts(self, counts: Tally, segment: int, month: int) -> None:
        """Count the spells of a month that were counted elsewhere."""
        self._tally(segment, month).merge(counts)

    def month(self, start: datetime, segment: int) -> int | None:
        """Number the month of a local time at which a clock started; None where the segment was not in force."""
        if not (self._whole or self._covers(segment, start)):
            return None
        return month_number(start)

    def _tally(self, segment: int, month: int) -> Tally:
        key = segment, month
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(month_name(month))
        return tally

    def _covers(self, segment: int, start: datetime) -> bool:
        if len(self._segments) == 1:
            return self._segments[0].since is None or start >= self._segments[0].since
        since = self._segments[segment].since
        if since is not None and start < since:
            return False
        following = self._segments[segment + 1 : segment + 2]
        return not following or following[0].since is None or start < following[0].since

    def merge(self, other: "Trend") -> None:
        """Add the counts of other cases."""
        for key, tally in other._tallies.items():
            mine = self._tallies.get(key)
            if mine is None:
                self._tallies[key] = tally
            else:
                mine.merge(tally)

    def finish(self, finished: Callable[[Tally, Methodology], Row]) -> list[Month]:
        """Give the months in order; the first month of another definition says that the line breaks."""
        months: list[Month] = []
        for segment, month in sorted(self._tallies):
            method = self._segments[segment].methodology
            months.append(
                Month(
                    month=month_name(month),
                    methodology=method.id,
                    methodology_version=method.version,
                    methodology_digest=method.digest,
                    breaks=bool(months) and months[-1].methodology_digest != method.digest,
                    row=finished(self._tallies[segment, month], method),
                )
            )
        return months


class Warnings:
    """The spells of warned providers, by when their clock started."""

    def __init__(self, warnings: Sequence[Warning]) -> None:
        self._warnings = warnings
        self._tallies = [[Tally(w.provider) for _ in range(3)] for w in warnings]

    def add(self, judged: SpellStanding, start: datetime) -> None:
        """Count one spell for every warning of its provider, by when its clock started."""
        for warning, tallies in zip(self._warnings, self._tallies, strict=True):
            if warning.provider == judged.provider:
                cohort = (start >= warning.warned_at) + (start >= warning.grace_ends)
                tallies[cohort].add(judged)

    def merge(self, other: "Warnings") -> None:
        """Add the counts of other cases."""
        for mine, theirs in zip(self._tallies, other._tallies, strict=True):
            for tally, more in zip(mine, theirs, strict=True):
                tally.merge(more)

    def finish(self, finished: Callable[[Tally], Row]) -> list[Warned]:
        """Give the three cohorts of every warning."""
        return [
            Warned(
                provider=warning.provider,
                warned_at=warning.warned_at,
                grace_ends=warning.grace_ends,
                before=finished(before),
                grace=finished(grace),
                after=finished(after),
            )
            for warning, (before, grace, after) in zip(self._warnings, self._tallies, strict=True)
        ]
