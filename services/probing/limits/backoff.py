"""What a host asked for by 429 or 503 (G9): it alone is put off at its address, and none of its neighbours.

By address alone, one site on shared hosting could hide all others there for an hour with one answer.
Pure: time is an argument, instants are seconds of one monotonic clock.
"""

from services.probing.limits.rates import PolitenessLimits

_REMEMBERED = 65_536
_MOST_STRIKES = 20


class BackOff:
    """Until when each host at each address is left alone, and how often in a row it asked for that."""

    def __init__(self, limits: PolitenessLimits) -> None:
        self._limits = limits
        self._hosts: dict[tuple[str, str], tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._hosts)

    def wait(self, address: str, host: str, now: float) -> float:
        """Tell for how many seconds a host is to be left alone; 0 or less: it is not."""
        pause = self._hosts.get((address, host))
        return 0.0 if pause is None else pause[0] - now

    def record_pushback(
        self, address: str, host: str, now: float, retry_after: float | None
    ) -> float:
        """Put a host off after a 429 or 503; returns the seconds.

        `Retry-After` is honoured up to its ceiling; without one, each push-back in a row doubles the pause. What
        was asked before the host pushed back is answered after it: that makes no row.
        """
        until, strikes = self._hosts.pop((address, host), (now, 0))
        if until <= now:
            strikes = min(strikes + 1, _MOST_STRIKES)
        pause = self._pause(strikes, retry_after)
        if len(self._hosts) >= _REMEMBERED:
            self._forget(now)
        self._hosts[address, host] = (max(until, now + pause), strikes)
        return pause

    def _pause(self, strikes: int, retry_after: float | None) -> float:
        limits = self._limits
        if retry_after is not None:
            return min(max(retry_after, 0.0), limits.retry_after_ceiling_seconds)
        pause: float = limits.backoff_seconds * 2.0 ** (strikes - 1)
        return min(pause, limits.backoff_ceiling_seconds)

    def _forget(self, now: float) -> None:
        """Forget whose time is over; the oldest where that is not enough."""
        self._hosts = {host: pause for host, pause in self._hosts.items() if pause[0] > now}
        while len(self._hosts) >= _REMEMBERED:
            del self._hosts[next(iter(self._hosts))]

    def record_answer(self, address: str, host: str, now: float) -> None:
        """Forget a host that answers again; an answer to an older request does not end its pause."""
        if self._hosts and self.wait(address, host, now) <= 0:
            self._hosts.pop((address, host), None)
