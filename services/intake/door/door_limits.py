"""How much, how often and for how long a reporter may ask."""

from msgspec import Struct

from services.intake.door.problems import DoorRefusal
from services.probing.limits.rates import Account


class DoorLimits(Struct, frozen=True, kw_only=True):
    """The limits of the intake; sizes in bytes, rates per second and reporter."""

    body_bytes: int
    body_seconds: float
    acknowledge_seconds: float
    requests_per_second: float
    burst: int
    concurrency: int
    remembered_keys: int


class Quotas:
    """What each reporter has used of its rate; there are as many accounts as reporters."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._accounts: dict[str, Account] = {}

    def take(self, reporter: str, now: float) -> None:
        """Count a request; raises `DoorRefusal` where a reporter sends too many."""
        account = self._accounts.get(reporter)
        if account is None:
            limits = self._limits
            account = Account(limits.requests_per_second, limits.burst, limits.burst)
            self._accounts[reporter] = account
        wait = account.wait(now)
        if wait > 0:
            raise DoorRefusal(
                "rate",
                f"at most {self._limits.requests_per_second:g} requests a second; send it again later",
                retry_after=wait,
            )
        account.charge(now)
