"""What DNS services answer about an address: origins and contacts, as texts; and IANA's bootstrap."""

import ipaddress
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError
from services.attribution.abusix import contact_name, read_contact
from services.attribution.asn_database import as_number_of
from services.attribution.cymru import OriginFault, origin_name, read_origin
from services.attribution.mailboxes import PlaceholderMailbox, Placeholders
from services.attribution.rdap.bootstrap import RdapBootstrap
from services.attribution.rdap.rdap_ranges import IPNetwork

DAY = date(2026, 11, 1)


def test_names() -> None:
    """An address of either family is asked for by its digits in reverse."""
    assert origin_name("192.0.2.1", "asn.example") == "1.2.0.192.origin.asn.example"
    assert origin_name("2001:db8::1", "asn.example").endswith(
        "0.8.b.d.0.1.0.0.2.origin6.asn.example"
    )
    assert contact_name("192.0.2.1", "abuse.example") == "1.2.0.192.abuse.example"


@pytest.mark.parametrize(
    ("texts", "numbers", "prefix"),
    [
        (["64500 | 192.0.2.0/24 | NL | ripencc | 2010-07-14"], (64500,), "192.0.2.0/24"),
        (["64501 64500 | 192.0.2.0/24 | NL | ripencc |"], (64500, 64501), "192.0.2.0/24"),
        (["64500 | 192.0.2.0/24 | NL", "64501 | 192.0.2.0/24 | NL"], (64500, 64501), "192.0.2.0/24"),
        (["64500 | 192.0.0.0/16 | US", "64501 | 192.0.2.0/25 | NL"], (64501,), "192.0.2.0/25"),
        (["64501 | 198.51.100.0/24 | NL", "64500 | 192.0.2.0/24"], (64500,), "192.0.2.0/24"),
        (["{64500,64501} | 192.0.2.0/24 | NL"], (64500, 64501), "192.0.2.0/24"),
        (["NA | 192.0.2.0/24 | NL", "0 64500 | 192.0.2.0/24 | NL"], (64500,), "192.0.2.0/24"),
        (["64500 | 2001:db8::/32 | NL", "64501 | 192.0.2.0/24"], (64501,), "192.0.2.0/24"),
    ],
)  # fmt: skip
def test_origin(texts: list[str], numbers: tuple[int, ...], prefix: str) -> None:
    """All numbers of the longest prefix that holds the address count, whatever their order."""
    for order in (texts, texts[::-1]):
        origin = read_origin(order, "192.0.2.1")
        assert origin is not None
        assert (origin.as_numbers, origin.prefix) == (numbers, prefix)


@pytest.mark.parametrize(
    "texts",
    [
        [], ["64500"], ["64500 | 192.0.2.0"], ["64500 | 192.0.2.7/24"], ["64500 | 198.51.100.0/24 | NL"],
        ["1.10 | 192.0.2.0/24"], ["64500 99999999999 | 192.0.2.0/24"],
        [" | 192.0.2.0/24"], ["4294967296 | 192.0.2.0/24"], ["64500 | 2001:db8::/32"],
    ],
)  # fmt: skip
def test_origin_of_somebody_else(texts: list[str]) -> None:
    """An answer without a prefix that holds the address is refused."""
    with pytest.raises(OriginFault):
        read_origin(texts, "192.0.2.1")


@pytest.mark.parametrize("text", ["NA | 192.0.2.0/24 | NL | ripencc |", '"na | NA | NA"'])
def test_origin_of_nobody(text: str) -> None:
    """That nobody announces an address is an answer: it counts as no fault of the source."""
    assert read_origin([text], "192.0.2.1") is None


def test_every_record_is_kept() -> None:
    """The whole answer stays as evidence, less specific prefixes included."""
    texts = ["64500 | 192.0.0.0/16 | US | arin |", "64501 | 192.0.2.0/24 | nl | ripencc |"]
    origin = read_origin(texts, "192.0.2.1")
    assert origin is not None
    assert [one.as_numbers for one in origin.records] == [(64500,), (64501,)]
    assert origin.country == "NL"


@given(st.lists(st.text(alphabet="0123456789abNL|./: {},", max_size=60), max_size=4))
def test_any_texts(texts: list[str]) -> None:
    """Whatever an answer says, it is read or refused with our own error."""
    read_contact(texts, Placeholders(), DAY)
    try:
        origin = read_origin(texts, "192.0.2.1")
    except OriginFault:
        return
    assert origin is None or ipaddress.ip_address("192.0.2.1") in ipaddress.ip_network(
        origin.prefix
    )


def test_contact() -> None:
    """Mailboxes come from one text or several, placeholders kept apart."""
    listed = Placeholders(
        [PlaceholderMailbox(mailbox="desk@r.example", since=DAY, why="help desk")]
    )
    contact = read_contact(["abuse@h.example,desk@r.example", "ABUSE@h.example"], listed, DAY)
    assert (contact.mailboxes, contact.placeholders) == (("abuse@h.example",), ("desk@r.example",))
    assert read_contact(["desk@r.example"], listed, DAY).publication == "placeholder"
    assert read_contact(["no mailbox"], listed, DAY).publication == "none"


def _write(folder: Path, four: object, six: object) -> Path:
    for name, services in (("ipv4.json", four), ("ipv6.json", six)):
        text = json.dumps({"publication": "2026-11-01T00:00:00Z", "services": services})
        (folder / name).write_text(text)
    return folder


def test_bootstrap(tmp_path: Path) -> None:
    """The longest prefix names the server; HTTPS is preferred, and the slash at the end added."""
    four = [
        [["192.0.0.0/8"], ["http://wide.example/rdap", "https://wide.example/rdap"]],
        [["192.0.2.0/24"], ["https://narrow.example/"]],
    ]
    six = [[["2001:db8::/32"], ["https://six.example/"]]]
    bootstrap = RdapBootstrap.load(_write(tmp_path, four, six))
    servers = [
        bootstrap.server_for(ipaddress.ip_address(text))
        for text in ("192.0.2.1", "192.1.0.1", "2001:db8::1", "198.51.100.1")
    ]
    assert servers == [
        "https://narrow.example/",
        "https://wide.example/rdap/",
        "https://six.example/",
        None,
    ]


@pytest.mark.parametrize(
    "services",
    [
        "text",
        [["192.0.2.0/24"]],
        [[["nowhere"], ["https://a.example/"]]],
        [[["192.0.2.0/24"], ["ftp://a.example/"]]],
    ],
)
def test_bootstrap_at_fault(tmp_path: Path, services: object) -> None:
    """A file that is no bootstrap file ends the start with an error that names it."""
    with pytest.raises(ConfigError, match="ipv4"):
        RdapBootstrap.load(_write(tmp_path, services, []))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("rdap.registry.example", True),
        ("national.rdap.registry.example", True),
        ("rdap.registro.br", True),
        ("registry.example", False),
        ("elsewhere.example", False),
        ("notrdap.registry.example", False),
    ],
)
def test_who_may_be_sent_on_to(host: str, expected: bool) -> None:
    """A server of the files, a national registry at a name below it, and the one that LACNIC sends on to."""
    servers: dict[IPNetwork, str] = {
        ipaddress.ip_network("192.0.2.0/24"): "https://rdap.registry.example/"
    }
    assert RdapBootstrap(servers, ()).speaks_for_registries(host) is expected


def test_bootstrap_missing(tmp_path: Path) -> None:
    """A directory without the files is an error that says where they come from."""
    with pytest.raises(ConfigError, match="IANA"):
        RdapBootstrap.load(tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("AS64500", 64500), ("64500", 64500), (64500, 64500), (True, None), ("9" * 5_000, None), ("AS\uff11", None)],
    ids=["as", "text", "number", "true", "long", "wide"],
)  # fmt: skip
def test_the_number_of_a_record_is_a_number(value: object, expected: int | None) -> None:
    """What is none names nobody, and `true` is not AS 1."""
    assert as_number_of({"asn": value}) == expected
