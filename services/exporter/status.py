"""One look that answers: does the norm hold, who breaks it, what is due, and can the monitor be trusted. Pure.

The same readings of the ledger as /metrics, so that page, terminal and dashboard show the same numbers.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from schemas.methodology import Methodology
from schemas.topics import OBSERVATIONS
from services.exporter.ledger_reading import LedgerReading, NoticeReading
from services.exporter.metric_families import JUDGED, LEFT, NOTICE_STATES, look_results
from services.exporter.not_by_notice import NotByNotice, not_by_notice
from services.exporter.sums import Row
from services.notices.channel_capacity import Capacity

# The canary's age from which no removal is confirmed under the shipped methodologies: nobody looks, nobody knows.
_SILENT = timedelta(minutes=15)
_OLD = timedelta(minutes=5)
# Below so many looks a share of them says nothing.
_MOST_BLIND, _LEAST_LOOKS = 0.5, 30


class ProviderLine(Struct, kw_only=True):
    """The counts of one provider, or of all; shares are 0 to 1, None where n is 0 or too small to be published.

    `left` counts running clocks by the time left. Counts below the least that may be published are None.
    """

    provider: str
    watched: bool = False
    n: int | None = 0
    within: int | None = 0
    certain_breaches: int | None = 0
    undecided: int | None = 0
    lower: float | None = None
    upper: float | None = None
    breaches_day: int | None = 0
    due_soon: int | None = 0
    online: int | None = 0
    without_notice: int | None = 0
    left: dict[str, int | None] = {}
    notices: dict[str, int | None] = {}
    looks: dict[str, int | None] = {}
    exposure_lower_hours: float = 0.0
    exposure_upper_hours: float = 0.0


class Monitor(Struct, frozen=True, kw_only=True):
    """Whether the figures can be trusted now; `doubts` says why not, in sentences."""

    trusted: bool
    doubts: tuple[str, ...]
    read_at: datetime
    last_look_at: datetime | None
    last_event_at: datetime | None
    last_commit_at: datetime | None


class StatusView(Struct, frozen=True, kw_only=True):
    """One look. `public`: small counts are suppressed and rounded (None: from 1 to 4)."""

    at: datetime
    methodology: str
    methodology_version: int
    methodology_digest: str
    norm: str
    time_zone: str
    minimum_n: int
    public: bool
    monitor: Monitor
    total: ProviderLine
    providers: list[ProviderLine]
    not_by_notice: list[NotByNotice] = []


def status_of(
    reading: LedgerReading,
    notices: NoticeReading | None,
    method: Methodology,
    now: datetime,
    capacities: Sequence[Capacity] = (),
) -> StatusView:
    """Make the look at `now` of the last readings; notices are read apart and may come later."""
    rows = notices.notices if notices is not None else ()
    spells, sent = _by_provider(reading.spells), _by_provider(rows)
    watched = frozenset(reading.watched)
    lines = [
        _line(name, spells.get(name, []), sent.get(name, []), watched)
        for name in {*spells, *sent, *watched}
    ]
    total = join(lines)
    counts = notices.channels if notices is not None else ()
    return StatusView(
        at=reading.at,
        methodology=method.id,
        methodology_version=method.version,
        methodology_digest=method.digest,
        norm=method.norm,
        time_zone=method.time_zone,
        minimum_n=method.minimum_n,
        public=False,
        monitor=monitor_of(reading, total, now),
        total=total,
        providers=sorted(lines, key=lambda line: (-(line.n or 0), line.provider)),
        not_by_notice=not_by_notice(counts, reading.waiting, capacities, method),
    )


def _by_provider(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["provider"]].append(row)
    return groups


def _line(name: str, rows: list[Row], notices: list[Row], watched: frozenset[str]) -> ProviderLine:
    line = ProviderLine(
        provider=name,
        watched=name in watched,
        breaches_day=_count(rows, "breaches_day"),
        due_soon=_count(rows, "due_soon"),
        online=_count(rows, "online"),
        without_notice=_count(rows, "without_notice"),
        left={left: _count(rows, column) for left, column in LEFT.items()},
        notices={
            state: _count([row for row in notices if row["state"] == state], "notices")
            for state in NOTICE_STATES
        },
        looks=_looks(rows),
        exposure_lower_hours=sum(float(row["exposure_lower_seconds"]) for row in rows) / 3600,
        exposure_upper_hours=sum(float(row["exposure_upper_seconds"]) for row in rows) / 3600,
    )
    for what in JUDGED:
        setattr(line, what, _count([row for row in rows if row["standing"] == what], "spells"))
    return with_shares(line)


def _count(rows: Iterable[Row], column: str) -> int:
    return sum(int(row[column]) for row in rows)


def _looks(rows: Sequence[Row]) -> dict[str, int | None]:
    total: dict[str, int | None] = dict.fromkeys(("decided", "undetermined", "missed"), 0)
    for row in rows:
        for result, count in look_results(row).items():
            total[result] = (total[result] or 0) + count
    return total


def with_shares(line: ProviderLine) -> ProviderLine:
    """Set n and the bounds of a line from its standings."""
    within, breaches = line.within or 0, line.certain_breaches or 0
    n = within + breaches + (line.undecided or 0)
    line.n = n
    line.lower = within / n if n else None
    line.upper = (n - breaches) / n if n else None
    return line


COUNTS = (
    "within",
    "certain_breaches",
    "undecided",
    "breaches_day",
    "due_soon",
    "online",
    "without_notice",
)
GROUPS = ("left", "notices", "looks")


def join(lines: Sequence[ProviderLine]) -> ProviderLine:
    """Add lines up to one, which is called `all`."""
    total = ProviderLine(provider="all")
    for what in COUNTS:
        setattr(total, what, sum(getattr(line, what) or 0 for line in lines))
    for group in GROUPS:
        names = {name: 0 for line in lines for name in getattr(line, group)}
        summed = {
            name: sum(getattr(line, group).get(name) or 0 for line in lines) for name in names
        }
        setattr(total, group, summed)
    total.left = total.left or dict.fromkeys(LEFT, 0)
    total.notices = total.notices or dict.fromkeys(NOTICE_STATES, 0)
    total.exposure_lower_hours = sum(line.exposure_lower_hours for line in lines)
    total.exposure_upper_hours = sum(line.exposure_upper_hours for line in lines)
    return with_shares(total)


def monitor_of(reading: LedgerReading, total: ProviderLine, now: datetime) -> Monitor:
    """Say whether the figures can be trusted at an instant."""
    events = {row["topic"]: row["event_time"] for row in reading.progress if row["event_time"]}
    commits = [row["committed_at"] for row in reading.progress]
    last_look = events.get(OBSERVATIONS.name)
    doubts = tuple(_doubts(reading, total, last_look, now))
    return Monitor(
        trusted=not doubts,
        doubts=doubts,
        read_at=reading.at,
        last_look_at=last_look,
        last_event_at=max(events.values(), default=None),
        last_commit_at=max(commits, default=None),
    )


def _doubts(
    reading: LedgerReading, total: ProviderLine, last_look: datetime | None, now: datetime
) -> Iterable[str]:
    if now - reading.at > _OLD:
        yield f"these figures are {_minutes(now - reading.at)} old: the ledger was not read since"
    running = sum(count or 0 for count in total.left.values())
    if running and last_look is None:
        yield "clocks run and nobody has looked yet"
    elif running and last_look is not None and now - last_look > _SILENT:
        yield f"nobody has looked for {_minutes(now - last_look)}, while clocks run"
    looks = {name: count or 0 for name, count in total.looks.items()}
    looked = looks.get("decided", 0) + looks.get("undetermined", 0)
    if looked >= _LEAST_LOOKS and looks["undetermined"] / looked > _MOST_BLIND:
        yield f"{looks['undetermined'] / looked:.2%} of all looks could not tell"


def _minutes(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
