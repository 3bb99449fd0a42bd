"""Who can't be measured by notice, of all providers that the ledger has, whether they are labels or not. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from schemas.methodology import Methodology
from services.exporter.sums import Row
from services.notices.channel_capacity import Capacity
from services.notices.channel_status import COUNTS, ChannelStatus, channel_statuses
from services.notices.measurability import ChannelCount, NotMeasurable


class NotByNotice(Struct, frozen=True, kw_only=True):
    """A provider that can't be measured by notice, and why; the fault is its own.

    `failed`: notices that did not arrive by its fault. `waiting`: open cases of which it was not told yet.
    `forecast`: how long the widest of its channels takes for them, where it has one. Counts that are too small to be
    published are None.
    """

    provider: str
    reason: NotMeasurable
    failed: int | None
    waiting: int | None
    forecast: str | None = None


def channel_counts(rows: Iterable[Row]) -> list[ChannelCount]:
    """Add up the rows of the statement `notices`, one for each provider and channel."""
    totals: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        if row["provider"] is None:
            continue
        total = totals.setdefault((row["provider"], row["channel"]), dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            total[name] += row["notices" if name == "sent" else name]
    return [ChannelCount(provider=p, channel=c, **totals[p, c]) for p, c in sorted(totals)]


def not_by_notice(
    counts: Sequence[ChannelCount],
    waiting: Mapping[str, int],
    capacities: Sequence[Capacity],
    method: Methodology,
) -> list[NotByNotice]:
    """Name those providers, most failed notices first."""
    statuses = channel_statuses(counts, waiting, capacities, method.norm_for("csam"))
    by_provider: dict[str, list[ChannelStatus]] = {}
    for one in statuses:
        by_provider.setdefault(one.provider, []).append(one)
    refusing = [*_refusing(by_provider.values())]
    return sorted(refusing, key=lambda one: (-(one.failed or 0), one.provider))


def _refusing(providers: Iterable[Sequence[ChannelStatus]]) -> Iterator[NotByNotice]:
    for channels in providers:
        reason = channels[0].not_measurable
        if reason is None:
            continue
        carrying = [one for one in channels if one.per_hour is not None]
        widest = max(carrying, key=lambda one: one.per_hour or 0.0, default=None)
        yield NotByNotice(
            provider=channels[0].provider,
            reason=reason,
            failed=sum(one.theirs for one in channels),
            waiting=channels[0].waiting,
            forecast=widest.forecast if widest else None,
        )
