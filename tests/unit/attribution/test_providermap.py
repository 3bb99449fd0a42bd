"""The provider map: longest prefix, as of an instant, and errors that name the entry."""

from datetime import UTC, datetime, timedelta
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


@given(st.lists(st.integers(-2, 800), min_size=1, max_size=12))
def test_what_was_looked_up_before_changes_nothing(days: list[int]) -> None:
    """A map that was asked at other instants answers as one that is asked for the first time."""
    used = ProviderMap.parse(TEXT)
    for day in days:
        at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=day * 12)
        assert used.provider_at("192.0.2.17", at) == ProviderMap.parse(TEXT).provider_at(
            "192.0.2.17", at
        )


def test_an_attribution_carries_role_and_parent() -> None:
    """A proxy is told apart from a host, and a reseller names whom it rents from."""
    known = ProviderMap.parse(TEXT)
    shield = known.provider_at("192.0.2.17", datetime(2025, 6, 1, tzinfo=UTC))
    assert shield is not None
    assert (shield.role, shield.prefix) == ("proxy", "192.0.2.16/28")
    assert shield.since == datetime(2025, 1, 1, tzinfo=UTC)
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
    ("text", "kind", "words"),
    [
        ('[[provider]]\nname = "A"', "syntax", ["provider A", "id"]),
        ('[[provider]]\nid = "A b"\nname = "A"', "syntax", ["provider A", "id"]),
        (_entry('role = "both"'), "syntax", ["line 4", "provider a", "role"]),
        (_entry("colour = 1"), "syntax", ["provider a", "colour"]),
        (_entry('country = "nl"'), "syntax", ["line 4", "country"]),
        (_entry('parent = "b"'), "syntax", ["line 4", "provider a", "parent b"]),
        (_entry('parent = "a"'), "syntax", ["line 4", "circle"]),
        (_entry("asn = [0]"), "as_zero", ["line 4", "provider a", "AS 0"]),
        (_entry("asn = [64512]"), "private_asn", ["provider a", "64512"]),
        (_prefix('cidr = "192.0.2.1/24"'), "host_bits", ["line 4", "provider a", "192.0.2.0/24"]),
        (_prefix('cidr = "x"'), "syntax", ["provider a, x", "no prefix"]),
        (_prefix('cidr = "0.0.0.0/0"'), "default_route", ["provider a"]),
        (_prefix('cidr = "::ffff:192.0.2.0/120"'), "mapped", ["192.0.2.0/24"]),
        (
            _prefix('cidr = "192.0.2.0/24"\nvalid_from = 2024-01-01'),
            "syntax",
            ["line 6", "prefix 192.0.2.0/24", "valid_from"],
        ),
        (
            _prefix(
                'cidr = "192.0.2.0/24"\nvalid_from = 2024-01-01T00:00:00Z\nvalid_to = 2023-01-01T00:00:00Z'
            ),
            "syntax",
            ["valid_to"],
        ),
        (_entry("") + _entry(""), "duplicate", ["provider a", "twice"]),
        ("[tag]\n", "syntax", ["line 1", "tag"]),
        (
            '[[provider]]\nid = "Giant B.V."\nname = "G"\n',
            "syntax",
            ["line 2", "id: Expected small letters"],
        ),
        (
            _prefix('cidr = "192.0.2.0/24"')
            + _prefix('cidr = "192.0.2.0/24"').replace('"a"', '"b"'),
            "conflict",
            ["line 9", "provider b", "192.0.2.0/24", "another provider"],
        ),
    ],
    ids=range(19),
)
def test_a_fault_has_its_line_and_the_map_holds(text: str, kind: str, words: list[str]) -> None:
    """Each entry at fault is named with its line and kind, and takes nothing else with it."""
    good = '\n[[provider]]\nid = "z"\nname = "Z"\n[[provider.prefix]]\ncidr = "203.0.113.0/24"\n'
    parsed = ProviderMap.parse(text + good)
    assert [fault.kind for fault in parsed.faults] == [kind]
    for word in words:
        assert word in parsed.faults[0].text
    attribution = parsed.provider_at("203.0.113.1", NOW)
    assert attribution is not None
    assert attribution.provider == "z"


@pytest.mark.parametrize("text", ["not toml", "provider = 1", "prefix,colour\n", "prefix\n"])
def test_what_is_no_map_is_refused(text: str) -> None:
    """A file that is neither TOML with providers nor a table is an error that names it."""
    with pytest.raises(ConfigError, match=r"map\.toml"):
        ProviderMap.parse(text, where="map.toml")


@pytest.mark.parametrize(
    "text",
    [
        "prefix;provider\n192.0.2.0/24;giant\n",
        '\ufeff"prefix","provider"\r\n"192.0.2.0/24","giant"\r\n',
    ],
)
def test_a_table_of_a_spreadsheet_is_read(text: str) -> None:
    """Semicolons, quotes and a byte order mark make no difference."""
    attribution = ProviderMap.parse(text).provider_at("192.0.2.1", NOW)
    assert attribution is not None
    assert attribution.provider == "giant"


def test_a_parent_of_a_table_has_its_line() -> None:
    """A parent that is not in a table is named with the line that says it."""
    text = "prefix,provider,parent\n192.0.2.0/24,giant,\n198.51.100.0/24,small,absent\n"
    (fault,) = ProviderMap.parse(text).faults
    assert fault.line == 3
    assert "parent absent" in fault.text


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that is not there is a setting that is wrong."""
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        ProviderMap.load(tmp_path / "nothing.toml")


_NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)).map(
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


@pytest.mark.parametrize(
    "body",
    [
        'colour = 1\n[[provider.prefix]]\ncidr = "192.0.2.16/28"',
        '[[provider.prefix]]\ncidr = "192.0.2.16/28"\nvalid_from = 2024-01-01',
        '[[provider.prefix]]\ncidr = "192.0.2.17/28"',
        '[[provider.prefix]]\ncidr = "192.0.2.16/28"\nvalid_from = 0001-01-01T00:00:00+14:00',
    ],
)
def test_a_range_of_an_unreadable_entry_is_nobody_s(body: str) -> None:
    """A reseller's entry that can't be read does not charge the provider around it."""
    text = '[[provider]]\nid = "giant"\nname = "G"\n[[provider.prefix]]\ncidr = "192.0.2.0/24"\n'
    attribution = ProviderMap.parse(text + _entry(body)).provider_at("192.0.2.17", NOW)
    assert attribution is not None
    assert (attribution.provider, attribution.unknown) == (None, "refused")


TABLE = (Path(__file__).parents[2] / "data" / "prefixes" / "dirty.csv").read_text()
PIECES = st.sampled_from(
    [",", "\n", "\r", '"', "\0", "/", "[[", "]]", "=", "1", "::", "#", "\u2028", "9" * 5000]
)


@given(
    st.sampled_from([TEXT, TABLE, TEXT + TABLE]),
    st.lists(st.tuples(st.floats(0, 1), PIECES, st.integers(0, 20)), max_size=8),
)
def test_no_text_breaks_the_reader(text: str, cuts: list[tuple[float, str, int]]) -> None:
    """A map is read, or refused as a whole; nothing else comes of damage of any kind."""
    for place, piece, length in cuts:
        at = int(place * len(text))
        text = text[:at] + piece + text[at + length :]
    try:
        parsed = ProviderMap.parse(text)
    except ConfigError:
        return
    for fault in parsed.faults:
        assert fault.text
    for address in ("192.0.2.17", "2001:db8::1", "203.0.113.17"):
        parsed.provider_at(address, NOW)


def test_a_deep_file_is_refused() -> None:
    """Lists within lists end the reader's patience, and no more."""
    with pytest.raises(ConfigError, match="not TOML"):
        ProviderMap.parse("a = " + "[" * 20_000)


@pytest.mark.parametrize(
    "entry",
    ['network]]\nasn = 64501', 'reseller]]\nid = "r"\ncidr = ["192.0.2.128/25"]', 'former_name]]\nname = "Old"'],
)  # fmt: skip
def test_times_in_the_wrong_order_are_told(entry: str) -> None:
    """An entry that never holds would be passed over without a word."""
    head = '[[provider]]\nid = "giant"\nname = "Giant"\n[[provider.'
    times = "\nvalid_from = 2026-03-01T00:00:00Z\nvalid_to = 2026-02-01T00:00:00Z\n"
    (fault,) = ProviderMap.parse(head + entry + times).faults
    assert (fault.line, "valid_to is before valid_from" in fault.says) == (4, True)


@pytest.mark.parametrize("time", ["2026-03-01", "2026-03-01T00:00:00"])
def test_a_time_without_its_offset_says_what_to_write(time: str) -> None:
    """And nobody is known for the range."""
    text = f'[[provider]]\nid = "g"\nname = "G"\n[[provider.prefix]]\ncidr = "192.0.2.0/24"\nvalid_from = {time}\n'
    for one in (text, f"provider,prefix,valid_from\ng,192.0.2.0/24,{time}\n"):
        (fault,) = ProviderMap.parse(one).faults
        assert "such as 2026-03-01T12:00:00Z" in fault.says


def test_rows_of_separators_alone_are_passed_over() -> None:
    """As a spreadsheet writes them below a table."""
    assert ProviderMap.parse("prefix,asn\n192.0.2.0/24,64500\n,\n,\n").faults == ()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_with_each_separator(separator: str) -> None:
    """A table says the same whatever a spreadsheet writes between its columns."""
    lines = ["provider,prefix,asn", "giant,192.0.2.0/24,64500", ",,"]
    read = ProviderMap.parse("\n".join(line.replace(",", separator) for line in lines))
    attribution = read.provider_at("192.0.2.7", datetime(2026, 3, 1, tzinfo=UTC))
    assert attribution is not None
    assert attribution.provider == "giant"
    assert not read.faults
