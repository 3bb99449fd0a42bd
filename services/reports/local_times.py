"""Instants as people read them: in their own time zone, with its name. Files for programs stay in UTC."""

from datetime import UTC, datetime, tzinfo

import msgspec

from services.core.instants import local
from services.reports.figures import Table, Warned


def in_zone(table: Table, zone: tzinfo) -> Table:
    """Give a table whose instants are those of a zone; no figure changes."""
    return msgspec.structs.replace(
        table,
        cutoff=local(table.cutoff, zone),
        newest_evidence=_in(zone, table.newest_evidence),
        newest_sighting=_in(zone, table.newest_sighting),
        warnings=[_warned_in(one, zone) for one in table.warnings],
    )


def _in(zone: tzinfo, at: datetime | None) -> datetime | None:
    return None if at is None else local(at, zone)


def _warned_in(warned: Warned, zone: tzinfo) -> Warned:
    """Move what is an instant; what was given as a day, midnight in UTC, stays that day."""
    at = warned.warned_at
    if at.astimezone(UTC).time() == datetime.min.time():
        return warned
    return msgspec.structs.replace(
        warned, warned_at=local(at, zone), grace_ends=local(warned.grace_ends, zone)
    )


def exactly(at: datetime) -> str:
    """Write an instant so that it may be given as a cut-off: a second cut short would leave the last looks out."""
    text = at.isoformat(" ")
    zone = str(at.tzinfo)
    return text.replace("+00:00", " UTC") if zone == "UTC" else f"{text} {zone}"
