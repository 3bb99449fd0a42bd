"""The map, then the .mmdb: what is attributed, by what evidence, and what stays unknown."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from services.attribution.asn_database import AsnDatabase
from services.attribution.attribution_fact import Attribution
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from tests.attribution_kit import book_of

BUILT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
LATER = datetime(2024, 11, 1, tzinfo=UTC)
MAP = """
[[provider]]
id = "giant"
name = "Giant"
country = "NL"
asn = [64500]
[[provider.network]]
asn = 64501
valid_from = 2023-01-01T00:00:00Z
valid_to = 2024-06-01T00:00:00Z
[[provider.former_name]]
name = "Old Giant"
valid_to = 2023-01-01T00:00:00Z
[[provider.prefix]]
cidr = "192.0.2.0/24"
[[provider.prefix]]
cidr = "192.0.2.128/25"
role = "edge"
country = "DE"
[[provider.reseller]]
id = "small"
cidr = ["192.0.2.16/28"]
accounts = ["c1000-c1999", "shop"]
valid_from = 2023-06-01T00:00:00Z
[[provider.tag]]
tag = "watch-list"
actor = "analyst"
reason = "warned"
warned_on = 2023-06-01T00:00:00Z
period = "60d"
valid_to = 2024-06-01T00:00:00Z

[[provider]]
id = "shield"
name = "Shield"
role = "proxy"
[[provider.network]]
asn = 64501
valid_from = 2024-06-01T00:00:00Z
[[provider]]
id = "small"
name = "Small"
asn = [64510, 64509]
[[provider]]
id = "other"
name = "Other"
asn = [64509]
[[prefix]]
cidr = "192.0.2.64/26"
valid_from = 2024-01-01T00:00:00Z
"""
ROWS = {
    "192.0.2.0/24": {"autonomous_system_number": 64510},
    "198.51.100.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "G"},
    "198.51.100.128/25": {"asn": "AS64501", "as_name": "S"},
    "203.0.113.0/24": {"autonomous_system_number": 64511},
    "2001:db8::/32": {"autonomous_system_number": 64509},
    "2001:db9::/32": {"country": "NL"},
}


@pytest.fixture
def book(tmp_path: Path) -> ProviderBook:
    """A map with a file of AS numbers behind it."""
    return book_of(MAP, tmp_path / "as.mmdb", ROWS)


def test_the_map_goes_before_the_file(book: ProviderBook) -> None:
    """What the map says of a prefix holds, whatever AS announces it."""
    fact = book.attribute("192.0.2.1", BUILT)
    assert fact == Attribution("giant", "hosting", "192.0.2.0/24", "NL")


def test_a_range_may_have_its_own_role_and_country(book: ProviderBook) -> None:
    """A provider's edge passes on, and may stand elsewhere than the rest."""
    fact = book.attribute("192.0.2.129", BUILT)
    assert (fact.provider, fact.role, fact.country) == ("giant", "proxy", "DE")


@pytest.mark.parametrize(
    ("at", "reseller", "prefix"),
    [(BUILT, "small", "192.0.2.16/28"), (datetime(2023, 1, 1, tzinfo=UTC), None, "192.0.2.0/24")],
)
def test_a_reseller_stands_beside_its_provider(
    book: ProviderBook, at: datetime, reseller: str | None, prefix: str
) -> None:
    """The provider stays answerable; who rents the range is named for its time."""
    fact = book.attribute("192.0.2.17", at)
    assert (fact.provider, fact.reseller, fact.prefix) == ("giant", reseller, prefix)


@pytest.mark.parametrize(
    ("account", "reseller"),
    [("c1500", "small"), ("shop", "small"), ("c2000", None), ("d1500", None)],
)
def test_a_reseller_may_hold_accounts(
    book: ProviderBook, account: str, reseller: str | None
) -> None:
    """Accounts are names, or a range of numbers behind one name."""
    assert book.providers.reseller_of("giant", account, BUILT) == reseller


@pytest.mark.parametrize(
    ("address", "at", "provider", "role", "prefix", "number", "confidence"),
    [
        ("198.51.100.1", BUILT, "giant", "hosting", "198.51.100.0/25", 64500, "medium"),
        ("198.51.100.1", LATER, "giant", "hosting", "198.51.100.0/25", 64500, "low"),
        ("198.51.100.200", BUILT, "giant", "hosting", "198.51.100.128/25", 64501, "medium"),
        ("198.51.100.200", LATER, "shield", "proxy", "198.51.100.128/25", 64501, "low"),
        ("::ffff:198.51.100.1", BUILT, "giant", "hosting", "198.51.100.0/25", 64500, "medium"),
        ("64:ff9b::198.51.100.1", BUILT, "giant", "hosting", "198.51.100.0/25", 64500, "medium"),
        ("2002:c633:6401::1", BUILT, "giant", "hosting", "198.51.100.0/25", 64500, "medium"),
        ("203.0.113.1", BUILT, None, "hosting", "203.0.113.0/24", 64511, "medium"),
        ("2001:db8::1", BUILT, None, "hosting", "2001:db8::/32", 64509, "medium"),
    ],
)
def test_a_number_names_the_provider_that_held_it(
    book: ProviderBook,
    address: str,
    at: datetime,
    provider: str | None,
    role: str,
    prefix: str,
    number: int,
    confidence: str,
) -> None:
    """Sibling numbers are one provider, a number may change hands, and one that two hold names nobody."""
    fact = book.attribute(address, at)
    assert (fact.provider, fact.role, fact.prefix) == (provider, role, prefix)
    assert (fact.as_number, fact.confidence, fact.method) == (number, confidence, "mmdb")
    assert fact.since == BUILT
    assert fact.unknown == (None if provider else "unlisted_as")


@pytest.mark.parametrize(
    "address", ["2001:0:c633:6401::1", "::c633:6401", "8.8.8.8", "2001:db9::1", "x"]
)
def test_what_no_source_speaks_of_is_silent(book: ProviderBook, address: str) -> None:
    """Teredo leads such files to the relay; that is nobody's host, and neither is a gap."""
    assert book.attribute(address, BUILT) == Attribution(None, unknown="silent")
    assert book.provider_at(address, BUILT) is None


def test_a_range_that_was_given_up_is_asked_elsewhere(book: ProviderBook) -> None:
    """From the day on which the map names nobody for it, the file speaks."""
    assert book.attribute("192.0.2.65", BUILT).provider == "giant"
    fact = book.attribute("192.0.2.65", LATER)
    assert (fact.provider, fact.method, fact.as_number) == ("small", "mmdb", 64510)


def test_several_origins_are_named_only_if_one_provider_holds_all(book: ProviderBook) -> None:
    """Of two providers none is named, not the first, and all numbers are kept."""

    def named(*numbers: int) -> Attribution:
        return book.name(
            numbers, BUILT, prefix=None, method="cymru", confidence="medium", since=None
        )

    assert named(64501, 64500).provider == "giant"
    assert named(64500, 64510) == Attribution(
        None,
        as_numbers=(64500, 64510),
        method="cymru",
        confidence="medium",
        unknown="unlisted_as",
    )


def test_names_and_tags_hold_for_their_time(book: ProviderBook) -> None:
    """What a provider was called, and what stood against it, is dated."""
    giant = book.providers.providers["giant"]
    assert giant.name_at(datetime(2022, 1, 1, tzinfo=UTC)) == "Old Giant"
    assert giant.name_at(BUILT) == "Giant"
    assert [tag.tag for tag in giant.tags_at(BUILT)] == ["watch-list"]
    assert giant.tags_at(LATER) == ()
    assert book.providers.watch_list(BUILT) == ["giant"]
    assert book.providers.watch_list(LATER) == []


def test_an_as_number_of_two_providers_is_a_fault(book: ProviderBook) -> None:
    """A number that two providers hold from one instant on is named with both lines."""
    (fault,) = book.providers.faults
    assert (fault.kind, fault.severity) == ("conflict", "unknown")
    assert "64509" in fault.says
    assert fault.line is not None
    assert fault.with_line is not None


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing or of another kind is an error that names it."""
    path = tmp_path / "as.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"as\.mmdb"):
        AsnDatabase.open(path)


@pytest.mark.parametrize(
    ("rows", "kind", "line", "with_line"),
    [
        ("giant,192.0.2.0/24,2020-01-01T00:00:00Z,2022-01-01T00:00:00Z\n"
         "other,192.0.2.0/24,2023-01-01T00:00:00Z,\n", "gap", 3, 2),
        ("other,192.0.2.0/24,2021-01-01T00:00:00Z,\n"
         "giant,192.0.2.0/24,2020-01-01T00:00:00Z,\n", "overlap", 2, 3),
        ("giant,192.0.2.0/24,,\nother,192.0.2.0/24,,\n", "conflict", 3, 2),
        ("giant,192.0.2.0/24,,\ngiant,192.0.2.0/24,,\n", "duplicate", 3, 2),
        ("giant,192.0.2.0/24,2020-01-01,\n", "syntax", 2, None),
        ("Giant B,192.0.2.0/24,,\n", "syntax", 2, None),
        ("giant,,,\n", "syntax", 2, None),
    ],
)  # fmt: skip
def test_rows_of_one_prefix_are_compared(
    rows: str, kind: str, line: int, with_line: int | None
) -> None:
    """Times that overlap or leave a gap are named with both lines; the later row holds meanwhile."""
    parsed = ProviderMap.parse(f"provider,prefix,valid_from,valid_to\n{rows}")
    assert [(f.kind, f.line, f.with_line) for f in parsed.faults] == [(kind, line, with_line)]


def test_the_latest_date_wins_whatever_the_order_of_the_lines() -> None:
    """An open row ends where a later one begins; a row of the same date needs a statement to go before it."""
    lines = [
        "giant,192.0.2.0/24,2020-01-01T00:00:00Z,",
        "other,192.0.2.0/24,2022-01-01T00:00:00Z,2026-01-01T00:00:00Z",
        "third,192.0.2.0/24,2020-01-01T00:00:00Z,2025-01-01T00:00:00Z",
    ]
    for order in (lines, lines[::-1]):
        text = "provider,prefix,valid_from,stated_at\n" + "\n".join(order)
        parsed = ProviderMap.parse(text)
        names = [
            fact and fact.provider
            for year in (2019, 2021, 2023)
            for fact in [parsed.provider_at("192.0.2.1", datetime(year, 6, 1, tzinfo=UTC))]
        ]
        assert names == [None, "third", "other"]
        assert parsed.faults == ()


@pytest.mark.parametrize(
    ("rows", "says", "expected"),
    [
        (("giant,NL,", "giant,DE,"), "country", ("giant", None, None)),
        (("giant,,a", "giant,,b"), "reseller", ("giant", None, None)),
        (("giant,NL,a", "other,NL,a"), "provider", (None, None, None)),
    ],
)
def test_only_what_a_conflict_is_about_is_unknown(
    rows: tuple[str, str], says: str, expected: tuple[str | None, ...]
) -> None:
    """Rows that agree on the provider leave it known; the order of the lines makes no difference."""
    for order in (rows, rows[::-1]):
        lines = (row.replace(",", ",192.0.2.0/24,", 1) for row in order)
        parsed = ProviderMap.parse("provider,prefix,country,reseller\n" + "\n".join(lines))
        fact = parsed.provider_at("192.0.2.1", BUILT)
        assert fact is not None
        assert (fact.provider, fact.country, fact.reseller) == expected
        assert {fault.says for fault in parsed.faults} == {f"the same prefix, another {says}"}


def test_a_reseller_outside_of_its_provider_is_named() -> None:
    """A range that lies in no range of the provider is a note."""
    parsed = ProviderMap.parse(MAP.replace("192.0.2.16/28", "203.0.113.16/28"))
    assert "outside" in [fault.kind for fault in parsed.faults]
