"""How often and how many at once one address and one network may be asked (G9).

Pure: time is an argument.
services.probing.limits.gate is the thin shell that waits.
"""

import ipaddress
from dataclasses import dataclass

from schemas.errors import TakedownError
from services.core.steady_rate import Rate

TOTAL_BURST = 100
_REMEMBERED = 65_536


class Deferred(TakedownError):
    """Politeness would hold a look up for too long: it is to be recorded as missed (`politeness`)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"politeness asks for {seconds:.1f} s; look again later")
        self.seconds = seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PolitenessLimits:
    """The most that one address, one network (/24, /48) and all together are asked; rates per second.

    `looks_per_day` is the cap of one URL. None: no cap.
    What hosts ask for themselves is honoured up to the ceilings (`BackOff`).
    """

    address_per_second: float
    address_burst: int
    address_concurrency: int
    network_per_second: float
    network_burst: int
    network_concurrency: int
    total_per_second: float | None = None
    total_burst: int = TOTAL_BURST
    looks_per_day: int | None = None
    max_wait_seconds: float
    retry_after_ceiling_seconds: float = 3600.0
    backoff_seconds: float = 5.0
    backoff_ceiling_seconds: float


class Account(Rate):
    """The schedule of one address or network, and how many requests are inside."""

    __slots__ = ("inside", "places")

    def __init__(self, per_second: float, burst: int, places: int) -> None:
        super().__init__(per_second, burst)
        self.places = places
        self.inside = 0

    def __repr__(self) -> str:
        return f"<Account {self.inside} inside, next {self.next_at:.3f}>"

    def idle(self, now: float) -> bool:
        """Tell whether forgetting the account changes nothing."""
        return not self.inside and self.next_at <= now


class Politeness:
    """The accounts of all addresses and networks; pure, instants are seconds of one monotonic clock."""

    def __init__(self, limits: PolitenessLimits) -> None:
        self.limits = limits
        # Without a cap its schedule is never charged.
        self.total = Account(limits.total_per_second or 1.0, limits.total_burst, 0)
        self._addresses: dict[str, tuple[Account, Account]] = {}
        self._networks: dict[str, Account] = {}

    def __len__(self) -> int:
        return len(self._addresses)

    def accounts(self, address: str, now: float) -> tuple[Account, Account]:
        """Give the accounts of an address and of its network."""
        pair = self._addresses.get(address)
        return self._open(address, now) if pair is None else pair

    def _open(self, address: str, now: float) -> tuple[Account, Account]:
        if len(self._addresses) >= _REMEMBERED:
            self._forget_idle(now)
        limits, network = self.limits, network_of(address)
        of_network = self._networks.get(network)
        if of_network is None:
            of_network = self._networks[network] = Account(
                limits.network_per_second, limits.network_burst, limits.network_concurrency
            )
        of_address = Account(
            limits.address_per_second, limits.address_burst, limits.address_concurrency
        )
        self._addresses[address] = of_address, of_network
        return of_address, of_network

    def _forget_idle(self, now: float) -> None:
        self._addresses = {a: both for a, both in self._addresses.items() if not both[0].idle(now)}
        used = {id(both[1]) for both in self._addresses.values()}
        self._networks = {
            n: account
            for n, account in self._networks.items()
            if id(account) in used or not account.idle(now)
        }

    def wait(self, address: str, now: float) -> float:
        """Tell for how many seconds the rates hold up the next request to an address; 0 or less: for none."""
        of_address, of_network = self.accounts(address, now)
        return max(of_address.wait(now), of_network.wait(now), self.total.wait(now))

    def full(self, address: str, now: float) -> bool:
        """Tell whether every place at an address, or in its network, is taken."""
        return any(account.inside >= account.places for account in self.accounts(address, now))

    def enter(self, address: str, now: float) -> bool:
        """Take a place and count a request, if nothing stands against it."""
        of_address, of_network = self.accounts(address, now)
        if (
            of_address.inside >= of_address.places
            or of_network.inside >= of_network.places
            or of_address.wait(now) > 0
            or of_network.wait(now) > 0
            or self.total.wait(now) > 0
        ):
            return False
        self._charge(of_address, of_network, now)
        of_address.inside += 1
        of_network.inside += 1
        return True

    def leave(self, address: str, now: float) -> None:
        """Give a place back."""
        of_address, of_network = self.accounts(address, now)
        of_address.inside -= 1
        of_network.inside -= 1

    def charge(self, address: str, now: float) -> None:
        """Count a request that was made without waiting."""
        self._charge(*self.accounts(address, now), now)

    def _charge(self, of_address: Account, of_network: Account, now: float) -> None:
        of_address.charge(now)
        of_network.charge(now)
        if self.limits.total_per_second is not None:
            self.total.charge(now)


def network_of(address: str) -> str:
    """Name the network of an address: its /24, or its /48."""
    if ":" not in address:
        return address[: address.rfind(".")]
    return str(ipaddress.ip_network((address, 48), strict=False))
