"""Compare the rows of a map with each other: conflicts, overlaps, gaps, and ranges outside of their provider's.

Of rows of one prefix the one that began last holds. Two that began at one instant and name different holders are a
conflict: for the time of both nobody is known to answer, nor does the next larger prefix's holder.
"""

from collections.abc import Iterator
from itertools import groupby
from math import inf

from services.attribution.map_content import Holder, MapContent, SourceRow, fault_of_asn
from services.attribution.map_faults import Fault, FaultKind, short
from services.attribution.prefix_table import PrefixRow

_Place = tuple[int, int, int]


def compare(rows: list[SourceRow]) -> tuple[list[PrefixRow[Holder]], list[Fault]]:
    """Give the rows of a table, with those that say that nobody is known, and the faults."""
    table, faults = [], []
    for _, group in groupby(sorted(rows, key=_place), _place):
        same = list(group)
        table += [one.row for one in same]
        if len(same) > 1:
            conflicts, some = _beginnings(same)
            table += conflicts
            faults += [*some, *_ends(same)]
    return table, faults


def _place(one: SourceRow) -> _Place:
    return one.row.version, one.row.first, one.row.length


def _beginnings(same: list[SourceRow]) -> tuple[list[PrefixRow[Holder]], list[Fault]]:
    """Find rows of one prefix that begin at one instant."""
    conflicts, faults = [], []
    first: dict[tuple[object, float], SourceRow] = {}
    for one in same:
        if one.row.value.unknown == "refused":
            continue
        other = first.setdefault((one.row.since, one.row.rank), one)
        if other is one:
            continue
        name = _difference(other.row.value, one.row.value)
        if name is None:
            says = "the same row twice: harmless, counted"
            faults.append(_fault("duplicate", one, other, says))
            continue
        conflicts.append(_contradicted(other.row, one.row, name))
        faults.append(_fault("conflict", one, other, f"the same prefix, another {name}"))
    return conflicts, faults


def _difference(one: Holder, other: Holder) -> str | None:
    """Name what two holders differ in."""
    for name in ("provider", "role", "reseller", "country"):
        if getattr(one, name) != getattr(other, name):
            return name
    return "AS" if one.provider is None and one.as_numbers != other.as_numbers else None


def _contradicted(one: PrefixRow[Holder], other: PrefixRow[Holder], name: str) -> PrefixRow[Holder]:
    """Make the row that holds for the time of two that contradict each other: only what both say is known."""
    numbers = {*one.value.as_numbers, *other.value.as_numbers}
    holder = Holder(as_numbers=tuple(sorted(numbers)), unknown="conflict")
    if name in ("reseller", "country"):
        country = None if name == "country" else one.value.country
        holder = one.value._replace(reseller=None, country=country)
    return one._replace(until=min(one.until, other.until), value=holder, rank=inf)


def _ends(same: list[SourceRow]) -> Iterator[Fault]:
    """Find rows of one prefix that overlap in time, or leave a time between them."""
    readable = [one for one in same if one.row.value.unknown != "refused"]
    ordered = sorted(readable, key=lambda one: (one.row.since, one.line or 0))
    reach = ordered[0] if ordered else same[0]
    for one in ordered[1:]:
        since, until = one.row.since, reach.row.until
        if since > until:
            says = f"nobody answers from {short(until)} to {short(since)}"
            yield _fault("gap", one, reach, says)
        elif reach.row.since < since < until and one.row.rank <= 0:
            yield _fault("overlap", one, reach, f"from {short(since)} on this row holds")
        if one.row.until >= until:
            reach = one


def _fault(kind: FaultKind, one: SourceRow, other: SourceRow, says: str) -> Fault:
    return Fault(line=one.line, kind=kind, says=says, entry=one.entry, with_line=other.line)


def network_faults(content: MapContent) -> Iterator[Fault]:
    """Find AS numbers that name nobody, or two providers at one time."""
    seen: dict[int, list[tuple[str, object, object]]] = {}
    for provider in content.providers.values():
        for network in provider.networks:
            number, line = network.asn, content.network_lines.get((provider.id, network.asn))
            entry = f"provider {provider.id}"
            if (bad := fault_of_asn(number)) is not None:
                yield Fault(line=line or None, kind=bad[0], says=bad[1], entry=entry)
            for other, since, until in seen.setdefault(number, []):
                if other != provider.id and since == network.valid_from and until:
                    says = f"AS {number} is that of {other} as well, so that it names nobody"
                    with_line = content.network_lines.get((other, number)) or None
                    yield Fault(
                        line=line or None,
                        kind="conflict",
                        says=says,
                        entry=entry,
                        with_line=with_line,
                    )
            seen[number].append((provider.id, network.valid_from, network.valid_to))


def outside_faults(content: MapContent) -> Iterator[Fault]:
    """Find ranges of resellers that lie in no range of their provider."""
    held: dict[str, set[_Place]] = {}
    for one in content.rows:
        if one.row.value.provider is not None:
            held.setdefault(one.row.value.provider, set()).add(_place(one))
    for one in content.reseller_rows:
        provider = one.row.value.provider or ""
        if provider in held and not any(p in held[provider] for p in _larger(*_place(one))):
            says = f"{one.row.prefix} lies in no range of {provider}"
            yield Fault(line=one.line, kind="outside", says=says, entry=one.entry)


def _larger(version: int, first: int, length: int) -> Iterator[_Place]:
    bits = 32 if version == 4 else 128
    for shorter in range(length, 0, -1):
        yield version, first >> (bits - shorter) << (bits - shorter), shorter


def parent_faults(content: MapContent) -> Iterator[Fault]:
    """Find parents that are not in the map, or that go round in a circle."""
    for provider in content.providers.values():
        seen, parent = {provider.id}, provider.parent
        while parent is not None and parent in content.providers and parent not in seen:
            seen.add(parent)
            parent = content.providers[parent].parent
        if parent is None:
            continue
        says = f"parent {parent} is not in the map"
        if parent in seen:
            says = "parents go round in a circle"
        line = content.parent_lines.get(provider.id)
        yield Fault(line=line, kind="syntax", says=says, entry=f"provider {provider.id}")
