"""What the readers of a map give: providers, rows of prefixes, and what is wrong with either, each with its line."""

from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv6Network, ip_network
from typing import NamedTuple

import msgspec
from msgspec import Struct

from schemas.events import Role
from services.attribution.addresses import unwrapped
from services.attribution.attribution_fact import Confidence, Unknown
from services.attribution.map_entries import Prefix, Provider, role_of
from services.attribution.map_faults import Fault, FaultKind
from services.attribution.prefix_table import EVER, NEVER, PrefixRow

# 64512 to 65534 and 4200000000 to 4294967294 are private (RFC 6996), the last numbers of either length reserved.
_PRIVATE = (range(64_512, 65_536), range(4_200_000_000, 4_294_967_296))


class Holder(NamedTuple):
    """Who a row names: a provider, or AS numbers by which one is found; or nobody, and why."""

    provider: str | None = None
    role: Role | None = None
    country: str | None = None
    reseller: str | None = None
    as_numbers: tuple[int, ...] = ()
    confidence: Confidence = "high"
    unknown: Unknown | None = None


REFUSED = Holder(unknown="refused")


class SourceRow(NamedTuple):
    """A row of the table, and the entry and line that it comes from."""

    row: PrefixRow[Holder]
    line: int | None = None
    entry: str = ""


class MapContent(Struct, kw_only=True):
    """A map as it was read.

    `network_lines` are those of AS numbers by provider and number, `parent_lines` those that name a provider's parent.
    """

    providers: dict[str, Provider] = {}
    rows: list[SourceRow] = []
    reseller_rows: list[SourceRow] = []
    network_lines: dict[tuple[str, int], int] = {}
    parent_lines: dict[str, int | None] = {}
    faults: list[Fault] = []


class BadPrefix(Exception):
    """A text is no prefix that can be used; `place` is what it would be without its host bits."""

    def __init__(
        self, kind: FaultKind, says: str, place: tuple[int, int, int] | None = None
    ) -> None:
        super().__init__(says)
        self.kind, self.says, self.place = kind, says, place


def read_prefix(text: str) -> tuple[int, int, int]:
    """Read version, first address and length; raises `BadPrefix`."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise BadPrefix("syntax", f"{text[:60]!r} is no prefix; write it as 192.0.2.0/24") from None
    first = int(network.network_address)
    place = network.version, first, network.prefixlen
    if network.prefixlen == 0:
        raise BadPrefix("default_route", "everything: every unknown address would get an owner")
    if isinstance(network, IPv6Network) and unwrapped(first).wrapping == "ipv4_mapped":
        raise BadPrefix("mapped", f"IPv4 inside IPv6; write {_inner(first, network.prefixlen)}")
    if "/" in text and int(ip_network(text.split("/", maxsplit=1)[0]).network_address) != first:
        raise BadPrefix("host_bits", f"host bits are set; the network is {network}", place)
    return place


def _inner(first: int, length: int) -> str:
    return f"{unwrapped(first).text}/{max(length - 96, 0)}"


def fault_of_asn(number: int) -> tuple[FaultKind, str] | None:
    """Say what is wrong with an AS number."""
    if number == 0:
        return "as_zero", "AS 0 is nobody (RFC 7607)"
    if any(number in block for block in _PRIVATE):
        return "private_asn", f"AS {number} is for private use, and names nobody"
    return None


def add_prefix(
    content: MapContent,
    prefix: Prefix,
    owner: Provider | None,
    line: int | None,
    entry: str,
    as_numbers: tuple[int, ...] = (),
) -> bool:
    """Add a prefix as it is written; tell whether it can be used."""
    provider = prefix.provider if owner is None else owner.id
    place, holder = None, REFUSED
    try:
        place = read_prefix(prefix.cidr)
        if not prefix.valid_from < prefix.valid_to:
            raise BadPrefix("syntax", "valid_to is not after valid_from", place)
        holder = Holder(
            provider,
            None if prefix.role is None else role_of(prefix.role),
            prefix.country,
            prefix.reseller,
            as_numbers,
            unknown=None if provider else "silent",
        )
    except BadPrefix as bad:
        place = bad.place
        content.faults.append(Fault(line=line, kind=bad.kind, says=bad.says, entry=entry))
    if place is not None:
        since, until = prefix.valid_from, max(prefix.valid_from, prefix.valid_to)
        row = dated_row(place, since, until, holder, prefix.stated_at)
        content.rows.append(SourceRow(row, line, entry))
        if holder.reseller is not None:
            content.reseller_rows.append(SourceRow(row, line, entry))
    return holder is not REFUSED


def add_unreadable(content: MapContent, cidr: object, line: int | None, entry: str) -> None:
    """Have nobody known for the range of an entry of which no more than the range can be read."""
    try:
        place = read_prefix(cidr) if isinstance(cidr, str) else None
    except BadPrefix as bad:
        place = bad.place
    if place is not None:
        content.rows.append(SourceRow(dated_row(place, EVER, NEVER, REFUSED), line, entry))


def dated_row(
    place: tuple[int, int, int],
    since: datetime,
    until: datetime,
    holder: Holder,
    stated_at: datetime | None = None,
) -> PrefixRow[Holder]:
    """Make a row; one that can't be used stands behind good ones, one that was stated later before them."""
    rank = -1.0 if holder.unknown == "refused" else 0.0
    if stated_at is not None:
        rank = (stated_at - EVER).total_seconds()
    return PrefixRow(*place, since, until, holder, rank)


def add_resellers(content: MapContent, owner: Provider, lines: Iterator[int | None]) -> None:
    """Add the ranges of a provider's resellers."""
    for reseller, line in zip(owner.reseller, lines, strict=True):
        entry = f"provider {owner.id}, reseller {reseller.id}"
        for cidr in reseller.cidr:
            try:
                place = read_prefix(cidr)
            except BadPrefix as bad:
                content.faults.append(Fault(line=line, kind=bad.kind, says=bad.says, entry=entry))
                continue
            holder = Holder(owner.id, reseller=reseller.id)
            row = dated_row(place, reseller.valid_from, reseller.valid_to, holder)
            content.reseller_rows.append(SourceRow(row, line, entry))


def join(first: Provider, second: Provider) -> Provider:
    """Join two entries of one provider: what the first says of itself holds, their lists are one."""
    lists = ("aliases", "asn", "prefix", "network", "former_name", "reseller", "contact", "tag")
    joined = {name: (*getattr(first, name), *getattr(second, name)) for name in lists}
    return msgspec.structs.replace(first, **joined)
