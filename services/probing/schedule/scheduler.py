"""Which looks are due, which ticks were missed: pure decisions over the wheel and the work list of one partition.

Laws:

1. Ticks are those of `core.cadence` for the entry, and nothing else; a look is due at the latest tick at or before
   now. One case has one look at a time.
2. Older ticks that nobody looked at are missed, with a reason, and never made up for by a burst.
3. A case that came on the list after the watermark, or was reported again, is looked at once, at its latest tick;
   of its ticks only those later than its listing, and than the first start of the vantage, can be missed.
   So the import of old reports misses nothing.
4. The watermark: every tick at or before it is dealt with, and the broker has the record.
5. A tick that a new entry puts into the past was never owed: the latest of them is due, the others never were.
6. A look that politeness forbids is put off until politeness allows it, if that is before the next tick and not
   `PATIENCE` after its own; else its tick is missed. It waits in its turn again, and holds the watermark meanwhile.

Whose turn it is: a deadline that is near, then a removal being confirmed, then the rest; first come first served.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from schemas.errors import UnusableEvent
from schemas.events import MissedReason, WatchEntry
from schemas.methodology import Methodology
from services.core.instants import micros, moment, span
from services.probing.schedule.kinds import Kind, Kinds
from services.probing.schedule.wheel import Wheel
from services.probing.schedule.worklist import WorkList
from services.probing.schedule.works import (
    CONFIRMING,
    DEADLINE,
    REST,
    Miss,
    Progress,
    VantageRole,
    Work,
)

PATIENCE = timedelta(minutes=5)
"""How long after its tick a look that politeness forbids may still be made: so long it holds the watermark back."""
_PATIENCE = span(PATIENCE.total_seconds())
_FRESH, _WAITING, _FLYING = 1, 2, 4
_RERANKED = 64
_SECOND = 1_000_000
_SLOTS_AT_ONCE = 50_000
_LAST = 2**31 - 1


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
        self._kinds = Kinds(methodologies)
        self._begun = micros(now)
        self._stored = progress or Progress(now, now, 0)
        self._known_until = 0 if progress is None else progress.offset
        self._second = role == "second"
        self._step = max(round(resolution * _SECOND), 1)
        # Slots count from here, so that 32 bits hold decades of them.
        self._zero = self._begun // self._step
        self._list = WorkList()
        self._wheel = Wheel(self._planned_for, queues=3)
        self._put_off: dict[int, tuple[int, int]] = {}
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
    def put_off_count(self) -> int:
        """How many of the looks that are owed politeness has put off."""
        return len(self._put_off)

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
        slot, at = self._list.find(case_id), micros(now)
        listed = min(micros(listed_at), at)
        if slot < 0:
            slot = self._welcome(case_id, entry, offset, listed)
        elif self._running(slot):
            self._replace(slot, case_id, entry, listed, at)
        elif self._known(offset, listed):
            self._list.put(case_id, entry)
        else:
            self._renew(slot, case_id, entry, listed)
        if self._running(slot):
            self._plan(slot, at)

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

    def _known(self, offset: int, listed: int) -> bool:
        return offset < self._known_until and listed <= micros(self._stored.watermark)

    def _welcome(self, case_id: str, entry: WatchEntry, offset: int, listed: int) -> int:
        known = self._known(offset, listed)
        done = micros(self._stored.watermark) if known else listed
        slot = self._list.add(case_id, entry, done)
        self._list.flags[slot] = 0 if known else _FRESH
        self._wheel.reserve(slot + 1)
        return slot

    def _renew(self, slot: int, case_id: str, entry: WatchEntry, listed: int) -> None:
        """Take an entry into its slot; a case that was reported again owes what a new one does (law 3)."""
        again = self._list.begins_anew(slot, entry)
        self._list.put(case_id, entry)
        if again:
            self._list.flags[slot] |= _FRESH
            self._list.set_done(slot, max(self._list.done(slot), listed))

    def _replace(self, slot: int, case_id: str, entry: WatchEntry, listed: int, now: int) -> None:
        """Take a new entry (law 5); what the old one still owed is missed, but for the tick that both name."""
        fresh = self._list.flags[slot] & _FRESH
        old = [] if fresh else self._ticks(slot, now)
        missed = self._missed(slot, old)
        self._unplan(slot)
        try:
            self._renew(slot, case_id, entry, listed)
        except UnusableEvent:
            # The entry of before holds, and its looks go on.
            self._plan(slot, now)
            raise
        new = [] if self._list.flags[slot] & _FRESH else self._ticks(slot, now)
        if new:
            self._list.set_done(slot, new[-1] - 1)
        if lost := tuple(miss for miss in missed if micros(miss.tick) not in new[-1:]):
            due = self._slot(micros(lost[0].tick))
            self._held[due] += 1
            self._owed.append(Work(case_id, due, lost))

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
            return (DEADLINE, self._zero + self._owed[0].due)
        for rank in range(3):
            slot = self._wheel.chains.first(self._wheel.first_queue + rank)
            if slot >= 0:
                if slot != self._front[0]:
                    self._front = (slot, self._holds(slot))
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
            return self._take(slot, ticks, *found)
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

    def put_off(self, work: Work, seconds: float, now: datetime) -> bool:
        """Plan a look anew that politeness forbids for so many seconds, in place of `settle` (law 6).

        False where its tick is missed instead: it is to be recorded, and the work to be settled.
        """
        slot = -1 if work.tick is None else self._list.find(work.case_id)
        if slot < 0 or not self._list.flags[slot] & _FLYING:
            return False
        tick, again = self._list.done(slot), micros(now) + span(seconds)
        after = self._next(slot)
        # A case that was listed after its tick was due when it was listed.
        since = max(tick, (work.due + self._zero - 1) * self._step)
        late = again > since + _PATIENCE or (after is not None and again >= after)
        self._list.set_done(slot, tick - 1)
        if late or moment(tick) != work.tick or self._next(slot) != tick:
            # A new entry may have come meanwhile, to which it is no tick.
            self._list.set_done(slot, tick)
            return False
        # The work's hold on the watermark goes on.
        self._put_off[slot] = (self._slot(again), work.due)
        self._list.flags[slot] &= ~_FLYING
        self._wheel.schedule(slot, self._put_off[slot][0])
        self._flying -= 1
        return True

    def _take(self, slot: int, ticks: list[int], rank: int, age: int) -> Work:
        case_id, due = self._list.case_id(slot), age - self._zero
        missed = self._missed(slot, ticks[:-1])
        self._unplan(slot, due)
        self._held[due] += 1
        self._flying += 1
        self._list.flags[slot] = _FLYING
        self._list.set_done(slot, ticks[-1])
        tick, sealed, seen = moment(ticks[-1]), self._list.sealed(slot), self._list.seen(slot)
        return Work(case_id, due, missed, tick, sealed, self._list.suspected(slot), rank, seen)

    # -- one case ----------------------------------------------------------------------------

    def _ticks(self, slot: int, now: int) -> list[int]:
        """Give the ticks that are owed: the last one for a look, the others missed."""
        plan = self._kind(slot).plan
        watched, after = self._list.watched(slot, plan.jitter)
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
        fresh, plan = self._list.flags[slot] & _FRESH, self._kind(slot).plan
        watched, done = self._list.watched(slot, plan.jitter)
        tick = plan.next_tick(watched, 0 if fresh else done)
        return max(tick, done) if fresh and tick is not None else tick

    def _due(self, slot: int) -> int:
        tick = self._next(slot)
        assert tick is not None, "only a case with a tick is planned"
        return self._slot(tick)

    def _planned_for(self, slot: int) -> int:
        found = self._put_off.get(slot)
        return self._due(slot) if found is None else found[0]

    def _holds(self, slot: int) -> int:
        """Give the slot at which a planned case holds the watermark."""
        found = self._put_off.get(slot)
        return self._due(slot) if found is None else found[1]

    def _unplan(self, slot: int, due: int | None = None) -> None:
        """Take a case out of where it waits; `due` is where it holds the watermark, if that is known."""
        if slot == self._front[0]:
            self._front = (-1, 0)
        if slot == self._rerank_at:
            self._rerank_at = self._wheel.chains.after(slot)
        if self._list.flags[slot] & _WAITING:
            self._wheel.chains.remove(slot)
            self._list.flags[slot] &= ~_WAITING
            self._waiting -= 1
            self._release(self._holds(slot) if due is None else due)
        elif self._wheel.chains.linked(slot):
            self._wheel.cancel(slot)
            if slot in self._put_off:
                self._release(self._holds(slot))
        self._put_off.pop(slot, None)

    def _queue(self, slot: int, now: int) -> None:
        self._wheel.chains.append(self._wheel.first_queue + self._rank(slot, now), slot)
        self._count_in(slot)

    def _count_in(self, slot: int) -> None:
        self._list.flags[slot] |= _WAITING
        self._waiting += 1
        if slot not in self._put_off:
            self._held[self._due(slot)] += 1

    def _release(self, due: int) -> None:
        self._held[due] -= 1
        if not self._held[due]:
            del self._held[due]

    def _rank(self, slot: int, now: int) -> int:
        deadline = self._list.deadline(slot)
        if deadline is not None and abs(deadline - now) <= self._kind(slot).soon:
            return DEADLINE
        return CONFIRMING if self._list.suspected(slot) else REST

    def _rerank(self, now: int) -> None:
        """Look again at some that wait in the last queue: under overload a deadline comes near meanwhile."""
        chains, rest = self._wheel.chains, self._wheel.first_queue + REST
        for _ in range(_RERANKED):
            slot = self._rerank_at if self._rerank_at >= 0 else chains.first(rest)
            if slot < 0:
                return
            self._rerank_at = chains.after(slot)
            rank = self._rank(slot, now)
            if rank != REST:
                chains.remove(slot)
                chains.append(self._wheel.first_queue + rank, slot)

    def _missed(self, slot: int, ticks: list[int]) -> tuple[Miss, ...]:
        case_id, put_off = self._list.case_id(slot), slot in self._put_off
        return tuple(
            Miss(case_id, moment(tick), self._why(tick, put_off and not n))
            for n, tick in enumerate(ticks)
        )

    def _why(self, tick: int, put_off: bool) -> MissedReason:
        if put_off:
            return "politeness"
        return "prober_down" if tick <= self._begun else "overload"

    def _slot(self, stamp: int) -> int:
        return -(-stamp // self._step) - self._zero

    def _kind(self, slot: int) -> Kind:
        number = self._list.kind(slot)
        return self._kinds.known.get(number) or self._kinds.learn(number, self._list.shape(slot))
