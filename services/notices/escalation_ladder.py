"""Who is told next when nothing happens, and when that is due. There are no timers: what is due is said when asked."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import get_args

from msgspec import Struct

from schemas.errors import ConfigError
from schemas.events_of_notices import Rung
from schemas.methodology import seconds

RUNGS: tuple[Rung, ...] = get_args(Rung)


class LadderStep(Struct, frozen=True):
    """A rung, and how long after the deadline, or after the failure where no notice arrived, it is due."""

    to: Rung
    after: timedelta


class Due(Struct, frozen=True):
    """A rung that is due for a case."""

    to: Rung
    since: datetime


def ladder(texts: Iterable[str]) -> tuple[LadderStep, ...]:
    """Read `rung=duration` in rising order; raises `ConfigError`."""
    steps = tuple(_step(text) for text in texts)
    order = [RUNGS.index(step.to) for step in steps]
    if order != sorted(set(order)) or any(a.after > b.after for a, b in pairwise(steps)):
        raise ConfigError(f"an escalation goes up, each rung once: {', '.join(RUNGS)}")
    return steps


def due(
    steps: Sequence[LadderStep],
    *,
    deadline: datetime | None,
    failed_at: datetime | None,
    taken: Iterable[Rung],
    now: datetime,
) -> Due | None:
    """Say which rung is due for an open case that is still online: the first that was not taken, once its time came.

    Without a clock the first failed notice counts; where there is neither, nobody was told yet and none is due.
    """
    base = deadline or failed_at
    highest = max((RUNGS.index(rung) for rung in taken), default=-1)
    for step in steps:
        if RUNGS.index(step.to) > highest:
            since = None if base is None else base + step.after
            return Due(step.to, since) if since is not None and since <= now else None
    return None


def _step(text: str) -> LadderStep:
    name, _, span = text.partition("=")
    if name not in RUNGS:
        raise ConfigError(f"a rung is one of {', '.join(RUNGS)}, for example police=7d")
    try:
        after = timedelta(seconds=seconds(span))
    except (ValueError, KeyError, IndexError, OverflowError):
        raise ConfigError(f"{name}: give a duration such as 24h or 7d") from None
    return LadderStep(name, after)
