"""Where each case waits: for its tick in the wheel, then for its turn in the queue of its priority.

Whoever waits for a turn, is under way or was put off holds the watermark back at the slot of its tick.
"""

from collections import Counter
from typing import NamedTuple

from services.probing.priority import OVERDUE, PRIORITIES, REST, Priority
from services.probing.schedule.duties import UNDER_WAY, WAITING, Duties
from services.probing.schedule.wheel import Wheel
from services.probing.schedule.worklist import WorkList

_REVIEWED = 64
_SLOTS_AT_ONCE = 50_000
_LAST = 2**31 - 1


class Slots(NamedTuple):
    """The steps of the wheel, `step` microseconds each; counted from `zero`, so that 32 bits hold decades of them."""

    step: int
    zero: int

    def after(self, instant: int) -> int:
        """Give the first slot that begins at or after an instant."""
        return -(-instant // self.step) - self.zero

    def of(self, instant: int) -> int:
        """Give the slot that an instant lies in."""
        return instant // self.step - self.zero

    def begin(self, slot: int) -> int:
        """Give the instant at which a slot begins."""
        return (slot + self.zero) * self.step


class Watermark:
    """The slots at which something is not dealt with yet, and how many works there are at each."""

    def __init__(self) -> None:
        self._holds: Counter[int] = Counter()

    def hold(self, slot: int) -> None:
        """Keep the watermark before a slot."""
        self._holds[slot] += 1

    def release(self, slot: int) -> None:
        """Let it pass, as far as this one hold goes."""
        self._holds[slot] -= 1
        if not self._holds[slot]:
            del self._holds[slot]

    def slot(self, cursor: int) -> int:
        """Give the last slot of which, as of those before, everything is dealt with."""
        return min(min(self._holds) - 1 if self._holds else _LAST, cursor)


class LookQueues:
    """The wheel, one queue for each priority, and the watermark."""

    def __init__(self, cases: WorkList, duties: Duties, slots: Slots) -> None:
        self._cases = cases
        self._duties = duties
        self._slots = slots
        self._wheel = Wheel(self._planned_for, queues=len(PRIORITIES))
        self._put_off: dict[int, tuple[int, int]] = {}
        self._front = (-1, 0)
        self._review_at = [-1] * len(PRIORITIES)
        self._reviewed: Priority = REST
        self.watermark = Watermark()
        self.waiting = 0

    def __repr__(self) -> str:
        return f"<LookQueues {self.waiting} waiting, {len(self._put_off)} put off>"

    @property
    def put_off_count(self) -> int:
        """How many looks politeness has put off."""
        return len(self._put_off)

    @property
    def complete_slot(self) -> int:
        """The last slot up to which everything is dealt with."""
        return self.watermark.slot(self._wheel.cursor)

    def reserve(self, rows: int) -> None:
        """Make room for rows below `rows`."""
        self._wheel.reserve(rows)

    def is_put_off(self, row: int) -> bool:
        """Tell whether politeness has put the look of a case off."""
        return row in self._put_off

    def plan(self, row: int, now: int) -> None:
        """Let a case wait for its next tick, or for its turn where that has come; not one whose look is under way."""
        if self._cases.flags[row] & UNDER_WAY:
            return
        tick = self._duties.next_tick(row)
        if tick is None:
            return
        due = self._slots.after(tick)
        if due <= self._wheel.cursor:
            self._enqueue(row, now)
        else:
            self._wheel.schedule(row, due)

    def put_off(self, row: int, slot: int, due: int) -> None:
        """Let a look wait until `slot`; its hold on the watermark at `due` goes on."""
        self._put_off[row] = (slot, due)
        self._wheel.schedule(row, slot)

    def remove(self, row: int, due: int | None = None) -> None:
        """Take a case out of where it waits; `due` is where it holds the watermark, if that is known."""
        if row == self._front[0]:
            self._front = (-1, 0)
        if row in self._review_at:
            self._review_at[self._review_at.index(row)] = self._wheel.chains.after(row)
        if self._cases.flags[row] & WAITING:
            self._wheel.chains.remove(row)
            self._cases.flags[row] &= ~WAITING
            self.waiting -= 1
            self.watermark.release(self._holds(row) if due is None else due)
        elif self._wheel.chains.linked(row):
            self._wheel.cancel(row)
            if row in self._put_off:
                self.watermark.release(self._holds(row))
        self._put_off.pop(row, None)

    def advance(self, now: int) -> None:
        """Let the cases whose tick has come queue up; after a long pause, a part of them per call."""
        end = min(self._slots.of(now), self._wheel.cursor + _SLOTS_AT_ONCE)
        for row in self._wheel.advance(end):
            self._enqueue(row, now)
        self._review(now)

    def front(self) -> tuple[Priority, int, int] | None:
        """Give the priority, row and slot of whose turn it is."""
        for priority in PRIORITIES:
            row = self._wheel.chains.first(self._wheel.first_queue + priority)
            if row >= 0:
                if row != self._front[0]:
                    self._front = (row, self._holds(row))
                return (priority, *self._front)
        return None

    def wait_again(self, row: int, priority: Priority) -> None:
        """Put a case whose turn it is at the end of its queue."""
        self._wheel.chains.remove(row)
        self._wheel.chains.append(self._wheel.first_queue + priority, row)

    # -- parts -------------------------------------------------------------------------------------

    def _enqueue(self, row: int, now: int) -> None:
        queue = self._wheel.first_queue + self._duties.priority(row, now)
        self._wheel.chains.append(queue, row)
        self._cases.flags[row] |= WAITING
        self.waiting += 1
        if row not in self._put_off:
            self.watermark.hold(self._due(row))

    def _review(self, now: int) -> None:
        """Look again at some that wait: under overload a deadline comes near meanwhile, or passes."""
        chains, queue = self._wheel.chains, self._next_reviewed()
        for _ in range(_REVIEWED):
            row = self._review_at[queue]
            row = row if row >= 0 else chains.first(self._wheel.first_queue + queue)
            if row < 0:
                return
            self._review_at[queue] = chains.after(row)
            priority = self._duties.priority(row, now)
            if priority != queue:
                self.wait_again(row, priority)

    def _next_reviewed(self) -> Priority:
        """Take the queues in turn, but for the first one and those that are empty."""
        for _ in PRIORITIES[1:]:
            self._reviewed = OVERDUE + 1 if self._reviewed == REST else self._reviewed + 1
            if self._wheel.chains.first(self._wheel.first_queue + self._reviewed) >= 0:
                break
        return self._reviewed

    def _due(self, row: int) -> int:
        return self._slots.after(self._duties.planned_tick(row))

    def _planned_for(self, row: int) -> int:
        delay = self._put_off.get(row)
        return self._due(row) if delay is None else delay[0]

    def _holds(self, row: int) -> int:
        """Give the slot at which a planned case holds the watermark."""
        delay = self._put_off.get(row)
        return self._due(row) if delay is None else delay[1]
