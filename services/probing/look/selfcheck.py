"""Self-check before believing mass failure: many unrelated hosts failing at once says something about us.

Pure; time is an argument, in seconds of one monotonic clock.
"""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheckLimits:
    """When the window is void: at least `share` of at least `hosts` unrelated hosts fail within it."""

    window_seconds: float = 60.0
    hosts: int = 5
    share: float = 0.5


class SelfCheck:
    """Remember, for each unrelated host, whether its last look failed at network level."""

    def __init__(self, limits: SelfCheckLimits | None = None, most_hosts: int = 10_000) -> None:
        self._limits = limits or SelfCheckLimits()
        self._most = most_hosts
        self._last: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._failed = 0

    def __repr__(self) -> str:
        return f"<SelfCheck {self._failed} of {len(self._last)} hosts failed>"

    def note(self, domain: str, now: float, *, failed: bool) -> None:
        """Take in one look; hosts of one registrable domain are related and count once."""
        previous = self._last.pop(domain, None)
        if previous is not None:
            self._failed -= previous[1]
        self._last[domain] = (now, failed)
        self._failed += failed
        self._prune(now)

    def blind(self, now: float) -> bool:
        """Tell whether the window is void."""
        if not self._failed:
            return False
        self._prune(now)
        hosts = len(self._last)
        return hosts >= self._limits.hosts and self._failed >= self._limits.share * hosts

    def _prune(self, now: float) -> None:
        since = now - self._limits.window_seconds
        while self._last:
            at, failed = next(iter(self._last.values()))
            if at >= since and len(self._last) <= self._most:
                return
            self._last.popitem(last=False)
            self._failed -= failed
