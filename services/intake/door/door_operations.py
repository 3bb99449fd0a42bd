"""The operations of the intake: a path, its body, and the statement that it makes."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Struct, structs

from schemas.event_words import in_words
from schemas.events import (
    NoticeAcknowledged,
    NoticeDelivered,
    NoticeSent,
    NoticeUndelivered,
    Payload,
    ReporterRetracted,
    ReportFiled,
)
from schemas.json_refusals import NO_JSON, without_values
from schemas.near_names import nearest
from services.core.time_spans import TimeSpan
from services.intake.door.bodies import (
    AcknowledgementBody,
    DeliveryBody,
    FailureBody,
    NoticeBody,
    ReportBody,
    RetractionBody,
)
from services.intake.door.problems import DoorRefusal
from services.intake.intake_statements import Statement
from services.intake.xarf import NoReport, NotXarf, read_document, report_of

XARF_PATH = "/v1/xarf"
# Words under which people send pictures, pages and files.
_CONTENT = re.compile(
    r"screenshot|image|picture|photo|video|thumbnail|evidence|payload|attachment|file|content|body|html|data",
    re.I,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
_FIELD_AT_FAULT = re.compile(r" - at `\$\.(\w+)`$")
_NO_CONTENT = (
    "; send the report without it: pictures, pages, files and links to them are never taken"
)


class Operation(Struct, frozen=True):
    """What one path takes; `state` makes the statement of a body for a reporter."""

    path: str
    summary: str
    body: Any
    state: Callable[[Any, str], Statement]


def _span(earliest: Any, at: Any) -> TimeSpan:
    span = TimeSpan.at(at)
    return span if earliest is None else TimeSpan(TimeSpan.at(earliest).latest, span.latest)


def _report(body: ReportBody, reporter: str) -> Statement:
    data = ReportFiled(
        reporter=reporter,
        category=body.category,
        url=body.url,
        provider=body.provider,
        reference=body.reference,
        seen_online_at=body.seen_online_at,
        not_measurable=body.not_measurable,
    )
    return Statement(data=data, time=_span(body.earliest, body.reported_at))


def _of_case(body: Any, data: Payload, span: TimeSpan) -> Statement:
    return Statement(data=data, time=span, case_id=body.case_id)


def _notice(body: NoticeBody, reporter: str) -> Statement:
    data = NoticeSent(notice_id=body.notice_id, provider=body.provider, channel=body.channel)
    return _of_case(body, data, _span(body.earliest, body.sent_at))


def _delivery(body: DeliveryBody, reporter: str) -> Statement:
    data = NoticeDelivered(notice_id=body.notice_id)
    return _of_case(body, data, _span(body.earliest, body.delivered_at))


def _failure(body: FailureBody, reporter: str) -> Statement:
    data = NoticeUndelivered(
        notice_id=body.notice_id, reason=body.reason, fault=body.fault, status=body.status
    )
    return _of_case(body, data, TimeSpan.at(body.failed_at))


def _acknowledgement(body: AcknowledgementBody, reporter: str) -> Statement:
    data = NoticeAcknowledged(notice_id=body.notice_id)
    return _of_case(body, data, TimeSpan.at(body.acknowledged_at))


def _retraction(body: RetractionBody, reporter: str) -> Statement:
    data = ReporterRetracted(reporter=reporter, reason=body.reason)
    return _of_case(body, data, TimeSpan.at(body.retracted_at))


def _xarf(raw: bytes, reporter: str) -> Statement:
    try:
        report = report_of(read_document(raw))
    except (NotXarf, NoReport) as error:
        raise DoorRefusal("bad_field", str(error)) from None
    if report.left_out:
        raise DoorRefusal("content", f"the document has evidence or a screenshot{_NO_CONTENT}")
    data = report.statement.data
    assert isinstance(data, ReportFiled)
    # Who reports is said by the token, not by the document.
    return structs.replace(report.statement, data=structs.replace(data, reporter=reporter))


OPERATIONS = {
    one.path: one
    for one in (
        Operation("/v1/reports", "Report that a URL holds illegal material", ReportBody, _report),
        Operation("/v1/notices", "Tell that a notice was sent", NoticeBody, _notice),
        Operation("/v1/deliveries", "Tell that a notice arrived", DeliveryBody, _delivery),
        Operation("/v1/failures", "Tell that a notice did not arrive", FailureBody, _failure),
        Operation(
            "/v1/acknowledgements",
            "Tell that a provider answered a notice",
            AcknowledgementBody,
            _acknowledgement,
        ),
        Operation(
            "/v1/retractions", "Take back your own reports of a case", RetractionBody, _retraction
        ),
        Operation(XARF_PATH, "Report in XARF, version 4 or 3, without evidence", None, _xarf),
    )
}
"""Every operation by its path; all are POST."""


def statement_of(operation: Operation, raw: bytes, reporter: str) -> Statement:
    """Make the statement of a body; raises `DoorRefusal`."""
    raw = raw.removeprefix(BOM_UTF8)
    body = raw if operation.body is None else _decoded(raw, operation.body)
    return operation.state(body, reporter)


def _decoded(raw: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _bad_field(raw, kind, error) from None
    except NO_JSON:
        raise DoorRefusal("bad_json", "send one JSON object in UTF-8") from None


def _complaint(kind: type[Any], error: msgspec.ValidationError, sent: Any) -> str:
    """Say what is expected, with the choices where there are only some."""
    if not isinstance(sent, dict):
        return f"{without_values(error)}; send one statement a request"
    says = in_words(without_values(error))
    field = _FIELD_AT_FAULT.search(says)
    if field is None or "enum" not in says:
        return says
    return f"{says}; it is one of {', '.join(_choices(get_type_hints(kind)[field[1]]))}"


def _choices(hint: Any) -> Iterator[str]:
    """Give the words of a choice, which may be one that can be left out."""
    for one in get_args(hint):
        yield from [one] if isinstance(one, str) else _choices(one)


def _bad_field(raw: bytes, kind: type[Any], error: msgspec.ValidationError) -> DoorRefusal:
    """Name an unknown field before all else: there the content stands."""
    try:
        sent = msgspec.json.decode(raw)
    except NO_JSON:
        return DoorRefusal("bad_json", "send one JSON object in UTF-8")
    names = kind.__struct_encode_fields__
    unknown = [name for name in sent if name not in names] if isinstance(sent, dict) else []
    if not unknown:
        return DoorRefusal("bad_field", _complaint(kind, error, sent))
    shown = f"`{unknown[0]}`" if _NAME.fullmatch(unknown[0]) else "an unknown field"
    if _CONTENT.search(unknown[0]):
        return DoorRefusal("content", f"{shown} is content{_NO_CONTENT}")
    near = nearest(unknown[0], names)
    hint = f"; known are {', '.join(names)}" if near is None else f"; did you mean `{near}`?"
    return DoorRefusal("bad_field", f"{shown} is not known here{hint}")
