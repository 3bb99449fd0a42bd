"""The guard: no forbidden socket address passes, in either mode."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.errors import BadUrl, ConfigError
from schemas.urls import canonical
from services.probing.guard.guard import Guard, RefusedAddress
from services.probing.guard.literals import literal_of
from services.probing.guard.networks import SPECIAL, embedded_ipv4

PUBLIC = Guard("public")
SIMULATED = Guard("simulated", None)

# Plain addresses of every special-purpose network, written out apart from the list under test, and every form in which
# IPv6 carries an IPv4 address, with one of documentation (192.0.2.1) inside.
UNSAFE = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1"),
    *("169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.168.0.1"),
    *("192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "198.19.255.255"),
    *("192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1", "168.63.129.16"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "100::1", "100:0:0:1::1", "2001:2::1", "2001:20::1", "2620:4f:8000::1"),
    *("2001:db8::1", "3fff::1", "5f00::1", "fc00::1", "fe80::1", "fec0::1", "ff02::1"),
    *("4000::1", "8000::1"),
    *("::192.0.2.1", "::ffff:192.0.2.1", "::ffff:0:c000:201"),
    *("64:ff9b::c000:201", "64:ff9b:1::c000:201", "2002:c000:201::1"),
    "2001:0:c633:6401:0:ffff:3fff:fdfe",
]
SAFE = [
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "ff02::1",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.0.10",
    "192.0.0.192",
    "168.63.129.16",
    "::ffff:100.64.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fec0::1",
    "::7f00:1",
    "::8.8.8.8",
    "::ffff:0:7f00:1",
    "3fff::1",
    "5f00::1",
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "240.0.0.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.175.48.1",
    "::",
    "::1",
    "100::1",
    "100:0:0:1::1",
    "2001:2::1",
    "2001:20::1",
    "2001:db8::1",
    "2620:4f:8000::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "4000::1",
    "8000::1",
]
SAFE = ["8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00::1"]


@pytest.mark.parametrize("address", UNSAFE)
def test_every_special_address_is_refused(address: str) -> None:
    """No special-purpose address passes the public guard, whatever `is_global` says."""
    with pytest.raises(RefusedAddress):
        PUBLIC.check((address, 443))


@pytest.mark.parametrize("address", SAFE)
def test_global_unicast_passes(address: str) -> None:
    """Ordinary public addresses next to the special ranges may be reached."""
    PUBLIC.check((address, 443))


def test_every_row_of_the_list_is_refused_at_both_ends() -> None:
    """The first and the last address of every listed network are refused, each row with a source."""
    for row in SPECIAL:
        for address in (row.network[0], row.network[-1]):
            assert PUBLIC.reason((str(address), 80)) is not None
        assert row.source


@pytest.mark.parametrize("address", [*UNSAFE, *SAFE])
def test_a_simulation_reaches_loopback_only(address: str) -> None:
    """In simulated mode 127.0.0.0/8 and ::1 pass, and nothing else does."""
    parsed = ipaddress.ip_address(address)
    loopback = address == "::1" or (parsed.version == 4 and parsed.is_loopback)
    assert loopback == (SIMULATED.reason((address, 8080)) is None)


_V4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
_V6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
_LOW = st.integers(0, 2**32 - 1)
_WRAPPED = st.one_of(
    *(
        _LOW.map(lambda low, high=high: ipaddress.IPv6Address(high | low))
        for high in (0, 0xFFFF << 32, 0xFFFF << 48, 0x64FF9B << 96, (0x64FF9B0001) << 80)
    ),
    _LOW.map(lambda low: ipaddress.IPv6Address((0x2002 << 112) | (low << 80))),
    _LOW.map(lambda low: ipaddress.IPv6Address((0x20010000 << 96) | (~low & 0xFFFFFFFF))),
)


@given(_V4 | _V6 | _WRAPPED)
@example(ipaddress.IPv6Address("::ffff:192.0.2.1"))
def test_no_forbidden_socket_address_passes_the_public_guard(address) -> None:
    """Whatever passes is global unicast by the standard library too, and carries no IPv4 address."""
    if PUBLIC.reason((str(address), 443)) is None:
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved
        assert not address.is_private
        assert embedded_ipv4(address) is None
        if address.version == 6:
            assert int(address) >> 125 == 1


@given(_V4 | _V6 | _WRAPPED, st.integers(-1, 70_000))
def test_no_public_socket_address_passes_the_simulated_guard(address, port: int) -> None:
    """A simulation can't be talked into any address but loopback."""
    if SIMULATED.reason((str(address), port)) is None:
        assert str(address) == "::1" or (address.version == 4 and int(address) >> 24 == 127)


@given(_WRAPPED)
def test_wrapped_ipv4_is_refused_in_both_modes(address) -> None:
    """An IPv4 address inside an IPv6 address is refused whatever it is."""
    assert SIMULATED.reason((str(address), 80)) is not None or str(address) == "::1"
    assert PUBLIC.reason((str(address), 80)) is not None


@pytest.mark.parametrize(
    "sockaddr",
    [
        ("8.8.8.8", "443"),
        ("8.8.8.8", True),
        ("8.8.8.8", 0),
        ("8.8.8.8", 65536),
        ("8.8.8.8",),
        ("2606:4700::1", 443, 0, 3),
        ("fe80::1%lo", 443),
        ("2606:4700::1%1", 443),
        ("localhost", 80),
        ("0xc0000201", 80),
        ("0300.0.2.1", 80),
        ("192.0.513", 80),
        ("3221225985", 80),
        (3221225985, 80),
        (b"8.8.8.8", 443),
        "/run/some.sock",
        b"\x00abstract",
        ([1], 443),
    ],
)
def test_what_is_no_plain_socket_address_is_refused(sockaddr) -> None:
    """Names, zones, odd spellings, odd types and unix sockets are refused."""
    assert PUBLIC.reason(sockaddr) is not None
    assert SIMULATED.reason(sockaddr) is not None


def test_only_listed_ports_pass() -> None:
    """The prober is no port scanner for reporters."""
    assert PUBLIC.reason(("8.8.8.8", 443)) is None
    assert PUBLIC.reason(("8.8.8.8", 25)) == "port"
    assert Guard("public", {8443}).reason(("8.8.8.8", 443)) == "port"


def test_own_listeners_are_refused() -> None:
    """A URL can't make the prober talk to its own Kafka, Postgres or metrics."""
    own = Guard("public", {443, 9092}, own_listeners=[("8.8.8.8", 443), ("0.0.0.0", 9092)])
    assert own.reason(("8.8.8.8", 443)) == "own_listener"
    assert own.reason(("9.9.9.9", 443)) is None
    assert own.reason(("9.9.9.9", 9092)) == "own_listener"
    simulated = Guard("simulated", None, own_listeners=[("127.0.0.1", 5432)])
    assert simulated.reason(("127.0.7.7", 5432)) == "own_listener"


def test_an_extra_denied_network_wins() -> None:
    """The operator's deny list beats what would pass, also when wrapped."""
    guard = Guard("public", extra_denied=["8.8.8.0/24", "192.0.2.0/24"])
    assert guard.reason(("8.8.8.8", 443)) == "denied"
    assert guard.reason(("2002:c000:201::1", 443)) == "denied"
    assert (
        Guard("simulated", None, extra_denied=["127.5.0.0/16"]).reason(("127.5.0.1", 80))
        == "denied"
    )


def test_a_bad_guard_is_refused() -> None:
    """A guard that would not guard can't be made."""
    with pytest.raises(ConfigError, match="CIDR"):
        Guard("public", extra_denied=["8.8.8.8/24"])
    with pytest.raises(ConfigError, match="ports"):
        Guard("public", None)
    with pytest.raises(ConfigError, match="mode"):
        Guard("open")  # type: ignore[arg-type]


def test_a_refusal_does_not_repeat_the_address() -> None:
    """The message of a refusal names the reason alone."""
    with pytest.raises(RefusedAddress) as refused:
        PUBLIC.check(("10.1.2.3", 443))
    assert "10.1.2.3" not in str(refused.value)
    assert refused.value.reason == "private"


@pytest.mark.parametrize(
    "text",
    [
        "http://192.0.2.1/",
        "http://[2001:db8::1]/",
        "http://[::ffff:192.0.2.1]/",
        "http://[::192.0.2.1]/",
        "http://[fe80::1%25lo]/",
        "http://①⑨②.⓪.②.①/",
        "http://192。0。2。1/",
        "http://user@a.test:80@192.0.2.1/",
        "http://192.0.2.1:018099/",
        "http://192.0.513/",
        "http://3221225985/",
        "http://0300.0.2.1/",
        "http://192.0.2.1./",
        "http://0xc0000201/",
        "file:///a.txt",
        "gopher://192.0.2.1/",
        "http://ex\tample.test/",
        "http://exa mple.test/",
        "http://192.0.2.1%00.a.test/",
    ],
)
def test_no_spelling_of_a_url_gets_past(text: str) -> None:
    """Each spelling of an address of documentation ends at the parser, at `not_measurable`, or at the guard."""
    try:
        url = canonical(text)
    except BadUrl:
        return
    if url.not_measurable is None:
        literal = literal_of(url.host)
        assert literal is not None
        assert PUBLIC.reason((literal, url.port)) is not None
