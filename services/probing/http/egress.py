"""How our connections leave: straight, from a bound address, or through a proxy (HTTP CONNECT, SOCKS5).

A proxy is given the literal address that our own resolver found and our own guard let through, never a name: it can
be a second guard, and is never the only one.
"""

import asyncio
import base64
import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from schemas.errors import ConfigError, TakedownError

SCHEMES = ("http", "socks5")
_HEADER_BYTES = 8192
_SOCKS_LOGIN_BYTES = 255
_SOCKS_FAULTS = {3: "unreachable", 4: "unreachable", 5: "connect_refused", 6: "connect_timeout"}
_HTTP_FAULTS = {502: "connect_failed", 503: "connect_failed", 504: "connect_timeout"}


class EgressFailed(TakedownError):
    """The way out did not lead to the address; `reason` is a reason code."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the proxy gave no connection ({reason}); look at its own log")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that our connections leave by."""

    scheme: Literal["http", "socks5"]
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Egress:
    """A proxy or a source address; without either connections leave as they come."""

    proxy: Proxy | None = None
    bind_address: str | None = None


def proxy_of(text: str) -> Proxy:
    """Read `http://host:port` or `socks5://user:password@host:port`; raises `ConfigError` without repeating it."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in SCHEMES or parts.path not in ("", "/"):
        raise ConfigError("a proxy is written http://host:port or socks5://user:password@host:port")
    scheme: Literal["http", "socks5"] = "http" if parts.scheme == "http" else "socks5"
    login = unquote(parts.username or ""), unquote(parts.password or "")
    if scheme == "socks5" and any(len(part.encode()) > _SOCKS_LOGIN_BYTES for part in login):
        raise ConfigError("a SOCKS5 login has at most 255 bytes of name and of password (RFC 1929)")
    return Proxy(scheme, host, port, *login)


async def connect_through(
    proxy: Proxy, sockaddr: tuple[str, int], connect_seconds: float, receive_buffer: int
) -> socket.socket:
    """Open a connection to a literal address through a proxy.

    Raises `EgressFailed`, and `TimeoutError` where the proxy is there but does not reach the address in time.
    """
    sock = await _reach(proxy, connect_seconds, receive_buffer)
    try:
        async with asyncio.timeout(connect_seconds):
            if proxy.scheme == "http":
                await _http_connect(sock, proxy, sockaddr)
            else:
                await _socks5_connect(sock, proxy, sockaddr)
    except OSError as error:
        sock.close()
        if isinstance(error, TimeoutError):
            raise
        raise EgressFailed("egress_failed") from None
    except BaseException:
        sock.close()
        raise
    return sock


async def _reach(proxy: Proxy, seconds: float, receive_buffer: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    sock: socket.socket | None = None
    try:
        async with asyncio.timeout(seconds):
            candidates = await loop.getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
            family, kind, proto, _, address = candidates[0]
            sock = socket.socket(family, kind, proto)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            await loop.sock_connect(sock, address)
    except (OSError, IndexError):
        if sock is not None:
            sock.close()
        raise EgressFailed("egress_failed") from None
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    return sock


async def _http_connect(sock: socket.socket, proxy: Proxy, sockaddr: tuple[str, int]) -> None:
    loop = asyncio.get_running_loop()
    host = f"[{sockaddr[0]}]" if ":" in sockaddr[0] else sockaddr[0]
    lines = [f"CONNECT {host}:{sockaddr[1]} HTTP/1.1", f"Host: {host}:{sockaddr[1]}"]
    if proxy.username:
        login = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {login}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    block = b""
    while b"\r\n\r\n" not in block:
        piece = await loop.sock_recv(sock, 1024)
        block += piece
        if not piece or len(block) > _HEADER_BYTES:
            raise EgressFailed("egress_failed")
    head, _, early = block.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    if not 200 <= status < 300:
        raise EgressFailed(_HTTP_FAULTS.get(status, "egress_failed"))
    if early:
        # Whoever speaks before it is asked is no web server; the bytes can't be put back.
        raise EgressFailed("bad_response")


async def _socks5_connect(sock: socket.socket, proxy: Proxy, sockaddr: tuple[str, int]) -> None:
    """Shake hands as RFC 1928 and RFC 1929 say."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, b"\x05\x02\x00\x02" if proxy.username else b"\x05\x01\x00")
    chosen = await _exactly(sock, 2)
    if chosen == b"\x05\x02" and proxy.username:
        name, secret = proxy.username.encode(), proxy.password.encode()
        login = bytes([1, len(name)]) + name + bytes([len(secret)]) + secret
        await loop.sock_sendall(sock, login)
        if (await _exactly(sock, 2))[1] != 0:
            raise EgressFailed("egress_failed")
    elif chosen != b"\x05\x00":
        raise EgressFailed("egress_failed")
    packed = ipaddress.ip_address(sockaddr[0]).packed
    kind = b"\x01" if len(packed) == 4 else b"\x04"
    await loop.sock_sendall(sock, b"\x05\x01\x00" + kind + packed + sockaddr[1].to_bytes(2, "big"))
    answer = await _exactly(sock, 4)
    if answer[0] != 5 or answer[1] != 0:
        raise EgressFailed(_SOCKS_FAULTS.get(answer[1], "egress_failed"))
    length = {1: 4, 4: 16}.get(answer[3])
    if length is None:
        length = (await _exactly(sock, 1))[0]
    await _exactly(sock, length + 2)


async def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = await asyncio.get_running_loop().sock_recv(sock, count - len(data))
        if not piece:
            raise EgressFailed("egress_failed")
        data += piece
    return data
