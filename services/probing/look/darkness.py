"""Hosts of which nothing answers: since when, so that an outage of minutes is told from a host that is gone.

A host may have more addresses than a look has time for, where each takes all of a connection's time to say nothing.
So each address is remembered that gave nothing when it was asked last: it is asked after those that may serve, the one
of longest ago first, and what a look has no time for counts as dark for as long as a dark host has to be.

Pure; time is an argument, in seconds of one monotonic clock. What is forgotten only waits longer.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Self

from services.core.runs import DARK_SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class DarknessLimits:
    """When a dark host counts: dark for so long, at so many looks, with no answer in between."""

    seconds: float = 6 * 3600.0
    looks: int = 3

    @classmethod
    def within(cls, span: timedelta) -> Self:
        """Give the limits of a prober whose methodology asks a dark host to stay dark for `span`."""
        return cls(seconds=span.total_seconds() / DARK_SHARE)


class _Dark(NamedTuple):
    """Since when a host is dark, at how many looks, when last, and whether a look since then said neither."""

    since: float
    looks: int
    last: float
    unclear: bool = False


class Darkness:
    """Remember which hosts are dark, and which addresses of those that have several."""

    def __init__(self, limits: DarknessLimits | None = None, most_hosts: int = 50_000) -> None:
        self._limits = limits or DarknessLimits()
        self._most = most_hosts
        self._dark: OrderedDict[str, _Dark] = OrderedDict()
        self._addresses: OrderedDict[str, dict[str, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Darkness {len(self._dark)} hosts>"

    def alive(self, host: str) -> None:
        """Note that something of a host answered."""
        if self._dark:
            self._dark.pop(host, None)

    def unclear(self, host: str) -> None:
        """Note a look that says neither: it ends no dark, unless too much time goes by before the next dark look."""
        darkness = self._dark.get(host)
        if darkness is not None:
            self._dark[host] = darkness._replace(unclear=True)

    def dark(self, host: str, now: float) -> bool:
        """Note a look at which nothing answered; tell whether that has gone on for long enough."""
        limits, darkness = self._limits, self._dark.pop(host, None)
        # Looks that are days apart may be all that there are; what they say in between is not the same dark.
        if darkness is None or (darkness.unclear and now - darkness.last > limits.seconds):
            darkness = _Dark(now, 0, now)
        self._dark[host] = _Dark(darkness.since, darkness.looks + 1, now)
        while len(self._dark) > self._most:
            self._dark.popitem(last=False)
        return darkness.looks + 1 >= limits.looks and now - darkness.since >= limits.seconds

    # -- addresses ---------------------------------------------------------------------------------

    def note_address(self, host: str, address: str, now: float, *, dark: bool) -> None:
        """Note what one of several addresses gave: nothing, or anything else."""
        addresses = self._addresses.pop(host, {})
        addresses.pop(address, None)
        if dark:
            addresses[address] = now
        if addresses:
            self._addresses[host] = addresses
        while len(self._addresses) > self._most:
            self._addresses.popitem(last=False)

    def in_order(self, host: str, addresses: list[str]) -> list[str]:
        """Put those that gave nothing last after all others, the one that was asked longest ago first."""
        dark = self._addresses.get(host)
        if dark is None:
            return addresses
        return sorted(addresses, key=lambda address: dark.get(address, -math.inf))

    def count_dark(self, host: str, addresses: Iterable[str], now: float) -> int:
        """Count the addresses that gave nothing when they were asked last, as long ago as a host has to be dark."""
        since = now - self._limits.seconds * DARK_SHARE
        dark = self._addresses.get(host, {})
        return sum(dark.get(address, -math.inf) >= since for address in addresses)
