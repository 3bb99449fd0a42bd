"""Which looks are due, which ticks were missed: pure decisions over the wheel and the work list of one partition.

Laws:

1. Ticks are those of `core.cadence` for the entry, and nothing else; a look is due at the latest tick at or before
   now. One case has one look at a time.
2. Older ticks that nobody looked at are missed, with a reason, and never made up for by a burst.
3. A case that came on the list after the watermark is looked at once, at its latest tick; of its ticks only those
   later than its listing, and than the first start of the vantage, can be missed.
   So the import of old reports misses nothing.
4. The watermark: every tick at or before it is dealt with, and the broker has the record.
5. A tick that a new entry puts into the past was never owed: the latest of them is due, the others never were.

Whose turn it is: a deadline that is near, then a removal being confirmed, then the rest; first come first served.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import structlog

from schemas.events import MissedReason, WatchEntry
from schemas.methodology import Methodology
from services.core.cadence import Plan, plan_of
from services.core.instants import micros, moment
from services.probing.shapes import UNSEEN, Seen
from services.probing.wheel import Wheel
from services.probing.worklist import WorkList

log = structlog.get_logger(__name__)

VantageRole = Literal["first", "second"]

_DEADLINE, _CONFIRMING, _REST = range(3)
_FRESH, _WAITING, _FLYING = 1, 2, 4
_SOON_SHARE = 12
_RERANKED = 64
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_SLOTS_AT_ONCE = 50_000
_LAST = 2**31 - 1


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
    rank: int = _REST
    seen: Seen = UNSEEN


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a partition is: what is stored beside the committed offset.

    `born` is the first start of the vantage: it owes nothing from before. Records below `offset` are known;
    of them, every tick at or before `watermark` is dealt with.
    """

    born: datetime
    watermark: datetime
    offset: int


class Kind(NamedTuple):
    """What follows from the shape of a case: its cadence, and how near a deadline comes first, in microseconds."""

    plan: Plan
    soon: float


class Schedule:
    """The looks of one partition.

    Args:
        methodologies: by id; an entry that names none of them is watched with the first one's cadence.
        now: the instant of the assignment; older ticks were missed because no prober ran.
        progress: as stored by the last owner; None at the first start of a vantage, whose duty begins now.
        role: a second vantage looks only at entries that ask for one.
        resolution: seconds per slot of the wheel; no look is earlier than its tick, it may be one slot late.

    """

    def __init__(
        self,
        methodologies: Mapping[str, Methodology],
        *,
        now: datetime,
        progress: Progress | None = None,
        role: VantageRole = "first",
        resolution: float = 1.0,
    ) -> None:
        self._methodologies = methodologies
        self._default = next(iter(methodologies.values()))
        self._unknown: set[str] = set()
        self._kinds: dict[int, Kind] = {}
        self._begun = micros(now)
        self._stored = progress or Progress(now, now, 0)
        self._known_until = 0 if progress is None else progress.offset
        self._second = role == "second"
        self._step = max(round(resolution * _SECOND), 1)
        # Slots count from here, so that 32 bits hold decades of them.
        self._zero = self._begun // self._step
        self._list = WorkList()
        self._wheel = Wheel(self._due, queues=3)
        self._front = (-1, 0)
        self._held: Counter[int] = Counter()
        self._waiting = self._flying = 0
        self._planned: int | None = 0
        self._rerank_at = -1
        self._owed: list[Work] = []

    def __repr__(self) -> str:
        return f"<Schedule {len(self)} cases, {self._waiting} waiting, {self._flying} under way>"

    def __len__(self) -> int:
        return len(self._list)

    @property
    def waiting(self) -> int:
        """How many cases wait for their look."""
        return self._waiting

    @property
    def started(self) -> bool:
        """Tell whether `start` has planned every case."""
        return self._planned is None

    def progress(self, offset: int) -> Progress:
        """Say what to store, with the offset up to which records were taken; only the whole of it is true."""
        if self._planned is not None:
            return self._stored
        slot = min(min(self._held) - 1 if self._held else _LAST, self._wheel.cursor)
        return Progress(self._stored.born, moment((slot + self._zero) * self._step), offset)

    # -- the list ----------------------------------------------------------------------------

    def put(
        self, case_id: str, entry: WatchEntry, *, offset: int, listed_at: datetime, now: datetime
    ) -> None:
        """Take a watch entry, as read at `offset`, stamped `listed_at` by Kafka; it is planned at once."""
        if self._second and not entry.second_vantage:
            self.drop(case_id)
            return
        slot = self._list.find(case_id)
        if slot < 0:
            slot = self._list.add(case_id, entry)
            self._wheel.reserve(slot + 1)
            self._welcome(slot, offset, min(micros(listed_at), micros(now)))
        elif self._running(slot):
            self._replace(slot, case_id, entry, micros(now))
        else:
            self._list.put(case_id, entry)
        if self._running(slot):
            self._plan(slot, micros(now))

    def drop(self, case_id: str) -> None:
        """End the watch of a case; a look under way is still recorded."""
        slot = self._list.find(case_id)
        if slot >= 0:
            self._unplan(slot)
            self._list.remove(slot)

    def start(self, now: datetime, limit: int = 2000) -> bool:
        """Plan up to `limit` cases after the list was read; True when all are planned."""
        if self._planned is None:
            return True
        end, at = min(self._planned + limit, self._list.capacity), micros(now)
        for slot in range(self._planned, end):
            if self._list.occupied(slot):
                self._plan(slot, at)
        self._planned = None if end == self._list.capacity else end
        return self._planned is None

    def _running(self, slot: int) -> bool:
        return self._planned is None or slot < self._planned

    def _welcome(self, slot: int, offset: int, listed: int) -> None:
        watermark = micros(self._stored.watermark)
        known = offset < self._known_until and listed <= watermark
        self._list.flags[slot] = 0 if known else _FRESH
        self._list.done[slot] = watermark if known else listed

    def _replace(self, slot: int, case_id: str, entry: WatchEntry, now: int) -> None:
        """Take a new entry (law 5); what the old one still owed is missed, but for the tick that both name."""
        fresh = self._list.flags[slot] & _FRESH
        old = [] if fresh else self._ticks(slot, now)
        self._unplan(slot)
        self._list.put(case_id, entry)
        new = [] if fresh else self._ticks(slot, now)
        if new:
            self._list.done[slot] = new[-1] - 1
        if lost := [tick for tick in old if tick not in new[-1:]]:
            due = self._slot(lost[0])
            self._held[due] += 1
            self._owed.append(Work(case_id, due, tuple(self._miss(case_id, t) for t in lost)))

    # -- turns -------------------------------------------------------------------------------

    def advance(self, now: datetime) -> None:
        """Let the cases whose tick has come queue up; after a long pause, a part of them per call."""
        at = micros(now)
        end = at // self._step - self._zero
        for slot in self._wheel.advance(min(end, self._wheel.cursor + _SLOTS_AT_ONCE)):
            self._queue(slot, at)
        self._rerank(at)

    def peek(self) -> tuple[int, int] | None:
        """Give the rank (lower goes first) and age of the next work, to compare partitions by."""
        if self._owed:
            return (_DEADLINE, self._zero + self._owed[0].due)
        for rank in range(3):
            slot = self._wheel.chains.first(self._wheel.first_queue + rank)
            if slot >= 0:
                if slot != self._front[0]:
                    self._front = (slot, self._due(slot))
                return (rank, self._zero + self._front[1])
        return None

    def take(self, now: datetime) -> Work | None:
        """Take the work that is worth most; whoever takes it tells `settle` when the broker has its records."""
        if self._owed:
            return self._owed.pop()
        found = self.peek()
        if found is None:
            return None
        queue = self._wheel.first_queue + found[0]
        slot = self._wheel.chains.first(queue)
        ticks = self._ticks(slot, micros(now))
        if ticks:
            return self._take(slot, ticks, found[0])
        # The clock was set back: it is not due yet after all.
        self._wheel.chains.remove(slot)
        self._wheel.chains.append(queue, slot)
        return None

    def settle(self, work: Work, now: datetime) -> None:
        """Note that the records of a work are on the broker: the watermark may pass, the case is planned again."""
        self._release(work.due)
        if work.tick is None:
            return
        self._flying -= 1
        slot = self._list.find(work.case_id)
        if slot >= 0 and self._list.flags[slot] & _FLYING:
            self._list.flags[slot] &= ~_FLYING
            self._plan(slot, micros(now))

    def _take(self, slot: int, ticks: list[int], rank: int) -> Work:
        case_id, due = self._list.case_id(slot), self._due(slot)
        self._unplan(slot)
        self._held[due] += 1
        self._flying += 1
        self._list.flags[slot] = _FLYING
        self._list.done[slot] = ticks[-1]
        return Work(
            case_id,
            due,
            tuple(self._miss(case_id, tick) for tick in ticks[:-1]),
            moment(ticks[-1]),
            self._list.sealed(slot),
            self._list.suspected(slot),
            rank,
            self._list.seen(slot),
        )

    # -- one case ----------------------------------------------------------------------------

    def _ticks(self, slot: int, now: int) -> list[int]:
        """Give the ticks that are owed: the last one for a look, the others missed."""
        plan = self._kind(slot).plan
        watched = self._list.watched(slot, plan.jitter)
        after = self._list.done[slot]
        if not self._list.flags[slot] & _FRESH:
            return list(plan.ticks(watched, after, now))
        latest = plan.latest_tick(watched, now)
        if latest is None:
            return []
        floor = max(after, micros(self._stored.born))
        return [*plan.ticks(watched, floor, latest - 1), latest]

    def _plan(self, slot: int, now: int) -> None:
        if self._list.flags[slot] & _FLYING:
            return
        tick = self._next(slot)
        if tick is None:
            return
        due = self._slot(tick)
        if due <= self._wheel.cursor:
            self._queue(slot, now)
        else:
            self._wheel.schedule(slot, due)

    def _next(self, slot: int) -> int | None:
        """Give the instant for which a case is planned: a function of its entry, so that no column keeps it."""
        fresh, done = self._list.flags[slot] & _FRESH, self._list.done[slot]
        plan = self._kind(slot).plan
        tick = plan.next_tick(self._list.watched(slot, plan.jitter), 0 if fresh else done)
        return max(tick, done) if fresh and tick is not None else tick

    def _due(self, slot: int) -> int:
        tick = self._next(slot)
        assert tick is not None, "only a case with a tick is planned"
        return self._slot(tick)

    def _unplan(self, slot: int) -> None:
        if slot == self._front[0]:
            self._front = (-1, 0)
        if slot == self._rerank_at:
            self._rerank_at = self._wheel.chains.after(slot)
        if self._list.flags[slot] & _WAITING:
            self._wheel.chains.remove(slot)
            self._list.flags[slot] &= ~_WAITING
            self._waiting -= 1
            self._release(self._due(slot))
        elif self._wheel.chains.linked(slot):
            self._wheel.cancel(slot)

    def _queue(self, slot: int, now: int) -> None:
        self._wheel.chains.append(self._wheel.first_queue + self._rank(slot, now), slot)
        self._count_in(slot)

    def _count_in(self, slot: int) -> None:
        self._list.flags[slot] |= _WAITING
        self._waiting += 1
        self._held[self._due(slot)] += 1

    def _release(self, due: int) -> None:
        self._held[due] -= 1
        if not self._held[due]:
            del self._held[due]

    def _rank(self, slot: int, now: int) -> int:
        deadline = self._list.deadline(slot)
        if deadline is not None and abs(deadline - now) <= self._kind(slot).soon:
            return _DEADLINE
        return _CONFIRMING if self._list.suspected(slot) else _REST

    def _rerank(self, now: int) -> None:
        """Look again at some that wait in the last queue: under overload a deadline comes near meanwhile."""
        chains, rest = self._wheel.chains, self._wheel.first_queue + _REST
        for _ in range(_RERANKED):
            slot = self._rerank_at if self._rerank_at >= 0 else chains.first(rest)
            if slot < 0:
                return
            self._rerank_at = chains.after(slot)
            rank = self._rank(slot, now)
            if rank != _REST:
                chains.remove(slot)
                chains.append(self._wheel.first_queue + rank, slot)

    def _miss(self, case_id: str, tick: int) -> Miss:
        reason: MissedReason = "prober_down" if tick <= self._begun else "overload"
        return Miss(case_id, moment(tick), reason)

    def _slot(self, stamp: int) -> int:
        return -(-stamp // self._step) - self._zero

    def _kind(self, slot: int) -> Kind:
        number = self._list.kind(slot)
        found = self._kinds.get(number)
        if found is None:
            shape = self._list.shape(slot)
            method = self._methodology(shape.methodology)
            soon = method.norm_for(shape.category) / _MICROSECOND / _SOON_SHARE
            found = self._kinds[number] = Kind(plan_of(method), soon)
        return found

    def _methodology(self, name: str) -> Methodology:
        found = self._methodologies.get(name)
        if found is None:
            if name not in self._unknown:
                self._unknown.add(name)
                log.error("prober.methodology_unknown", methodology=name, used=self._default.id)
            return self._default
        return found
