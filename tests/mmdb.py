"""Write small MaxMind DB files (.mmdb), as the tests need them; source: the MaxMind DB file format, version 2.0."""

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any, NamedTuple

_MARKER = b"\xab\xcd\xefMaxMind.com"
# As makers of such files do: other spellings of IPv4, 6to4 and Teredo lead to the tree of IPv4.
_ALIASES = ("::ffff:0:0/96", "2002::/16", "2001::/32")
Node = list[Any]


class _Number(NamedTuple):
    """A number whose type the format prescribes: 5 is of 16 bits, 6 of 32, 9 of 64."""

    kind: int
    value: int


def write_mmdb(
    path: Path, rows: Mapping[str, Mapping[str, Any]], built: int = 1_700_000_000
) -> Path:
    """Write prefixes and their content; a longer prefix cuts its part out of a shorter one."""
    root: Node = [None, None]
    for cidr in sorted(rows, key=lambda one: ip_network(one).prefixlen):
        _put(root, *_bits(cidr), dict(rows[cidr]))
    alias_of = _at(root, "0" * 96)
    for cidr in _ALIASES if isinstance(alias_of, list) else ():
        _put(root, *_bits(cidr), alias_of)
    path.write_bytes(_file(root, built))
    return path


def _bits(cidr: str) -> tuple[str, int]:
    network = ip_network(cidr)
    if isinstance(network, IPv4Network):
        return "0" * 96 + f"{int(network.network_address):032b}", network.prefixlen + 96
    return f"{int(network.network_address):0128b}", network.prefixlen


def _put(root: Node, bits: str, length: int, content: Any) -> None:
    node = root
    for bit in map(int, bits[: length - 1]):
        if not isinstance(node[bit], list):
            node[bit] = [node[bit], node[bit]]
        node = node[bit]
    node[int(bits[length - 1])] = content


def _at(root: Node, bits: str) -> Any:
    node: Any = root
    for bit in map(int, bits):
        node = node[bit] if isinstance(node, list) else None
    return node


def _file(root: Node, built: int) -> bytes:
    nodes: list[Node] = []
    numbers: dict[int, int] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in numbers:
            numbers[id(node)] = len(nodes)
            nodes.append(node)
            waiting += [child for child in node if isinstance(child, list)]
    data, tree = bytearray(), bytearray()
    for node in nodes:
        for child in node:
            tree += _record(child, numbers, len(nodes), data).to_bytes(3, "big")
    metadata = {
        "node_count": len(nodes),
        "record_size": _Number(5, 24),
        "ip_version": _Number(5, 6),
        "database_type": "Test-ASN",
        "languages": [],
        "binary_format_major_version": _Number(5, 2),
        "binary_format_minor_version": _Number(5, 0),
        "build_epoch": _Number(9, built),
        "description": {},
    }
    return bytes(tree) + bytes(16) + bytes(data) + _MARKER + _encoded(metadata)


def _record(child: Any, numbers: dict[int, int], count: int, data: bytearray) -> int:
    if child is None:
        return count
    if isinstance(child, list):
        return numbers[id(child)]
    place = len(data)
    data += _encoded(child)
    return count + 16 + place


def _encoded(value: Any) -> bytes:
    if isinstance(value, dict):
        inner = b"".join(_encoded(k) + _encoded(v) for k, v in value.items())
        return _control(7, len(value)) + inner
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(map(_encoded, value))
    if isinstance(value, str):
        return _control(2, len(value.encode())) + value.encode()
    number = value if isinstance(value, _Number) else _Number(6, value)
    size = (number.value.bit_length() + 7) // 8
    return _control(number.kind, size) + number.value.to_bytes(size, "big")


def _control(kind: int, size: int) -> bytes:
    tail = b"" if size < 29 else bytes([size - 29])
    first = min(size, 29)
    head = bytes([kind << 5 | first]) if kind <= 7 else bytes([first, kind - 7])
    return head + tail
