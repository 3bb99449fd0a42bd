"""How much, how often and for how long a reporter may ask."""

from msgspec import Struct

from services.core.steady_rate import Rate
from services.intake.door.problems import DoorRefusal


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
    """What each reporter has used of its rate; there are as many rates as reporters."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._rates: dict[str, Rate] = {}

    def take(self, reporter: str, now: float) -> None:
        """Count a request; raises `DoorRefusal` where a reporter sends too many."""
        limits = self._limits
        rate = self._rates.get(reporter)
        if rate is None:
            rate = self._rates[reporter] = Rate(limits.requests_per_second, limits.burst)
        wait = rate.wait(now)
        if wait > 0:
            raise DoorRefusal(
                "rate",
                f"at most {limits.requests_per_second:g} requests a second; send it again later",
                retry_after=wait,
            )
        rate.charge(now)
