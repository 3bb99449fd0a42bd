"""The state of each provider's channels: what became of notices, what waits, what the channel carries. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from msgspec import structs

from services.notices.channel_capacity import Capacity, Forecast, duration, forecast
from services.notices.measurability import ChannelCount, NotMeasurable, not_measurable

COUNTS = ("sent", "arrived", "acknowledged", "delayed", "theirs", "ours", "way", "unclear")
NO_CHANNEL = "none"
"""Stands for the channel of a provider that nothing was sent to and of which no capacity is set."""


class ChannelStatus(ChannelCount, frozen=True, kw_only=True):
    """One channel of one provider, and what it carries; `waiting` and `not_measurable` are the provider's.

    `waiting`: open cases whose provider was not told yet. `forecast` says in words how long they take at `per_hour`.
    """

    waiting: int
    per_hour: float | None
    takes: str | None
    takes_hours: float | None
    not_measurable: NotMeasurable | None
    forecast: str | None


def channel_statuses(
    counts: Sequence[ChannelCount],
    waiting: Mapping[str, int],
    capacities: Sequence[Capacity],
    norm: timedelta,
) -> list[ChannelStatus]:
    """Join counts, waiting cases and capacities, in the order of providers and channels."""
    carried = {(one.provider, one.channel): one.per_hour for one in capacities}
    whole = [*counts, *_without_notices(counts, waiting, carried)]
    by_provider: defaultdict[str, list[ChannelCount]] = defaultdict(list)
    for one in whole:
        by_provider[one.provider].append(one)
    statuses: list[ChannelStatus] = []
    for provider, mine in sorted(by_provider.items()):
        statuses += _of_provider(mine, waiting.get(provider, 0), carried, norm)
    return statuses


def _of_provider(
    mine: Sequence[ChannelCount],
    waiting: int,
    carried: Mapping[tuple[str, str], float],
    norm: timedelta,
) -> Iterator[ChannelStatus]:
    forecasts = {
        one.channel: forecast(waiting, carried[one.provider, one.channel], norm)
        for one in mine
        if (one.provider, one.channel) in carried
    }
    why = not_measurable(mine, forecasts)
    return (_status(one, waiting, forecasts.get(one.channel), why) for one in mine)


def _status(
    one: ChannelCount, waiting: int, carries: Forecast | None, why: NotMeasurable | None
) -> ChannelStatus:
    return ChannelStatus(
        **structs.asdict(one),
        waiting=waiting,
        per_hour=carries.per_hour if carries else None,
        takes=duration(carries.takes) if carries else None,
        takes_hours=carries.takes / timedelta(hours=1) if carries else None,
        not_measurable=why,
        forecast=str(carries) if carries else None,
    )


def _without_notices(
    counts: Sequence[ChannelCount],
    waiting: Mapping[str, int],
    carried: Mapping[tuple[str, str], float],
) -> list[ChannelCount]:
    """Add channels by which nothing went yet: those with a capacity, and providers with waiting cases alone."""
    places_in_use = {(one.provider, one.channel) for one in counts}
    providers = {one.provider for one in counts}
    places = {place for place in carried if place not in places_in_use}
    places |= {(p, NO_CHANNEL) for p in waiting if p not in providers | {q for q, _ in places}}
    return [ChannelCount(provider=p, channel=c) for p, c in sorted(places)]
