"""What the name servers said of one name, and the bounds of asking and remembering."""

from dataclasses import dataclass

from msgspec import Struct

from services.core.verdict import Dns


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverLimits:
    """Bounds of asking and remembering; nothing from an attacker's zone is trusted to be small.

    After `family_seconds` without an answer for one family of a name, while there is one for the other, it has none.
    `cname_depth`: honest chains of several networks for content reach 10; BIND follows 16 links as well.
    """

    try_seconds: float = 2.0
    total_seconds: float = 6.0
    tries: int = 2
    addresses_per_family: int = 16
    cname_depth: int = 16
    positive_entries: int = 50_000
    negative_entries: int = 10_000
    positive_seconds: tuple[float, float] = (1.0, 300.0)
    negative_seconds: tuple[float, float] = (1.0, 30.0)
    failure_seconds: float = 2.0
    stale_seconds: float = 30.0
    stale_failure_seconds: float = 3600.0
    fresh_seconds: float = 0.25
    family_seconds: float = 300.0


class Resolution(Struct, frozen=True, kw_only=True):
    """What the name servers said of one name; `addresses` are IPv4 first.

    `at` is when they said it, in seconds of the monotonic clock; None for an address that a URL spells out.
    `stale`: it is older than it may be, because the name servers fail now. `unanswered_family`: the family, 4 or 6,
    for which they gave no answer, so that there may be addresses that are not among these; 0: none. `operators`: how
    many operators of name servers it is of. `disputed`: others of them said that there is no such name, or filter it.
    `error_codes` are the Extended DNS Errors that came with the answers (RFC 8914).
    """

    status: Dns
    addresses: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    left_out: int = 0
    ttl: float = 0.0
    at: float | None = None
    stale: bool = False
    unanswered_family: int = 0
    operators: int = 0
    disputed: bool = False
    error_codes: tuple[int, ...] = ()

    def age(self, now: float) -> float:
        """Tell how many seconds ago the name servers said it; 0 where nobody was asked."""
        return 0.0 if self.at is None else now - self.at
