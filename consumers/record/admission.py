"""Admission: from a Kafka record to an event with a case, or a refusal with its reason.

A record's key is not trusted: the case is named from what stands in the event.
Model: "first ask whose fault it is"; everything refused here is the producer's.
"""

import re
from typing import Any, Protocol

from aiokafka import ConsumerRecord
from msgspec import structs

from consumers.record.calendar_bounds import check_instants
from consumers.record.look_text import MAX_SOURCE_LENGTH, MAX_VALUE_BYTES, UsualLooks
from schemas import codec, ids, topics
from schemas.codec import Incoming
from schemas.errors import UnusableEvent
from schemas.event_words import EARLIEST, LATEST
from schemas.events import TYPE_OF, Event, LookMade, Payload, ReportFiled, unsealed
from schemas.ids import is_case_id
from schemas.sealing import Keyring
from schemas.urls import canonical

_LOOKS = topics.OBSERVATIONS.name
# PostgreSQL's jsonb has no NUL; the JSON escape counts, an escaped backslash before `u0000` does not.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class RecordAdmission(Protocol):
    """Makes events of records, or refuses them."""

    def admit(self, record: Any) -> Event:
        """Give the event of a record; raises `UnusableEvent`, never anything else."""
        ...


class Admission:
    """Decodes records and names their cases with the operator's keys.

    `erased`: URLs were cut out of the records, so that a report may have none.
    """

    def __init__(self, keyring: Keyring, *, erased: bool = False) -> None:
        self._keyring = keyring
        self._erased = erased
        self._looks = UsualLooks()

    def admit(self, record: "ConsumerRecord[bytes, bytes]") -> Event:
        """Give the event of a record, its URL sealed; raises `UnusableEvent`, never anything else."""
        if record.topic == _LOOKS:
            look = self._looks.event(record.headers, record.value)
            if look is not None:
                return look
        return self.admit_any(record)

    def admit_any(self, record: "ConsumerRecord[bytes, bytes]") -> Event:
        """Do the same by the long way, which every record may take."""
        value = record.value
        if value is not None and len(value) > MAX_VALUE_BYTES:
            raise UnusableEvent(
                "bad_data", f"larger than {MAX_VALUE_BYTES} bytes; send less in one event"
            )
        try:
            incoming = codec.decode(value, record.headers, topics.BY_NAME.get(record.topic))
        except OverflowError:
            raise UnusableEvent("bad_time", "`time` is beyond the calendar in UTC") from None
        if b"\\u0000" in (value or b"") and _NUL.search(codec.encode_data(incoming.data)):
            raise UnusableEvent("bad_data", "a text holds a NUL character")
        return self.name(incoming)

    def name(self, incoming: Incoming) -> Event:
        """Name the case of a decoded event and check what a struct can't say."""
        _check(incoming)
        if isinstance(incoming.data, ReportFiled):
            _check_report(incoming, incoming.data)
            return self._report(incoming, incoming.data)
        if isinstance(incoming.data, LookMade):
            _check_look(incoming, incoming.data)
        case_id = _named(incoming, "`subject` must be the case id, 32 hexadecimal digits")
        return _event(incoming, case_id, incoming.data)

    def _report(self, incoming: Incoming, report: ReportFiled) -> Event:
        if self._erased and report.url is None and report.sealed_url is None:
            return self._without_url(incoming, report)
        if (report.url is None) == (report.sealed_url is None):
            raise UnusableEvent("bad_data", "a report has exactly one of `url` and `sealed_url`")
        if report.url is not None:
            return self._plain(incoming, report, report.url)
        assert report.sealed_url is not None
        return self._sealed(incoming, report, report.sealed_url)

    def _plain(self, incoming: Incoming, report: ReportFiled, text: str) -> Event:
        """Seal a plain URL: this is the last place that sees it."""
        _check_only_there(incoming, report, text)
        url = canonical(text)
        case_id = self._keyring.case_id(url)
        if incoming.subject not in (None, case_id):
            raise UnusableEvent(
                "wrong_case", "`subject` is not the case id of the URL; leave it out"
            )
        data = structs.replace(
            report,
            url=None,
            sealed_url=self._keyring.seal(url),
            not_measurable=url.not_measurable or report.not_measurable,
        )
        return _event(incoming, case_id, data)

    def _without_url(self, incoming: Incoming, report: ReportFiled) -> Event:
        """Take a report as it is: it was admitted with its URL before that was cut out."""
        case_id = _named(incoming, "a report without its URL needs its case id as `subject`")
        return _event(incoming, case_id, report)

    def _sealed(self, incoming: Incoming, report: ReportFiled, sealed: str) -> Event:
        """Open a sealed URL to see that it is one, and of the case that the event names."""
        case_id = _named(incoming, "a report with a sealed URL needs its case id as `subject`")
        url = self._keyring.open(sealed, case_id, purpose="admission")
        if self._keyring.case_id(url) != case_id:
            raise UnusableEvent(
                "wrong_case", "the sealed URL names another case under this naming key"
            )
        reason = url.not_measurable or report.not_measurable
        return _event(incoming, case_id, structs.replace(report, not_measurable=reason))


def _named(incoming: Incoming, otherwise: str) -> str:
    """Give the case that an event names itself; raises `UnusableEvent`."""
    if incoming.subject is None or not is_case_id(incoming.subject):
        raise UnusableEvent("no_case", otherwise)
    return incoming.subject


def _event(incoming: Incoming, case_id: str, data: Payload) -> Event:
    """Name an event whose sender gave no id by its content.

    Without the URL, which the case names: an id must tell nothing of it, nor change with the sealing key.
    """
    name = incoming.id
    if name is None:
        body = codec.encode_data(unsealed(data))
        name = ids.content_id(TYPE_OF[type(data)], case_id, incoming.time, body)
    event = Event(
        id=name,
        time=incoming.time,
        source=incoming.source,
        case_id=case_id,
        data=data,
    )
    _check_span(event)
    return event


def _check(incoming: Incoming) -> None:
    if not EARLIEST <= incoming.time < LATEST:
        raise UnusableEvent("bad_time", "`time` is before 1990 or after 2200")
    if not 0 < len(incoming.source) <= MAX_SOURCE_LENGTH or "\x00" in incoming.source:
        raise UnusableEvent("not_cloudevent", f"`source` needs 1 to {MAX_SOURCE_LENGTH} characters")
    check_instants(incoming.data)


def _check_span(event: Event) -> None:
    """A time span ends at the event's own time."""
    first = event.earliest
    if first is not None and not EARLIEST <= first <= event.time:
        raise UnusableEvent("bad_time", "`earliest` is after the event's `time`, or before 1990")


def _check_look(incoming: Incoming, look: LookMade) -> None:
    """A look's time is its end: the order of the fold and R hang on it."""
    if look.finished_at != incoming.time or look.started_at > look.finished_at:
        raise UnusableEvent(
            "bad_time", "a look's `time` is its `finished_at`, not before `started_at`"
        )


def _check_report(incoming: Incoming, report: ReportFiled) -> None:
    """Nobody has seen online what is later than the report that says so."""
    seen = report.seen_online_at
    if seen is not None and not EARLIEST <= seen <= incoming.time:
        raise UnusableEvent(
            "bad_time", "a report's `seen_online_at` is after its own `time`, or before 1990"
        )


def _check_only_there(incoming: Incoming, report: ReportFiled, url: str) -> None:
    """Refuse a report that repeats its URL in a field that is kept unsealed."""
    others = (incoming.source, report.reporter, report.reference or "", report.provider or "")
    if url and any(url in text for text in others):
        raise UnusableEvent(
            "bad_data", "the URL may stand in `url` only; other fields are kept unsealed"
        )
