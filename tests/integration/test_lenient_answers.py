"""What every browser shows is online: odd framing, raw targets, and TLS from before RFC 5746."""

import asyncio

import pytest

from schemas.events import Fingerprint
from schemas.urls import canonical
from services.probing.http.exchange import Exchanger
from services.simulation.certificate import careless_pair
from services.simulation.renegotiation import Asking
from tests.integration.lab import Lab
from tests.integration.looksites import Script, head_of, raw

OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
PLAIN = OK + b"Content-Length: 777\r\n\r\n"
ODD = {
    "length beside a coding": OK + b"Content-Length: 777\r\nTransfer-Encoding: chunked\r\n\r\n",
    "length twice": OK + b"Content-Length: 777\r\nContent-Length: 777\r\n\r\n",
    "length in a list": OK + b"Content-Length: 777, 777\r\n\r\n",
    "length of no number": OK + b"Content-Length: -5\r\n\r\n",
    "length of many digits": OK + b"Content-Length: 99999999999999999999\r\n\r\n",
    "blank before a colon": b"HTTP/1.1 200 OK\r\nContent-Length : 777\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg;\r\n a=b\r\nContent-Length: 777\r\n\r\n",
    "line that is no field": OK + b"hello\r\nContent-Length: 777\r\n\r\n",
    "bare line ends": PLAIN.replace(b"\r\n", b"\n"),
    "empty line before": b"\r\n\r\n" + PLAIN,
    "no reason": PLAIN.replace(b"200 OK", b"200"),
    "another version": PLAIN.replace(b"HTTP/1.1", b"HTTP/2.0"),
    "interim answer, then an empty line": b"HTTP/1.1 103 E\r\n\r\n\r\n" + PLAIN,
}
PICTURE = Fingerprint(status=200, content_type="image/jpeg", content_length=777)
ALIKE = (None, "bare line ends", "no reason")


@pytest.mark.parametrize("odd", ODD)
async def test_an_answer_that_browsers_show_is_online(lab: Lab, odd: str) -> None:
    """It is read, and so are the answers of the host's other pages after it."""
    site = await lab.site(x=raw(ODD[odd], close=False), y=raw(PLAIN, close=False))
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert (made.verdict, made.reason) == ("online", "served")
    assert (await lab.look(f"http://a.example:{site.port}/y")).verdict == "online"


@pytest.mark.parametrize("odd", [None, *ODD])
async def test_a_connection_with_an_odd_answer_is_used_once(lab: Lab, odd: str | None) -> None:
    """So nothing can hide behind it; plain answers, and those that all read alike, keep theirs."""
    site = await lab.site(x=raw(PLAIN if odd is None else ODD[odd], close=False))
    exchanger = Exchanger(lab.guard, agent="x")
    url = canonical(f"http://a.example:{site.port}/x")
    for _ in range(2):
        assert (await exchanger.ask("HEAD", url, "127.0.0.1", 1.0)).status == 200
    await exchanger.close()
    assert site.connections == (1 if odd in ALIKE else 2)


async def test_an_answer_behind_an_odd_one_is_nobodys(lab: Lab) -> None:
    """What a server sends behind the block is dropped with the connection: it can't become the next answer."""
    smuggled = ODD["length beside a coding"] + b"0\r\n\r\n" + head_of(404)
    site = await lab.site(x=raw(smuggled, close=False), y=raw(PLAIN, close=False))
    assert (await lab.look(f"http://a.example:{site.port}/x")).verdict == "online"
    assert (await lab.look(f"http://a.example:{site.port}/y")).verdict == "online"


async def test_lengths_that_differ_are_no_answer(lab: Lab) -> None:
    """Which of two is true nobody can say, and browsers show neither; beside a coding both count for nothing."""
    two = OK + b"Content-Length: 5\r\nContent-Length: 6\r\n"
    coded = two + b"Transfer-Encoding: chunked\r\n\r\n"
    site = await lab.site(x=raw(two + b"\r\n", close=False), y=raw(coded, close=False))
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "bad_response"
    assert (await lab.look(f"http://a.example:{site.port}/y")).verdict == "online"


# -- redirects -------------------------------------------------------------------------------------


def sent_to(target: bytes) -> Script:
    return raw(
        b"HTTP/1.1 301 M\r\nContent-Length: 0\r\nLocation: " + target + b"\r\n\r\n", close=False
    )


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        (b"/real photo.jpg", "/real%20photo.jpg"),
        (b"/r\xf8d.jpg", "/r%F8d.jpg"),
        ("/rød.jpg".encode(), "/r%C3%B8d.jpg"),
        (b"/re\tal.jpg", "/real.jpg"),
        ("real ø.jpg?q=a b#c d".encode(), "/real%20%C3%B8.jpg?q=a%20b"),
        (b"//a.example:{port}/real photo.jpg", "/real%20photo.jpg"),
    ],
)
async def test_a_raw_target_is_followed_as_browsers_do(lab: Lab, target: bytes, asked: str) -> None:
    """Blanks and raw bytes lead to the file under the encoded name."""
    site = await lab.site()
    path = asked.partition("?")[0]
    site.scripts |= {
        "/x": sent_to(target.replace(b"{port}", str(site.port).encode())),
        path: raw(PLAIN, close=False),
    }
    made = await lab.look(f"http://a.example:{site.port}/x", known_online=True, baseline=PICTURE)
    assert made.verdict == "online"
    assert asked in {one.target for one in site.asked}


@pytest.mark.parametrize(
    "target", [b"http://a b.example/x", b"http://\xff.example/x", b"//a\tb c/x"]
)
async def test_a_raw_host_leads_nowhere(lab: Lab, target: bytes) -> None:
    """Encoding a blank or a byte in a host makes no other host of it: the redirect is broken."""
    site = await lab.site(x=sent_to(target))
    assert (await lab.look(f"http://a.example:{site.port}/x")).reason == "redirect_broken"


# -- TLS from before RFC 5746 ----------------------------------------------------------------------


class Answering(asyncio.Protocol):
    """Answers every request in the connection with a picture."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        found = b" /x " in data
        self.transport.write(PLAIN if found else head_of(404, {"content-length": "0"}))


async def serve(**options: bool) -> asyncio.Server:
    """Serve TLS 1.2 without a word of safe renegotiation."""
    pair = careless_pair()
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: Asking(pair, Answering, safe=False, **options), "127.0.0.1", 0
    )


@pytest.mark.parametrize("asks", [False, True])
async def test_a_server_from_before_rfc_5746_is_understood(lab: Lab, asks: bool) -> None:
    """It can't say that it renegotiates safely; where it asks for it all the same, it gets none, and is heard."""
    server = await serve(insists=False, asks=asks)
    port = server.sockets[0].getsockname()[1]
    assert (await lab.look(f"https://a.example:{port}/x")).verdict == "online"
    server.close()


async def test_a_server_from_before_rfc_5746_gets_no_renegotiation(lab: Lab) -> None:
    """One that answers nothing until it has renegotiated is a fault of its own, and no removal."""
    server = await serve(insists=True)
    port = server.sockets[0].getsockname()[1]
    made = await lab.look(f"https://a.example:{port}/x")
    assert (made.verdict, made.reason) == ("undetermined", "response_timeout")
    server.close()
