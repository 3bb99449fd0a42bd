"""What one answer of a name server says: addresses, an alias, that a name does not exist, or that it is kept from us.

That a name does not exist is a statement of its parent zone, and so comes with that zone's SOA record (RFC 2308, 2.1).
A resolver that makes it up itself, as filters do, gives none, or one under the name itself, which would then exist.
Where it was asked with EDNS a filter can also say what it is (Extended DNS Errors, RFC 8914).
"""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from msgspec import Struct

from services.core.verdict import Dns

FAILED = frozenset({"servfail", "timeout", "refused", "broken"})
"""Answers that say nothing of the name: another name server is asked."""
DOUBTED = frozenset({"filtered", "unproven"})
"""Answers that one name server made up, or may have: another one is asked as well."""

# RFC 8914: Forged Answer, Blocked, Censored, Filtered, Prohibited.
_FILTER_CODES = frozenset({4, 15, 16, 17, 18})
# A refusal that says Prohibited is meant for us, whatever the name.
_REFUSAL_CODES = _FILTER_CODES - {18}
_OPT, _ERROR = b"\x00\x00\x29", 15
_OPTION = struct.Struct("!HH")
_STATUS: dict[dns.rcode.Rcode, Dns] = {
    dns.rcode.NOERROR: "nodata",
    dns.rcode.NXDOMAIN: "nxdomain",
    dns.rcode.REFUSED: "refused",
}


class QueryAnswer(Struct, frozen=True):
    """The answer to one query, its chain of aliases followed; `server` is the number of who gave it."""

    status: Dns
    values: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    ttl: float = 0.0
    error_codes: tuple[int, ...] = ()
    server: int = -1


def read_answer(message: dns.message.Message, name: str) -> tuple[QueryAnswer, str]:
    """Read an answer to a question about a name; gives the name at the end of its chain too.

    Raises dnspython's exceptions for what is malformed.
    """
    if not isinstance(message, dns.message.QueryMessage):
        return QueryAnswer("broken"), name
    status, codes = _STATUS.get(message.rcode(), "servfail"), error_codes_of(message)
    if status in FAILED:
        telling = _REFUSAL_CODES if status == "refused" else _FILTER_CODES
        is_filtered = not telling.isdisjoint(codes)
        return QueryAnswer("filtered" if is_filtered else status, error_codes=codes), name
    chaining = message.resolve_chaining()
    end = chaining.canonical_name
    values = () if chaining.answer is None else tuple(dict.fromkeys(map(_value, chaining.answer)))
    if not _FILTER_CODES.isdisjoint(codes):
        # What a filter gives in place of addresses is its own page.
        status, values = "filtered", ()
    elif values:
        status = "addresses"
    elif status == "nxdomain" and not is_proven(message, end):
        status = "unproven"
    aliases = tuple(_text(rrset[0].target) for rrset in chaining.cnames)
    ttl = float(chaining.minimum_ttl)
    return QueryAnswer(status, values, aliases, ttl, codes), _text(end)


def message_of(data: bytes) -> dns.message.Message:
    """Parse an answer; raises dnspython's exceptions for what is malformed.

    Options of which nothing is used can't spoil it: a subnet with odd bits, an error's text that is no UTF-8.
    """
    return dns.message.from_wire(_with_plain_options(data))


def _with_plain_options(data: bytes) -> bytes:
    """Keep of the EDNS options the codes of errors alone."""
    at = data.find(_OPT, 12)
    while at >= 0 and at + 11 + int.from_bytes(data[at + 9 : at + 11]) != len(data):
        at = data.find(_OPT, at + 1)
    if at < 0:
        return data
    codes, place = b"", at + 11
    while place + 4 <= len(data):
        option, length = _OPTION.unpack_from(data, place)
        if option == _ERROR and length >= 2:
            codes += _OPTION.pack(_ERROR, 2) + data[place + 4 : place + 6]
        place += 4 + length
    return data[: at + 9] + len(codes).to_bytes(2) + codes


def error_codes_of(message: dns.message.Message) -> tuple[int, ...]:
    """List the Extended DNS Errors of an answer."""
    return tuple(int(o.code) for o in message.options if isinstance(o, dns.edns.EDEOption))


def is_proven(message: dns.message.Message, name: dns.name.Name) -> bool:
    """Tell whether an answer that a name does not exist is the statement of a zone above it, fetched for us."""
    if not message.flags & dns.flags.RA:
        return False
    zones = [r.name for r in message.authority if r.rdtype == dns.rdatatype.SOA]
    return any(name != zone and name.is_subdomain(zone) for zone in zones)


def _value(record: object) -> str:
    address = getattr(record, "address", None)
    if isinstance(address, str):
        return address
    target = getattr(record, "target", None)
    return _text(target) if isinstance(target, dns.name.Name) else ""


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
