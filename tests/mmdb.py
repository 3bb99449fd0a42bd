"""Write small MaxMind DB files (.mmdb), as the tests need them; source: the MaxMind DB file format, version 2.0."""

import csv
import sys
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range
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
    tree = Tree()
    for cidr in sorted(rows, key=lambda one: ip_network(one).prefixlen):
        tree.put(ip_network(cidr), dict(rows[cidr]))
    path.write_bytes(tree.file(built))
    return path


def main(out: Path, *tables: Path) -> None:
    """Write tables of ranges (first, last, AS number, name) as an .mmdb."""
    tree, contents = Tree(), {}
    for table in tables:
        with table.open(newline="") as lines:
            for first, last, number, name in csv.reader(lines):
                content = {
                    "autonomous_system_number": int(number),
                    "autonomous_system_organization": name,
                }
                content = contents.setdefault((number, name), content)
                for network in summarize_address_range(ip_address(first), ip_address(last)):
                    tree.put(network, content)
    out.write_bytes(tree.file(1_781_000_000))


class Tree:
    """The tree of both families: IPv4 stands at ::/96."""

    def __init__(self) -> None:
        self._root: Node = [None, None]
        self._v4 = self._down(self._root, "0" * 96)

    def put(self, network: IPv4Network | IPv6Network, content: Any) -> None:
        """Have a prefix lead to some content."""
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
        node = self._v4 if isinstance(network, IPv4Network) else self._root
        self._down(node, bits[:-1])[int(bits[-1])] = content

    def _down(self, node: Node, bits: str) -> Node:
        for bit in map(int, bits):
            if not isinstance(node[bit], list):
                node[bit] = [node[bit], node[bit]]
            node = node[bit]
        return node

    def file(self, built: int) -> bytes:
        """Give the bytes of the file."""
        for cidr in _ALIASES:
            self.put(ip_network(cidr), self._v4)
        return _file(self._root, built)


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
    places: dict[int, int] = {}
    for node in nodes:
        for child in node:
            tree += _record(child, numbers, places, data).to_bytes(3, "big")
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


def _record(child: Any, numbers: dict[int, int], places: dict[int, int], data: bytearray) -> int:
    if child is None:
        return len(numbers)
    if isinstance(child, list):
        return numbers[id(child)]
    if id(child) not in places:
        places[id(child)] = len(data)
        data += _encoded(child)
    return len(numbers) + 16 + places[id(child)]


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


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
