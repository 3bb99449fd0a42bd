"""What one answer of a name server says: addresses, an alias, that a name does not exist, or that it is kept from us.

That a name does not exist is a statement of its parent zone, and so comes with that zone's SOA record (RFC 2308, 2.1).
A resolver that makes it up itself, as filters do, gives none, or one under the name itself, which would then exist.
Where it was asked with EDNS a filter can also say what it is (Extended DNS Errors, RFC 8914).
"""

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
        is_filtered = status == "servfail" and not _FILTER_CODES.isdisjoint(codes)
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
