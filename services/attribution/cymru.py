"""Team Cymru's answers over DNS: which AS numbers originate the prefix of an address.

    2.0.192.origin.asn.cymru.com. TXT "64500 64501 | 192.0.2.0/24 | NL | ripencc | 2010-07-14"

An answer may hold several records, of one prefix or of several, and a record several numbers: all are kept. Only the
longest prefix that holds the address says who originates it now, and it may still name two providers.
"""

import ipaddress
import re
from collections.abc import Iterable

from msgspec import Struct

from schemas.errors import TakedownError
from services.attribution.as_numbers import read_as_number
from services.attribution.reverse_names import reverse_labels

_BETWEEN = re.compile(r"[\s,{}\"]+")
ZONES = {4: "origin", 6: "origin6"}


class OriginFault(TakedownError):
    """An origin answer that can't be used; says why, and repeats nothing of it."""


class OriginRecord(Struct, frozen=True, kw_only=True):
    """One record: the numbers that originate a prefix, and where it is registered."""

    as_numbers: tuple[int, ...]
    prefix: str
    country: str | None = None
    registry: str | None = None


class Origin(Struct, frozen=True, kw_only=True):
    """What an answer says of an address: the longest prefix that holds it, and all of its numbers, in order.

    `records` is the whole answer, less specific prefixes included.
    """

    as_numbers: tuple[int, ...]
    prefix: str
    country: str | None
    records: tuple[OriginRecord, ...]


def origin_name(address: str, zone: str) -> str:
    """Give the name to ask for TXT records of an address."""
    version = ipaddress.ip_address(address).version
    return f"{reverse_labels(address)}.{ZONES[version]}.{zone}"


def read_origin(texts: Iterable[str], address: str) -> Origin | None:
    """Read the TXT records of an answer about an address; None where it says that nobody announces it.

    Raises `OriginFault` where no record names a prefix that holds it: such an answer speaks of somebody else.
    """
    listed = list(texts)
    records = tuple(filter(None, map(_record, listed)))
    if not records:
        if any(map(_is_nobody, listed)):
            return None
        raise OriginFault("no record of the answer has AS numbers and a prefix")
    target = ipaddress.ip_address(address)
    holding = [one for one in records if target in ipaddress.ip_network(one.prefix)]
    if not holding:
        raise OriginFault("the answer names a prefix that does not hold the address")
    longest = max(ipaddress.ip_network(one.prefix).prefixlen for one in holding)
    best = [one for one in holding if ipaddress.ip_network(one.prefix).prefixlen == longest]
    numbers = sorted({number for one in best for number in one.as_numbers})
    return Origin(
        as_numbers=tuple(numbers),
        prefix=best[0].prefix,
        country=next((one.country for one in best if one.country), None),
        records=records,
    )


def _record(text: str) -> OriginRecord | None:
    """Read one record; None for what is none."""
    fields = [field.strip() for field in text.split("|")]
    if len(fields) < 2:
        return None
    as_numbers = _as_numbers(fields[0])
    prefix = _prefix(fields[1])
    if not as_numbers or prefix is None:
        return None
    country, registry = [*fields[2:4], "", ""][:2]
    return OriginRecord(
        as_numbers=as_numbers,
        prefix=prefix,
        country=country.upper() if re.fullmatch("[A-Za-z]{2}", country) else None,
        registry=registry[:40] or None,
    )


def _is_nobody(text: str) -> bool:
    """Tell whether a record says `NA` where the numbers stand: the service's word for what nobody announces."""
    return text.partition("|")[0].strip(' "').upper() == "NA"


def _as_numbers(text: str) -> tuple[int, ...]:
    """Read the numbers; none where one is in another form, for then it is not known who else originates the prefix."""
    numbers = [read_as_number(word) for word in _BETWEEN.split(text) if word]
    if None in numbers:
        return ()
    return tuple(dict.fromkeys(number for number in numbers if number))


def _prefix(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text)) if "/" in text else None
    except ValueError:
        return None
