"""A timing wheel over integers: constant time to schedule, move and cancel, 8 bytes per item.

Laws:

1. An item is in at most one chain; scheduling it again moves it.
2. `advance(now)` hands out exactly the items whose slot is at or before `now`, none earlier.
3. Far items wait in coarse buckets and are moved to the fine ones a few per slot, long before they are due,
   so that no single step is long. What lies beyond the horizon is parked at its end and placed again there.

Times are slot numbers (integers); `Wheel` reads no clock. It keeps no slots: whoever owns the items knows them.
"""

from array import array
from collections.abc import Callable, Iterator

_FREE = -1
_SPARE = 128


class Chains:
    """Doubly linked first-in first-out lists over items 0, 1, 2 …, in four arrays.

    An end of chain `c` is written as `-(c + 2)`, so that a lone item knows its chain without a column for it.
    """

    __slots__ = ("_head", "_next", "_prev", "_tail")

    def __init__(self, count: int) -> None:
        self._head = array("i", range(-2, -2 - count, -1))
        self._tail = array("i", self._head)
        self._next = array("i")
        self._prev = array("i")

    def reserve(self, items: int) -> None:
        """Make room for items below `items`, with a little to spare."""
        missing = items - len(self._next)
        if missing > 0:
            fill = array("i", [_FREE]) * (missing + items // _SPARE)
            self._next.extend(fill)
            self._prev.extend(fill)

    def linked(self, item: int) -> bool:
        """Tell whether an item is in a chain."""
        return self._prev[item] != _FREE

    def append(self, chain: int, item: int) -> None:
        """Put an item that is in no chain at the end of one."""
        last = self._tail[chain]
        self._prev[item] = last
        self._next[item] = -chain - 2
        self._tail[chain] = item
        if last >= 0:
            self._next[last] = item
        else:
            self._head[chain] = item

    def remove(self, item: int) -> None:
        """Take an item out of its chain."""
        before, after = self._prev[item], self._next[item]
        if before >= 0:
            self._next[before] = after
        else:
            self._head[-before - 2] = after
        if after >= 0:
            self._prev[after] = before
        else:
            self._tail[-after - 2] = before
        self._prev[item] = _FREE

    def first(self, chain: int) -> int:
        """Give the first item of a chain, or a negative number."""
        return self._head[chain]

    def after(self, item: int) -> int:
        """Give the item behind this one, or a negative number."""
        return self._next[item]

    def pop(self, chain: int) -> int:
        """Take the first item of a chain, or return a negative number."""
        item = self._head[chain]
        if item >= 0:
            after = self._next[item]
            self._head[chain] = after
            if after >= 0:
                self._prev[after] = -chain - 2
            else:
                self._tail[chain] = -chain - 2
            self._prev[item] = _FREE
        return item


class Wheel:
    """Two rings of chains: fine slots for what is near, coarse buckets of `width` slots for the rest.

    Args:
        due: tells for which slot a scheduled item is scheduled; asked of the far ones, when they come near.
        now: the slot from which time runs.
        width: slots per coarse bucket; the fine ring holds two such buckets.
        buckets: length of the coarse ring; `width * buckets` slots is the horizon.
        queues: further chains for the owner's use, from `first_queue` on, in the same memory.

    """

    __slots__ = (
        "_buckets",
        "_cursor",
        "_due",
        "_late",
        "_scheduled",
        "_width",
        "chains",
        "first_queue",
    )

    def __init__(
        self,
        due: Callable[[int], int],
        now: int = 0,
        *,
        width: int = 2048,
        buckets: int = 1024,
        queues: int = 0,
    ) -> None:
        if width < 1 or buckets < 3:
            raise ValueError("a wheel needs a width of at least 1 and at least 3 buckets")
        self._width = width
        self._buckets = buckets
        self._cursor = now
        self._late = 2 * width + buckets
        self._scheduled = 0
        self._due = due
        self.first_queue = self._late + 1
        self.chains = Chains(self.first_queue + queues)

    def __repr__(self) -> str:
        return f"<Wheel {self._scheduled} scheduled, at slot {self._cursor}>"

    def __len__(self) -> int:
        return self._scheduled

    @property
    def cursor(self) -> int:
        """The last slot that was handed out in full."""
        return self._cursor

    def reserve(self, items: int) -> None:
        """Make room for items below `items`."""
        self.chains.reserve(items)

    def schedule(self, item: int, slot: int) -> None:
        """Put an item that is in no chain into its slot; one in the past is handed out next."""
        self._scheduled += 1
        self.chains.append(self._chain_of(slot), item)

    def reschedule(self, item: int, slot: int) -> None:
        """Move a scheduled item."""
        self.cancel(item)
        self.schedule(item, slot)

    def cancel(self, item: int) -> None:
        """Take a scheduled item out."""
        self.chains.remove(item)
        self._scheduled -= 1

    def advance(self, now: int) -> Iterator[int]:
        """Hand out every item due at or before slot `now`, by slot; scheduling goes on meanwhile."""
        yield from self._drain(self._late)
        while self._cursor < now:
            slot = self._cursor + 1
            yield from self._drain(slot % (2 * self._width))
            # Only now: a caller that stops half-way goes on in the same slot.
            self._cursor = slot
            yield from self._drain(self._late)
            self._cascade(slot)

    def _drain(self, chain: int) -> Iterator[int]:
        pop = self.chains.pop
        while (item := pop(chain)) >= 0:
            self._scheduled -= 1
            yield item

    def _chain_of(self, due: int) -> int:
        width, cursor = self._width, self._cursor
        if due <= cursor:
            return self._late
        ahead = due // width - cursor // width
        if ahead <= 1:
            return due % (2 * width)
        # Beyond the horizon: parked in the farthest bucket, and placed again when that one comes near.
        bucket = cursor // width + (ahead if ahead < self._buckets else self._buckets - 1)
        return 2 * width + bucket % self._buckets

    def _cascade(self, slot: int) -> None:
        """Move a share of the next coarse bucket; at its eve, what is left."""
        coming = slot // self._width + 1
        chain = 2 * self._width + coming % self._buckets
        quota = 4 * self._scheduled // self._width + 64
        eve = slot + 1 == coming * self._width
        while (quota > 0 or eve) and (item := self.chains.pop(chain)) >= 0:
            quota -= 1
            self.chains.append(self._chain_of(self._due(item)), item)
