"""The two messages of the hot path: a question, and a plain positive answer to it.

Whatever is not plain (negative, truncated, other record types or sections, odd labels, anything malformed) is left to
dnspython, which is right about all of it; a differential test holds the two together. Formats: RFC 1035, RFC 6891.
"""

import re
import socket
import struct
from typing import NamedTuple

import dns.name

QTYPE = {"A": 1, "NS": 2, "AAAA": 28}
EDNS_PAYLOAD = 1232  # DNS flag day 2020: fits every path without fragments
_CNAME, _OPT, _IN = 5, 41, 1
_LENGTH = {1: 4, 28: 16}
_FAMILY = {1: socket.AF_INET, 28: socket.AF_INET6}
_PLAIN = re.compile(r"[a-z0-9_-]{1,63}")
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_OPT_RECORD = b"\x00" + _RECORD.pack(_OPT, EDNS_PAYLOAD, 0, 0)
_RECURSE = 0x0100
_NO_EDNS = (1, 4)
_MOST_RECORDS = 64
_MOST_POINTERS = 16
_LONGEST_TTL = 0x7FFFFFFF


class Plain(NamedTuple):
    """A plain positive answer: addresses, the CNAME chain, the least TTL, and the name at the chain's end."""

    values: tuple[str, ...]
    chain: tuple[str, ...]
    ttl: float
    end: str


class _Odd(Exception):
    """Not plain."""


def question_of(host: str, kind: str) -> bytes:
    """Write the question for a name; raises dnspython's exceptions for what is no name."""
    labels = host.removesuffix(".").split(".")
    if len(host) <= 253 and all(_PLAIN.fullmatch(label) for label in labels):
        name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\x00"
    else:
        name = dns.name.from_text(host).to_wire() or b"\x00"
    return name + struct.pack("!HH", QTYPE[kind], _IN)


def query_of(number: int, question: bytes, *, edns: bool = True) -> bytes:
    """Write the whole query, with recursion desired and our payload size.

    With EDNS a resolver can say why it answers as it does (RFC 8914), so it is always tried first.
    """
    header = _HEADER.pack(number, _RECURSE, 1, 0, 0, int(edns))
    return header + question + (_OPT_RECORD if edns else b"")


def refuses_edns(data: bytes) -> bool:
    """Tell whether an answer is that of a server that may not know EDNS: FORMERR or NOTIMP (RFC 6891, 7)."""
    return data[3] & 0x0F in _NO_EDNS


def answers(data: bytes, number: int, question: bytes) -> bool:
    """Tell whether a datagram is the answer to our question: the id, the bit, and the question itself.

    Old servers leave the question out where they refuse EDNS.
    """
    if len(data) < 12 + len(question):
        header = data[:2] == number.to_bytes(2) and len(data) == 12 and data[2] & 0x80 != 0
        return header and refuses_edns(data)
    number_sent_back, flags, questions, *_ = _HEADER.unpack_from(data)
    echoed = data[12 : 12 + len(question)]
    return (
        number_sent_back == number
        and flags & 0x8000 != 0
        and questions == 1
        and (echoed == question or echoed.lower() == question.lower())
    )


def truncated(data: bytes) -> bool:
    """Tell whether an answer did not fit."""
    return data[2] & 0x02 != 0


def read_plain(data: bytes, host: str, question: bytes) -> Plain | None:
    """Read a plain positive answer for addresses; None for everything else."""
    kind = int.from_bytes(question[-4:-2], "big")
    if kind not in _LENGTH:
        return None
    try:
        return _read(data, host.removesuffix(".").lower(), len(question), kind)
    except (_Odd, struct.error, IndexError, ValueError):
        return None


def _read(data: bytes, host: str, question_length: int, kind: int) -> Plain | None:
    _, flags, _, count, authority, additional = _HEADER.unpack_from(data)
    # Answer, opcode 0, not truncated, no error, and nothing that the plain parser would have to look into.
    if flags & 0xFA0F != 0x8000 or authority or additional > 1 or not 0 < count <= _MOST_RECORDS:
        return None
    at = 12 + question_length
    addresses: dict[str, list[bytes]] = {}
    ttls: dict[str, int] = {}
    aliases: dict[str, tuple[str, int]] = {}
    for _ in range(count):
        owner, at = _name(data, at)
        rtype, rclass, ttl, length = _RECORD.unpack_from(data, at)
        at += 10
        if rclass != _IN or ttl > _LONGEST_TTL or at + length > len(data):
            return None
        if rtype == kind and length == _LENGTH[kind]:
            addresses.setdefault(owner, []).append(data[at : at + length])
            ttls[owner] = min(ttl, ttls.get(owner, ttl))
        elif rtype == _CNAME and owner not in aliases:
            target, end = _name(data, at)
            if end != at + length:
                return None
            aliases[owner] = target, ttl
        else:
            return None
        at += length
    if not _ends(data, at, additional):
        return None
    return _resolve_chain(host, kind, addresses, ttls, aliases)


def _resolve_chain(
    host: str,
    kind: int,
    addresses: dict[str, list[bytes]],
    ttls: dict[str, int],
    aliases: dict[str, tuple[str, int]],
) -> Plain | None:
    """Follow the chain to addresses; None where it leads to none, or round in a circle."""
    chain: list[str] = []
    name, least = host, _LONGEST_TTL
    while name not in addresses:
        if name not in aliases or len(chain) >= len(aliases):
            return None
        name, ttl = aliases[name]
        chain.append(name)
        least = min(least, ttl)
    packed = dict.fromkeys(addresses[name])
    values = tuple(socket.inet_ntop(_FAMILY[kind], value) for value in packed)
    return Plain(values, tuple(chain), float(min(least, ttls[name])), name)


def _ends(data: bytes, at: int, additional: int) -> bool:
    """Tell whether nothing follows but an OPT record without options."""
    if not additional:
        return at == len(data)
    if at + 11 != len(data) or data[at] != 0:
        return False
    rtype, _, flags, length = _RECORD.unpack_from(data, at + 1)
    # No extended error code, version 0.
    return bool(rtype == _OPT and flags >> 16 == 0 and length == 0)


def _name(data: bytes, at: int) -> tuple[str, int]:
    """Read a name, compressed or not; gives it in lower case, and where it ends."""
    labels: list[str] = []
    end, least, size = -1, at, 0
    for _ in range(128 + _MOST_POINTERS):
        length = data[at]
        if length == 0:
            if not labels:
                # The root, as where an alias leads nowhere: no host, and not written as one.
                raise _Odd
            return ".".join(labels), at + 1 if end < 0 else end
        if length & 0xC0 == 0xC0:
            pointer = (length & 0x3F) << 8 | data[at + 1]
            if end < 0:
                end = at + 2
            # Only ever backwards, so that no name goes round in a circle.
            if not 12 <= pointer < least:
                raise _Odd
            at = least = pointer
            continue
        label = data[at + 1 : at + 1 + length].decode("ascii").lower()
        size += length + 1
        if length > 63 or size > 254 or len(label) != length or not _PLAIN.fullmatch(label):
            raise _Odd
        labels.append(label)
        at += length + 1
    raise _Odd
