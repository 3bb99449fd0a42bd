"""From rows to families, without a database."""

from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from schemas.methodology import shipped
from services.exporter.collector import Snapshot
from services.exporter.ledger_reading import (
    CATEGORY_WORDS,
    PROVIDER_WORDS,
    Labels,
    LedgerReading,
    NoticeReading,
    buckets,
)
from services.exporter.metric_families import LEFT, families, notice_families

NL = shipped()["nl-24h"]
AT = datetime(2026, 1, 1, tzinfo=UTC)


def spells(standing: str, n: int, **extra: Any) -> dict[str, Any]:
    names = (
        "online",
        "due_soon",
        "without_notice",
        "breaches_day",
        "looks",
        "undetermined",
        "missed",
    )
    names = (*names, *LEFT.values())
    zeros = dict.fromkeys((*names, "exposure_lower_seconds", "exposure_upper_seconds"), 0)
    row = {"provider": "giant", "category": "csam", "clock": "WITHIN", "standing": standing}
    return row | zeros | {"spells": n} | extra


def reading(**parts: Any) -> LedgerReading:
    empty: dict[str, Any] = dict.fromkeys(("spells", "removals", "outcomes", "progress"), ())
    return LedgerReading(
        **{"at": AT, "providers": ["giant", "watched"], "categories": ["csam"], **empty, **parts}
    )


def values(found: list[Metric], name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in found
        for sample in family.samples
        if sample.name == name
    }


def test_shares_are_an_interval_of_the_judged() -> None:
    """Lower is within / n, upper is not certainly outside / n; what is not judged is outside n."""
    rows = [
        spells("within", 6),
        spells("certain_breaches", 1),
        spells("undecided", 3),
        spells("excluded", 50),
        spells("younger_than_norm", 50),
        spells("within", 10, provider="other"),
    ]
    found = families(reading(spells=rows), NL)
    assert values(found, "takedown_norm_share_lower") == {
        ("giant",): 0.6,
        ("other",): 1.0,
        ("all",): 0.8,
    }
    assert values(found, "takedown_norm_share_upper")[("giant",)] == 0.9
    assert values(found, "takedown_norm_share_upper")[("all",)] == 0.95
    assert values(found, "takedown_norm_judged") == {("giant",): 10.0, ("other",): 10.0}


def test_nothing_judged_gives_no_share() -> None:
    """0 of 0 is no share: neither 0 % nor 100 %."""
    found = families(reading(spells=[spells("not_started", 4)]), NL)
    assert values(found, "takedown_norm_share_lower") == {}
    assert values(found, "takedown_norm_judged") == {("giant",): 0.0}


def test_partitions_sum_to_all_spells() -> None:
    """Clock states and standings each count every spell once, zeros included."""
    rows = [spells("within", 6), spells("undecided", 3, clock="RUNNING")]
    found = families(reading(spells=rows), NL)
    for name in ("takedown_spells", "takedown_standing"):
        series = values(found, name)
        assert sum(series.values()) == 9
        assert len(series) == 2 * 6
    assert values(found, "takedown_spells")["giant", "csam", "RUNNING"] == 3


def test_counters_start_at_zero_for_what_has_spells() -> None:
    """A provider under watch has its zeros before its first breach."""
    found = families(reading(spells=[spells("within", 1)]), NL)
    assert values(found, "takedown_breaches_total") == {
        ("giant", "csam"): 0.0,
        ("watched", "csam"): 0.0,
    }


def test_histograms_are_cumulative_with_a_bucket_at_the_norm() -> None:
    """What lies in bucket i counts in all later ones; sum and count are those of the rows."""
    at_norm = buckets(NL).index(86400.0)
    removals = [
        {"provider": "giant", "category": "csam", "side": side, "bucket": at_norm + shift}
        | {"removals": 2, "seconds": 1000.0}
        for side, shift in (("lower", 0), ("upper", 1))
    ]
    found = families(reading(spells=[spells("within", 4)], removals=removals), NL)
    lower = values(found, "takedown_removal_seconds_lower_bucket")
    upper = values(found, "takedown_removal_seconds_upper_bucket")
    assert (lower["giant", "csam", "64800.0"], lower["giant", "csam", "86400.0"]) == (0, 2)
    assert (upper["giant", "csam", "86400.0"], upper["giant", "csam", "+Inf"]) == (0, 2)
    assert values(found, "takedown_removal_seconds_upper_sum")["giant", "csam"] == 1000.0
    assert values(found, "takedown_removal_seconds_upper_count")["watched", "csam"] == 0


def test_compressed_norms_have_buckets_at_the_norm() -> None:
    """The demo's 48 s norm gives buckets from 2 s to 24 min."""
    ends = buckets(shipped()["demo"])
    assert 48.0 in ends
    assert (ends[0], ends[-1]) == (2.0, 1440.0)


def test_norms_are_per_category() -> None:
    """Every named category shows its norm, `other` the default one."""
    found = families(reading(categories=["terrorist", "csam"]), NL)
    assert values(found, "takedown_norm_seconds") == {
        ("terrorist",): 3600.0,
        ("csam",): 86400.0,
        ("other",): 86400.0,
    }


def test_the_newest_case_stands_beside_its_count() -> None:
    """A count has its newest case as an exemplar; voided ones and other counts have none."""
    breach, case = "takedown.spell.breached.v1", "ab" * 16
    counted = {"provider": "giant", "category": "csam", "type": breach}
    newest = counted | {"case_id": case, "at": AT}
    found = families(
        reading(outcomes=[counted | {"recorded": 2, "voided": 1}], newest=[newest]), NL
    )
    told = {
        (sample.name, sample.labels["provider"]): (
            sample.exemplar.labels,
            sample.exemplar.timestamp,
        )
        for family in found
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert told == {("takedown_breaches_total", "giant"): ({"case_id": case}, AT.timestamp())}


def test_notices_have_all_states() -> None:
    """States that no notice is in are 0, not absent."""
    rows = [{"provider": "giant", "state": "failed", "notices": 3}]
    found = notice_families(NoticeReading(at=AT, providers=["giant"], notices=rows))
    assert values(found, "takedown_notices") == {
        ("giant", "sent"): 0,
        ("giant", "delivered"): 0,
        ("giant", "failed"): 3,
        ("giant", "acknowledged"): 0,
    }


def test_parts_are_exposed_as_one() -> None:
    """A family that both parts hold is rendered once."""
    snapshot, registry = Snapshot(), CollectorRegistry()
    registry.register(snapshot)
    snapshot.publish("figures", families(reading(), NL))
    snapshot.publish("notices", notice_families(NoticeReading(at=AT, providers=[], notices=())))
    text = generate_latest(registry).decode()
    assert text.count("# TYPE takedown_snapshot_timestamp_seconds gauge") == 1
    assert text.count("takedown_snapshot_timestamp_seconds{part=") == 2


def test_labels_have_bounded_places() -> None:
    """First come, first kept; reserved words never get a place."""
    labels = Labels(["watched", "all"], 2, PROVIDER_WORDS)
    labels.admit(["unknown", "giant", "small", "tiny"])
    assert labels.named == ["watched", "giant", "small"]
    assert labels.free == 0
    categories = Labels([], 1, CATEGORY_WORDS)
    categories.admit(["other", "unknown", "csam"])
    assert categories.named == ["csam"]
