"""JSContact cards (RFC 9553): the contact of an RDAP entity as objects, which registries show beside jCards or alone.

    {"@type": "Card", "name": {"full": "Abuse desk"}, "emails": {"1": {"address": "abuse@provider.example", "pref": 1}}}

What is malformed in a card is left out and named in `faults`, as with jCards. Source: the member `jscard` of
draft-ietf-regext-rdap-jscontact, which its first servers wrote `jscard_0`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from services.attribution.rdap.jcard import Card, Property, card_from, preference_of

MEMBERS = ("jscard", "jscard_0")
_PARTS = (("emails", "address", "email"), ("organizations", "name", "org"))


def card_of_objects(value: Any) -> Card:
    """Make a card of decoded JSON."""
    if not isinstance(value, dict):
        return Card(faults=("the JSContact card is no object",))
    read = [*_names(value.get("name"))]
    for part, key, name in _PARTS:
        read.extend(_properties(value.get(part), part, key, name))
    return card_from(read)


def _names(value: Any) -> Iterator[Property | str]:
    if value is None:
        return
    full = value.get("full") if isinstance(value, dict) else None
    if isinstance(full, str):
        yield Property("fn", preference_of(None), (full,))
    elif not isinstance(value, dict):
        yield "`name` of the JSContact card is no object"


def _properties(value: Any, part: str, key: str, name: str) -> Iterator[Property | str]:
    """Read a map of properties by id, of each the text under `key`."""
    if value is None:
        return
    if not isinstance(value, dict):
        yield f"`{part}` of the JSContact card is no object"
        return
    for one in value.values():
        if isinstance(one, Mapping) and isinstance(one.get(key), str):
            yield Property(name, preference_of(one.get("pref")), (one[key],))
        else:
            yield f"one of `{part}` of the JSContact card has no `{key}`"
