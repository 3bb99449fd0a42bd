"""The contracts: generated files are current, v1 stays readable, and nothing but the codec's own error comes out."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.record.admission import Admission
from schemas import codec, events, topics
from schemas.codec import decode, decode_structured, encode, encode_data, payload
from schemas.errors import UnusableEvent
from schemas.events import TYPES, Event, Served
from schemas.sealing import Keyring
from scripts import write_artefacts

ADMISSION = Admission(Keyring(naming=b"n" * 32, sealing={"k": b"1" * 32}, active="k"))
GOLDEN = sorted((Path(write_artefacts.HERE) / "golden" / "v1").glob("*.json"))


def records(path: Path) -> tuple[bytes, list[tuple[str, bytes]], dict[str, object]]:
    golden = json.loads(path.read_text())
    headers = [(name, text.encode()) for name, text in golden["headers"]]
    return json.dumps(golden["value"]).encode(), headers, golden


def test_generated_files_are_current() -> None:
    """JSON Schemas and asyncapi.yaml equal what the structs say; `make artefacts` writes them."""
    stale = [p.name for p, text in write_artefacts.files().items() if p.read_text() != text]
    assert stale == []


def test_every_type_has_a_golden_message() -> None:
    """Each event type of v1 has a committed message, so that none escapes the next test."""
    assert {path.stem for path in GOLDEN} == set(TYPES)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_golden_messages_stay_readable(path: Path) -> None:
    """Every reader reads every committed v1 message, and writes back what it read."""
    value, headers, golden = records(path)
    incoming = decode(value, headers)
    event = Event(
        id=incoming.id,
        time=incoming.time,
        source=incoming.source,
        case_id=str(incoming.subject),
        data=incoming.data,
    )
    key, again, _ = encode(event)
    assert json.loads(again) == golden["value"]
    assert key.decode() == golden["key"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_golden_messages_fit_their_json_schema(path: Path) -> None:
    """What is written fits the published JSON Schema."""
    schema = json.loads((write_artefacts.HERE / "jsonschema" / path.name).read_text())
    jsonschema.Draft202012Validator(schema).validate(records(path)[2]["value"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_both_modes_say_the_same(path: Path) -> None:
    """Binary and structured mode of one event decode to the same."""
    value, headers, _ = records(path)
    assert decode(*structured(value, headers)) == decode(value, headers)


def structured(
    value: bytes, headers: list[tuple[str, bytes]]
) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Write a record in binary mode anew, in structured mode."""
    found = {name: text.decode() for name, text in headers}
    outer = {name[3:]: text for name, text in found.items() if name.startswith("ce_")}
    line = json.dumps({**outer, "data": json.loads(value)}).encode()
    return line, [("content-type", codec.STRUCTURED)]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_a_topic_takes_only_its_own(path: Path) -> None:
    """An event on a topic that doesn't carry it is refused as `wrong_topic`."""
    value, headers, _ = records(path)
    for topic in topics.TOPICS:
        if TYPES[path.stem] in topic.carries:
            assert decode(value, headers, topic)
        else:
            with pytest.raises(UnusableEvent) as caught:
                decode(value, headers, topic)
            assert caught.value.reason == "wrong_topic"


HEADERS = dict(records(GOLDEN[0])[1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ce_type": b"takedown.unknown.v1"}, "unknown_type"),
        ({"ce_time": b"yesterday"}, "bad_time"),
        ({"ce_time": b"2026-03-09T09:28:18"}, "bad_time"),
        ({"ce_time": b"\xff"}, "not_cloudevent"),
        ({"content-type": b"application/cloudevents+json"}, "not_cloudevent"),
    ],
)
def test_unusable_headers_have_a_reason(change: dict[str, bytes], reason: str) -> None:
    """Each way in which headers can be wrong has its own reason code."""
    value, _, _ = records(GOLDEN[0])
    with pytest.raises(UnusableEvent) as caught:
        decode(value, list((HEADERS | change).items()))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-09t09:28:18z", "2026-03-09T09:28:18z", "2026-03-09 09:28:18Z"),
        *("2026-03-09t10:28:18+01:00", "2026-03-09T09:28:18.000Z", "2026-03-09T09:28:18-00:00"),
    ],
)
def test_an_instant_may_be_written_in_small_letters(text: str) -> None:
    """RFC 3339 leaves the case of `T` and `Z` to the writer; the instant, and an id made of it, is the same."""
    value, _, _ = records(GOLDEN[0])
    incoming = decode(value, list((HEADERS | {"ce_time": text.encode()}).items()))
    assert incoming.time == datetime(2026, 3, 9, 9, 28, 18, tzinfo=UTC)


@pytest.mark.parametrize("missing", ["ce_type", "ce_id", "ce_time", "ce_source"])
def test_a_missing_header_is_named(missing: str) -> None:
    """A record without a CloudEvents attribute says which one."""
    value, headers, _ = records(GOLDEN[0])
    with pytest.raises(UnusableEvent, match=missing):
        decode(value, [pair for pair in headers if pair[0] != missing])


@given(
    st.binary(max_size=200), st.dictionaries(st.sampled_from(list(HEADERS)), st.binary(max_size=40))
)
def test_any_bytes_end_in_a_reason(value: bytes, change: dict[str, bytes]) -> None:
    """Whatever bytes come, the codec decodes them or raises its own error, and nothing else."""
    with contextlib.suppress(UnusableEvent):
        decode(value, list((HEADERS | change).items()))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_the_short_way_reads_the_same_data(path: Path) -> None:
    """`payload` gives what `decode` gives, in both modes, and refuses what stands on the wrong topic."""
    value, headers, _ = records(path)
    for topic in topics.TOPICS:
        for body, head in ((value, headers), structured(value, headers)):
            if TYPES[path.stem] in topic.carries:
                assert decode(body, head, topic).data == payload(body, head, topic)
            else:
                with pytest.raises(UnusableEvent, match="another topic"):
                    payload(body, head, topic)


@given(
    st.binary(max_size=200) | st.just(records(GOLDEN[0])[0]),
    st.dictionaries(st.sampled_from(list(HEADERS)), st.none() | st.binary(max_size=40)),
)
def test_the_short_way_ends_in_a_reason_too(value: bytes, change: dict[str, bytes | None]) -> None:
    """Whatever bytes come, `payload` raises `UnusableEvent` or gives data of the topic, and nothing else."""
    with contextlib.suppress(UnusableEvent):
        found = payload(value, list((HEADERS | change).items()), topics.REPORTS)  # type: ignore[arg-type]
        assert type(found) in topics.REPORTS.carries


def test_a_tombstone_is_no_event() -> None:
    """A record without a value is refused where it means nothing."""
    with pytest.raises(UnusableEvent):
        decode(None, list(HEADERS.items()))


def test_equal_lines_without_id_are_one_event() -> None:
    """A sender without ids gets the same id for the same content, so a repeated file is a no-op."""
    line = (
        b'{"type":"takedown.hold.lifted.v1","time":"2026-01-01T00:00:00Z",'
        b'"subject":"0123456789abcdef0123456789abcdef","data":{"actor":"a"}}'
    )
    first, again, other = (
        ADMISSION.name(decode_structured(text)).id
        for text in (line, line, line.replace(b'"a"', b'"b"'))
    )
    assert first == again
    assert first != other


def test_an_id_that_we_make_tells_nothing_of_a_url() -> None:
    """The id of a report without one is made of its sealed form: another key, another id."""
    line = (
        b'{"type":"takedown.report.filed.v1","time":"2026-01-01T00:00:00Z",'
        b'"data":{"reporter":"r","url":"http://pics.example/1"}}'
    )
    other = Admission(Keyring(naming=b"o" * 32, sealing={"k": b"1" * 32}, active="k"))
    assert ADMISSION.name(decode_structured(line)).id != other.name(decode_structured(line)).id


def test_dead_letters_keep_the_record() -> None:
    """Dead-letter headers come after the record's own, which stay as they are."""
    own = [("x", b"\xff\x00")]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    made = codec.dead_letter_headers(
        own, reason="bad_json", message="m", topic="t", partition=3, offset=9, at=at
    )
    assert made[0] == own[0]
    assert dict(made)["dlq_offset"] == b"9"
    assert dict(made)["dlq_reason"] == b"bad_json"


def test_evidence_is_kept_whatever_its_time() -> None:
    """No evidence topic nor its dead letters lose a record to retention."""
    settings = topics.all_names()
    for topic in topics.EVIDENCE:
        for name in (topic.name, topic.dlq):
            assert settings[name]["retention.ms"] == "-1"
            assert settings[name]["cleanup.policy"] == "delete"


def test_only_the_inbound_topic_may_hold_a_plain_url() -> None:
    """No struct outside the inbound topic has a field for an unsealed URL."""
    for topic in topics.TOPICS:
        fields = {name for struct in topic.carries for name in struct.__struct_fields__}
        assert ("url" in fields) == (not topic.sealed)


def test_encoding_leaves_defaults_out() -> None:
    """Data is compact: an absent field is its default, so adding one changes no old message."""
    lifted = TYPES["takedown.hold.lifted.v1"](actor="a")  # type: ignore[call-arg]
    assert encode_data(lifted) == b'{"actor":"a"}'


def _texts(schema: object, trail: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Name every place of a golden message that holds a text."""
    if isinstance(schema, str):
        yield trail
    elif isinstance(schema, dict | list):
        pairs = schema.items() if isinstance(schema, dict) else enumerate(schema)
        for key, inner in pairs:
            yield from _texts(inner, (*trail, key))


def _with(value: object, trail: tuple[str | int, ...], text: str) -> object:
    if not trail:
        return text
    copy = dict(value) if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
    copy[trail[0]] = _with(copy[trail[0]], trail[1:], text)
    return copy


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
@pytest.mark.parametrize(
    "text", ["V 1", "v1\n", "", "a" * 121, "über", "http://a.example/ - at `$.x`"]
)
def test_structs_and_json_schemas_refuse_the_same_names(path: Path, text: str) -> None:
    """Where a JSON Schema refuses a text for its form, the struct does too, by whatever means, and quotes nothing."""
    _, headers, golden = records(path)
    schema = json.loads(
        (Path(write_artefacts.HERE) / "jsonschema" / f"{path.stem}.json").read_text()
    )
    for trail in _texts(golden["value"]):
        changed = _with(golden["value"], trail, text)
        faults = list(jsonschema.Draft202012Validator(schema).iter_errors(changed))
        if any("pattern" in str(fault.schema_path) or fault.context for fault in faults):
            with pytest.raises(UnusableEvent) as caught:
                decode(json.dumps(changed).encode(), headers)
            assert not text or text not in str(caught.value)


def test_few_names_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that a stream invents fill no memory, and a name past the limit is held all the same."""
    held: set[str] = set()
    monkeypatch.setattr(events, "_slugs", held)
    monkeypatch.setattr(events, "_MANY", 3)
    for number in range(9):
        Served(address="192.0.2.1", method=f"m{number}")
    assert len(held) == 3
    with pytest.raises(ValueError, match="Expected a name"):
        Served(address="192.0.2.1", method="M 1")


def test_lists_within_lists_are_no_json() -> None:
    """What is nested deeper than any reader follows is refused like other broken data, and ends nobody."""
    deep = b"[" * 5000 + b"]" * 5000
    value, headers, _ = records(GOLDEN[0])
    for body in (value[:-1] + b',"zz":' + deep + b"}", deep):
        with pytest.raises(UnusableEvent):
            decode(body, headers)
        with pytest.raises(UnusableEvent):
            decode_structured(body)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "data is missing"),
        (
            ', "data": {"reporter": "h", "category": "CSAM", "url": "https://a.example/"}',
            "small letters, digits and",
        ),
    ],
)
def test_what_is_wrong_with_data_is_said_in_words(data: str, says: str) -> None:
    """Data that are not there are called so, and a name with capitals is answered without a pattern."""
    line = f'{{"type": "takedown.report.filed.v1", "time": "2026-11-28T21:00:00Z"{data}}}'
    with pytest.raises(UnusableEvent, match=says) as error:
        decode_structured(line.encode())
    assert "regex" not in str(error.value)
