"""The prefix table: the longest prefix, then the latest date, whatever the order of the rows."""

import csv
import json
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.attribution.addresses import numeric
from services.attribution.prefix_table import EVER, NEVER, PrefixRow, PrefixTable
from services.attribution.providermap import ProviderMap

NOW = datetime(2024, 6, 1, tzinfo=UTC)
DATA = Path(__file__).parents[2] / "data" / "prefixes"
Network = IPv4Network | IPv6Network


def row(network: Network, value: str, since: datetime = EVER, until: datetime = NEVER) -> PrefixRow:
    return PrefixRow(
        network.version, int(network.network_address), network.prefixlen, since, until, value
    )


def test_real_nested_prefixes_agree_with_the_oracle() -> None:
    """Prefix and AS number are those that a comparison with every row gives, for both families."""
    table = ProviderMap.load(DATA / "prefixes.csv")
    with (DATA / "oracle.csv").open() as lines:
        for line in csv.DictReader(lines):
            match = table.provider_at(line["address"], NOW)
            expected = (line["prefix"], int(line["asn"])) if line["prefix"] else (None, None)
            assert (match and match.prefix, match and match.as_number) == expected, line


def test_a_dirty_table_is_read_and_every_fault_is_listed() -> None:
    """All faults come at once, with kind and line, and no other line is named."""
    lines = (DATA / "dirty.expected.jsonl").read_text().splitlines()
    expected = [(one["line"], one["kind"], one.get("with_line")) for one in map(json.loads, lines)]
    faults = ProviderMap.load(DATA / "dirty.csv").faults
    assert [(fault.line, fault.kind, fault.with_line) for fault in faults] == expected


@pytest.mark.parametrize(
    ("address", "prefix", "numbers", "unknown"),
    [
        ("192.0.2.1", "192.0.2.0/24", (64500, 64501), "conflict"),
        ("198.51.100.1", "198.51.100.0/24", (64500,), "unlisted_as"),
        ("198.51.100.129", "198.51.100.128/25", (), "refused"),
        ("203.0.113.200", "203.0.113.0/24", (), "refused"),
        ("203.0.113.17", "203.0.113.16/29", (64502,), "unlisted_as"),
        ("2001:db8:2::5", "2001:db8:2::/48", (), "refused"),
        ("2001:db8:3::5", "2001:db8::/32", (64500, 64503), "conflict"),
    ],
)
def test_what_a_fault_speaks_of_is_unknown(
    address: str, prefix: str, numbers: tuple[int, ...], unknown: str
) -> None:
    """An entry at fault makes its own range unknown; the next larger prefix does not answer for it."""
    match = ProviderMap.load(DATA / "dirty.csv").provider_at(address, NOW)
    assert match is not None
    assert (match.prefix, match.as_numbers, match.unknown) == (prefix, numbers, unknown)


@pytest.mark.parametrize(
    ("address", "version", "text", "wrapping"),
    [
        ("192.0.2.1", 4, "192.0.2.1", None),
        ("2001:DB8:0::1", 6, "2001:db8::1", None),
        ("::ffff:192.0.2.1", 4, "192.0.2.1", "ipv4_mapped"),
        ("::ffff:c000:201", 4, "192.0.2.1", "ipv4_mapped"),
        ("64:ff9b::192.0.2.1", 4, "192.0.2.1", "nat64"),
        ("2002:c000:201::7", 4, "192.0.2.1", "6to4"),
        ("64:ff9b:1::c000:201", 6, "64:ff9b:1::c000:201", None),
        ("2001:0:c000:201::1", 6, "2001:0:c000:201::1", None),
    ],
)
def test_addresses_are_unwrapped(
    address: str, version: int, text: str, wrapping: str | None
) -> None:
    """An IPv4 address inside an IPv6 address is the one that counts, where it is where the host is."""
    number = numeric(address)
    assert number is not None
    assert (number.version, number.text, number.wrapping) == (version, text, wrapping)


@pytest.mark.parametrize(
    "text", ["", "x", "192.0.2", "192.0.2.256", "192.0.2.01", "fe80::1%eth0", ":", "a\0"]
)
def test_what_is_no_address_matches_nothing(text: str) -> None:
    """Nothing is attributed to a text that is no address."""
    assert numeric(text) is None
    assert PrefixTable([row(ip_network("192.0.2.0/24"), "a")]).lookup(text, NOW) is None


def networks(version: int) -> st.SearchStrategy[Network]:
    """Networks of one version that often lie in each other: few bits differ."""
    bits = 32 if version == 4 else 128
    kind = IPv4Network if version == 4 else IPv6Network

    def made(pair: tuple[int, int]) -> Network:
        number, length = pair
        whole = (number & 0xF) << (bits - 4) | number >> 4 << (bits // 2 - 4)
        return kind((whole >> (bits - length) << (bits - length), length))

    return st.tuples(st.integers(0, 255), st.integers(1, bits)).map(made)


DAYS = st.integers(0, 6).map(lambda day: NOW + timedelta(days=day))
ROWS = st.lists(
    st.tuples(networks(4) | networks(6), st.none() | DAYS, st.none() | DAYS, st.integers(0, 99)),
    max_size=14,
)


@given(ROWS, st.data())
def test_a_look_up_equals_a_search_of_all_rows(rows: list, data: st.DataObject) -> None:
    """Longest prefix, then latest beginning, as of any instant and in any order of the rows."""
    dated = [
        row(net, f"{n}-{since}", since or EVER, until or NEVER)
        for n, (net, since, until, _) in enumerate(rows)
        if (since or EVER) < (until or NEVER)
    ]
    unique = {(r.version, r.first, r.length, r.since): r for r in dated}
    edges = [edge for r in dated for edge in (r.first, r.last, r.first - 1, r.last + 1)]
    value = data.draw(st.sampled_from(edges) if edges else st.just(1))
    at = data.draw(DAYS)
    for version in (4, 6):
        if not 0 <= value < 1 << (32 if version == 4 else 128):
            continue
        address = ip_address(value) if version == 4 else ip_address(value.to_bytes(16, "big"))
        number = numeric(str(address))
        assert number is not None
        holding = [
            r
            for r in unique.values()
            if r.version == number.version
            and r.first <= number.value <= r.last
            and r.since <= at < r.until
        ]
        best = max(holding, key=lambda r: (r.length, r.since), default=None)
        order = data.draw(st.permutations(list(unique.values())))
        match = PrefixTable(order).lookup(str(address), at)
        assert (match and match.value) == (best and best.value)
        assert (match and match.prefix) == (best and best.prefix)
