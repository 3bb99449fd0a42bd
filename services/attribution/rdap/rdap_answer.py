"""One RDAP answer (RFC 9083): its range, its entities at any depth, and what the registry says that it left out.

Registries differ in everything that the standard leaves open; only what can't be told at all is an error. A part that
is malformed (an entity, a card) is left out and named in `faults`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from services.attribution.rdap.fault import RdapFault, decoded
from services.attribution.rdap.jcard import Card, card_of
from services.attribution.rdap.jscontact import MEMBERS, card_of_objects
from services.attribution.rdap.rdap_ranges import (
    AddressRange,
    IPAddress,
    IPNetwork,
    cidr0_prefixes,
    range_of,
)

REMOVED = "removed"
# A range of the registry's own stock: whoever is printed there holds nothing in it.
_UNASSIGNED = frozenset({"reserved", "available"})
_MOST_ENTITIES = 5_000
_MAX_NUMBER = 4_294_967_295


class RdapEntity(Struct, frozen=True, kw_only=True):
    """A person or an organisation in an answer; `depth` 0 is the answer's own, deeper is another entity's.

    `withheld`: the registry says of this entity that it shows less than it has.
    """

    handle: str | None
    roles: tuple[str, ...]
    statuses: tuple[str, ...]
    card: Card
    depth: int
    withheld: bool = False

    @property
    def is_removed(self) -> bool:
        """Tell whether the registry shows it for the record only."""
        return REMOVED in self.statuses


class Redaction(Struct, frozen=True, kw_only=True):
    """One statement of RFC 9537: what was left out, where it stood, and how."""

    name: str
    paths: tuple[str, ...]
    method: str


class RdapAnswer(Struct, frozen=True, kw_only=True):
    """What an answer says; `error` is its error code where it is a refusal."""

    kind: str | None
    handle: str | None
    name: str | None
    country: str | None
    addresses: AddressRange | None
    asns: tuple[int, ...]
    entities: tuple[RdapEntity, ...]
    redactions: tuple[Redaction, ...]
    error: int | None
    faults: tuple[str, ...]
    listed: tuple[IPNetwork, ...] = ()
    statuses: tuple[str, ...] = ()

    @property
    def is_unassigned(self) -> bool:
        """Tell whether the registry says that it gave the range to nobody."""
        return bool(_UNASSIGNED & set(self.statuses))

    def prefix_of(self, address: IPAddress) -> IPNetwork | None:
        """Give the prefix of the range that holds an address, or else the one of the extension `cidr0`."""
        prefixes = self.listed if self.addresses is None else self.addresses.prefixes
        return next((one for one in prefixes if address in one), None)

    @property
    def holder(self) -> str | None:
        """Give the name of whom the range is registered for."""
        holders = [one for one in self.entities if "registrant" in one.roles and not one.is_removed]
        return next((title for one in holders if (title := one.card.title) is not None), None)


def read_rdap(body: bytes) -> RdapAnswer:
    """Read the body of an answer, an error answer included; raises `RdapFault`, never anything else."""
    value = decoded(body)
    if not isinstance(value, dict):
        raise RdapFault("the answer is no JSON object")
    faults: list[str] = []
    entities = tuple(_entities(value, faults))
    return RdapAnswer(
        kind=_text(value.get("objectClassName")),
        handle=_text(value.get("handle")),
        name=_text(value.get("name")),
        country=_country(value.get("country")),
        addresses=range_of(value),
        asns=_asns(value),
        entities=entities,
        redactions=tuple(_redactions(value.get("redacted"))),
        error=_error(value),
        faults=tuple(faults),
        listed=tuple(cidr0_prefixes(value)),
        statuses=_words(value.get("status")),
    )


def _entities(answer: Mapping[str, Any], faults: list[str]) -> Iterator[RdapEntity]:
    """Give all entities in the order in which they stand; not by recursion, so that depth costs nothing."""
    waiting = [(one, 0) for one in reversed(_listed(answer, faults))]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        if not isinstance(value, dict):
            faults.append("an entity is no object")
            continue
        count += 1
        if count > _MOST_ENTITIES:
            faults.append(f"more than {_MOST_ENTITIES} entities; the others are left out")
            return
        yield _entity(value, depth, faults)
        waiting += [(one, depth + 1) for one in reversed(_listed(value, faults))]


def _listed(value: Mapping[str, Any], faults: list[str]) -> list[Any]:
    entities = value.get("entities")
    if entities is None:
        return []
    if not isinstance(entities, list):
        faults.append("`entities` is no list")
        return []
    return entities


def _entity(value: Mapping[str, Any], depth: int, faults: list[str]) -> RdapEntity:
    card = _card(value)
    faults.extend(card.faults)
    return RdapEntity(
        handle=_text(value.get("handle")),
        roles=_words(value.get("roles")),
        statuses=_words(value.get("status")),
        card=card,
        depth=depth,
        withheld=_withheld(value.get("remarks")),
    )


def _card(value: Mapping[str, Any]) -> Card:
    """Read the contact of an entity: a jCard, a JSContact card, or both, which say the same while a server changes."""
    cards = [card_of(value["vcardArray"])] if value.get("vcardArray") is not None else []
    cards += [card_of_objects(value[one]) for one in MEMBERS if value.get(one) is not None]
    return Card(
        tuple(one for card in cards for one in card.properties),
        tuple(one for card in cards for one in card.faults),
    )


def _words(value: Any) -> tuple[str, ...]:
    """Read a list of words, or one word alone, in small letters."""
    listed = value if isinstance(value, list) else [value]
    return tuple(one.strip().casefold() for one in listed if isinstance(one, str))


def _withheld(remarks: Any) -> bool:
    """Tell whether remarks have one of the types with which RFC 9083 says that something was left out (10.2.1)."""
    kinds = (
        [one.get("type") for one in remarks or () if isinstance(one, dict)]
        if isinstance(remarks, list)
        else []
    )
    marks = ("object redacted", "object truncated due to authorization")
    return any(isinstance(kind, str) and kind.casefold().startswith(marks) for kind in kinds)


def _redactions(value: Any) -> Iterator[Redaction]:
    for one in value if isinstance(value, list) else ():
        if not isinstance(one, dict):
            continue
        name = one.get("name")
        named = name if isinstance(name, dict) else {}
        paths = [one.get(key) for key in ("prePath", "postPath", "replacementPath")]
        yield Redaction(
            name=_text(named.get("description")) or _text(named.get("type")) or "",
            paths=tuple(path for path in paths if isinstance(path, str)),
            # RFC 9537, 4.2: absent, it is a removal.
            method=_text(one.get("method")) or "removal",
        )


def _asns(answer: Mapping[str, Any]) -> tuple[int, ...]:
    """Give the AS numbers that a network is announced by, as ARIN's extension says, or those of an AS itself."""
    listed = answer.get("arin_originas0_originautnums")
    numbers = listed if isinstance(listed, list) else []
    first, last = answer.get("startAutnum"), answer.get("endAutnum")
    if first == last:
        numbers = [*numbers, first]
    good = [n for n in numbers if type(n) is int and 0 < n <= _MAX_NUMBER]
    return tuple(dict.fromkeys(good))


def _error(answer: Mapping[str, Any]) -> int | None:
    code = answer.get("errorCode")
    if isinstance(code, str) and code.isdecimal() and len(code) < 6:
        return int(code)
    return code if type(code) is int else None


def _country(value: Any) -> str | None:
    text = (_text(value) or "").upper()
    return text if len(text) == 2 and text.isascii() and text.isalpha() else None


def _text(value: Any) -> str | None:
    return value.strip()[:200] or None if isinstance(value, str) else None
