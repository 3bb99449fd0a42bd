"""The guard at the socket: no forbidden address ever reaches `connect`, whatever the way that leads to it."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import BadUrl
from schemas.urls import MAX_URL_LENGTH, canonical
from services.probing.dns.resolver import Resolver
from services.probing.guard.guard import Guard
from services.probing.guard.networks import SPECIAL
from services.probing.http.exchange import Exchanger
from tests.integration.lab import Lab
from tests.integration.looksites import answer
from tests.unit.probing.guard.test_guard import UNSAFE


def _spy(plain: Callable[..., Any], found: list[tuple]) -> Callable[..., Any]:
    def connect(sock: socket.socket, address: Any) -> Any:
        # The resolver's datagrams go to the operator's own servers.
        if sock.type == socket.SOCK_STREAM:
            found.append(address)
        return plain(sock, address)

    return connect


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Take down every address that a stream here connects to."""
    found: list[tuple] = []
    for way in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, way, _spy(getattr(socket.socket, way), found))
    return found


async def ask(guard: Guard, address: str, scheme: str = "http") -> str | None:
    """Make one exchange with an address; gives the fault."""
    exchanger = Exchanger(guard, agent="x")
    try:
        url = canonical(f"{scheme}://a.example/x")
        return (await exchanger.ask("HEAD", url, address, 2.0)).fault
    finally:
        await exchanger.close()


async def test_no_listed_address_reaches_connect(connects: list[tuple]) -> None:
    """Every address of the unsafe list, and both ends of every special network, end before `connect`."""
    ends = [str(row.network[n]) for row in SPECIAL for n in (0, -1)]
    for address in [*UNSAFE, *ends]:
        for scheme in ("http", "https"):
            assert await ask(Guard("public"), address, scheme) == "address_refused", address
    assert connects == []


_SPECIAL = st.sampled_from(SPECIAL).flatmap(
    lambda row: st.integers(0, row.network.num_addresses - 1).map(lambda n: str(row.network[n]))
)


@given(_SPECIAL)
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_no_special_address_reaches_connect(connects: list[tuple], address: str) -> None:
    """Any address of any special network ends before `connect`."""
    assert asyncio.run(ask(Guard("public"), address)) == "address_refused"
    assert connects == []


@given(st.ip_addresses().map(str).filter(lambda a: not a.startswith("127.") and a != "::1"))
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_a_simulation_connects_to_loopback_alone(connects: list[tuple], address: str) -> None:
    """Under a simulated guard nothing but loopback is ever connected to."""
    assert asyncio.run(ask(Guard("simulated", None), address)) == "address_refused"
    assert connects == []


async def test_rebinding_within_a_look_changes_nothing(lab: Lab, connects: list[tuple]) -> None:
    """A name that answers a good address first and a bad one next, with TTL 0, is asked at the first alone."""

    class Rebinding(dict):
        def get(self, name, default=None):
            return next(self.turns, ["192.0.2.1"]) if name == "re.example" else default

    lab.names.names = Rebinding()
    lab.names.ttl = 0
    # One for A, one for AAAA; every later question is answered with an address that is refused.
    lab.names.names.turns = iter([["127.0.0.1"], []])
    site = await lab.site(x=answer(404))
    looker = lab.looker(resolver=lab.resolver(fresh_seconds=0.0))
    made = await lab.look(f"http://re.example:{site.port}/x", looker)
    # The removal is asked for again past the cache, and then the name leads to the bad address alone.
    assert (made.verdict, made.reason) == ("undetermined", "address_refused")
    assert {address[0] for address in connects} == {"127.0.0.1"}
    assert (await lab.look(f"http://re.example:{site.port}/x")).reason == "address_refused"


@pytest.mark.parametrize(
    "records", [["192.0.2.1", "127.0.0.1"], ["127.0.0.1", "192.0.2.1", "2001:db8::1"]]
)
async def test_of_mixed_records_only_the_good_ones_are_asked(
    lab: Lab, connects: list[tuple], records: list[str]
) -> None:
    """Bad records are left out in whatever order they come, and are no reason to believe less."""
    lab.names.names["mix.example"] = records
    site = await lab.site(x=answer(200))
    assert (await lab.look(f"http://mix.example:{site.port}/x")).verdict == "online"
    assert {address[0] for address in connects} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "location",
    [
        "http://192.0.2.1:{port}/y",
        "http://[2001:db8::1]:{port}/y",
        "http://[::ffff:192.0.2.1]:{port}/y",
        "http://3221225985:{port}/y",
        "http://0xc0.0x201:{port}/y",
        "http://①⑨②.⓪.②.①:{port}/y",
        "//192.0.2.1:{port}/y",
        "\\\\192.0.2.1:{port}\\y",
        "http://inner.pub.example:{port}/y",
        "http://user:pass@pub.example:{port}/y",
        "http://pub.example:{port}/y\r\nHost: x",
        "http://pub.example:0{port}/y",
        "http://[fe80::1%25lo]/y",
        "http://" + "a" * 64 + ".example/",
        "/" + "b" * MAX_URL_LENGTH,
    ],
)
async def test_no_redirect_leads_past_the_guard(
    lab: Lab, connects: list[tuple], location: str
) -> None:
    """A redirect to every class of target: refused, not followed or broken, and never a socket to it."""
    lab.names.names |= {"inner.pub.example": ["192.0.2.1"], "pub.example": ["127.0.0.1"]}
    written = location.replace("{port}", "{}")
    site = await lab.site(y=answer(200))

    async def script(_, writer) -> None:
        target = written.format(site.port).encode("utf-8", "surrogateescape")
        writer.write(
            b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + target + b"\r\n\r\n"
        )
        await writer.drain()

    site.scripts["/x"] = script
    made = await lab.look(f"http://pub.example:{site.port}/x")
    allowed = "pub.example:0" in location or "\r\n" in location
    assert made.verdict == "undetermined" or allowed
    assert {address[:2] for address in connects} == {("127.0.0.1", site.port)}


async def test_a_redirect_to_an_own_listener_is_refused(lab: Lab, connects: list[tuple]) -> None:
    """Nor can a redirect reach Kafka, Postgres or the metrics of the operator."""
    own = await lab.site(y=answer(200))
    site = await lab.site(x=answer(302, location=f"http://a.example:{own.port}/y"))
    guard = Guard("simulated", None, own_listeners=[("127.0.0.1", own.port)])
    made = await lab.look(f"http://a.example:{site.port}/x", lab.looker(guard=guard))
    assert made.reason == "redirect_refused"
    assert own.connections == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_port_that_is_not_listed_is_never_asked(
    lab: Lab, connects: list[tuple], scheme: str
) -> None:
    """A URL with another port, and a redirect to one, open no socket."""
    guard = Guard("public", {80, 443})
    resolver = Resolver([("127.0.0.1", lab.names.port)], guard)
    lab.names.names["far.example"] = ["203.0.113.1"]
    made = await lab.look(
        f"{scheme}://far.example:22/x", lab.looker(guard=guard, resolver=resolver)
    )
    assert made.reason == "address_refused"
    assert connects == []


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("http://faß.example/", "xn--fa-hia.example"),
        ("http://FASS.example/", "fass.example"),
        ("http://bücher.example/", "xn--bcher-kva.example"),
        ("http://BÜCHER.example/", "xn--bcher-kva.example"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://a。example/", "a.example"),
        ("http://ａ.example/", "a.example"),
        ("http://аpple.example/", "xn--pple-43d.example"),
    ],
)
def test_names_become_ascii_in_one_way(written: str, host: str) -> None:
    """UTS 46, non-transitional, as in IDNA 2008: ß stays itself, case and width go, scripts may mix, all is ASCII."""
    assert canonical(written).host == host
    assert canonical(canonical(written).href).host == host


@pytest.mark.parametrize(
    "host",
    ["a\u200db.example", "a\u00adb.example", "xn--a.example", "xn--0.example", "a\u2024b.example"],
)
async def test_odd_names_are_refused_or_plain(lab: Lab, host: str) -> None:
    """Joiners, soft hyphens and broken Punycode are refused, or leave an ASCII name that is asked for."""
    try:
        url = canonical(f"http://{host}/x")
    except BadUrl:
        return
    assert url.host.isascii()
    assert (await lab.look(url.href)).reason == "nxdomain"
    assert {name for name, _ in lab.names.asked} == {url.host}


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("x" * 63 + ".example", "nxdomain"),
        ("x" * 64 + ".example", "dns_broken"),
        (".".join(["x" * 60] * 4) + ".exampl", "nxdomain"),
        (".".join(["x" * 60] * 4) + ".example-of-more-than-253", "dns_broken"),
        ("a..example", "dns_broken"),
    ],
)
async def test_length_limits_of_names(lab: Lab, host: str, reason: str) -> None:
    """Labels of 63 and names of 253 characters are asked for; longer ones never leave this process."""
    try:
        canonical(f"http://{host}/x")
    except BadUrl:
        assert reason == "dns_broken"
        return
    assert (await lab.look(f"http://{host}/x")).reason == reason
    assert bool(lab.names.asked) == (reason == "nxdomain")


@pytest.mark.parametrize(
    "url",
    ["http://[fe80::1%25lo]/", "http://[fe80::1%lo]/", "http://[::1%251]/", "http://fe80::1/"],
)
def test_zones_are_no_part_of_a_url(url: str) -> None:
    """An IPv6 zone names an interface of ours: no URL may."""
    with pytest.raises(BadUrl):
        canonical(url)


async def test_what_requests_leave_out(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the environment, no credentials of a netrc, no cookie that was set, no Referer."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    site = await lab.site(x=answer(302, location="/y", set_cookie="a=b"), y=answer(200))
    for _ in range(2):
        await lab.look(f"http://a.example:{site.port}/x")
    assert {asked.target for asked in site.asked} >= {"/x", "/y"}
    for asked in site.asked:
        assert set(asked.headers) <= {
            *("host", "user-agent", "accept", "accept-encoding", "range", "connection"),
        }
