"""What a map remembers of an address is what it would say if it looked again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.attribution.asn_database import AsnDatabase
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from tests.mmdb import write_mmdb

BEGIN = datetime(2023, 1, 1, tzinfo=UTC)
ADDRESSES = ("192.0.2.1", "192.0.2.129", "198.51.100.1", "2001:db8::1", "no address")
# Whole days, and the instants beside them, so that beginnings and ends are hit.
instants = st.builds(
    lambda days, moment: BEGIN + timedelta(days=days, microseconds=moment),
    st.integers(0, 30),
    st.sampled_from([-1, 0, 1]),
)
spans = st.tuples(st.integers(0, 20), st.integers(1, 10))
rows = st.lists(
    st.tuples(st.sampled_from(["192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32"]), spans),
    max_size=5,
)
networks = st.lists(st.tuples(st.sampled_from([64500, 64501]), spans), max_size=3)


def day(number: int) -> str:
    return (BEGIN + timedelta(days=number)).isoformat()


def dated(span: tuple[int, int]) -> str:
    return f"valid_from = {day(span[0])}\nvalid_to = {day(sum(span))}\n"


def map_of(name: str, prefixes: list, numbers: list) -> ProviderMap:
    text = f'[[provider]]\nid = "{name}"\nname = "{name}"\n'
    for cidr, span in prefixes:
        text += f'[[provider.prefix]]\ncidr = "{cidr}"\n{dated(span)}'
        text += f'[[provider.reseller]]\nid = "tenant"\ncidr = ["192.0.2.0/28"]\n{dated(span)}'
    for number, span in numbers:
        text += f"[[provider.network]]\nasn = {number}\n{dated(span)}"
    return ProviderMap.parse(text)


@given(rows, networks, st.lists(st.tuples(st.sampled_from(ADDRESSES), instants), max_size=30))
def test_a_fact_holds_until_something_begins_or_ends(
    prefixes: list, numbers: list, asked: list
) -> None:
    """Prefixes, resellers and AS numbers alike, at the very instants and beside them."""
    book = ProviderBook(map_of("giant", prefixes, numbers))
    for address, at in asked * 2:
        assert book.attribute(address, at) == ProviderBook(
            map_of("giant", prefixes, numbers)
        ).attribute(address, at)


def test_a_file_grows_old(tmp_path: Path) -> None:
    """Its confidence falls a month before and after its date, to the microsecond."""
    write_mmdb(tmp_path / "asn.mmdb", {"198.51.100.0/24": {"autonomous_system_number": 64500}})
    database = AsnDatabase.open(tmp_path / "asn.mmdb")
    book = ProviderBook(map_of("giant", [], [(64500, (0, 9999))]), database)
    month, moment = timedelta(days=31), timedelta(microseconds=1)
    confidences = [
        book.attribute("198.51.100.1", database.built_at + apart).confidence
        for apart in (-month - moment, -month, timedelta(), month, month + moment)
    ]
    assert confidences == ["low", "medium", "medium", "medium", "low"]


def test_another_map_is_heard_at_once() -> None:
    """What was remembered of the map before is forgotten with it."""
    book = ProviderBook(map_of("giant", [("192.0.2.0/24", (0, 10))], []))
    at = BEGIN + timedelta(days=1)
    assert book.attribute(ADDRESSES[0], at).provider == "giant"
    book.providers = map_of("small", [("192.0.2.0/24", (0, 10))], [])
    assert book.attribute(ADDRESSES[0], at).provider == "small"
