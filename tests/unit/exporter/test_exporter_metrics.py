"""The catalogue: names, labels and zeros."""

import re
from typing import get_args

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from schemas.errors import DEAD_LETTER_REASONS
from schemas.topics import EVIDENCE
from services.attribution.dns_sources import AbusixSource, CymruSource
from services.attribution.lookup import Failure
from services.attribution.rdap_source import RdapSource
from services.core.reasons import REASONS
from services.exporter import metrics
from services.exporter.attribution_metrics import ANSWERS, OUTSIDE
from services.exporter.collector import Snapshot
from services.exporter.metric_families import empty_families
from services.intake.door.problems import KINDS

LABELS = {"left", "result",
    "provider", "category", "clock", "standing", "state", "verdict", "reason", "vantage", "phase",
    "topic", "consumer", "part", "version", "methodology", "digest", "level", "event",
    "source", "answer",
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
    for judgement in REASONS.values():
        told = {"vantage": "test-zeros", "verdict": judgement.verdict, "reason": judgement.reason}
        assert metrics.REGISTRY.get_sample_value("takedown_looks_total", told) == 0.0
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


def test_what_can_come_of_a_request_starts_at_zero() -> None:
    """Every end of a request to the intake, and every answer of a source, is a series before it happens."""
    assert set(metrics.REQUEST_ENDS) == {"accepted", *KINDS}
    assert {"answer", "nothing", *get_args(Failure)} == set(ANSWERS)
    for end in metrics.REQUEST_ENDS:
        value = metrics.REGISTRY.get_sample_value("takedown_intake_requests_total", {"reason": end})
        assert value is not None
    assert set(OUTSIDE) == {source.name for source in (CymruSource, RdapSource, AbusixSource)}


def test_exemplars_stand_in_openmetrics_alone() -> None:
    """A case id is no label: the plain form does not have it, and Prometheus' own form has it beside the figure."""
    registry, case = CollectorRegistry(), "0123456789abcdef" * 2
    made = Histogram("takedown_made_up_seconds", "Made up.", registry=registry)
    made.observe(1.0, {"case_id": case})
    assert case not in generate_latest(registry).decode()
    assert f'# {{case_id="{case}"}}' in openmetrics(registry).decode()
