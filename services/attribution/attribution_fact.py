"""A dated fact: who answers for an address, by what evidence, and how sure that is."""

from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from schemas.events import Role

Confidence = Literal["high", "medium", "low"]
# Why nobody is named. `silent`: no source speaks of the address. `conflict`, `refused`: the map contradicts itself, or
# an entry of it can't be used. `unlisted_as`: the AS is that of no provider, or of several.
Unknown = Literal["silent", "conflict", "refused", "unlisted_as"]


class Attribution(NamedTuple):
    """Who answers for an address, and the prefix that says so; without a provider `unknown` says why.

    `role` is that of the events: `proxy` for an edge that passes on, `hosting` for an origin. `since` is the date of
    the fact, None where it holds since ever.
    """

    provider: str | None
    role: Role = "hosting"
    prefix: str | None = None
    country: str | None = None
    parent: str | None = None
    reseller: str | None = None
    as_numbers: tuple[int, ...] = ()
    method: str = "map"
    confidence: Confidence = "high"
    since: datetime | None = None
    unknown: Unknown | None = None

    @property
    def as_number(self) -> int | None:
        """The AS number, where the fact has exactly one."""
        return self.as_numbers[0] if len(self.as_numbers) == 1 else None


class Attributor(Protocol):
    """Says who answers for an address: a provider map, or a map with more behind it."""

    def provider_at(self, address: str, at: datetime) -> Attribution | None:
        """Say who answers; None where nothing speaks of the address."""
