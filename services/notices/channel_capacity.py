"""What a channel can carry, and the backlog that it forces.

The article's web form took 5 addresses an hour: at 5 an hour, 900 open cases take 7.5 days, whatever we do.
"""

from datetime import timedelta

from msgspec import Struct

from schemas.errors import ConfigError
from schemas.events import is_slug


class Capacity(Struct, frozen=True):
    """How many cases an hour a provider takes by a channel."""

    provider: str
    channel: str
    per_hour: float


class Forecast(Struct, frozen=True):
    """How long a channel needs for the cases that wait for it; `beyond_norm`: the last is told after the norm."""

    waiting: int
    per_hour: float
    takes: timedelta
    beyond_norm: bool

    def __str__(self) -> str:
        cases = f"{self.waiting:,} open case{'' if self.waiting == 1 else 's'}"
        verb = "takes" if self.waiting == 1 else "take"
        return f"at {self.per_hour:g} an hour, {cases} {verb} {duration(self.takes)}"


def capacity(text: str) -> Capacity:
    """Read `provider/channel=cases an hour`; raises `ConfigError`."""
    place, _, number = text.rpartition("=")
    provider, _, channel = place.rpartition("/")
    try:
        per_hour = float(number)
    except ValueError:
        per_hour = 0.0
    if not (is_slug(provider) and is_slug(channel) and 0 < per_hour < float("inf")):
        raise ConfigError(
            "a capacity is `provider/channel=cases an hour`, for example stubborn/form=5"
        )
    return Capacity(provider, channel, per_hour)


def forecast(waiting: int, per_hour: float, norm: timedelta) -> Forecast:
    """Say how long a channel takes for what waits."""
    takes = timedelta(hours=waiting / per_hour)
    return Forecast(waiting, per_hour, takes, beyond_norm=takes > norm)


def duration(span: timedelta) -> str:
    """Write a duration for people: days from two on, hours below."""
    hours = span / timedelta(hours=1)
    number, unit = (hours / 24, "day") if hours >= 48 else (hours, "hour")
    text = f"{number:.1f}".removesuffix(".0")
    return f"{text} {unit}{'' if text == '1' else 's'}"
