"""Self-check before believing mass failure: many unrelated hosts failing at once says something about us.

Failing at once is what counts. Hosts that died long ago fail at every look; where half of the list has, they would
keep a vantage blind for good. So a host that has failed at every look for `settled_seconds`, or of which the ledger
says that it is dark, counts neither as failing nor as seen. An outage of ours lasts so long as well: after that its
faults are called by their names, which move nothing, and the hosts that answer through it are believed.

Pure; time is an argument, in seconds of one monotonic clock.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from services.core.runs import DARK_SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCheckLimits:
    """When the window is void: at least `share` of at least `hosts` unrelated hosts fail within it.

    Of those that have failed for `settled_seconds` nothing is learnt.
    """

    window_seconds: float = 60.0
    hosts: int = 5
    share: float = 0.5
    settled_seconds: float = 6 * 3600.0

    @classmethod
    def within(cls, span: timedelta) -> Self:
        """Give the limits of a prober whose methodology asks a dark host to stay dark for `span`."""
        return cls(settled_seconds=span.total_seconds() / DARK_SHARE)


class SelfCheck:
    """Remember, for each unrelated host, whether its last look failed at network level, and since when all have."""

    def __init__(
        self,
        limits: SelfCheckLimits | None = None,
        most_hosts: int = 10_000,
        most_failing: int = 50_000,
    ) -> None:
        self._limits = limits or SelfCheckLimits()
        self._most = most_hosts
        self._most_failing = most_failing
        self._last: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._since: OrderedDict[str, float] = OrderedDict()
        self._failed = 0

    def __repr__(self) -> str:
        return f"<SelfCheck {self._failed} of {len(self._last)} hosts failed>"

    def note(self, domain: str, now: float, *, failed: bool, dark: bool = False) -> None:
        """Take in one look; hosts of one registrable domain are related and count once.

        `dark`: it was dark before, as the ledger says.
        """
        previous = self._last.pop(domain, None)
        if previous is not None:
            self._failed -= previous[1]
        if not (failed and (dark or self._is_settled(domain, now))):
            self._last[domain] = (now, failed)
            self._failed += failed
        if not failed:
            self._since.pop(domain, None)
        self._prune(now)

    def blind(self, now: float) -> bool:
        """Tell whether the window is void."""
        if not self._failed:
            return False
        self._prune(now)
        hosts = len(self._last)
        return hosts >= self._limits.hosts and self._failed >= self._limits.share * hosts

    def _is_settled(self, domain: str, now: float) -> bool:
        """Note that a host fails; tell whether it has for long."""
        since = self._since[domain] = self._since.pop(domain, now)
        if len(self._since) > self._most_failing:
            self._since.popitem(last=False)
        return now - since >= self._limits.settled_seconds

    def _prune(self, now: float) -> None:
        since = now - self._limits.window_seconds
        while self._last:
            at, failed = next(iter(self._last.values()))
            if at >= since and len(self._last) <= self._most:
                return
            self._last.popitem(last=False)
            self._failed -= failed
