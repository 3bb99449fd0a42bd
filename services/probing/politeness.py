"""How often and how many at once one address and one network may be asked (G9).

The core is pure: rates are virtual schedules (GCRA, ITU-T I.371), one float per account, and time is an argument.
`Gate` is the thin shell that waits.
"""

import asyncio
import ipaddress
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from schemas.errors import TakedownError

_REMEMBERED = 65_536


class Deferred(TakedownError):
    """Politeness would hold a look up for too long: it is to be recorded as missed (`politeness`)."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"politeness asks for {seconds:.1f} s; look again later")
        self.seconds = seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class PolitenessLimits:
    """What one address and one network (/24, /48) is asked at most; rates per second.

    `Retry-After` is honoured up to its ceiling; without one, each 429 or 503 in a row doubles the back-off.
    """

    address_per_second: float = 2.0
    address_burst: int = 4
    address_concurrency: int = 2
    network_per_second: float = 8.0
    network_burst: int = 16
    network_concurrency: int = 8
    max_wait_seconds: float = 30.0
    retry_after_ceiling_seconds: float = 3600.0
    backoff_seconds: float = 5.0
    backoff_ceiling_seconds: float = 900.0


class Account:
    """What is owed to one address or network: its schedule, its back-off, who is inside and who waits."""

    __slots__ = (
        "blocked_until",
        "inside",
        "next_at",
        "places",
        "step",
        "strikes",
        "tolerance",
        "waiting",
    )

    def __init__(self, per_second: float, burst: int, places: int) -> None:
        self.step = 1.0 / per_second
        self.tolerance = (burst - 1) * self.step
        self.places = places
        self.next_at = 0.0
        self.blocked_until = 0.0
        self.strikes = 0
        self.inside = 0
        self.waiting: deque[asyncio.Future[None]] = deque()

    def __repr__(self) -> str:
        return (
            f"<Account {self.inside} inside, {len(self.waiting)} waiting, next {self.next_at:.3f}>"
        )

    def wait(self, now: float) -> float:
        """Tell for how many seconds the next request has to wait."""
        scheduled = self.next_at - self.tolerance
        return (scheduled if scheduled > self.blocked_until else self.blocked_until) - now

    def charge(self, at: float) -> None:
        """Count one request at an instant; later ones pay for it."""
        self.next_at = (self.next_at if self.next_at > at else at) + self.step

    def idle(self, now: float) -> bool:
        """Tell whether forgetting the account changes nothing."""
        return not self.inside and not self.waiting and max(self.next_at, self.blocked_until) <= now


class Politeness:
    """The accounts of all addresses and networks; pure, instants are seconds of one monotonic clock."""

    def __init__(self, limits: PolitenessLimits) -> None:
        self.limits = limits
        self._addresses: dict[str, tuple[Account, Account]] = {}
        self._networks: dict[str, Account] = {}

    def __len__(self) -> int:
        return len(self._addresses)

    def accounts(self, address: str, now: float) -> tuple[Account, Account]:
        """Give the accounts of an address and of its network."""
        known = self._addresses.get(address)
        if known is None:
            known = self._open(address, now)
        return known

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

    def reserve(self, address: str, now: float) -> float:
        """Reserve the next free instant and return the seconds until then.

        Nothing is reserved where that is more than `max_wait_seconds`.
        """
        of_address, of_network = self.accounts(address, now)
        wait = max(0.0, of_address.wait(now), of_network.wait(now))
        if wait <= self.limits.max_wait_seconds:
            of_address.charge(now + wait)
            of_network.charge(now + wait)
        return wait

    def charge(self, address: str, now: float) -> None:
        """Count a request that was made without waiting."""
        for account in self.accounts(address, now):
            account.charge(now)

    def pushed_back(self, address: str, now: float, retry_after: float | None) -> float:
        """Put an address off after a 429 or 503; returns the seconds."""
        limits, account = self.limits, self.accounts(address, now)[0]
        account.strikes = min(account.strikes + 1, 20)
        if retry_after is None:
            asked = limits.backoff_seconds * 2.0 ** (account.strikes - 1)
            pause = min(asked, limits.backoff_ceiling_seconds)
        else:
            pause = min(max(retry_after, 0.0), limits.retry_after_ceiling_seconds)
        account.blocked_until = max(account.blocked_until, now + pause)
        return pause

    def answered(self, address: str, now: float) -> None:
        """Forget the strikes of an address that answers again."""
        self.accounts(address, now)[0].strikes = 0


def network_of(address: str) -> str:
    """Name the network of an address: its /24, or its /48."""
    if ":" not in address:
        return address[: address.rfind(".")]
    return str(ipaddress.ip_network((address, 48), strict=False))


class Gate:
    """Let looks through to an address, politely; `now` is the clock that its schedules run on."""

    def __init__(
        self, limits: PolitenessLimits, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.core = Politeness(limits)
        self.now = monotonic

    def enter(self, address: str) -> bool:
        """Go through at once if nothing stands against it; else take `acquire`."""
        now = self.now()
        of_address, of_network = self.core.accounts(address, now)
        if (
            of_address.inside >= of_address.places
            or of_network.inside >= of_network.places
            or of_address.wait(now) > 0
            or of_network.wait(now) > 0
        ):
            return False
        of_address.charge(now)
        of_network.charge(now)
        of_address.inside += 1
        of_network.inside += 1
        return True

    async def acquire(self, address: str) -> bool:
        """Wait until an address may be asked; tell whether that took any waiting. Pair it with `release`.

        Raises `Deferred` where it would take longer than `max_wait_seconds`.
        """
        if self.enter(address):
            return False
        wait = self.core.reserve(address, self.now())
        most = self.core.limits.max_wait_seconds
        if wait > most:
            raise Deferred(wait)
        await asyncio.sleep(wait)
        try:
            async with asyncio.timeout(most):
                await self._take_both(address)
        except TimeoutError:
            raise Deferred(most) from None
        return True

    async def _take_both(self, address: str) -> None:
        """Take the places in one order, so that two looks can't wait for each other."""
        of_address, of_network = self.core.accounts(address, self.now())
        await _take(of_address)
        try:
            await _take(of_network)
        except asyncio.CancelledError:
            _give_back(of_address)
            raise

    def release(self, address: str) -> None:
        """Give the place back."""
        of_address, of_network = self.core.accounts(address, 0.0)
        _give_back(of_network)
        _give_back(of_address)


async def _take(account: Account) -> None:
    """Take a place, first come first served."""
    if account.inside < account.places:
        account.inside += 1
        return
    place = asyncio.get_running_loop().create_future()
    account.waiting.append(place)
    try:
        await place
    except asyncio.CancelledError:
        if place.done() and not place.cancelled():
            _give_back(account)
        raise


def _give_back(account: Account) -> None:
    while account.waiting:
        place = account.waiting.popleft()
        if not place.done():
            place.set_result(None)
            return
    account.inside -= 1
