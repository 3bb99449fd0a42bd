"""Which looks an overloaded prober makes: near a deadline, and others that came due at the same time.

Deadlines come together, in the busiest moments. So only ticks of the same stretch of time are compared, in stretches in
which both kinds came due.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from schemas.events import Event, LookMade, LookMissed

Late = float | None
"""Seconds by which a look was late; None: it was missed."""


class Share(Struct, frozen=True):
    """Of so many ticks what share was looked at, and how late at the median."""

    ticks: int
    made: float
    late: float

    def __str__(self) -> str:
        return f"{self.made:.0%} of {self.ticks} ticks, {self.late:.1f} s late"


class Urgency(Struct, frozen=True):
    """What was made of ticks near a deadline and of the others beside them.

    `behind` has for each case that was looked at after its deadline the seconds until that first look.
    """

    near: Share
    others: Share
    behind: tuple[float, ...]

    def say(self, say: Callable[[str], None]) -> None:
        """Print it."""
        say(f"looks near a deadline: {self.near}")
        say(f"others that came due at the same time: {self.others}")
        if self.behind:
            say(
                f"first look after the deadline of {len(self.behind)} cases: "
                f"{statistics.median(self.behind):.1f} s after it at the median, {max(self.behind):.1f} s at most"
            )


def urgency(
    by_case: Mapping[str, Iterable[Event]],
    deadlines: Mapping[str, datetime],
    soon: timedelta,
    stretch: timedelta,
) -> Urgency:
    """Compare the ticks within `soon` of their case's deadline with those of others, by stretches of time."""
    ticks: dict[bool, dict[int, list[Late]]] = {True: defaultdict(list), False: defaultdict(list)}
    behind: list[float] = []
    for case, deadline in deadlines.items():
        starts = []
        for data in (event.data for event in by_case.get(case, ())):
            if isinstance(data, LookMade | LookMissed):
                near = abs(data.tick - deadline) <= soon
                ticks[near][int(data.tick.timestamp() / stretch.total_seconds())].append(
                    _late(data)
                )
            if isinstance(data, LookMade):
                starts.append(data.started_at)
        if after := [at for at in starts if at >= deadline]:
            behind.append((min(after) - deadline).total_seconds())
    both = ticks[True].keys() & ticks[False].keys()
    close, others = ([t for at in both for t in ticks[kind][at]] for kind in (True, False))
    return Urgency(_share(close), _share(others), tuple(behind))


def _late(data: LookMade | LookMissed) -> Late:
    return (data.started_at - data.tick).total_seconds() if isinstance(data, LookMade) else None


def _share(ticks: list[Late]) -> Share:
    made = [late for late in ticks if late is not None]
    late = statistics.median(made) if made else 0.0
    return Share(len(ticks), len(made) / max(1, len(ticks)), late)
