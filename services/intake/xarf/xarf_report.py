"""Which XARF documents are reports of this monitor, and what they state.

Only those of the category `content` say that a URL holds illegal material. All others (spam, attacks, open services,
copyright) are refused with that reason. A type's own name is the category of the report, so that norms and figures can
tell `csam` from `phishing`; names of edition 4.0 that later ones replaced are read as what replaced them.
"""

from msgspec import Struct

from schemas.errors import TakedownError
from schemas.events import ClaimStated, ReportFiled, is_slug
from services.core.time_spans import TimeSpan
from services.intake.intake_statements import Statement
from services.intake.spans import NoTime, instant
from services.intake.xarf.xarf_document import Document

_CONTENT = "content"
_RENAMED = {
    "phishing_site": "phishing",
    "malware_distribution": "malware",
    "web_hack": "remote_compromise",
    "defacement": "remote_compromise",
}
# What edition 4.1 and later ask for beside the URL, by type; what they only recommend is not here.
_REQUIRED = {
    "csam": ("classification", "detection_method"),
    "csem": ("exploitation_type", "detection_method"),
    "brand_infringement": ("infringement_type", "legitimate_site"),
    "exposed_data": ("data_types", "exposure_method"),
    "fraud": ("fraud_type",),
    "remote_compromise": ("compromise_type",),
    "suspicious_registration": ("registration_date", "suspicious_indicators"),
    "malware": (),
    "phishing": (),
}
_OLD_EDITIONS = ("3", "4.0.")


class NoReport(TakedownError):
    """A sound document that makes no report of this monitor, or lacks what a report needs."""


class XarfReport(Struct, frozen=True, kw_only=True):
    """The statement of a document, and how many pieces of content were passed over unread."""

    statement: Statement
    claim: Statement | None
    left_out: int


def report_of(document: Document, *, historic: bool = False) -> XarfReport:
    """Make the report of a document; raises `NoReport`."""
    if document.category != _CONTENT:
        raise NoReport(
            f"a XARF report of {_shown(document.category)} says of no URL that it holds illegal material: "
            "only the category `content` makes a report here"
        )
    if not document.url:
        raise NoReport("it has no `url`")
    _check_type(document)
    try:
        time = instant(document.timestamp)
    except NoTime as error:
        raise NoReport(f"its time is {error}") from None
    data = ReportFiled(
        reporter=f"xarf:{document.reporter}"[:200],
        category=_RENAMED.get(document.type, document.type),
        url=document.url,
        reference=document.report_id,
        historic=historic,
    )
    return XarfReport(
        statement=Statement(data=data, time=time, reference=document.report_id),
        claim=_claim(document, data.reporter, time),
        left_out=document.pieces + _screenshots(document),
    )


def _claim(document: Document, reporter: str, time: TimeSpan) -> Statement | None:
    """Keep that the sender says it is gone: nobody here has seen that."""
    if not document.content_removed:
        return None
    data = ClaimStated(claimant=reporter, status="content_removed")
    return Statement(data=data, time=TimeSpan.at(time.latest), reference=document.report_id)


def _shown(category: str) -> str:
    # Version 3 names its classes freely.
    plain = category.isascii() and category.isalpha() and len(category) <= 20
    return f"the category `{category}`" if plain else "another category"


def _screenshots(document: Document) -> int:
    """Count links to pictures: they are content elsewhere, and are not followed or kept."""
    return int("screenshot_url" in document.fields)


def _check_type(document: Document) -> None:
    if not is_slug(document.type):
        raise NoReport("its type is no name of a type")
    if document.version.startswith(_OLD_EDITIONS):
        return
    required = _REQUIRED.get(document.type)
    if required is None:
        raise NoReport("its type is none of the category `content`")
    missing = [name for name in required if name not in document.fields]
    if missing:
        raise NoReport(f"`{missing[0]}` is missing, which this type asks for")
