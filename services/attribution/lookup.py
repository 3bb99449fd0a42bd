"""What a source says when it is asked for an address: an answer, nothing there, or no answer at all.

The three are never mixed up: what failed says nothing of the address, and is asked again.
"""

from collections.abc import Awaitable
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from services.attribution.rdap.abuse import AbuseContact

Failure = Literal["timeout", "refused", "unreadable", "limited", "budget", "outage"]
"""Why there was no answer; `limited`: it told us to ask less; `budget`, `outage`: it was not even asked."""


class SourceAnswer(Struct, frozen=True, kw_only=True):
    """An answer: `prefix` is the one that it names and that holds the address; None where it names none."""

    prefix: str | None
    answered_at: datetime
    as_numbers: tuple[int, ...] = ()
    country: str | None = None
    holder: str | None = None
    contact: AbuseContact | None = None


class SourceSilence(Struct, frozen=True, kw_only=True):
    """The source knows nothing of the address, and says so."""

    answered_at: datetime


class NoAnswer(Struct, frozen=True, kw_only=True):
    """The source could not be asked, or what it said is of no use.

    `wait_seconds`: for how long it wants to be left alone, where it says so.
    """

    failure: Failure
    wait_seconds: float | None = None


Lookup = SourceAnswer | SourceSilence | NoAnswer


class AddressSource(Protocol):
    """A service that can be asked for an address, and for nothing else: no URL and no host name reaches it."""

    @property
    def name(self) -> str:
        """Its name: the method of what it says."""
        ...

    def look_up(self, address: str) -> Awaitable[Lookup]:
        """Ask for an address; raises nothing."""
        ...
