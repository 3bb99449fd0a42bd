"""The columns of an export by their names: as the database calls them, or by the labels that one dialect has."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from services.intake.scart.scart_csv import BadExport, ExportTable, shown_names

# Label -> column. The labels but `first NTD` are of the samples; a real export may have others.
_LABELS = {
    "file_number": "filenumber",
    "host": "url_host",
    "ip_address": "url_ip",
    "referer": "url_referer",
    "received": "received_at",
    "first_seen": "firstseen_at",
    "last_seen": "lastseen_at",
    "type": "type_code",
    "police_first": "police",
    "source": "source_code",
    "status": "status_code",
    "hoster": "hoster_owner",
    "first_ntd": "hoster_first_ntd_at",
    "registrar": "registrar_contact",
    "classification": "grade_code",
    "grade": "grade_code",
}
READ = (
    "filenumber", "url", "received_at", "lastseen_at", "source_code", "status_code", "grade_code",
    "hoster_owner", "hoster_contact", "hoster_first_ntd_at",
)  # fmt: skip
"""The columns that are read; what else an export has is left where it is."""
_LEFT_OUT = (
    "reference", "url_host", "url_ip", "url_type", "url_referer", "hashcheck_at", "hashcheck_return",
    "firstseen_at", "type_code", "police", "hoster_country", "registrar_contact",
)  # fmt: skip


class ExportColumns(Struct, frozen=True):
    """Where each column stands, and the names of those that nobody here knows."""

    places: Mapping[str, int]
    width: int
    unknown: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Tell whether the export has a column."""
        return name in self.places

    def cell(self, fields: tuple[str, ...], name: str) -> str:
        """Give a cell's text; empty where the export has no such column."""
        place = self.places.get(name)
        return "" if place is None else fields[place].strip()


def columns_of(table: ExportTable) -> ExportColumns:
    """Find the columns by the header; raises `BadExport` where one that is needed is missing or stands twice."""
    names = [column_name(label) for label in table.header]
    _refuse_doubled(names)
    if "filenumber" not in names:
        raise BadExport("no column `filenumber` (`File number`): an export of SCART has one")
    needed = ("received_at",) if "url" in names else ("hoster_first_ntd_at",)
    missing = [name for name in needed if name not in names]
    if missing:
        raise BadExport(f"no column `{missing[0]}`: neither reports nor notices can be read")
    unknown = [
        label for label, name in zip(table.header, names, strict=True) if not _is_of_export(name)
    ]
    places = {name: place for place, name in enumerate(names) if name in READ}
    return ExportColumns(places, len(names), tuple(shown_names(unknown)))


def column_name(label: str) -> str:
    """Give a label in the one form in which columns are looked up."""
    plain = "_".join(label.strip().lower().replace("-", " ").split())
    return _LABELS.get(plain, plain)


def _is_of_export(name: str) -> bool:
    return name in READ or name in _LEFT_OUT


def _refuse_doubled(names: Iterable[str]) -> None:
    listed = [name for name in names if name in READ]
    doubled = sorted({name for name in listed if listed.count(name) > 1})
    if doubled:
        raise BadExport(f"the header has `{doubled[0]}` twice; rename one of them")
