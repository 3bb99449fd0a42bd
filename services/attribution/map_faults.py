"""What can be wrong with an entry of a map or table, and what that does to it; nothing takes the whole map down."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

FaultKind = Literal[
    "syntax", "host_bits", "mapped", "default_route", "as_zero", "private_asn", "conflict", "duplicate",
    "too_specific", "overlap", "gap", "outside", "expired",
    "placeholder",
]  # fmt: skip
Severity = Literal["refused", "unknown", "note"]
# Refused: the entry says nothing. Unknown: nobody answers for what it speaks of. Note: it holds all the same.
SEVERITY: dict[FaultKind, Severity] = {
    "syntax": "refused",
    "host_bits": "refused",
    "mapped": "refused",
    "default_route": "refused",
    "as_zero": "unknown",
    "private_asn": "unknown",
    "conflict": "unknown",
    "duplicate": "note",
    "too_specific": "note",
    "overlap": "note",
    "gap": "note",
    "outside": "note",
    "expired": "note",
    "placeholder": "note",
}


class Fault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry at fault: where it stands, what is wrong, and the line that it does not go with."""

    line: int | None
    kind: FaultKind
    says: str
    entry: str = ""
    with_line: int | None = None

    @property
    def severity(self) -> Severity:
        """What the fault does to its entry."""
        return SEVERITY[self.kind]

    @property
    def text(self) -> str:
        """The fault in one line."""
        place = "" if self.line is None else f"line {self.line}: "
        return f"{place}{self.entry}{': ' if self.entry else ''}{self.says}"


def short(moment: datetime) -> str:
    """Write an instant for people: in UTC, and no more of it than there is."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def by_line(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Sort faults as they stand in the file."""
    return tuple(sorted(faults, key=lambda one: (one.line or 0, one.kind)))
