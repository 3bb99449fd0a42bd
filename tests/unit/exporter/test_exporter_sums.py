"""What the exporter keeps between readings: sums by bucket, which of them to read again, and the bytes of a scrape."""

import gzip
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from services.exporter.buckets_of_cases import COUNT, FIRST_IDS, Freshness, bucket_of, ranges_of
from services.exporter.collector import Snapshot
from services.exporter.exposition import exposition_of
from services.exporter.sums import Sums

AT = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
IDENTITY = {"started": "today", "spells": 1, "size": 0, "now": AT}

parts = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=4),
    ),
    max_size=12,
)


@given(parts)
def test_sums_are_those_of_the_last_parts(told: list[tuple[int, list[tuple[str, int]]]]) -> None:
    """However often parts are replaced, the totals are those of a count of what stands last."""
    sums = Sums(("name",), ("count", "more"))
    for bucket, rows in told:
        sums.replace([bucket], [_row(bucket, name, n) for name, n in rows])
    expected: dict[str, int] = {}
    for rows in dict(told).values():
        for name, n in rows:
            expected[name] = expected.get(name, 0) + n
    found = {row["name"]: (row["count"], row["more"]) for row in sums.rows()}
    assert found == {name: (n, 2 * n) for name, n in expected.items() if n}


def _row(bucket: int, name: str, n: int) -> dict[str, Any]:
    return {"bucket": bucket, "name": name, "count": n, "more": 2 * n}


def test_buckets_hold_every_case_id() -> None:
    """Each bucket ends where the next begins, from the empty text to the end of all texts."""
    numbers, first, beyond = ranges_of(range(1, COUNT + 1))
    assert (numbers[0], first[0], len(first)) == (1, "", 4096)
    assert first[1:] == beyond[:-1] == sorted(FIRST_IDS[1:])
    assert first[-1] < "f" * 32 < beyond[-1]
    assert [bucket_of(one) for one in ("", "000", "001", "fff", "zzz")] == [1, 1, 2, 4096, 4096]


def test_only_what_changed_is_read_again() -> None:
    """A bucket is stale after an arrival, once its own time has come, an hour later, and for an earlier cut-off."""
    fresh = Freshness()
    assert fresh.begin(IDENTITY)
    assert len(fresh.stale([], AT)) == COUNT
    fresh.note(range(1, COUNT + 1), [{"bucket": 5, "next_change": AT + 2 * MINUTE}], AT)
    assert not fresh.begin(IDENTITY | {"now": AT + MINUTE, "size": 9})
    arrived = [{"beginning": "006", "minute": AT, "events": 1}]
    assert fresh.stale(arrived, AT + MINUTE) == [7]
    assert fresh.stale(arrived, AT + MINUTE) == []
    assert fresh.stale([{**arrived[0], "events": 2}], AT + 2 * MINUTE) == [5, 7]
    assert len(fresh.stale(arrived, AT - MINUTE)) == COUNT
    assert 1 in fresh.stale(arrived, AT + timedelta(hours=2))


def test_another_server_begins_anew() -> None:
    """After a restart, a promotion or a reading that failed nothing that is kept counts."""
    fresh = Freshness()
    fresh.begin(IDENTITY)
    assert fresh.begin(IDENTITY | {"started": "later"})
    fresh.forget()
    assert fresh.begin(IDENTITY | {"started": "later"})


def _family(name: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, "Words.")
    family.add_metric((), value)
    return family


def test_what_is_prepared_is_what_an_encoder_writes() -> None:
    """In both formats, packed or not, a scrape has every family once, and the next reading replaces the last."""
    registry = CollectorRegistry()
    live = Counter("own", "Own.", registry=registry)
    exposition = exposition_of(registry)
    snapshot = Snapshot(exposition)
    registry.register(snapshot)
    for value in (1.0, 2.0, 3.0):
        snapshot.publish("figures", [_family("one", value), _family("two", 2 * value)])
        live.inc()
        for encoder in (generate_latest, openmetrics):
            plain = exposition.write(registry, encoder, encoder.__module__, packed=False)
            packed = exposition.write(registry, encoder, encoder.__module__, packed=True)
            assert gzip.decompress(packed) == plain
            assert sorted(plain.splitlines()) == sorted(encoder(registry).splitlines())
    assert plain.endswith(b"# EOF\n")
