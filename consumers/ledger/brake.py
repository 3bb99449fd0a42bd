"""The flood brake: one poison event goes to the dead letters, a flood of them stops the line.

A flood means that a producer, a key or this program is wrong; going on would empty the evidence into dead letters.
Model: arroyo's DLQ limits.
"""

from collections import deque
from itertools import repeat

from schemas.errors import TakedownError


class FloodOfUnusable(TakedownError):
    """Too many records can't be used; nothing of the batch was taken, so that it is in no dead letter either."""

    exit_code = 3


class FloodBrake:
    """Counts usable and unusable records.

    Trips at `consecutive` unusable records in a row, or when more than `ratio` of the last `window` are.
    `enabled=False` lets everything pass: the operator has looked and wants the flood in the dead letters.
    """

    def __init__(
        self,
        *,
        ratio: float,
        window: int,
        consecutive: int,
        enabled: bool,
    ) -> None:
        self._ratio = ratio
        self._consecutive = consecutive
        self._enabled = enabled
        self._last: deque[bool] = deque(maxlen=window)
        self._bad = 0
        self._run = 0

    def __repr__(self) -> str:
        return f"<FloodBrake unusable={self._bad}/{len(self._last)} run={self._run}>"

    def usable(self, count: int = 1) -> None:
        """Note records that can be used, one after the other."""
        if count:
            self._note_usable(min(count, self._last.maxlen or count))
            self._run = 0

    def unusable(self, reason: str, first: str = "") -> None:
        """Note a record that can't be used; raises `FloodOfUnusable`, which names the `first` of the batch."""
        self._note(True)
        self._run += 1
        if not self._enabled:
            return
        full = len(self._last) == self._last.maxlen
        if self._run >= self._consecutive or (full and self._bad > self._ratio * len(self._last)):
            raise FloodOfUnusable(
                f"{self._bad} of the last {len(self._last)} records can't be used, {self._run} of them in a "
                f"row, the last one: {reason}. The line is stopped, and nothing of this batch was taken or put "
                f"into the dead letters.{f' Its first is {first}.' if first else ''} Look at it there and mend "
                "what sends such records; to let them pass into the dead letters, switch the flood brake off "
                "for one run (TAKEDOWN_LEDGER_FLOOD_BRAKE=false), then see `takedown dead-letters list`"
            )

    def _note_usable(self, count: int) -> None:
        if self._bad:
            for _ in range(count):
                self._note(False)
        else:
            # Nearly always: what leaves the window is usable too.
            self._last.extend(repeat(False, count))

    def _note(self, bad: bool) -> None:
        if len(self._last) == self._last.maxlen:
            self._bad -= self._last[0]
        self._last.append(bad)
        self._bad += bad
