"""What retention says is a function of the evidence; what it cuts out leaves the event that it was."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.record.admission import Admission
from consumers.record.archive_reader import Manifest
from consumers.record.source import RawRecord
from consumers.retention.redactor import Redactor
from schemas import codec, topics
from schemas.events import Event, ReportFiled
from schemas.topics import topic_of
from tests.integration.ledger_kit import KEYRING, story, url_of

HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_source", b"test"),
    ("ce_type", b"takedown.report.filed.v1"),
    ("ce_time", b"2026-01-01T00:00:00Z"),
]


def raw(key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> RawRecord:
    return RawRecord(topics.REPORTS.name, 3, 17, 1_700_000_000_000, 0, key, value, headers)


@given(st.sampled_from(story(6) + story(11)))
def test_a_cut_record_is_the_same_event(event: Event) -> None:
    """Case, id, time, source and words stay; of a report the URL alone is gone."""
    told = raw(*codec.encode(event))._replace(topic=topic_of(event.data).name)
    cut = Redactor(KEYRING)(told)
    assert cut[:5] == told[:5]
    kept = Admission(KEYRING, erased=True).admit(cut)  # type: ignore[arg-type]
    data = event.data
    if isinstance(data, ReportFiled):
        data = msgspec.structs.replace(data, sealed_url=None)
    assert kept == msgspec.structs.replace(event, data=data)


@pytest.mark.parametrize("name", [url_of(7).encode(), b"00000000-0000-4000-8000-000000000007"])
def test_a_plain_url_goes_with_all_that_stood_beside_it(name: bytes) -> None:
    """Key, unknown fields and foreign headers may hold a URL too: nothing of them is kept."""
    url = url_of(7)
    value = msgspec.json.encode({"reporter": "hotline", "url": url, "note": f"see {url}"})
    headers = [*HEADERS, ("ce_id", name), ("x-origin", url.encode())]
    before = Admission(KEYRING).admit(raw(url.encode(), value, headers))  # type: ignore[arg-type]
    cut = Redactor(KEYRING)(raw(url.encode(), value, headers))
    assert url not in str(cut)
    assert "sealed" not in str(cut)
    after = Admission(KEYRING, erased=True).admit(cut)  # type: ignore[arg-type]
    assert (after.id, after.time, after.case_id) == (before.id, before.time, before.case_id)


def test_what_is_no_event_leaves_its_place_alone() -> None:
    """A record that the ledger refused may hold anything: only topic, partition, offset and time stay."""
    cut = Redactor(KEYRING)(raw(b"key", url_of(1).encode(), [("x", url_of(2).encode())]))
    assert (cut.offset, cut.timestamp, cut.key, cut.value, cut.headers) == (
        (17, 1_700_000_000_000, None, b"", [])
    )


def test_archives_of_before_keep_their_digest() -> None:
    """A manifest that knows nothing of URLs has the digest that it was written with."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    manifest = Manifest(created_at=at, records=0, spans=[], files=[])
    assert manifest.computed() == (
        "9dd192c02949cb884dd177af18343ba832c15c779907c7fdfaacc90ec34d5460"
    )
    cut = msgspec.structs.replace(manifest, without_urls=True)
    assert cut.computed() != manifest.computed()
