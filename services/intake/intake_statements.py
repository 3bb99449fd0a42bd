"""The one path from what a form says to an event: imports and the HTTP intake take it alike.

A statement is the data of an event with the time that its source gives. It becomes an incoming event, which admission
(`consumers/record/admission.py`) names, checks and seals as it does a record of the inbound topic.
"""

import ipaddress
from collections.abc import Callable

from msgspec import Struct, structs

from schemas.codec import Incoming, decode_data, encode_data
from schemas.errors import UnusableEvent
from schemas.events import TYPE_OF, Event, NoticeDelivered, NoticeSent, Payload, ReportFiled
from schemas.urls import canonical
from services.core.time_spans import TimeSpan

Admit = Callable[[Incoming], Event]
"""Names the case of an incoming event and seals its URL; raises `UnusableEvent`."""

# Where nobody outside a network gets: RFC 1918, 6598, 3927, 4193, loopback.
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8",
        "169.254.0.0/16", "::1/128", "fe80::/10", "fc00::/7",
    )
)  # fmt: skip
_DATED = (ReportFiled, NoticeSent, NoticeDelivered)


class Statement(Struct, frozen=True, kw_only=True):
    """What a source says: the data of an event, and when; a report holds its URL still unsealed.

    `case_id` or `reference`, the source's own number of a report, names the case where no URL does.
    """

    data: Payload
    time: TimeSpan
    reference: str | None = None
    case_id: str | None = None


def incoming(statement: Statement, source: str, case_id: str | None = None) -> Incoming:
    """Make the incoming event of a statement; raises `UnusableEvent` where a field has not its form."""
    data = statement.data
    if isinstance(data, _DATED):
        data = structs.replace(data, earliest=statement.time.first)
    if isinstance(data, ReportFiled) and data.url is not None and is_private(data.url):
        data = structs.replace(data, not_measurable="private")
    _refuse_urls(data)
    body = encode_data(data)
    if b"\\u0000" in body:
        raise UnusableEvent("bad_data", "a text holds a NUL character")
    checked = decode_data(TYPE_OF[type(data)], body)
    return Incoming(
        id=None, time=statement.time.latest, source=source, subject=case_id, data=checked
    )


def _refuse_urls(data: Payload) -> None:
    """Refuse a URL in a field that is kept unsealed: references and names are no place for one."""
    for name in ("reference", "notice_id", "reporter", "claimant", "status", "reason"):
        text = getattr(data, name, None)
        if isinstance(text, str) and "://" in text:
            raise UnusableEvent("bad_data", f"`{name}` holds a URL; it may stand in `url` only")


def is_private(text: str) -> bool:
    """Tell whether a URL leads to an address or a name that exists inside a network only; raises `BadUrl`."""
    host = canonical(text).host.strip("[]").rstrip(".")
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".home.arpa")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    embedded = getattr(address, "ipv4_mapped", None) or address
    return any(embedded in network for network in _PRIVATE)
