"""A status fit to publish: no count from 1 to 4 stands in it or follows from it by subtraction (rule G5).

As in the public league table: a small count of the bounds is moved to `undecided`, which only widens the interval;
providers with fewer judged spells than the methodology's minimum are joined in one line; every other count is
rounded down to fives, and one from 1 to 4 is None. Shares are whole per cents, widened outwards. A provider that can't
be measured by notice is named from five failed notices on.
"""

from math import ceil, floor

import msgspec

from services.exporter.not_by_notice import NotByNotice
from services.exporter.status import COUNTS, GROUPS, ProviderLine, StatusView, join, with_shares

LEAST = 5
OTHERS = "others together"


def published(status: StatusView) -> StatusView:
    """Give the public form of a status."""
    large = [line for line in status.providers if (line.n or 0) >= status.minimum_n]
    small = [line for line in status.providers if (line.n or 0) < status.minimum_n]
    lines = [_line(line, status.minimum_n) for line in large]
    if small:
        rest = msgspec.structs.replace(join(small), provider=OTHERS)
        lines.append(_line(rest, status.minimum_n))
    total = _line(status.total, status.minimum_n)
    refusing = [_refusing(one) for one in status.not_by_notice if (one.failed or 0) >= LEAST]
    return msgspec.structs.replace(
        status, public=True, providers=lines, total=total, not_by_notice=refusing
    )


def _refusing(one: NotByNotice) -> NotByNotice:
    """Round the counts; a forecast holds the exact number of cases."""
    failed, waiting = rounded(one.failed), rounded(one.waiting)
    return msgspec.structs.replace(one, failed=failed, waiting=waiting, forecast=None)


def _line(line: ProviderLine, minimum: int) -> ProviderLine:
    widened = with_shares(_moved(line))
    enough = (widened.n or 0) >= minimum
    bounds: dict[str, float | None] = {"lower": None, "upper": None}
    if enough and widened.lower is not None and widened.upper is not None:
        bounds = {
            "lower": floor(widened.lower * 100) / 100,
            "upper": ceil(widened.upper * 100) / 100,
        }
    counts = {what: rounded(getattr(widened, what)) for what in (*COUNTS, "n")}
    groups = {
        group: {name: rounded(count) for name, count in getattr(widened, group).items()}
        for group in GROUPS
    }
    return msgspec.structs.replace(
        widened,
        **counts,
        **groups,
        **bounds,
        exposure_lower_hours=float(floor(widened.exposure_lower_hours)),
        exposure_upper_hours=float(ceil(widened.exposure_upper_hours)),
    )


def _moved(line: ProviderLine) -> ProviderLine:
    moved = msgspec.structs.replace(line)
    for what in ("within", "certain_breaches"):
        count = getattr(moved, what) or 0
        if 0 < count < LEAST:
            moved.undecided = (moved.undecided or 0) + count
            setattr(moved, what, 0)
    return moved


def rounded(count: int | None) -> int | None:
    """Round a count down to fives; None where it is from 1 to 4."""
    if count is None or 0 < count < LEAST:
        return None
    return count - count % LEAST
