"""XARF: every sample of every version, what makes a report, and what is never taken from it."""

import json
from typing import Any

import pytest

from schemas.codec import encode_data
from schemas.events import ClaimStated, ReportFiled
from services.intake.documents import NoDocuments, documents
from services.intake.named_entries import Naming
from services.intake.xarf import NoReport, NotXarf, read_document, report_of, xarf_entries
from tests.unit.intake.intake_kit import DATA, admit, lines

SAMPLES = DATA / "xarf"
VALIDITY = lines(SAMPLES / "validity.jsonl")
CSAM = json.loads((SAMPLES / "v4.2/content-csam.json").read_text())


def end(raw: bytes) -> str:
    """Say how a document ends: as a report, as none of ours, or refused."""
    try:
        report_of(read_document(raw))
    except NotXarf:
        return "no xarf"
    except NoReport:
        return "no report"
    return "report"


def expected(sample: dict[str, Any]) -> set[str]:
    """What the sample's version, category and validity let it be."""
    folder = sample["file"].partition("/")[0]
    if folder == "invalid":
        return {"no xarf", "no report"}
    content = str(sample["category"]).lower() == "content"
    return {"report"} if content else {"no report"}


@pytest.mark.parametrize("sample", VALIDITY, ids=lambda sample: sample["file"])
def test_every_sample_ends_as_its_version_says(sample: dict[str, Any]) -> None:
    """Valid documents about content are reports, in every version; others are refused; invalid ones make none."""
    assert end((SAMPLES / sample["file"]).read_bytes()) in expected(sample)


def test_validity_agrees_with_the_reference() -> None:
    """What the reference takes under 4.2 is read; of what it refuses only 4.0 and v3 are, which it is not for."""
    for sample in VALIDITY:
        taken = end((SAMPLES / sample["file"]).read_bytes()) == "report"
        if taken and not sample["valid_4_2"]:
            assert sample["file"].startswith("v4.0/")


def without(*names: str, **changes: Any) -> bytes:
    body = {name: value for name, value in CSAM.items() if name not in names}
    return json.dumps(body | changes).encode()


@pytest.mark.parametrize(
    "name",
    ["report_id", "timestamp", "reporter", "sender", "source_identifier", "category", "type", "url",
     "classification", "detection_method", "xarf_version"],
)  # fmt: skip
def test_a_required_field_is_required(name: str) -> None:
    """Without it the document makes no report."""
    assert end(without(name)) != "report"


@pytest.mark.parametrize("name", ["evidence", "tags", "media_type", "hash_values", "domain"])
def test_a_recommended_field_stays_recommended(name: str) -> None:
    """Without it the document is a report all the same."""
    assert end(without(name)) == "report"


@pytest.mark.parametrize("name", ["evidence", "content_removed", "tags", "_internal"])
def test_null_is_nothing(name: str) -> None:
    """Programs write it for a field that is not there."""
    assert end(without(**{name: None})) == "report"


@pytest.mark.parametrize(
    "changes",
    [
        {"report_id": "no-uuid"},
        {"timestamp": "2025-01-20 10:30"},
        {"category": "weather"},
        {"type": "weather"},
        {"xarf_version": "5.0.0"},
        {"url": ""},
        {"sender": {"org": "x", "contact": "no mailbox", "domain": "x.example"}},
    ],
)
def test_a_field_has_its_form(changes: dict[str, Any]) -> None:
    """An id that is no UUID, a time without its offset, a type of no category make no report."""
    assert end(without(**changes)) != "report"


def version_3(kind: str, **report: Any) -> bytes:
    """Write a document of version 3, whose fields stand side by side."""
    fields = {"ReportClass": "Content", "ReportType": kind, "Date": "2026-03-01T10:00:00Z"}
    reporter = {"ReporterOrg": "Hotline", "ReporterOrgDomain": "hotline.example"}
    return json.dumps(
        {"Version": "3", "ReporterInfo": reporter, "Report": fields | report}
    ).encode()


@pytest.mark.parametrize(("kind", "category"), [("ChildAbuse", "csam"), ("Phishing", "phishing")])
def test_a_flat_document_of_version_3_is_a_report(kind: str, category: str) -> None:
    """Its URL is `SourceUrl`, its version one digit, and a type that version 4 calls otherwise has that name."""
    url = "https://host.example/a"
    made = report_of(
        read_document(version_3(kind, SourceUrl=url, SourceIp="192.0.2.5", SourcePort=80))
    )
    data = made.statement.data
    assert isinstance(data, ReportFiled)
    assert (data.url, data.category, data.reporter) == (url, category, "xarf:hotline.example")


def test_rights_are_no_illegal_material_in_version_3_either() -> None:
    """Copyright and trademark stand among its content; a document without a URL says so."""
    for kind in ("Copyright", "Trademark"):
        assert end(version_3(kind, SourceUrl="https://host.example/a")) == "no report"
    with pytest.raises(NoReport, match="no `url`"):
        report_of(read_document(version_3("Malware", SourceIp="192.0.2.5")))


def test_nothing_of_evidence_or_of_internal_fields_is_kept() -> None:
    """Neither stands in any event; how many pieces of content there were is counted."""
    marked = {"ticket": "MARKER-INTERNAL"}
    payload = [{"content_type": "image/png", "payload": "TUFSS0VS", "description": "MARKER"}] * 2
    raw = without(_internal=marked, evidence=payload, screenshot_url="https://x.example/MARKER")
    entries = list(xarf_entries([(1, raw)]))
    assert entries[0].left_out == 3
    events = [e for named in Naming(admit, "test", {}).named(entries) for e in named.events]
    kept = b"".join(encode_data(event.data) for event in events)
    assert b"MARKER" not in kept
    assert b"TUFSS0VS" not in kept


def test_the_type_is_the_category_of_the_report() -> None:
    """So that norms and figures can tell them apart; who reports is the reporter's domain."""
    data = report_of(read_document(without())).statement.data
    assert isinstance(data, ReportFiled)
    assert (data.category, data.reporter, data.reference) == (
        "csam",
        "xarf:d10.example",
        CSAM["report_id"],
    )


def test_that_it_is_removed_is_a_claim() -> None:
    """A reporter who says that it is gone moves nothing."""
    (entry,) = xarf_entries([(1, without())])
    assert isinstance(entry.statements[1].data, ClaimStated)
    (other,) = xarf_entries([(1, without("content_removed"))])
    assert len(other.statements) == 1


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b'{"a": 1}', 1),
        (b'{\n "a": 1\n}', 1),
        (b'[{"a": 1}, {"a": 2}]', 2),
        (b'{"a": 1}\n\n{"a": 2}\n', 2),
        (b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}', 2),
    ],
)
def test_an_input_holds_one_document_or_several(raw: bytes, count: int) -> None:
    """A single one, an array, or one a line."""
    assert len(list(documents(raw))) == count


def test_a_broken_document_is_one_dead_letter() -> None:
    """Those beside it are read, and its message repeats nothing of it."""
    raw = b'{"xarf_version": "MARKER"}\n' + without()
    first, second = xarf_entries(documents(raw))
    assert (first.outcome, second.outcome) == ("dead_letter", "events")
    assert "MARKER" not in str(first.why)
    with pytest.raises(NoDocuments):
        list(documents(b" \n"))


def test_a_report_id_may_hold_no_url() -> None:
    """References are kept unsealed, so that one with a URL in it is refused."""
    raw = without(report_id="https://marker.example/x", xarf_version="4.0.0")
    (named,) = Naming(admit, "test", {}).named(xarf_entries([(1, raw)]))
    assert named.entry.outcome == "dead_letter"
