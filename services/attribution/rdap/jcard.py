"""jCards (RFC 7095): the contact of an RDAP entity, as nested lists.

    ["vcard", [["version", {}, "text", "4.0"], ["email", {"pref": "1"}, "text", "abuse@provider.example"]]]

What is malformed in a card is left out and named in `faults`; what is well-formed beside it counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from services.attribution.mailboxes import each_once, mailboxes_in
from services.attribution.rdap.fault import RdapFault, decoded

# RFC 6350, 5.3: 1 is preferred most, 100 least; what has no preference comes after what has one.
_NO_PREFERENCE = 101
# A value is a scalar, a list of components, or one whose components are lists (RFC 7095, 3.3.1.3).
_DEEPEST = 2


class Property(Struct, frozen=True):
    """One property of a card: its name in small letters, how much it is preferred, its values."""

    name: str
    preference: int
    values: tuple[Any, ...]


class Card(Struct, frozen=True):
    """A contact, and what of it can't be used."""

    properties: tuple[Property, ...] = ()
    faults: tuple[str, ...] = ()

    def texts(self, name: str) -> Iterator[str]:
        """Give the texts of the properties of a name, the preferred ones first."""
        named = [one for one in self.properties if one.name == name]
        for one in sorted(named, key=lambda one: one.preference):
            for value in one.values:
                yield from _texts(value)

    @property
    def mailboxes(self) -> list[str]:
        """The mailboxes, each once, the preferred ones first."""
        return list(each_once(box for text in self.texts("email") for box in mailboxes_in(text)))

    @property
    def title(self) -> str | None:
        """What the contact is called: its formatted name, else its organisation."""
        names = [*self.texts("fn"), *self.texts("org")]
        return next((name.strip() for name in names if name.strip()), None)


def read_card(body: bytes) -> Card:
    """Read a card that stands alone; raises `RdapFault` at the first thing that is malformed."""
    card = card_of(decoded(body))
    if card.faults:
        raise RdapFault(card.faults[0])
    return card


def card_of(value: Any) -> Card:
    """Make a card of decoded JSON."""
    if not isinstance(value, list) or not value:
        return Card(faults=("the jCard is no list",))
    if value[0] != "vcard":
        return Card(faults=('the jCard does not begin with "vcard"',))
    if len(value) < 2 or not isinstance(value[1], list):
        return Card(faults=("the jCard has no list of properties",))
    return card_from([_property(number, one) for number, one in enumerate(value[1], 1)])


def card_from(read: Sequence[Property | str]) -> Card:
    """Make a card of the properties that were read, and of what is wrong with the others."""
    good = tuple(one for one in read if isinstance(one, Property))
    return Card(good, tuple(one for one in read if isinstance(one, str)))


def _property(number: int, value: Any) -> Property | str:
    """Read one property, or say what is wrong with it."""
    where = f"property {number} of the jCard"
    if not isinstance(value, list) or len(value) < 4:
        return f"{where} is no list of name, parameters, type and value"
    name, parameters, kind, *values = value
    if not isinstance(name, str) or not isinstance(kind, str):
        return f"{where} has a name or a type that is no text"
    # Servers in PHP write an object that holds nothing as a list.
    parameters = {} if parameters == [] else parameters
    if not isinstance(parameters, dict):
        return f"{where} has parameters that are no object"
    if any(_depth(one) > _DEEPEST for one in values):
        return f"{where} has lists within lists"
    # `item1.EMAIL`: a group in front of a name, as vCards have it (RFC 6350, 3.3).
    plain = name.rpartition(".")[2].casefold()
    return Property(plain, _preference(parameters), tuple(values))


def _depth(value: Any) -> int:
    """Tell how many lists stand within each other, as far as that matters."""
    depth, level = 0, [value]
    while depth <= _DEEPEST and any(isinstance(one, list) for one in level):
        depth += 1
        level = [item for one in level if isinstance(one, list) for item in one]
    return depth


def _preference(parameters: Mapping[str, Any]) -> int:
    """Read `pref`, or a word of `type`, as version 3 of vCards has it."""
    named = {key.casefold(): value for key, value in parameters.items()}
    return preference_of(named.get("pref", 1 if "pref" in _texts(named.get("type")) else None))


def preference_of(stated: Any) -> int:
    """Read a preference, 1 being preferred most: a text, a number, or a list of one of them."""
    if isinstance(stated, list):
        stated = stated[0] if stated else None
    try:
        preference = msgspec.convert(stated, int, strict=False)
    except msgspec.ValidationError:
        return _NO_PREFERENCE
    return preference if 1 <= preference < _NO_PREFERENCE else _NO_PREFERENCE


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
