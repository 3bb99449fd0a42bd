"""The switches of a simulated network: a blackout, a canary that is down, lost packets, a vantage that is blocked.

Windows are [from, to) in seconds after the start of the world. Loss is modelled as a client meets it: a lost datagram
is gone; a lost segment costs the time after which Linux sends it again. (`tc netem` would lose real ones, but needs
root and a kernel that has it; and its timers would not shrink with the simulation's hours.)
"""

from dataclasses import dataclass, field
from random import Random

Window = tuple[float, float]
Loss = tuple[float, float, float]
Block = tuple[float, float, str]

HOME, ABROAD = "home", "abroad"
PROGRAM = "takedown-monitor/"  # what the identified agent begins with
SYN_SECONDS, SEGMENT_SECONDS = 1.0, 0.2
MOST_RETRANSMISSIONS = 6


@dataclass(slots=True)
class Weather:
    """Windows; all kinds may be added while it runs. A loss has its share, a block the vantage that it is for."""

    blackouts: list[Window] = field(default_factory=list)
    canary_downs: list[Window] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    dice: Random = field(default_factory=lambda: Random(0))  # noqa: S311

    def dark(self, offset: float) -> bool:
        """Tell whether no host and no name server answers."""
        return _inside(self.blackouts, offset)

    def canary_down(self, offset: float) -> bool:
        """Tell whether the canary host fails."""
        return _inside(self.canary_downs, offset)

    def blocked(self, offset: float, vantage: str) -> bool:
        """Tell whether every host keeps a vantage out."""
        return _inside([(s, u) for s, u, who in self.blocks if who == vantage], offset)

    def loses(self, offset: float) -> bool:
        """Throw the dice for one packet."""
        share = max((p for s, u, p in self.losses if s <= offset < u), default=0.0)
        return share > 0 and self.dice.random() < share

    def stall(self, offset: float, *, fresh: bool) -> float:
        """Say how much later an answer comes: request and answer may be lost, on a fresh connection its SYNs too."""
        if not self.losses:
            return 0.0
        handshake = sum(self._resent(offset, SYN_SECONDS) for _ in range(2)) if fresh else 0.0
        return handshake + sum(self._resent(offset, SEGMENT_SECONDS) for _ in range(2))

    def _resent(self, offset: float, first: float) -> float:
        """Sum the waits, each twice as long as the one before, until a packet gets through."""
        waited = 0.0
        for again in range(MOST_RETRANSMISSIONS):
            if not self.loses(offset):
                break
            waited += first * 2**again
        return waited


def _inside(windows: list[Window], offset: float) -> bool:
    return any(since <= offset < until for since, until in windows)
