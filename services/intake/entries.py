"""What became of one row or document of a form: its end, and what it states."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from services.intake.intake_statements import Statement

Outcome = Literal["events", "dead_letter", "duplicate", "update", "skipped"]


class IntakeEntry(Struct, frozen=True, kw_only=True):
    """One row or document and its end; `why` never repeats what stood there, it may be a URL.

    `claims` are for people to read, their event is one of the statements. `unlisted_hoster`: a hoster is named that
    the providers' file does not list, so that its notice is left out. `left_out`: pieces of content that the document
    held, and that were passed over unread.
    """

    line: int
    row: int
    outcome: Outcome
    reference: str | None = None
    why: str | None = None
    statements: tuple[Statement, ...] = ()
    claims: Mapping[str, object] | None = None
    notice_known: bool | None = None
    unlisted_hoster: str | None = None
    left_out: int = 0


class Counts(Struct):
    """How many entries came to which end."""

    events: int = 0
    dead_letter: int = 0
    duplicate: int = 0
    update: int = 0
    skipped: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        setattr(self, outcome, getattr(self, outcome) + 1)
