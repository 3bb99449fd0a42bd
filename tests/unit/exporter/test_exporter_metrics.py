"""The catalogue: names, labels and zeros."""

import re

from prometheus_client import CollectorRegistry

from schemas.errors import DEAD_LETTER_REASONS
from schemas.topics import EVIDENCE
from services.exporter import metrics
from services.exporter.collector import Snapshot
from services.exporter.metric_families import empty_families

LABELS = {"left", "result",
    "provider", "category", "clock", "standing", "state", "verdict", "reason", "vantage", "phase",
    "topic", "consumer", "part", "version", "methodology", "digest", "level", "event",
    "source",
}  # fmt: skip


def test_names_follow_the_conventions() -> None:
    """Prefix, `_total` on counters alone, base units, timestamps in seconds."""
    for info in metrics.catalogue():
        assert re.fullmatch("takedown_[a-z_]+[a-z]", info.name), info.name
        assert (info.kind == "counter") == info.name.endswith("_total"), info.name
        assert not re.search("hours|minutes|_ms|millis", info.name), info.name
        assert ("timestamp" in info.name) == info.name.endswith("_timestamp_seconds"), info.name


def test_labels_are_of_a_closed_list() -> None:
    """No label can hold a URL, a host, an address or a case."""
    used = {label for info in metrics.catalogue() for label in info.labels}
    assert used == LABELS


def test_help_is_a_sentence() -> None:
    """Every metric says what it means."""
    for info in metrics.catalogue():
        assert info.help.endswith((".", ")")), info.name
        assert len(info.help) > 15, info.name


def test_registry_and_catalogue_agree() -> None:
    """What this process registers and what the exporter exposes is the catalogue, of the same kind and labels."""
    own = [m for m in metrics.REGISTRY.collect() if m.name.startswith("takedown_")]
    found = {m.name + ("_total" if m.type == "counter" else ""): m.type for m in own}
    exporter = {
        m.name + ("_total" if m.type == "counter" else ""): m.type for m in empty_families()
    }
    assert not set(found) & set(exporter)
    assert found | exporter == {info.name: info.kind for info in metrics.catalogue()}


def test_known_combinations_start_at_zero() -> None:
    """A first dead letter is a step from 0, not a new series."""
    for topic in EVIDENCE:
        for reason in DEAD_LETTER_REASONS:
            labels = {"topic": topic.name, "reason": reason}
            value = metrics.REGISTRY.get_sample_value("takedown_dead_letters_total", labels)
            assert value is not None
    metrics.prepare_vantage("test-zeros")
    labels = {"vantage": "test-zeros", "reason": "overload"}
    assert metrics.REGISTRY.get_sample_value("takedown_looks_missed_total", labels) == 0.0


def test_no_created_series() -> None:
    """`_created` would double the number of series."""
    names = {sample.name for m in metrics.REGISTRY.collect() for sample in m.samples}
    assert not [name for name in names if name.endswith("_created")]


def test_snapshot_can_be_registered_beside_the_rest() -> None:
    """The registry refuses a name twice; the snapshot describes itself before its first reading."""
    registry = CollectorRegistry()
    registry.register(Snapshot())
    assert list(registry.collect()) == []
