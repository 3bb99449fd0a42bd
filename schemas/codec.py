"""CloudEvents on Kafka: binary mode is written, binary and structured mode are read.

Source: CloudEvents Kafka protocol binding 1.0.2. Decoding is by hand and never inside a Kafka client:
a deserializer that raises there wedges its partition for ever.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from schemas import ids
from schemas.errors import UnusableEvent
from schemas.event_words import in_words
from schemas.events import TYPE_OF, TYPES, Event, Payload
from schemas.json_refusals import NO_JSON, without_values
from schemas.topics import Topic

Headers = Sequence[tuple[str, bytes]]
HEADERS = (
    "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "content-type",
)  # fmt: skip
"""The headers of a record in binary mode, in the order in which they are written."""
STRUCTURED = b"application/cloudevents+json"

_encoder = msgspec.json.Encoder()
_decoders = {name: msgspec.json.Decoder(struct) for name, struct in TYPES.items()}
_of_type = {name.encode(): (_decoders[name], struct) for name, struct in TYPES.items()}


class Structured(Struct, kw_only=True, omit_defaults=True):
    """A CloudEvent in structured mode; also one line of `takedown submit`."""

    specversion: str = "1.0"
    type: str
    source: str = "takedown:submit"
    id: str | None = None
    time: str | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: msgspec.Raw = msgspec.Raw()


class Incoming(Struct, frozen=True, kw_only=True):
    """A decoded event whose case may not be named yet (a report with an unsealed URL).

    `id` is None where the sender gave none: it is then made of the content, once its URL is sealed.
    """

    id: UUID | None
    time: datetime
    source: str
    subject: str | None
    data: Payload


_structured = msgspec.json.Decoder(Structured)


def encode(event: Event) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Write an event as (key, value, headers) of a Kafka record in binary mode."""
    case_id = event.case_id.encode()
    values = (
        b"1.0",
        str(event.id).encode(),
        event.source.encode(),
        event.type.encode(),
        ids.instant(event.time).encode(),
        case_id,
        b"application/json",
    )
    return case_id, encode_data(event.data), list(zip(HEADERS, values, strict=True))


def stated(case_id: str, data: Payload, at: datetime, source: str) -> Event:
    """Make the event of what we say ourselves: equal words about one case at one instant are one event."""
    name = ids.content_id(TYPE_OF[type(data)], case_id, at, encode_data(data))
    return Event(id=name, time=at, source=source, case_id=case_id, data=data)


def encode_data(data: Payload) -> bytes:
    """Write an event's data as JSON, fields in the order of the struct, defaults left out."""
    return _encoder.encode(data)


def decode_data(type_: str, body: bytes) -> Payload:
    """Read the data of a known type; raises `UnusableEvent`."""
    decoder = _decoders.get(type_)
    if decoder is None:
        raise UnusableEvent(
            "unknown_type", "an event type that this version does not know; upgrade"
        )
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise UnusableEvent(
            "bad_data", f"data does not fit its schema: {in_words(without_values(error))}"
        ) from None
    except NO_JSON:
        says = "data is not JSON in UTF-8" if body else "data is missing"
        raise UnusableEvent("bad_json", says) from None


def decode(value: bytes | None, headers: Headers, topic: Topic | None = None) -> Incoming:
    """Read a Kafka record in either mode; raises `UnusableEvent`, never anything else."""
    by_name = dict(headers)
    if value is None:
        raise UnusableEvent(
            "not_cloudevent", "an empty record (a tombstone) means nothing on this topic"
        )
    if (by_name.get("content-type") or b"").startswith(STRUCTURED):
        incoming = decode_structured(value)
    else:
        incoming = _binary(value, by_name)
    if topic is not None and type(incoming.data) not in topic.carries:
        raise UnusableEvent("wrong_topic", "this event type belongs on another topic")
    return incoming


def payload(value: bytes, headers: Headers, topic: Topic) -> Payload:
    """Read only the data of a record: for a reader of millions that asks nothing of the envelope.

    Raises `UnusableEvent`; an envelope that `decode` would refuse may pass.
    """
    type_ = None
    for name, content in headers:
        if name == "ce_type":
            type_ = content
        elif name == "content-type" and (content or b"").startswith(STRUCTURED):
            return decode(value, headers, topic).data
    decoder, carried = _of_type.get(type_ or b"", (None, None))
    if decoder is None or carried not in topic.carries:
        return decode(value, headers, topic).data
    try:
        return decoder.decode(value)
    except NO_JSON:
        return decode(value, headers, topic).data


def decode_structured(line: bytes) -> Incoming:
    """Read a CloudEvent in structured mode (JSON)."""
    try:
        outer = _structured.decode(line)
    except msgspec.ValidationError as error:
        raise UnusableEvent(
            "not_cloudevent", f"not a CloudEvent: {without_values(error)}"
        ) from None
    except NO_JSON:
        raise UnusableEvent("bad_json", "not JSON in UTF-8") from None
    data = decode_data(outer.type, bytes(outer.data))
    if outer.time is None:
        raise UnusableEvent(
            "bad_time", "`time` is missing; give the event's own instant, with its zone"
        )
    time = _time(outer.time)
    event_id = None if outer.id is None else _uuid(outer.id, outer.source)
    return Incoming(id=event_id, time=time, source=outer.source, subject=outer.subject, data=data)


def _binary(value: bytes, headers: dict[str, bytes]) -> Incoming:
    try:
        type_, id_, time, source = (
            headers[name].decode() for name in ("ce_type", "ce_id", "ce_time", "ce_source")
        )
        subject = headers["ce_subject"].decode() if "ce_subject" in headers else None
    except KeyError as error:
        raise UnusableEvent("not_cloudevent", f"header {error.args[0]} is missing") from None
    except AttributeError:
        raise UnusableEvent("not_cloudevent", "a CloudEvents header is null") from None
    except UnicodeDecodeError:
        raise UnusableEvent("not_cloudevent", "a CloudEvents header is not UTF-8") from None
    data = decode_data(type_, value)
    return Incoming(
        id=_uuid(id_, source), time=_time(time), source=source, subject=subject, data=data
    )


def _uuid(text: str, source: str) -> UUID:
    """Take a UUID as it is; any other id is unique within its source only, so both name it."""
    try:
        return UUID(text)
    except ValueError:
        return ids.foreign_id(source, text)


def _time(text: str) -> datetime:
    try:
        # RFC 3339, 5.6: `T` and `Z` may be small letters.
        time = datetime.fromisoformat(text.upper())
    except ValueError:
        raise UnusableEvent("bad_time", "`time` is not an RFC 3339 instant") from None
    if time.tzinfo is None:
        raise UnusableEvent("bad_time", "`time` has no zone; write Z for UTC")
    return time.astimezone(UTC)


def dead_letter_headers(
    headers: Iterable[tuple[str, bytes]],
    *,
    reason: str,
    message: str,
    topic: str,
    partition: int,
    offset: int,
    at: datetime,
) -> list[tuple[str, bytes]]:
    """Add why and whence to a record's own headers, which stay as they are."""
    added = {
        "dlq_reason": reason,
        "dlq_exception": message,
        "dlq_topic": topic,
        "dlq_partition": str(partition),
        "dlq_offset": str(offset),
        "dlq_at": ids.instant(at),
    }
    return [*headers, *((name, text.encode()) for name, text in added.items())]
