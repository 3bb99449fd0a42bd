"""One XARF document, read into what every version of it says; content is passed over unread.

Version 4 has six fields that must be there in every edition (`xarf_version`, `report_id`, `timestamp`, `reporter`,
`source_identifier`, and category with type). Edition 4.1 and later add `sender`, the reporter's domain, and a UUID as
`report_id`. What the specification recommends stays recommended. Version 3 is adapted: its names differ, its meaning
does not.

`_internal` is the sender's own and never leaves it: it has no field here. Nor has the payload of `evidence`: it is
content, and what is never decoded can't be kept (G1). How many pieces there are is counted, so that whoever sent them
can be told.
"""

import re
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from schemas.errors import TakedownError
from services.intake.documents import UnfitDocument, decoded

CATEGORIES = (
    "messaging", "content", "copyright", "connection", "vulnerability", "infrastructure",
    "reputation",
)  # fmt: skip
_VERSION_4 = re.compile(r"4\.(\d+)\.\d+")
_MAILBOX = re.compile(r"[^@\s]+@[^@\s]+")
# From this edition on a document has a sender, a reporter's domain, and a UUID as its id.
_STRICT_EDITION = 1
# Version 3 has these among its content; version 4 has a category of its own for rights, and another word for the type.
_RIGHTS_3 = ("copyright", "trademark")
_RENAMED_3 = {"childabuse": "csam"}
_UNFIT = "it does not fit its version"
_LONGEST_DOCUMENT = 50_000_000

Text = Annotated[str, Meta(min_length=1, max_length=2_000)]


class NotXarf(TakedownError):
    """A document that is no XARF, or lacks what its version asks for; the message never repeats what stood there."""


class Party(Struct, frozen=True):
    """A reporter or a sender."""

    org: Text
    contact: Text
    domain: str | None = None


class Piece(Struct, frozen=True):
    """One piece of evidence, of which nothing is read; its payload is skipped by the decoder."""

    content_type: str = ""


class Document(Struct, frozen=True, kw_only=True):
    """What every version says, in the words of version 4; `pieces` of content were passed over."""

    version: str
    report_id: str | None
    timestamp: str
    reporter: str
    category: str
    type: str
    url: str | None
    pieces: int
    content_removed: bool = False
    fields: frozenset[str] = frozenset()


class _Version4(Struct, frozen=True, kw_only=True):
    xarf_version: str
    report_id: Text
    timestamp: Text
    reporter: Party
    source_identifier: Text
    category: Text
    type: Text
    sender: Party | None = None
    url: str | None = None
    # Serialisers write null for what is not there.
    evidence: tuple[Piece, ...] | None = None
    content_removed: bool | None = None


class _Reporter3(Struct, frozen=True, rename="pascal"):
    reporter_org: Text
    reporter_org_domain: str | None = None
    reporter_org_email: str | None = None


class _Source3(Struct, frozen=True):
    url: str | None = msgspec.field(name="URL", default=None)
    address: str | None = msgspec.field(name="IP", default=None)


class _Report3(Struct, frozen=True, rename="pascal"):
    report_class: Text
    report_type: Text
    date: Text
    source: _Source3 | None = None
    source_url: str | None = None
    attachment: tuple[Piece, ...] | None = None
    samples: tuple[Piece, ...] | None = None


class _Version3(Struct, frozen=True, kw_only=True, rename="pascal"):
    version: Text
    reporter_info: _Reporter3
    report: _Report3


def read_document(raw: bytes) -> Document:
    """Read one document of any version; raises `NotXarf`."""
    if len(raw) > _LONGEST_DOCUMENT:
        raise NotXarf("a document of more than 50 MB: a report has no content in it")
    names = _read(raw, dict[str, msgspec.Raw], "no XARF")
    if "xarf_version" in names:
        return _from_version_4(_read(raw, _Version4, _UNFIT), frozenset(names))
    if "Version" in names and "ReporterInfo" in names:
        return _from_version_3(_read(raw, _Version3, _UNFIT), frozenset(names))
    raise NotXarf(
        "no XARF: neither `xarf_version` (version 4) nor `Version` with `ReporterInfo` (3)"
    )


def _read(raw: bytes, kind: type[Any], fault: str) -> Any:
    try:
        return decoded(raw, kind)
    except UnfitDocument as error:
        raise NotXarf(f"{fault}: {error}") from None


def _from_version_4(read: _Version4, names: frozenset[str]) -> Document:
    edition = _VERSION_4.fullmatch(read.xarf_version)
    if edition is None:
        raise NotXarf("`xarf_version` is none of version 4, as 4.2.0 is")
    if read.category not in CATEGORIES:
        raise NotXarf("its category is none of XARF's")
    if int(edition[1]) >= _STRICT_EDITION:
        _check_edition(read)
    return Document(
        version=read.xarf_version,
        report_id=read.report_id,
        timestamp=read.timestamp,
        reporter=read.reporter.domain or read.reporter.org,
        category=read.category,
        type=read.type,
        url=read.url,
        pieces=len(read.evidence or ()),
        content_removed=bool(read.content_removed),
        fields=names,
    )


def _check_edition(read: _Version4) -> None:
    """Check what editions from 4.1 on ask for beyond 4.0."""
    try:
        UUID(read.report_id)
    except ValueError:
        raise NotXarf("`report_id` is no UUID") from None
    if read.sender is None:
        raise NotXarf("`sender` is missing")
    for name, party in (("reporter", read.reporter), ("sender", read.sender)):
        if not party.domain:
            raise NotXarf(f"`{name}.domain` is missing")
        if _MAILBOX.fullmatch(party.contact) is None:
            raise NotXarf(f"`{name}.contact` is no mailbox")


def _from_version_3(read: _Version3, names: frozenset[str]) -> Document:
    report = read.report
    kind = report.report_type.lower()
    nested = report.source.url if report.source else None
    return Document(
        version=read.version,
        report_id=None,
        timestamp=report.date,
        reporter=read.reporter_info.reporter_org_domain or read.reporter_info.reporter_org,
        category=kind if kind in _RIGHTS_3 else report.report_class.lower(),
        type=_RENAMED_3.get(kind, kind),
        url=report.source_url or nested,
        pieces=len(report.attachment or ()) + len(report.samples or ()),
        fields=names,
    )
