"""The parts of a table that say who answers and what became of the notices, laid out once for text and HTML."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from services.notices.channel_capacity import duration
from services.reports.figures import ChannelFigures, Flow, Row, Table

_FAULTS = ("theirs", "ours", "way", "unclear")
_MOST_FLOWS = 12
_ROLES = ("host", "edge", "origin")
_WHY = {
    "undeliverable": "no channel carries anything, by its own fault",
    "capacity": "its channels are too narrow for the norm",
}


class Sheet(NamedTuple):
    """A table before it is laid out: the heads, and each line with the name that stands first."""

    heads: Sequence[str]
    lines: Sequence[Sequence[str]]


def sheets(table: Table, most: int | None = None) -> Iterator[tuple[str, Sheet]]:
    """Give the parts that have any lines, each with its title; `most` limits the lines, and says how many are left."""
    for title, sheet in (
        ("Who answers", answering(table)),
        ("Cases without a clock", untold(table)),
        ("Notices by channel", channels(table)),
        ("Moves", moves(table)),
    ):
        if sheet.lines:
            yield title, _shortened(sheet, most)


def _shortened(sheet: Sheet, most: int | None) -> Sheet:
    left = 0 if most is None else len(sheet.lines) - most
    if left <= 0:
        return sheet
    rest = (f"{left:,} more", *("" for _ in sheet.heads[1:]))
    return Sheet(sheet.heads, [*sheet.lines[:most], rest])


def answering(table: Table) -> Sheet:
    """Say in which roles providers answer, through which resellers, and on what the attribution rests."""
    heads = (table.by, "host", "edge", "origin", "resellers", "seen by looks", "by notice alone")
    lines = [
        (
            _named(row),
            *(str(row.roles.get(role, 0)) for role in _ROLES),
            counts(row.resellers) or "-",
            *(str(row.attribution.get(basis, 0)) for basis in ("looks", "notice")),
            *(str(row.attribution.get(basis, 0)) for basis in ("unknown", "disputed")),
        )
        for row in table.providers
        if _is_of_note(row)
    ]
    return Sheet((*heads, "unknown", "disputed"), lines)


def _is_of_note(row: Row) -> bool:
    """Tell whether a group is anything but a host that looks saw."""
    plain = set(row.roles) <= {"host"} and set(row.attribution) <= {"looks"}
    return bool(not plain or row.resellers or row.parent)


def _named(row: Row) -> str:
    return row.provider if row.parent is None else f"{row.provider} (rents from {row.parent})"


def untold(table: Table) -> Sheet:
    """Split the spells without a clock by whose fault that is, with the reasons."""
    heads = (table.by, "no clock", *_FAULTS, "no notice", "reasons")
    lines = [_untold_line(row) for row in table.providers if row.not_started and row.no_clock]
    return Sheet((*heads, "escalated to", "by notice"), lines)


def _untold_line(row: Row) -> tuple[str, ...]:
    failed = {fault: _failures(row, fault) for fault in _FAULTS}
    other = sum(number for key, number in row.no_clock.items() if ":" not in key)
    return (
        row.provider,
        str(row.not_started),
        *(str(sum(reasons.values())) for reasons in failed.values()),
        str(other),
        ", ".join(
            f"{reason} ({fault}) {number}"
            for fault, reasons in failed.items()
            for reason, number in reasons.items()
        )
        or "-",
        counts(row.escalations) or "-",
        f"not measurable: {row.not_measurable}" if row.not_measurable else "measurable",
    )


def _failures(row: Row, fault: str) -> dict[str, int]:
    """Give the reasons of one fault, with their counts."""
    start = f"{fault}:"
    return {key[len(start) :]: n for key, n in row.no_clock.items() if key.startswith(start)}


def channels(table: Table) -> Sheet:
    """Say what became of the notices to each provider by each channel, and what the channel carries."""
    heads = ("provider", "channel", "sent", "arrived", "delayed", *_FAULTS)
    lines = [_channel_line(one) for one in table.channels if _tells(one)]
    return Sheet((*heads, "undeliverable contacts", "waiting", "an hour", "takes"), lines)


def _tells(one: ChannelFigures) -> bool:
    """Tell whether there is more to say of a channel than that notices go through it."""
    failed = one.theirs + one.ours + one.way + one.unclear
    return bool(failed or one.delayed or one.per_hour or one.undeliverable_contacts)


def _channel_line(one: ChannelFigures) -> tuple[str, ...]:
    return (
        one.provider,
        one.channel,
        *(str(getattr(one, name)) for name in ("sent", "arrived", "delayed", *_FAULTS)),
        f"{one.undeliverable_contacts} of {one.contacts}" if one.contacts else "-",
        str(one.waiting),
        "-" if one.per_hour is None else f"{one.per_hour:g}",
        "-" if one.takes_hours is None else duration(timedelta(hours=one.takes_hours)),
    )


def moves(table: Table) -> Sheet:
    """Say from which providers and countries cases went to which; the smallest flows are joined in one line."""
    shown, rest = table.flows[:_MOST_FLOWS], table.flows[_MOST_FLOWS:]
    lines = [(_end(f.origin, f.origin_country), *_flow(f)) for f in shown]
    if rest:
        moved, passed_on = (sum(getattr(f, n) for f in rest) for n in ("moved", "passed_on"))
        lines.append((f"{len(rest)} more", "-", str(moved), str(passed_on)))
    return Sheet(("from", "to", "moved", "passed on"), lines)


def _flow(flow: Flow) -> tuple[str, ...]:
    return _end(flow.target, flow.target_country), str(flow.moved), str(flow.passed_on)


def _end(name: str | None, country: str | None) -> str:
    return f"{name or 'unknown'} ({country})" if country else name or "unknown"


def counts(numbers: Mapping[str, int]) -> str:
    """Write counts by name in one line, the largest first."""
    ordered = sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} {number}" for name, number in ordered)


def sentences(table: Table) -> list[str]:
    """Say of each provider that can't be measured by notice why, and what its channels would take."""
    slowest_first = sorted(table.channels, key=lambda one: -(one.takes_hours or 0))
    forecasts = {one.provider: one.forecast for one in slowest_first if one.forecast}
    return [
        _sentence(row, forecasts.get(row.provider)) for row in table.providers if row.not_measurable
    ]


def _sentence(row: Row, forecast: str | None) -> str:
    reason = _WHY.get(row.not_measurable or "", row.not_measurable)
    takes = f"; {forecast}" if forecast else ""
    return (
        f"{row.provider} is not measurable by notice: {reason}{takes}; its {row.not_started:,} cases without a clock "
        "are neither hidden nor breaches"
    )


def unattributed(table: Table) -> str:
    """Count the cases that nobody is charged with, because nobody is known or sources contradict each other."""
    total = table.pooled.attribution
    unknown, disputed = total.get("unknown", 0), total.get("disputed", 0)
    if not unknown + disputed:
        return ""
    return f"attribution unknown for {unknown:,} spells, disputed for {disputed:,}: counted, and no provider is charged"
