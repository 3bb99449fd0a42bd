"""Looks that leave by a proxy or from a bound address: same guard, same verdicts, no name given away."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from schemas.errors import ConfigError
from services.probing.dns.resolver import Resolver
from services.probing.guard.guard import Guard
from services.probing.http.egress import Egress, proxy_of
from tests.integration.certificates import self_signed
from tests.integration.lab import Lab
from tests.integration.looksites import Asked, answer
from tests.integration.proxies import ScriptedProxy

SCHEMES = ("http", "socks5")
Opener = Callable[..., Awaitable[ScriptedProxy]]


@pytest.fixture
async def proxy() -> AsyncIterator[Opener]:
    started: list[ScriptedProxy] = []

    async def start(scheme: str, **options) -> ScriptedProxy:
        started.append(await ScriptedProxy(scheme, **options).start())
        return started[-1]

    yield start
    for one in started:
        await one.stop()


def egress(made: ScriptedProxy, login: str = "") -> Egress:
    at = f"{login}@" if login else ""
    return Egress(proxy_of(f"{made.scheme}://{at}127.0.0.1:{made.port}"))


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_look_leaves_by_the_proxy(lab: Lab, proxy: Opener, scheme: str) -> None:
    """The proxy is given the literal address, and the site sees the name; verdicts are the same."""
    made = await proxy(scheme)
    site = await lab.site(x=answer(200), y=answer(404))
    looker = lab.looker(egress=egress(made))
    assert (await lab.look(f"http://a.example:{site.port}/x", looker)).verdict == "online"
    gone = await lab.look(f"http://a.example:{site.port}/y", looker)
    assert gone.reason == "not_found"
    assert set(made.asked) == {("127.0.0.1", site.port)}
    assert site.asked[0].headers["host"] == f"a.example:{site.port}"


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_connections_through_a_proxy_are_kept(lab: Lab, proxy: Opener, scheme: str) -> None:
    """Looks at one host share one tunnel."""
    made = await proxy(scheme)
    site = await lab.site(x=answer(200), y=answer(200))
    looker = lab.looker(egress=egress(made))
    for path in ("x", "y", "x"):
        await lab.look(f"http://a.example:{site.port}/{path}", looker)
    assert len(made.asked) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_tls_goes_through_the_proxy(
    lab: Lab, proxy: Opener, scheme: str, certificate: ssl.SSLContext
) -> None:
    """TLS is with the site, not with the proxy, and its phases are known."""
    made = await proxy(scheme)
    site = await lab.site(x=answer(200), tls=certificate)
    found = await lab.look(f"https://a.example:{site.port}/x", lab.looker(egress=egress(made)))
    assert found.verdict == "online"
    assert {"connect", "tls", "first_byte"} <= set(found.phases)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_ipv6_literals_go_through_the_proxy(lab: Lab, proxy: Opener, scheme: str) -> None:
    """An IPv6 address is written as each protocol asks for it."""
    made = await proxy(scheme)
    lab.names.names["six.example"] = ["::1"]
    site = await lab.site("::1", x=answer(200))
    found = await lab.look(f"http://six.example:{site.port}/x", lab.looker(egress=egress(made)))
    assert found.verdict == "online"
    assert made.asked[0] == ("::1", site.port)


async def test_logins(lab: Lab, proxy: Opener) -> None:
    """A login is shown to the proxy, percent-decoded, and to nobody else; a wrong one is our own fault."""
    site = await lab.site(x=answer(200))
    url = f"http://a.example:{site.port}/x"
    web = await proxy("http")
    assert (await lab.look(url, lab.looker(egress=egress(web, "me:s%40t")))).verdict == "online"
    assert web.logins == ["Basic bWU6c0B0"]
    socks = await proxy("socks5", login="me:s@t")
    assert (await lab.look(url, lab.looker(egress=egress(socks, "me:s%40t")))).verdict == "online"
    wrong = await lab.look(url, lab.looker(egress=egress(socks, "me:other")))
    assert wrong.reason == "egress_failed"
    assert all("proxy-authorization" not in asked.headers for asked in site.asked)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_the_guard_stands_before_the_proxy(lab: Lab, proxy: Opener, scheme: str) -> None:
    """No refused address is ever given to a proxy: by literal, by name, or by redirect."""
    made = await proxy(scheme)
    site = await lab.site(x=answer(302, location="http://inner.a.example/y"))
    lab.names.names |= {"inner.a.example": ["192.0.2.1"], "bad.example": ["198.51.100.1"]}
    looker = lab.looker(egress=egress(made))
    assert (await lab.look("http://192.0.2.1/x", looker)).reason == "address_refused"
    assert (await lab.look("http://bad.example/x", looker)).reason == "address_refused"
    redirected = await lab.look(f"http://a.example:{site.port}/x", looker)
    assert redirected.reason == "redirect_refused"
    assert set(made.asked) <= {("127.0.0.1", site.port)}
    guard = Guard("public", {80, site.port})
    resolver = Resolver([("127.0.0.1", lab.names.port)], guard)
    public = lab.looker(guard=guard, resolver=resolver, egress=egress(made))
    before = len(made.asked)
    assert (await lab.look(f"http://127.0.0.1:{site.port}/x", public)).reason == "address_refused"
    assert len(made.asked) == before


@pytest.mark.parametrize(
    ("scheme", "refusal", "reason"),
    [
        ("http", b"HTTP/1.1 403 Forbidden\r\n\r\n", "egress_failed"),
        ("http", b"HTTP/1.1 407 Who\r\n\r\n", "egress_failed"),
        ("http", b"HTTP/1.1 502 Bad\r\n\r\n", "connect_failed"),
        ("http", b"HTTP/1.1 504 Late\r\n\r\n", "connect_timeout"),
        ("http", b"garbage\r\n\r\n", "egress_failed"),
        ("http", b"X" * 8193, "egress_failed"),
        ("socks5", b"\x05\x01\x00\x01" + bytes(6), "egress_failed"),
        ("socks5", b"\x05\x02\x00\x01" + bytes(6), "egress_failed"),
        ("socks5", b"\x05\x04\x00\x01" + bytes(6), "unreachable"),
        ("socks5", b"\x05\x05\x00\x01" + bytes(6), "connect_refused"),
        ("socks5", b"\x05\x06\x00\x01" + bytes(6), "connect_timeout"),
        ("socks5", b"HTTP", "egress_failed"),
    ],
)
async def test_refusals_of_a_proxy(
    lab: Lab, proxy: Opener, scheme: str, refusal: bytes, reason: str
) -> None:
    """What a proxy refuses is told apart from what lies behind it, and is never a removal."""
    made = await proxy(scheme, refusal=refusal)
    found = await lab.look("http://a.example:8080/x", lab.looker(egress=egress(made)))
    assert (found.verdict, found.reason) == ("undetermined", reason)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_is_away_is_our_own_fault(lab: Lab, proxy: Opener, scheme: str) -> None:
    """A dead proxy is `egress_failed` and makes no host dark; one that never answers is a timeout."""
    silent = await proxy(scheme, silent=True)
    looker = lab.looker(egress=egress(silent))
    assert (await lab.look("http://a.example:8080/x", looker)).reason == "connect_timeout"
    dead = await proxy(scheme)
    await dead.stop()
    found = await lab.look("http://a.example:8080/x", lab.looker(egress=egress(dead)))
    assert found.reason == "egress_failed"
    dark = await lab.look("http://a.example:8080/x", lab.lookers[-1], host_dark=True)
    assert dark.reason == "egress_failed"


async def test_bytes_before_their_time_are_no_answer(lab: Lab, proxy: Opener) -> None:
    """A site that speaks before it is asked can't slip an answer in behind the proxy's."""
    early = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    made = await proxy("http", early=early)
    site = await lab.site(x=answer(200))
    found = await lab.look(f"http://a.example:{site.port}/x", lab.looker(egress=egress(made)))
    assert found.reason == "bad_response"


async def test_a_bound_address_is_where_requests_come_from(lab: Lab) -> None:
    """The site sees the source address that was set."""
    peers: list[str] = []

    async def script(asked: Asked, writer) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        await answer(200)(asked, writer)

    site = await lab.site(x=script)
    looker = lab.looker(egress=Egress(bind_address="127.0.0.9"))
    assert (await lab.look(f"http://a.example:{site.port}/x", looker)).verdict == "online"
    assert set(peers) == {"127.0.0.9"}


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1:1080", "http:hid", "socks4://h:1", "http://hid", "http://hid:x"),
        *("http://hid:1/p", f"socks5://{'hid' * 86}:x@h:1", f"socks5://u:{'hid' * 86}@h:1"),
    ],
)
def test_what_is_no_proxy_is_refused(text: str) -> None:
    """A proxy needs a known scheme, a host and a port; the message repeats nothing."""
    with pytest.raises(ConfigError) as refused:
        proxy_of(text)
    assert "hid" not in str(refused.value)


def test_a_proxy_hides_its_password() -> None:
    """No representation of a way out shows the password."""
    made = Egress(proxy_of("socks5://me:hunter2@127.0.0.1:1080"))
    assert made.proxy is not None
    assert made.proxy.password == "hunter2"
    assert "hunter2" not in repr(made)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Make a certificate for a server on loopback."""
    return self_signed(tmp_path_factory.mktemp("tls"))
