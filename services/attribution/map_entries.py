"""The entries of a provider map as they are written; every one of them may be dated.

docs/attribution.md has the form of the file.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events import Role, Slug
from schemas.methodology import Duration
from services.attribution.prefix_table import EVER, NEVER

Instant = Annotated[datetime, Meta(tz=True)]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
Asn = Annotated[int, Meta(ge=0, le=4_294_967_295)]
# `edge` and `origin` are what a proxy's ranges are called; events know the roles of those that answer for them.
WrittenRole = Literal["hosting", "proxy", "edge", "origin"]
_ROLES: dict[str, Role] = {"edge": "proxy", "origin": "hosting"}


def role_of(written: WrittenRole) -> Role:
    """Give the role as events have it."""
    return _ROLES.get(written) or ("proxy" if written == "proxy" else "hosting")


class MapEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what a map says: true from `valid_from` on, up to and not with `valid_to`."""

    valid_from: Instant = EVER
    valid_to: Instant = NEVER

    def __post_init__(self) -> None:
        """Refuse an instant that has no place in UTC."""
        for name in ("valid_from", "valid_to", "stated_at", "warned_on"):
            moment = getattr(self, name, None)
            try:
                if moment is not None:
                    moment.astimezone(UTC)
            except OverflowError:
                raise ValueError(f"{name} is beyond the calendar in UTC") from None
        if not self._keeps_range and self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from, so that it never holds")

    @property
    def _keeps_range(self) -> bool:
        """Whether its addresses are kept where its times are wrong, so that nobody is known for them."""
        return False

    def holds_at(self, at: datetime) -> bool:
        """Tell whether it is true at an instant."""
        return self.valid_from <= at < self.valid_to


class Prefix(MapEntry, frozen=True, kw_only=True):
    """A range of addresses and the time for which a provider answers for it.

    `stated_at` is when somebody put it in the place of another row that began at the same instant. As an entry of its
    own, outside of a provider's, it names `provider`; without one nobody is known to answer from then on.
    """

    cidr: str
    role: WrittenRole | None = None
    country: Country | None = None
    provider: Slug | None = None
    reseller: Slug | None = None
    stated_at: Instant | None = None
    actor: Text | None = None
    reason: Text | None = None

    @property
    def _keeps_range(self) -> bool:
        return True


class Network(MapEntry, frozen=True, kw_only=True):
    """An AS number that a provider uses for a time; a provider has several, and they are one provider."""

    asn: Asn
    name: Text | None = None


class FormerName(MapEntry, frozen=True, kw_only=True):
    """A name that a provider had."""

    name: Text


class Reseller(MapEntry, frozen=True, kw_only=True):
    """Who rents a range of addresses or of accounts within a provider; the provider stays answerable.

    `accounts` are names, or ranges of names that differ in their last number, such as `c1000-c1999`.
    """

    id: Slug
    name: Text | None = None
    cidr: tuple[str, ...] = ()
    accounts: tuple[Text, ...] = ()


class Contact(MapEntry, frozen=True, kw_only=True):
    """Where notices go."""

    kind: Slug = "abuse"
    address: Text
    channel: Slug = "email"


class Tag(MapEntry, frozen=True, kw_only=True):
    """A mark on a provider with who set it and why, such as `watch-list`; `warned_on` and `period` are of a warning."""

    tag: Slug
    actor: Text
    reason: Text
    warned_on: Instant | None = None
    period: Duration | None = None


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The organisation answerable for hosting; `parent` is the one that it rents from."""

    id: Slug
    name: str
    country: Country | None = None
    role: WrittenRole = "hosting"
    aliases: tuple[str, ...] = ()
    asn: tuple[Asn, ...] = ()
    parent: Slug | None = None
    prefix: tuple[Prefix, ...] = ()
    network: tuple[Network, ...] = ()
    former_name: tuple[FormerName, ...] = ()
    reseller: tuple[Reseller, ...] = ()
    contact: tuple[Contact, ...] = ()
    tag: tuple[Tag, ...] = ()

    @property
    def networks(self) -> tuple[Network, ...]:
        """All AS numbers: those of `asn` are the provider's since ever."""
        return (*(Network(asn=number) for number in self.asn), *self.network)

    def name_at(self, at: datetime) -> str:
        """Give the name that the provider had at an instant."""
        return next((old.name for old in self.former_name if old.holds_at(at)), self.name)

    def tags_at(self, at: datetime) -> tuple[Tag, ...]:
        """Give the marks that stand at an instant."""
        return tuple(tag for tag in self.tag if tag.holds_at(at))
