"""Whose addresses a look left out: what a move may rest on, and what it may not."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.probing.dns.resolution import Resolution
from services.probing.look.look_event import LookWriter
from tests.strategies import START

MAP = """
[[provider]]
id = "giant"
name = "Giant"
[[provider.prefix]]
cidr = "192.0.2.0/24"
[[provider]]
id = "small"
name = "Small"
[[provider.prefix]]
cidr = "198.51.100.0/24"
"""
GIANT, GIANT_TOO, SMALL, NOBODY = "192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1"


@pytest.mark.parametrize(
    ("addresses", "verdicts", "expected"),
    [
        ((GIANT, SMALL), {GIANT: "online", SMALL: "removed"}, ()),
        ((GIANT, SMALL), {GIANT: "online"}, ("small",)),
        ((GIANT, GIANT_TOO), {GIANT: "online"}, ()),
        ((GIANT, GIANT_TOO), {GIANT: "removed"}, ("giant",)),
        ((GIANT, NOBODY), {GIANT: "online"}, None),
    ],
)
def test_left_out(addresses: tuple[str, ...], verdicts: dict[str, str], expected: object) -> None:
    """Providers with an address that was not asked are named; where one is nobody's yet, it is not known."""
    writer = LookWriter("v1", ProviderBook(ProviderMap.parse(MAP)), "identified")
    resolution = Resolution(status="addresses", addresses=addresses)
    visit = SimpleNamespace(resolution=resolution, verdicts=verdicts)
    visited: Any = SimpleNamespace(visit=visit, driver=SimpleNamespace(started_at=START))
    assert writer._left_out(visited) == expected
