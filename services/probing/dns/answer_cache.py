"""What was resolved before, for how long it holds, and how long it may still serve while the name servers fail.

Time is an argument, in seconds of one monotonic clock.
"""

from collections import OrderedDict

import msgspec

from services.probing.dns.answers import FAILED
from services.probing.dns.resolution import Resolution, ResolverLimits


class AnswerCache:
    """Answers by name: positive ones, and apart from them the others, so that a flood of those can't push them out."""

    def __init__(self, limits: ResolverLimits) -> None:
        self._limits = limits
        self._positive: OrderedDict[str, Resolution] = OrderedDict()
        self._negative: OrderedDict[str, Resolution] = OrderedDict()
        self._name_servers: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    def __repr__(self) -> str:
        return f"{len(self._positive)} positive, {len(self._negative)} negative"

    def fresh(self, host: str, now: float, operators: int) -> Resolution | None:
        """Give an answer of just now, if it is whole, of so many operators at least."""
        # Where both are there, the name servers have failed since.
        newest = self._negative.get(host) or self._positive.get(host)
        # Half an answer is asked for again.
        if newest is None or newest.unanswered_family or newest.operators < operators:
            return None
        most = min(self._limits.fresh_seconds, newest.ttl)
        return newest if newest.age(now) <= most else None

    def negative(self, host: str, now: float) -> Resolution | None:
        """Give what holds of a name that has no address, or that failed to be resolved just now."""
        answer = self._negative.get(host)
        return answer if answer is not None and answer.age(now) <= answer.ttl else None

    def positive(self, host: str, now: float) -> Resolution | None:
        """Give addresses that hold, or held until just now: they are given while they are fetched anew."""
        answer = self._positive.get(host)
        if answer is None:
            return None
        spare = min(self._limits.stale_seconds, answer.ttl)
        return answer if answer.age(now) <= answer.ttl + spare else None

    def stale(self, host: str, now: float) -> Resolution | None:
        """Give addresses from before the name servers failed, within a bound (RFC 8767)."""
        answer = self._positive.get(host)
        if answer is None or answer.age(now) > self._limits.stale_failure_seconds:
            return None
        return msgspec.structs.replace(answer, stale=True)

    def put(self, host: str, answer: Resolution) -> None:
        """Remember an answer; a failure says nothing about addresses from before."""
        if answer.status not in FAILED:
            self._positive.pop(host, None)
        self._negative.pop(host, None)
        positive = answer.status == "addresses"
        cache = self._positive if positive else self._negative
        most = self._limits.positive_entries if positive else self._limits.negative_entries
        cache[host] = answer
        while len(cache) > most:
            cache.popitem(last=False)

    def name_servers(self, domain: str, now: float) -> tuple[str, ...] | None:
        """Give the name servers of a domain, none if it has none; None where that has to be asked."""
        until, names = self._name_servers.get(domain, (0.0, ()))
        return names if now < until else None

    def put_name_servers(self, domain: str, names: tuple[str, ...], now: float) -> None:
        """Remember the name servers of a domain for looks of this very moment: a name may change hands at any time."""
        self._name_servers[domain] = (now + self._limits.fresh_seconds, names)
        self._name_servers.move_to_end(domain)
        while len(self._name_servers) > self._limits.negative_entries:
            self._name_servers.popitem(last=False)
