"""Admission: what becomes an event, and what is refused with which reason."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from consumers.record.admission import MAX_VALUE_BYTES, Admission
from consumers.record.calendar_bounds import INSTANTS
from schemas import codec, topics
from schemas import events as ev
from schemas.errors import UnusableEvent
from schemas.sealing import Keyring
from schemas.urls import canonical

KEYRING = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
URL = canonical("http://images.example/a/1?x=1")
CASE = KEYRING.case_id(URL)
SEALED = KEYRING.seal(URL)
OTHER = KEYRING.case_id(canonical("http://images.example/a/2"))
AT = "2026-03-09T10:00:00Z"


HOLD = {"actor": "police", "reason": "order 1"}
GIVEN = {"provider": "giant", "method": "operator", "actor": "operator"}


def record(
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]] = (),
    topic: str = topics.REPORTS.name,
) -> "ConsumerRecord[bytes, bytes]":
    return ConsumerRecord(topic, 3, 7, 0, 0, b"any key", value, None, 3, 10, tuple(headers))


def headers_of(type_: str, **changed: str | None) -> list[tuple[str, bytes]]:
    said: dict[str, str | None] = {
        "ce_type": f"takedown.{type_}.v1",
        "ce_id": "6e0cbbd4-52d8-5d5c-9d1a-1f0d2b7f1c11",
        "ce_source": "test",
        "ce_time": AT,
        "ce_subject": CASE,
    } | changed
    return [(name, text.encode()) for name, text in said.items() if text is not None]


def admit(
    type_: str, data: Any, topic: str = topics.REPORTS.name, **changed: str | None
) -> ev.Event:
    value = data if isinstance(data, bytes) else msgspec.json.encode(data)
    return Admission(KEYRING).admit(record(value, headers_of(type_, **changed), topic))


def refusal(*arguments: Any, **changed: Any) -> str:
    with pytest.raises(UnusableEvent) as caught:
        admit(*arguments, **changed)
    assert "images.example" not in str(caught.value)
    return caught.value.reason


REPORT = {"reporter": "hotline", "url": "hxxp://IMAGES[.]example:80/a/1?x=1#top"}
SEALED_REPORT = {"reporter": "hotline", "sealed_url": SEALED}
LOOK = {
    "vantage": "nl",
    "tick": AT,
    "started_at": AT,
    "finished_at": AT,
    "verdict": "online",
    "reason": "http_200",
}
OBSERVED = topics.OBSERVATIONS.name


def test_a_plain_url_is_named_sealed_and_dropped() -> None:
    """However it was written, the URL names its case, and only its seal stays."""
    event = admit("report.filed", REPORT, ce_subject=None)
    assert event.case_id == CASE
    assert event.data == ev.ReportFiled(reporter="hotline", sealed_url=SEALED)


def test_a_sealed_url_is_opened_and_checked() -> None:
    """A seal of the case that the event names is taken as it is."""
    assert admit("report.filed", SEALED_REPORT).data.sealed_url == SEALED  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://images.example/a", "scheme"),
        ("http://user:word@images.example/a", "credentials"),
        ("http://abcdef.onion/a", "onion"),
    ],
)
def test_what_is_never_probed_is_marked(url: str, reason: str) -> None:
    """A URL that can't be measured makes a case that says why, sealed or not."""
    event = admit("report.filed", {"reporter": "hotline", "url": url}, ce_subject=None)
    assert event.data.not_measurable == reason  # type: ignore[attr-defined]


def test_the_key_is_not_trusted() -> None:
    """The case comes from the event, whatever the Kafka key says."""
    assert admit("hold.lifted", {"actor": "police"}).case_id == CASE


@pytest.mark.parametrize(
    ("reason", "type_", "data", "changed"),
    [
        ("bad_data", "report.filed", {"reporter": "hotline"}, {}),
        ("bad_data", "report.filed", REPORT | {"sealed_url": SEALED}, {}),
        ("bad_data", "report.filed", {"reporter": "a\x00b", "url": URL.href}, {}),
        ("bad_data", "report.filed", {"reporter": "h", "url": URL.href, "reference": f"see {URL.href}"}, {}),
        ("bad_data", "report.filed", b"[" + b" " * MAX_VALUE_BYTES + b"]", {}),
        ("bad_json", "report.filed", b"\xff", {}),
        ("bad_json", "report.filed", b'{"reporter": "\\ud800", "url": "http://images.example"}', {}),
        ("bad_url", "report.filed", {"reporter": "h", "url": "http://images.example:99999/"}, {}),
        ("bad_url", "report.filed", {"reporter": "h", "url": ""}, {}),
        ("bad_seal", "report.filed", {"reporter": "h", "sealed_url": "s1.k1.AAAA"}, {}),
        ("bad_seal", "report.filed", SEALED_REPORT, {"ce_subject": OTHER}),
        ("wrong_case", "report.filed", REPORT, {"ce_subject": OTHER}),
        ("no_case", "report.filed", SEALED_REPORT, {"ce_subject": None}),
        ("no_case", "hold.lifted", {"actor": "police"}, {"ce_subject": None}),
        ("no_case", "hold.lifted", {"actor": "police"}, {"ce_subject": CASE.upper()}),
        ("unknown_type", "case.exploded", {}, {}),
        ("bad_time", "hold.lifted", {"actor": "police"}, {"ce_time": "2026-03-09T10:00:00"}),
        ("bad_time", "hold.lifted", {"actor": "police"}, {"ce_time": "0001-01-01T00:00:00+10:00"}),
        ("bad_time", "hold.lifted", {"actor": "police"}, {"ce_time": "9999-12-31T23:59:59Z"}),
        ("bad_time", "hold.placed", HOLD | {"expires_at": "9999-12-31T23:59:59.999999Z"}, {}),
        ("bad_time", "hold.placed", HOLD | {"expires_at": "9999-12-31T23:00:00-02:00"}, {}),
        ("bad_time", "hold.placed", HOLD | {"expires_at": "2026-03-10T10:00:00+16:00"}, {}),
        ("bad_time", "case.attributed", GIVEN | {"effective_from": "0001-01-01T00:00:00Z"}, {}),
        ("bad_time", "case.attributed", GIVEN | {"effective_from": "0001-01-02T00:00:00+15:00"}, {}),
        ("not_cloudevent", "hold.lifted", {"actor": "police"}, {"ce_source": "a\x00b"}),
        ("not_cloudevent", "hold.lifted", {"actor": "police"}, {"ce_source": ""}),
        ("not_cloudevent", "hold.lifted", {"actor": "police"}, {"ce_id": None}),
    ],
)  # fmt: skip
def test_what_cannot_be_used_has_a_reason(
    reason: str, type_: str, data: Any, changed: dict[str, str | None]
) -> None:
    """Every refusal has its word of the closed list, and its message holds no host."""
    assert reason == refusal(type_, data, **changed)


def test_an_instant_may_lie_far_off() -> None:
    """Somebody may say "for good" and "since ever", in any zone that there is."""
    assert admit("hold.placed", HOLD | {"expires_at": "9999-12-31T23:59:59Z"})
    assert admit("hold.placed", HOLD | {"expires_at": "2026-03-10T10:00:00+14:00"})
    assert admit("case.attributed", GIVEN | {"effective_from": "0001-01-02T00:00:00Z"})


def test_every_instant_of_an_event_is_checked() -> None:
    """Whatever field of a type holds an instant, today or later, is one of those that are looked at."""
    for data in ev.TYPES.values():
        hints = get_type_hints(data)
        instants = {name for name, hint in hints.items() if datetime in (hint, *get_args(hint))}
        assert set(INSTANTS[data]) == instants


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    """A text that spells the escape is a text like any other."""
    event = admit("hold.lifted", {"actor": "a\\u0000b"})
    assert event.data == ev.HoldLifted(actor="a\\u0000b")


def test_an_event_belongs_on_its_topic() -> None:
    """A look among the reports is refused: the reports' writers may not make observations."""
    assert refusal("look.made", LOOK) == "wrong_topic"
    assert admit("look.made", LOOK, OBSERVED).case_id == CASE


@pytest.mark.parametrize(
    "changed", [{"started_at": "2026-03-09T10:00:01Z"}, {"finished_at": "2026-03-09T10:00:01Z"}]
)
def test_a_looks_time_is_its_end(changed: dict[str, str]) -> None:
    """A look that ends before it starts, or at another instant than its event, is refused."""
    assert refusal("look.made", LOOK | changed, OBSERVED) == "bad_time"


def test_nobody_saw_online_what_is_later_than_the_report() -> None:
    """The instant at which the analyst saw it may be the report's own, not a later one, and not nonsense."""
    report = {"reporter": "hotline", "sealed_url": SEALED}
    event = admit("report.filed", report | {"seen_online_at": AT})
    assert isinstance(event.data, ev.ReportFiled)
    assert event.data.seen_online_at == event.time
    for wrong in ("2026-03-09T10:00:01Z", "1970-01-01T00:00:00Z"):
        assert refusal("report.filed", report | {"seen_online_at": wrong}) == "bad_time"
    assert refusal("report.filed", report | {"seen_online_at": "yesterday"}) == "bad_data"


@pytest.mark.parametrize(
    "changed", [{"resolution_age_seconds": -1}, {"providers_left_out": ["No slug!"]}]
)
def test_what_a_look_says_of_names_has_its_form(changed: dict[str, Any]) -> None:
    """An age below nothing and a provider that is no slug are refused."""
    assert refusal("look.made", LOOK | changed, OBSERVED) == "bad_data"


@pytest.mark.parametrize("name", ["status", "content_length", "cache_age"])
def test_a_number_is_one_that_the_ledger_can_hold(name: str) -> None:
    """Whole numbers have 64 bits: a longer one is refused by both ways, before the ledger's state can't be written."""
    for number, is_taken in ((2**63 - 1, True), (2**63, False), (-(2**63) - 1, False)):
        value = msgspec.json.encode(LOOK)[:-1] + b',"fingerprint":{"%b":%d}}' % (
            name.encode(),
            number,
        )
        if is_taken:
            event = admit("look.made", value, OBSERVED)
            assert getattr(event.data.fingerprint, name) == number
        else:
            assert refusal("look.made", value, OBSERVED) == "bad_data"


def test_a_number_of_a_network_is_one_that_the_ledger_can_hold() -> None:
    """In what served and in an attribution too."""
    served = [{"address": "127.0.0.1", "as_number": 2**63}]
    assert refusal("look.made", LOOK | {"served": served}, OBSERVED) == "bad_data"
    given = GIVEN | {"as_numbers": [2**63]}
    assert refusal("case.attributed", given, ce_type="takedown.case.attributed.v2") == "bad_data"


def test_a_tombstone_or_a_null_header_is_no_event() -> None:
    """What Kafka allows and an event can't be is refused like anything else."""
    for value, headers in [
        (None, headers_of("hold.lifted")),
        (b"{}", [("ce_type", None)]),
        (b"{}", [("content-type", None)]),
    ]:
        with pytest.raises(UnusableEvent) as caught:
            Admission(KEYRING).admit(record(value, headers))
        assert caught.value.reason == "not_cloudevent"


def test_structured_mode_is_read() -> None:
    """A CloudEvent in structured mode is the same event."""
    outer = {
        "specversion": "1.0",
        "id": "6e0cbbd4-52d8-5d5c-9d1a-1f0d2b7f1c11",
        "type": "takedown.report.filed.v1",
        "source": "test",
        "time": AT,
        "subject": CASE,
        "data": SEALED_REPORT,
    }
    headers = [("content-type", codec.STRUCTURED + b"; charset=UTF-8")]
    structured = Admission(KEYRING).admit(record(msgspec.json.encode(outer), headers))
    assert admit("report.filed", SEALED_REPORT) == structured


@given(
    value=st.one_of(
        st.none(),
        st.binary(max_size=200),
        st.sampled_from([LOOK, REPORT, SEALED_REPORT]).map(msgspec.json.encode),
    ),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ["ce_type", "ce_id", "ce_time", "ce_source", "ce_subject", "content-type"]
            ),
            st.one_of(
                st.none(),
                st.binary(max_size=30),
                st.sampled_from([*ev.TYPES, AT, CASE, "0001-01-01T00:00:00+14:00"]).map(str.encode),
            ),
        ),
        max_size=7,
    ),
)
def test_nothing_but_unusable_is_ever_raised(
    value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    """No record, however made, brings the consumer down."""
    try:
        event = Admission(KEYRING).admit(record(value, headers))
    except UnusableEvent:
        return
    assert event.time >= datetime(1990, 1, 1, tzinfo=UTC)


def test_a_report_may_be_without_its_url_where_urls_were_cut_out() -> None:
    """It is taken as it is, and needs its case id; with a URL it is read as everywhere, and nothing else changes."""
    bare = {"reporter": "hotline", "not_measurable": "onion"}
    erased = Admission(KEYRING, erased=True)

    def taken(data: Any, **changed: str | None) -> ev.Event:
        value = msgspec.json.encode(data)
        return erased.admit(record(value, headers_of("report.filed", **changed)))

    assert refusal("report.filed", bare) == "bad_data"
    found = taken(bare)
    assert (found.case_id, str(found.id)) == (CASE, dict(headers_of("x"))["ce_id"].decode())
    assert found.data == ev.ReportFiled(reporter="hotline", not_measurable="onion")
    for subject in (None, "no case"):
        with pytest.raises(UnusableEvent) as caught:
            taken(bare, ce_subject=subject)
        assert caught.value.reason == "no_case"
    assert (
        taken(bare | {"sealed_url": SEALED}).data
        == admit("report.filed", bare | {"sealed_url": SEALED}).data
    )
    with pytest.raises(UnusableEvent, match="exactly one"):
        taken(bare | {"sealed_url": SEALED, "url": "http://images.example/a/1?x=1"})
    with pytest.raises(UnusableEvent) as caught:
        taken(bare | {"sealed_url": SEALED}, ce_subject=OTHER)
    assert caught.value.reason == refusal(
        "report.filed", bare | {"sealed_url": SEALED}, ce_subject=OTHER
    )


_LOOK_TEXT = (
    '{"vantage":"nl","tick":"2026-03-09T10:00:00Z","started_at":"2026-03-09T10:00:00Z",'
    '"finished_at":"2026-03-09T10:00:00.500000Z","verdict":"online","reason":"http_200",'
    '"canary_at":"2026-03-09T09:59:00Z"}'
)
_OTHER_INSTANTS = [
    ("2026-03-09T10:00:00Z", "2026-03-09T11:00:00+01:00"),
    ('started_at":"2026-03-09T10:00:00Z', 'started_at":"0001-01-01T00:00:00Z'),
    ('started_at":"2026-03-09T10:00:00Z', 'started_at":"2026-03-09T10:00:00+23:59'),
    ('tick":"2026', 'tick":"9999'),
    ('tick":"2026-03-09T10:00:00Z', 'tick":"2026-03-09T10:00:00+23:59'),
    ("2026-03-09T09:59:00Z", "2026-03-09T09:59:00-16:00"),
    ("2026-03-09T09:59:00Z", "0001-01-01T00:00:00Z"),
    ("2026-03-09T09:59:00Z", "2026-03-09T09:59:00+02:00"),
]
_PARTS = st.sampled_from(
    [
        ("ce_id", "not-a-uuid-but-as-long-as-a-uuid-is-1"),
        ("ce_id", '6e0cbbd4-52d8-5d5c-9d1a-1f0d2b7f1c"1'),
        ("ce_time", "2026-03-09T10:00:01.000000Z"),
        ("ce_time", "2026-03-09T10:00:01.000000z"),
        ("ce_time", "1989-03-09T10:00:00.000000Z"),
        ("ce_time", "2026-03-09T11:00:00.500000+01:00"),
        ("ce_source", ""),
        ("ce_source", "é"),
        ("ce_subject", "x" * 32),
        ("content-type", "application/cloudevents+json"),
        ("value", '{"vantage":"Not A Slug"}'),
        ("value", "[]"),
        ("value", '{"vantage":"nl\\u0000"}'),
        *(("value", _LOOK_TEXT.replace(*change)) for change in _OTHER_INSTANTS),
    ]
)


@given(st.lists(_PARTS, max_size=2))
def test_the_short_way_of_a_look_is_the_long_one(changes: list[tuple[str, str]]) -> None:
    """A look as this program writes it, or with something unusual in it, becomes the same event or is refused alike."""
    at = datetime(2026, 3, 9, 10, 0, 0, 500_000, UTC)
    look = ev.LookMade(
        vantage="nl", tick=at, started_at=at, finished_at=at, verdict="online", reason="http_200"
    )
    event = ev.Event(id=uuid.UUID(int=1), time=at, source="bench", case_id=CASE, data=look)
    _, value, written = codec.encode(event)
    parts = dict(written) | {name: text.encode() for name, text in changes}
    value = parts.pop("value", value)
    admission = Admission(KEYRING)
    one = record(value, list(parts.items()), topics.OBSERVATIONS.name)
    outcomes: list[Any] = []
    for admitted in (admission.admit, admission.admit_any):
        try:
            outcomes.append(admitted(one))
        except UnusableEvent as error:
            outcomes.append((error.reason, str(error)))
    assert outcomes[0] == outcomes[1]
