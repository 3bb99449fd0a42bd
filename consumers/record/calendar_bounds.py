"""Which instants an event may hold: those that every reader of the ledger can take.

PostgreSQL refuses a zone of 16 hours or more when a view reads an instant from the log, and its client takes the first
and the last instant of the calendar for infinities. In UTC each must be a date of the calendar too.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from schemas.errors import UnusableEvent
from schemas.events import TYPES, Payload

# What an event says beside its own time may lie further off: "since ever", "for good".
_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_END = datetime.max.replace(tzinfo=UTC)
# No zone of any country is beyond 14 hours.
_WIDEST_ZONE = timedelta(hours=16)


def _instants(data: type[Payload]) -> tuple[str, ...]:
    fields = msgspec.inspect.type_info(data).fields  # type: ignore[attr-defined]
    return tuple(field.name for field in fields if _is_instant(field.type))


def _is_instant(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _is_instant(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(map(_is_instant, kind.types))
    return isinstance(kind, msgspec.inspect.DateTimeType)


INSTANTS: Mapping[type[Payload], tuple[str, ...]] = {
    data: _instants(data) for data in TYPES.values()
}
"""The fields of each type that hold an instant."""


def check_instants(data: Payload) -> None:
    """See that every instant in an event's data can be kept and read; raises `UnusableEvent`."""
    for name in INSTANTS[type(data)]:
        moment = getattr(data, name)
        if moment is not None and not _can_be_kept(moment):
            raise UnusableEvent(
                "bad_time",
                f"`{name}` is beyond the calendar, or its zone is 16 hours or more off UTC",
            )


def _can_be_kept(moment: datetime) -> bool:
    zone = moment.utcoffset()
    return zone is not None and abs(zone) < _WIDEST_ZONE and _FIRST <= moment < _END
