"""From one reading of the ledger to metric families. Pure: rows in, families out."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.samples import Exemplar

from schemas import events as ev
from schemas.events import TYPE_OF
from schemas.methodology import Methodology
from services.core.machines import Clock
from services.exporter import duty_metrics, figure_metrics, metrics
from services.exporter.declaring import MetricInfo
from services.exporter.figure_metrics import FIGURES, NOTICES_PART
from services.exporter.ledger_reading import LedgerReading, NoticeReading, buckets
from services.exporter.not_by_notice import NotByNotice
from services.exporter.sums import Row
from services.notices.measurability import NOT_MEASURABLE

STANDINGS = (
    "within",
    "certain_breaches",
    "undecided",
    "younger_than_norm",
    "not_started",
    "excluded",
)
JUDGED = STANDINGS[:3]
# The time left of a running clock: the label, and the column of `spells` in `queries.sql`.
LEFT = {
    "overdue": "overdue_unverified",
    "under_2h": "left_under_2h",
    "under_6h": "left_under_6h",
    "under_12h": "left_under_12h",
    "under_24h": "left_under_24h",
    "later": "left_later",
}
LOOK_RESULTS = ("decided", "undetermined", "missed")
NOTICE_STATES = ("sent", "delivered", "failed", "acknowledged")

Key = tuple[str, ...]
Values = Mapping[Key, float]
Pair = tuple[str, str]

_OUTCOME_COUNTERS: tuple[tuple[MetricInfo, type[ev.Payload], str], ...] = (
    (figure_metrics.BREACHES, ev.SpellBreached, "recorded"),
    (figure_metrics.BREACHES_VOIDED, ev.SpellBreached, "voided"),
    (figure_metrics.REMOVALS, ev.SpellRemoved, "recorded"),
    (figure_metrics.RETURNS, ev.SpellReturned, "recorded"),
    (figure_metrics.MOVES, ev.SpellMoved, "recorded"),
)
_STOCKS: tuple[tuple[MetricInfo, str], ...] = (
    (figure_metrics.CASES_ONLINE, "online"),
    (figure_metrics.SPELLS_DUE_SOON, "due_soon"),
    (figure_metrics.SPELLS_OVERDUE_UNVERIFIED, "overdue_unverified"),
)
_PER_PROVIDER: tuple[tuple[MetricInfo, str], ...] = (
    (figure_metrics.NOTICE_BACKLOG, "without_notice"),
    (figure_metrics.EXPOSURE_SECONDS_LOWER, "exposure_lower_seconds"),
    (figure_metrics.EXPOSURE_SECONDS_UPPER, "exposure_upper_seconds"),
)


def families(reading: LedgerReading, methodology: Methodology) -> list[Metric]:
    """Turn a reading into everything that the exporter says about the ledger."""
    pairs = sorted(_pairs(reading))
    return [
        *_partitions(reading, pairs),
        *_stocks(reading, pairs),
        *_duty(reading, pairs),
        *_counters(reading, pairs),
        *_removals(reading, pairs, methodology),
        *_shares(reading),
        *_methodology(reading, methodology),
        *_progress(reading),
        _read_at(FIGURES, reading.at),
    ]


def notice_families(reading: NoticeReading) -> list[Metric]:
    """Turn a reading of the notices into what the exporter says about them."""
    providers = {*reading.providers, *(row["provider"] for row in reading.notices)}
    zeros = ((provider, state) for provider in sorted(providers) for state in NOTICE_STATES)
    rows = _sum(reading.notices, "notices", _by("provider", "state"), zeros)
    return [family(figure_metrics.NOTICES, rows), _read_at(NOTICES_PART, reading.at)]


def refusing_family(refusing: Iterable[NotByNotice], labels: Sequence[str]) -> Metric:
    """Count who can't be measured by notice; a provider that is no label counts as `other`."""
    names = {*labels}
    counts: dict[Key, float] = {
        (label, reason): 0.0 for label in [*labels, "other"] for reason in NOT_MEASURABLE
    }
    for one in refusing:
        counts[one.provider if one.provider in names else "other", one.reason] += 1
    return family(figure_metrics.NOT_BY_NOTICE, counts)


def empty_families() -> Iterator[Metric]:
    """Name every family without a sample: what the registry is told before the first reading."""
    for info in metrics.catalogue():
        if info.source == "exporter" and info not in (_SECONDS, _FAILURES):
            yield family(info, {})


_SECONDS = metrics.info_of("takedown_collector_seconds")
_FAILURES = metrics.info_of("takedown_collector_failures_total")


def family(info: MetricInfo, values: Values) -> Metric:
    """Build a family of a metric; keys are label values in the catalogue's order."""
    if info.kind == "histogram":
        return HistogramMetricFamily(info.name, info.help, labels=info.labels)
    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
    built: Any = kinds[info.kind](info.name, info.help, labels=info.labels)
    for key, value in values.items():
        built.add_metric(key, value)
    return built  # type: ignore[no-any-return]


def _pairs(reading: LedgerReading) -> set[Pair]:
    """Every (provider, category) to expose, so that a first breach is a step from 0 and not a new series."""
    seen = {(row["provider"], row["category"]) for row in (*reading.spells, *reading.outcomes)}
    categories = {category for _, category in seen} | set(reading.categories)
    return seen | {(name, category) for name in reading.providers for category in categories}


def _sum(rows: Iterable[Row], what: str, key: Callable[[Row], Key], zeros: Iterable[Key]) -> Values:
    total: dict[Key, float] = dict.fromkeys(zeros, 0.0)
    for row in rows:
        total[key(row)] = total.get(key(row), 0.0) + float(row[what])
    return total


def _by(*names: str) -> Callable[[Row], Key]:
    return lambda row: tuple(row[name] for name in names)


def _partitions(reading: LedgerReading, pairs: list[Pair]) -> Iterator[Metric]:
    for info, label, states in (
        (figure_metrics.SPELLS, "clock", tuple(Clock)),
        (figure_metrics.STANDING, "standing", STANDINGS),
    ):
        zeros = ((*pair, str(state)) for pair in pairs for state in states)
        key = _by("provider", "category", label)
        yield family(info, _sum(reading.spells, "spells", key, zeros))


def _stocks(reading: LedgerReading, pairs: list[Pair]) -> Iterator[Metric]:
    for info, what in _STOCKS:
        yield family(info, _sum(reading.spells, what, _by("provider", "category"), pairs))
    providers = sorted({(provider,) for provider, _ in pairs})
    for info, what in _PER_PROVIDER:
        yield family(info, _sum(reading.spells, what, _by("provider"), providers))


def _duty(reading: LedgerReading, pairs: list[Pair]) -> Iterator[Metric]:
    """What the status page shows beside the rest: clocks by time left, the breaches of a day, looks by result."""
    providers = sorted({provider for provider, _ in pairs})
    clocks: dict[Key, float] = {(name, left): 0.0 for name in providers for left in LEFT}
    looks: dict[Key, float] = {(name, what): 0.0 for name in providers for what in LOOK_RESULTS}
    for row in reading.spells:
        for left, column in LEFT.items():
            clocks[row["provider"], left] += row[column]
        for result, count in look_results(row).items():
            looks[row["provider"], result] += count
    yield family(duty_metrics.CLOCKS_RUNNING, clocks)
    yield family(duty_metrics.LOOKS_STORED, looks)
    days = _sum(reading.spells, "breaches_day", _by("provider"), ((name,) for name in providers))
    yield family(duty_metrics.BREACHES_DAY, days)
    yield family(duty_metrics.PROVIDER_WATCHED, {(name,): 1.0 for name in reading.watched})


def look_results(row: Row) -> dict[str, int]:
    """Split the looks of a row into those that decided, those that could not tell, and those that were missed."""
    looks, undetermined = int(row["looks"]), int(row["undetermined"])
    return {
        "decided": looks - undetermined,
        "undetermined": undetermined,
        "missed": int(row["missed"]),
    }


def _counters(reading: LedgerReading, pairs: list[Pair]) -> Iterator[Metric]:
    for info, outcome, what in _OUTCOME_COUNTERS:
        rows = [row for row in reading.outcomes if row["type"] == TYPE_OF[outcome]]
        built = family(info, _sum(rows, what, _by("provider", "category"), pairs))
        if what == "recorded":
            _point_out(built, [row for row in reading.newest if row["type"] == TYPE_OF[outcome]])
        yield built


def _point_out(built: Metric, newest: Sequence[Row]) -> None:
    """Put the newest case beside each count of a day's outcomes: an exemplar is no series and no label."""
    cases = {(row["provider"], row["category"]): row for row in newest}
    for place, sample in enumerate(built.samples):
        row = cases.get((sample.labels["provider"], sample.labels["category"]))
        if row is not None:
            built.samples[place] = sample._replace(exemplar=exemplar_of(row["case_id"], row["at"]))


def exemplar_of(case_id: str, at: datetime) -> Exemplar:
    """Name a case beside a count of 1."""
    return Exemplar({"case_id": case_id}, 1.0, at.timestamp())


def _removals(
    reading: LedgerReading, pairs: list[Pair], methodology: Methodology
) -> Iterator[HistogramMetricFamily]:
    ends = buckets(methodology)
    for side, info in (
        ("lower", figure_metrics.REMOVAL_SECONDS_LOWER),
        ("upper", figure_metrics.REMOVAL_SECONDS_UPPER),
    ):
        counts: dict[Pair, list[int]] = {pair: [0] * (len(ends) + 1) for pair in pairs}
        sums: dict[Pair, float] = defaultdict(float)
        for row in reading.removals:
            if row["side"] == side:
                pair = (row["provider"], row["category"])
                counts[pair][row["bucket"]] += row["removals"]
                sums[pair] += row["seconds"]
        built = HistogramMetricFamily(info.name, info.help, labels=info.labels)
        for pair, in_buckets in counts.items():
            built.add_metric(pair, _cumulative(ends, in_buckets), sums[pair])
        yield built


def _cumulative(ends: tuple[float, ...], counts: list[int]) -> list[tuple[str, float]]:
    names = [*map(str, ends), "+Inf"]
    return [(name, float(total)) for name, total in zip(names, accumulate(counts), strict=True)]


def _shares(reading: LedgerReading) -> Iterator[Metric]:
    judged: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(JUDGED, 0))
    for row in reading.spells:
        if row["standing"] in JUDGED:
            for group in (row["provider"], "all"):
                judged[group][row["standing"]] += row["spells"]
    lower: dict[Key, float] = {}
    upper: dict[Key, float] = {}
    total: dict[Key, float] = {}
    for group, count in sorted(judged.items()):
        n = sum(count.values())
        lower[group,] = count["within"] / n
        upper[group,] = (n - count["certain_breaches"]) / n
        total[group,] = float(n)
    providers = {row["provider"] for row in reading.spells} - {"all"}
    yield family(figure_metrics.NORM_SHARE_LOWER, lower)
    yield family(figure_metrics.NORM_SHARE_UPPER, upper)
    # No "all" here: a sum over providers is n, and must stay so.
    yield family(
        figure_metrics.NORM_JUDGED, {(name,): total.get((name,), 0.0) for name in sorted(providers)}
    )


def _methodology(reading: LedgerReading, methodology: Methodology) -> Iterator[Metric]:
    key = (methodology.id, str(methodology.version), methodology.digest)
    yield family(figure_metrics.METHODOLOGY_INFO, {key: 1.0})
    norms: dict[Key, float] = {
        (name,): methodology.norm_for(name).total_seconds() for name in reading.categories
    }
    # No category is called "other", so this is the norm of all that are not named.
    norms[("other",)] = methodology.norm_for("other").total_seconds()
    yield family(figure_metrics.NORM_SECONDS, norms)


def _progress(reading: LedgerReading) -> Iterator[Metric]:
    events: dict[Key, float] = {
        (row["topic"],): row["event_time"].timestamp()
        for row in reading.progress
        if row["event_time"] is not None
    }
    commits = [row["committed_at"].timestamp() for row in reading.progress]
    yield family(figure_metrics.LEDGER_EVENT_TIMESTAMP_SECONDS, events)
    yield family(
        figure_metrics.LEDGER_COMMIT_TIMESTAMP_SECONDS, {(): max(commits)} if commits else {}
    )


def _read_at(part: str, at: datetime) -> Metric:
    return family(figure_metrics.SNAPSHOT_TIMESTAMP_SECONDS, {(part,): at.timestamp()})
