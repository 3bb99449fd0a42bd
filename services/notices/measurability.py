"""Whether a provider can be measured by notice at all, and if not, why.

Only what is the provider's own fault says so. A notice that failed by our fault, or on the way, starts no clock either,
and says nothing about the provider.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from msgspec import Struct

from services.notices.channel_capacity import Forecast

NotMeasurable = Literal["undeliverable", "capacity"]
NOT_MEASURABLE: tuple[NotMeasurable, ...] = get_args(NotMeasurable)
POLICE = "police"
"""The channel of notices that the police pass on."""
# Fewer failures than that may be a bad hour of a mail server.
LEAST_FAILURES = 3


class ChannelCount(Struct, frozen=True, kw_only=True):
    """The notices to one provider by one channel, by what became of them; `delayed` ones are not failed."""

    provider: str
    channel: str
    sent: int = 0
    arrived: int = 0
    acknowledged: int = 0
    delayed: int = 0
    theirs: int = 0
    ours: int = 0
    way: int = 0
    unclear: int = 0

    @property
    def failed(self) -> int:
        """The notices that started no clock."""
        return self.theirs + self.ours + self.way + self.unclear


def not_measurable(
    channels: Sequence[ChannelCount], forecasts: Mapping[str, Forecast]
) -> NotMeasurable | None:
    """Say why a provider can't be measured by notice; `forecasts` are those of its channels, by name.

    `undeliverable`: no channel carries anything, and enough failed by the provider's own fault.
    `capacity`: every channel that carries anything is so narrow that the last case is told after the norm.
    That the police pass notices on shows that the provider's own channels do not carry them.
    """
    own = [one for one in channels if one.channel != POLICE]
    carrying = {one.channel for one in own if one.sent > one.failed} | set(forecasts)
    if not carrying:
        failures = sum(one.theirs for one in own)
        return "undeliverable" if failures >= LEAST_FAILURES else None
    narrow = {name for name, one in forecasts.items() if one.beyond_norm}
    return "capacity" if carrying <= narrow else None
