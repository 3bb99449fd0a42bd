"""The provider map: longest prefix, as of an instant, and errors that name the entry."""

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError
from services.attribution.providermap import Prefix, Provider, ProviderMap

NOW = datetime(2024, 6, 1, tzinfo=UTC)
TEXT = """
[[provider]]
id = "giant"
name = "Giant"
country = "NL"
asn = [64500]
[[provider.prefix]]
cidr = "192.0.2.0/24"
[[provider.prefix]]
cidr = "2001:db8::/32"

[[provider]]
id = "reseller"
name = "Reseller"
parent = "giant"
[[provider.prefix]]
cidr = "192.0.2.16/28"
valid_from = 2024-01-01T00:00:00Z
valid_to = 2025-01-01T00:00:00Z

[[provider]]
id = "shield"
name = "Shield"
role = "proxy"
[[provider.prefix]]
cidr = "192.0.2.16/28"
valid_from = 2025-01-01T00:00:00Z
"""


def test_the_longest_prefix_wins_as_of_the_instant() -> None:
    """A reseller's range stands inside its parent's, for its time; then the next one's."""
    known = ProviderMap.parse(TEXT)

    def at(address: str, year: int) -> str | None:
        found = known.provider_at(address, datetime(year, 6, 1, tzinfo=UTC))
        return found and found.provider

    assert at("192.0.2.17", 2023) == "giant"
    assert at("192.0.2.17", 2024) == "reseller"
    assert at("192.0.2.17", 2025) == "shield"
    assert at("192.0.2.1", 2025) == "giant"
    assert at("2001:db8::1", 2024) == "giant"
    assert at("198.51.100.1", 2024) is None
    assert at("no address", 2024) is None


def test_an_attribution_carries_role_and_parent() -> None:
    """A proxy is told apart from a host, and a reseller names whom it rents from."""
    known = ProviderMap.parse(TEXT)
    shield = known.provider_at("192.0.2.17", datetime(2025, 6, 1, tzinfo=UTC))
    assert shield is not None
    assert (shield.role, shield.prefix) == ("proxy", "192.0.2.16/28")
    reseller = known.provider_at("192.0.2.17", NOW)
    assert reseller is not None
    assert (reseller.role, reseller.parent) == ("hosting", "giant")
    assert known.providers["giant"].asn == (64500,)


def test_the_instant_of_a_change_belongs_to_the_new_row() -> None:
    """`valid_to` is up to, not with."""
    known = ProviderMap.parse(TEXT)
    found = known.provider_at("192.0.2.17", datetime(2025, 1, 1, tzinfo=UTC))
    assert found is not None
    assert found.provider == "shield"


def test_the_digest_names_the_text(tmp_path: Path) -> None:
    """Equal text, equal digest; it is that of the file."""
    path = tmp_path / "map.toml"
    path.write_text(TEXT)
    assert ProviderMap.load(path).digest == ProviderMap.parse(TEXT).digest
    assert ProviderMap.parse(TEXT + "\n").digest != ProviderMap.parse(TEXT).digest
    assert len(ProviderMap().digest) == 64


def _entry(body: str) -> str:
    return f'[[provider]]\nid = "a"\nname = "A"\n{body}\n'


def _prefix(body: str) -> str:
    return _entry(f"[[provider.prefix]]\n{body}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not toml", ["not TOML"]),
        ('[[provider]]\nname = "A"', ["provider 1", "id"]),
        ('[[provider]]\nid = "A b"\nname = "A"', ["provider 1", "id"]),
        (_entry('role = "both"'), ["provider 1", "role"]),
        (_entry("colour = 1"), ["provider 1", "colour"]),
        (_entry('country = "nl"'), ["country"]),
        (_entry('parent = "b"'), ["provider a", "parent b"]),
        (_entry('parent = "a"'), ["circle"]),
        (_prefix('cidr = "192.0.2.1/24"'), ["provider a", "192.0.2.1/24", "host bits"]),
        (_prefix('cidr = "x"'), ["provider a", "prefix x"]),
        (_prefix('cidr = "192.0.2.0/24"\nvalid_from = 2024-01-01'), ["prefix 1", "valid_from"]),
        (
            _prefix(
                'cidr = "192.0.2.0/24"\nvalid_from = 2024-01-01T00:00:00Z\nvalid_to = 2023-01-01T00:00:00Z'
            ),
            ["valid_to"],
        ),
        (_entry("") + _entry(""), ["provider a", "twice"]),
        (
            _prefix('cidr = "192.0.2.0/24"')
            + _prefix('cidr = "192.0.2.0/24"').replace('"a"', '"b"'),
            ["provider b", "192.0.2.0/24", "a answers"],
        ),
    ],
    ids=range(14),
)
def test_errors_name_file_and_entry(text: str, words: list[str]) -> None:
    """What is wrong in a map is said with file and entry."""
    with pytest.raises(ConfigError) as error:
        ProviderMap.parse(text, where="map.toml")
    for word in ["map.toml", *words]:
        assert word in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is a setting that is wrong."""
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        ProviderMap.load(tmp_path / "nothing.toml")


_NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda pair: IPv4Network((pair[0] >> (32 - pair[1]) << (32 - pair[1]), pair[1]))
)


@given(st.lists(_NETWORKS, unique=True, max_size=12), st.data())
def test_look_up_equals_a_search_of_all_prefixes(networks: list[IPv4Network], data) -> None:
    """The tables by length give what a search through all prefixes gives."""
    providers = [
        Provider(id=f"p{n}", name="P", prefix=(Prefix(cidr=str(network)),))
        for n, network in enumerate(networks)
    ]
    inside = [st.integers(int(n[0]), int(n[-1])) for n in networks]
    address = IPv4Address(data.draw(st.one_of(*inside, st.integers(0, 2**32 - 1))))
    holding = [(net.prefixlen, f"p{n}") for n, net in enumerate(networks) if address in net]
    expected = max(holding)[1] if holding else None
    found = ProviderMap(providers).provider_at(str(address), NOW)
    assert expected == (found and found.provider)
