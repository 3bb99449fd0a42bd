"""One row of an export, checked cell by cell, and what it states."""

import re
from zoneinfo import ZoneInfo

from msgspec import Struct

from schemas.errors import BadUrl, TakedownError
from schemas.events import ClaimStated, NoticeSent, ReportFiled
from schemas.urls import canonical
from services.core.time_spans import TimeSpan
from services.intake.hoster_names import HosterNames
from services.intake.intake_statements import Statement
from services.intake.scart.scart_columns import ExportColumns
from services.intake.scart.scart_csv import ExportCells
from services.intake.spans import NoTime, instant, wall_clock

CATEGORY = "csam"
# Empty, and as dumps of a database write that a column holds nothing.
_NO_VALUE = ("", "NULL", "\\N", "0000-00-00 00:00:00")
_WITH_OFFSET = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)$", re.I)
_ILLEGAL = "illegal"
_FILE_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


class UnusableRow(TakedownError):
    """Why a row is a dead letter; the message never repeats what stood there, it may be a URL."""


class Claims(Struct, frozen=True, kw_only=True):
    """What the export says and nobody here has seen."""

    status: str | None
    last_seen_online: TimeSpan | None

    def shown(self) -> dict[str, object]:
        """Give what there is, as people read it."""
        seen = self.last_seen_online
        listed = {"status": self.status, "last_seen_online": None if seen is None else seen.shown()}
        return {name: value for name, value in listed.items() if value is not None}


class ScartRow(Struct, frozen=True, kw_only=True):
    """A checked row; `url` is None in an export without URLs."""

    reference: str
    cells: tuple[str, ...]
    is_illegal: bool
    url: str | None
    received: TimeSpan | None
    noticed: TimeSpan | None
    claims: Claims
    reporter: str
    hoster: str
    provider: str | None
    historic: bool

    @property
    def unlisted_hoster(self) -> str | None:
        """The hoster that had a notice and is not in the providers' file, so that the notice is left out."""
        return self.hoster if self.noticed is not None and self.provider is None else None

    def report(self) -> list[Statement]:
        """State the report, where the export has URLs."""
        if self.url is None or self.received is None:
            return []
        data = ReportFiled(
            reporter=self.reporter,
            category=CATEGORY,
            url=self.url,
            provider=self.provider,
            reference=self.reference,
            historic=self.historic,
        )
        return [Statement(data=data, time=self.received, reference=self.reference)]

    def notice(self) -> list[Statement]:
        """State the first notice, where one is known and it is known to whom it went."""
        if self.noticed is None or self.provider is None:
            return []
        name = f"scart:{self.reference}:first"
        data = NoticeSent(notice_id=name, provider=self.provider, channel="email")
        return [Statement(data=data, time=self.noticed, reference=self.reference)]

    def claim(self) -> list[Statement]:
        """State the claims, dated by the report that they belong to: the same export says the same again."""
        seen, since = self.claims.last_seen_online, self.received or self.noticed
        if since is None or (seen is None and self.claims.status is None):
            return []
        data = ClaimStated(
            claimant=self.reporter,
            status=self.claims.status,
            seen_online_at=None if seen is None else seen.latest,
            seen_online_earliest=None if seen is None else seen.first,
        )
        return [Statement(data=data, time=TimeSpan.at(since.latest), reference=self.reference)]


def checked_row(
    columns: ExportColumns,
    cells: ExportCells,
    zone: ZoneInfo,
    hosters: HosterNames,
    *,
    historic: bool,
) -> ScartRow:
    """Check a row's cells; raises `UnusableRow`."""
    fields = _whole(columns, cells)
    text = {name: columns.cell(fields, name) for name in columns.places}
    is_illegal = text.get("grade_code", _ILLEGAL).lower() == _ILLEGAL
    if not is_illegal:
        # Nothing follows from it, so that nothing else in it need be right.
        text = {"filenumber": text["filenumber"]}
    owner, contact = text.get("hoster_owner", ""), text.get("hoster_contact", "")
    received = _time(text, "received_at", "received at", zone)
    row = ScartRow(
        reference=_file_number(text["filenumber"]),
        cells=fields,
        is_illegal=is_illegal,
        url=text.get("url"),
        received=received,
        noticed=_time(text, "hoster_first_ntd_at", "first notice at", zone),
        claims=Claims(
            status=text.get("status_code") or None,
            last_seen_online=_time(text, "lastseen_at", "last seen at", zone),
        ),
        reporter=f"scart:{text.get('source_code', '').lower() or 'unknown'}",
        hoster=owner or contact or "?",
        provider=hosters.provider(owner, contact),
        historic=historic,
    )
    _check_report(row)
    return row


def _check_report(row: ScartRow) -> None:
    """In an export with URLs every row has one, and the time of its report."""
    if row.url is None:
        return
    if row.received is None:
        raise UnusableRow("received at no time")
    try:
        canonical(row.url)
    except BadUrl as error:
        raise UnusableRow(f"no URL: {error}") from None


def _whole(columns: ExportColumns, cells: ExportCells) -> tuple[str, ...]:
    if cells.fields is None:
        raise UnusableRow("broken quoting: a quote that never closes")
    if len(cells.fields) != columns.width:
        raise UnusableRow(
            f"{len(cells.fields)} fields where the header has {columns.width}: a separator inside a field, perhaps"
        )
    if any("\udc80" <= sign <= "\udcff" for field in cells.fields for sign in field):
        raise UnusableRow("not UTF-8; save the export as UTF-8")
    return cells.fields


def _file_number(text: str) -> str:
    if not is_file_number(text):
        raise UnusableRow("no file number")
    return text


def is_file_number(text: str) -> bool:
    """Tell whether a text has the form of a file number, so that it may be shown."""
    return _FILE_NUMBER.fullmatch(text) is not None


def _time(text: dict[str, str], name: str, what: str, zone: ZoneInfo) -> TimeSpan | None:
    cell = text.get(name, "")
    if cell.upper() in _NO_VALUE:
        return None
    try:
        return instant(cell) if _WITH_OFFSET.search(cell) else wall_clock(cell, zone)
    except NoTime as error:
        raise UnusableRow(f"{what} {error}") from None
