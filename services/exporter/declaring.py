"""How a metric is declared: made once, and entered into the catalogue that docs and dashboards are checked against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

Kind = Literal["counter", "gauge", "histogram"]
Source = Literal[
    "every process",
    "ledger consumer",
    "outbox relay",
    "intake",
    "retention",
    "prober",
    "attribution",
    "exporter",
]

# `_created` series double the cardinality and say nothing that a scrape does not.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """One metric as exposed: a counter's name ends in `_total`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    source: Source

    @property
    def series(self) -> tuple[str, ...]:
        """The names of the series that it exposes."""
        if self.kind == "histogram":
            return tuple(self.name + suffix for suffix in ("_bucket", "_count", "_sum"))
        return (self.name,)


_CATALOGUE: dict[str, MetricInfo] = {}


def declare(kind: Kind, source: Source, name: str, labels: str, about: str) -> MetricInfo:
    """Put a metric into the catalogue; `labels` are names between blanks."""
    assert name not in _CATALOGUE, name
    info = MetricInfo(name, kind, tuple(labels.split()), about, source)
    _CATALOGUE[name] = info
    return info


def counter(source: Source, name: str, labels: str, about: str) -> Counter:
    """Declare and make a counter."""
    info = declare("counter", source, name, labels, about)
    return Counter(name, about, info.labels, registry=REGISTRY)


def gauge(source: Source, name: str, labels: str, about: str) -> Gauge:
    """Declare and make a gauge."""
    info = declare("gauge", source, name, labels, about)
    return Gauge(name, about, info.labels, registry=REGISTRY)


def histogram(
    source: Source, name: str, labels: str, about: str, buckets: Sequence[float]
) -> Histogram:
    """Declare and make a histogram."""
    info = declare("histogram", source, name, labels, about)
    return Histogram(name, about, info.labels, registry=REGISTRY, buckets=buckets)


def catalogue() -> list[MetricInfo]:
    """Every metric that the program exposes, beside the client library's own."""
    return list(_CATALOGUE.values())


def info_of(name: str) -> MetricInfo:
    """Give one metric by its exposed name."""
    return _CATALOGUE[name]
