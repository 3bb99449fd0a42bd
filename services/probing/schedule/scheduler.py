"""Which looks are due, which ticks were missed, and up to when everything is dealt with, for one partition.

How it works. The cadence gives each case its *ticks*: instants that follow from its watch entry alone. Of each case
one number is kept, `done`: all its ticks up to then are dealt with. What is owed now are the ticks in (done, now]: the
latest for a look, the older ones as missed. So no list of ticks is ever stored, an entry that changes changes its
ticks at once, and a prober that starts anew goes on with the same ones.

A case goes round in a ring. It is *planned*: it lies in the wheel until its tick comes. Then it is *waiting*: in the
queue of its priority, until there is room for its look. Then it is *under way*, until the broker has the record; then
it is planned again. A look that politeness forbids goes from under way back into the wheel (*put off*).

A partition stores one instant, the *watermark*, in place of every `done`: all ticks up to it are dealt with. Each case
that waits, is under way or was put off holds it back, at the slot of its tick; the least hold, or else where the wheel
stands, is the watermark. After a crash every known case begins with `done` = watermark. Nothing is lost by that, and
repeated is at most what came after it.

`row` is the place of a case in the work list, `slot` a step of the wheel. `duties` says what is owed, `queues` who
waits where; this module is what the prober calls: it takes entries in and hands works out.

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
7. A deadline that has passed since the last look goes first, then one that is near, then a removal being confirmed,
   then the rest; first come, first served. What waits is reviewed, so that under overload this holds while it waits.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from schemas.errors import UnusableEvent
from schemas.events import WatchEntry
from schemas.methodology import Methodology
from services.core.instants import micros, moment, span
from services.probing.priority import OVERDUE, Priority
from services.probing.schedule.duties import NEW, UNDER_WAY, Duties
from services.probing.schedule.queues import LookQueues, Slots
from services.probing.schedule.worklist import WorkList
from services.probing.schedule.works import Progress, VantageRole, Work

PATIENCE = timedelta(minutes=5)
"""How long after its tick a look that politeness forbids may still be made: so long it holds the watermark back."""
_PATIENCE = span(PATIENCE.total_seconds())
_SECOND = 1_000_000


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
        begun = micros(now)
        self._stored = progress or Progress(now, now, 0)
        self._known_until = 0 if progress is None else progress.offset
        self._second = role == "second"
        step = max(round(resolution * _SECOND), 1)
        self._slots = Slots(step, begun // step)
        self._list = WorkList()
        self._duties = Duties(
            self._list, methodologies, begun=begun, born=micros(self._stored.born)
        )
        self._queues = LookQueues(self._list, self._duties, self._slots)
        self._under_way = 0
        self._planned: int | None = 0
        self._losses: list[Work] = []

    def __repr__(self) -> str:
        return f"<Schedule {len(self)} cases, {self.waiting} waiting, {self._under_way} under way>"

    def __len__(self) -> int:
        return len(self._list)

    @property
    def waiting(self) -> int:
        """How many cases wait for their look."""
        return self._queues.waiting

    @property
    def put_off_count(self) -> int:
        """How many of the looks that are owed politeness has put off."""
        return self._queues.put_off_count

    @property
    def started(self) -> bool:
        """Tell whether `start` has planned every case."""
        return self._planned is None

    def progress(self, offset: int) -> Progress:
        """Say what to store, with the offset up to which records were taken; only the whole of it is true."""
        if self._planned is not None:
            return self._stored
        watermark = moment(self._slots.begin(self._queues.complete_slot))
        return Progress(self._stored.born, watermark, offset)

    # -- the list ----------------------------------------------------------------------------

    def put(
        self, case_id: str, entry: WatchEntry, *, offset: int, listed_at: datetime, now: datetime
    ) -> None:
        """Take a watch entry, as read at `offset`, stamped `listed_at` by Kafka; it is planned at once."""
        if self._second and not entry.second_vantage:
            self.drop(case_id)
            return
        row, at = self._list.find(case_id), micros(now)
        listed = min(micros(listed_at), at)
        if row < 0:
            row = self._add(case_id, entry, offset, listed)
        elif self._started_with(row):
            self._replace(row, case_id, entry, listed, at)
        elif self._is_known(offset, listed):
            self._list.put(case_id, entry)
        else:
            self._renew(row, case_id, entry, listed)
        if self._started_with(row):
            self._queues.plan(row, at)

    def drop(self, case_id: str) -> None:
        """End the watch of a case; a look under way is still recorded."""
        row = self._list.find(case_id)
        if row >= 0:
            self._queues.remove(row)
            self._list.remove(row)

    def start(self, now: datetime, limit: int = 2000) -> bool:
        """Plan up to `limit` cases after the list was read; True when all are planned."""
        if self._planned is None:
            return True
        end, at = min(self._planned + limit, self._list.capacity), micros(now)
        for row in range(self._planned, end):
            if self._list.occupied(row):
                self._queues.plan(row, at)
        self._planned = None if end == self._list.capacity else end
        return self._planned is None

    def _started_with(self, row: int) -> bool:
        return self._planned is None or row < self._planned

    def _is_known(self, offset: int, listed: int) -> bool:
        """Tell whether the last owner had this record, and the watermark speaks of it."""
        return offset < self._known_until and listed <= micros(self._stored.watermark)

    def _add(self, case_id: str, entry: WatchEntry, offset: int, listed: int) -> int:
        is_known = self._is_known(offset, listed)
        done = micros(self._stored.watermark) if is_known else listed
        row = self._list.add(case_id, entry, done)
        self._list.flags[row] = 0 if is_known else NEW
        self._queues.reserve(row + 1)
        return row

    def _renew(self, row: int, case_id: str, entry: WatchEntry, listed: int) -> None:
        """Take an entry into its row; a case that was reported again owes what a new one does (law 3)."""
        again = self._list.begins_anew(row, entry)
        self._list.put(case_id, entry)
        if again:
            self._list.flags[row] |= NEW
            self._list.set_done(row, max(self._list.done(row), listed))

    def _replace(self, row: int, case_id: str, entry: WatchEntry, listed: int, now: int) -> None:
        """Take a new entry (law 5); what the old one still owed is missed, but for the tick that both name."""
        before = self._owed_unless_new(row, now)
        missed = self._duties.missed(row, before, put_off=self._queues.is_put_off(row))
        self._queues.remove(row)
        try:
            self._renew(row, case_id, entry, listed)
        except UnusableEvent:
            # The entry of before holds, and its looks go on.
            self._queues.plan(row, now)
            raise
        after = self._owed_unless_new(row, now)
        if after:
            self._list.set_done(row, after[-1] - 1)
        if lost := tuple(miss for miss in missed if micros(miss.tick) not in after[-1:]):
            due = self._slots.after(micros(lost[0].tick))
            self._queues.watermark.hold(due)
            self._losses.append(Work(case_id, due, lost))

    def _owed_unless_new(self, row: int, now: int) -> list[int]:
        return [] if self._list.flags[row] & NEW else self._duties.owed(row, now)

    # -- turns -------------------------------------------------------------------------------

    def advance(self, now: datetime) -> None:
        """Let the cases whose tick has come queue up; after a long pause, a part of them per call."""
        self._queues.advance(micros(now))

    def peek(self) -> tuple[Priority, int] | None:
        """Give the priority and age of the next work, to compare partitions by."""
        if self._losses:
            return (OVERDUE, self._slots.zero + self._losses[0].due)
        front = self._queues.front()
        return None if front is None else (front[0], self._slots.zero + front[2])

    def take(self, now: datetime) -> Work | None:
        """Take the most urgent work; whoever takes it calls `settle` when the broker has its records."""
        if self._losses:
            return self._losses.pop()
        front = self._queues.front()
        if front is None:
            return None
        priority, row, due = front
        ticks = self._duties.owed(row, micros(now))
        if ticks:
            return self._hand_out(row, ticks, priority, due)
        # The clock was set back: it is not due yet after all.
        self._queues.wait_again(row, priority)
        return None

    def settle(self, work: Work, now: datetime) -> None:
        """Note that the records of a work are on the broker: the watermark may pass, the case is planned again."""
        self._queues.watermark.release(work.due)
        if work.tick is None:
            return
        self._under_way -= 1
        row = self._list.find(work.case_id)
        if row >= 0 and self._list.flags[row] & UNDER_WAY:
            self._list.flags[row] &= ~UNDER_WAY
            self._queues.plan(row, micros(now))

    def put_off(self, work: Work, seconds: float, now: datetime) -> bool:
        """Plan a look anew that politeness forbids for so many seconds, in place of `settle` (law 6).

        False where its tick is missed instead: it is to be recorded, and the work to be settled.
        """
        row = -1 if work.tick is None else self._list.find(work.case_id)
        if row < 0 or not self._list.flags[row] & UNDER_WAY:
            return False
        again = micros(now) + span(seconds)
        if not self._may_wait(row, work, again):
            return False
        # The work's hold on the watermark goes on.
        self._list.flags[row] &= ~UNDER_WAY
        self._queues.put_off(row, self._slots.after(again), work.due)
        self._under_way -= 1
        return True

    def _may_wait(self, row: int, work: Work, again: int) -> bool:
        """Tell whether a look may wait until an instant; if so, its tick is owed again."""
        tick, following = self._list.done(row), self._duties.next_tick(row)
        # A case that was listed after its tick was due when it was listed.
        since = max(tick, self._slots.begin(work.due - 1))
        late = again > since + _PATIENCE or (following is not None and again >= following)
        self._list.set_done(row, tick - 1)
        if late or moment(tick) != work.tick or self._duties.next_tick(row) != tick:
            # A new entry may have come meanwhile, to which it is no tick.
            self._list.set_done(row, tick)
            return False
        return True

    def _hand_out(self, row: int, ticks: list[int], priority: Priority, due: int) -> Work:
        put_off = self._queues.is_put_off(row)
        missed = self._duties.missed(row, ticks[:-1], put_off=put_off)
        self._queues.remove(row, due)
        self._queues.watermark.hold(due)
        self._under_way += 1
        self._list.flags[row] = UNDER_WAY
        self._list.set_done(row, ticks[-1])
        return Work(
            case_id=self._list.case_id(row),
            due=due,
            missed=missed,
            tick=moment(ticks[-1]),
            sealed_url=self._list.sealed(row),
            confirming=self._list.suspected(row),
            priority=priority,
            history=self._list.history(row),
        )
