"""What passes between a schedule and whoever makes the looks: works, missed ticks, progress."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.events import MissedReason
from services.probing.priority import REST, Priority
from services.probing.schedule.profiles import NO_HISTORY, History

VantageRole = Literal["first", "second"]


@dataclass(frozen=True, slots=True)
class Miss:
    """One tick at which no look was made."""

    case_id: str
    tick: datetime
    reason: MissedReason


@dataclass(frozen=True, slots=True)
class Work:
    """What a case is owed now: records of missed ticks and, unless `tick` is None, a look.

    `due` is the slot that holds the watermark back until `Schedule.settle` is told of this work.
    """

    case_id: str
    due: int
    missed: tuple[Miss, ...] = ()
    tick: datetime | None = None
    sealed_url: str = ""
    confirming: bool = False
    priority: Priority = REST
    history: History = NO_HISTORY


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition is: what is stored beside the committed offset.

    `born` is the first start of the vantage: it owes nothing from before. Records below `offset` are known;
    of them, every tick at or before `watermark` is dealt with.
    """

    born: datetime
    watermark: datetime
    offset: int
