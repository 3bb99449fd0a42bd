"""Hostile and honest sites in a process of their own, so that what they burn is not ours; prints the port."""

import asyncio
import gzip
import socket
import sys

from tests.integration.looksites import (
    Asked,
    Script,
    Site,
    answer,
    dribble,
    head_of,
    raw,
    repeat,
    reset,
    silent,
)

BOMB = gzip.compress(bytes(16 * 1024 * 1024))
OK = b"HTTP/1.1 200 OK\r\n"


def on_get(script: Script) -> Script:
    """Say 404 to HEAD, and do harm to the GET that asks again."""

    async def both(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (script if asked.method == "GET" else answer(404))(asked, writer)

    return both


def then(data: bytes, script: Script) -> Script:
    """Send bytes, and then do something else."""

    async def both(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.02)
        await script(asked, writer)

    return both


def scripts(site: Site) -> dict[str, Script]:
    """Name every hostile answer."""
    missing = head_of(404, {"content-type": "image/jpeg"})
    chunked = head_of(404, {"transfer-encoding": "chunked"})
    zipped = head_of(404, {"content-encoding": "gzip", "content-length": str(len(BOMB))})
    trailers = b"0\r\n" + b"X-T: y\r\n" * 20_000 + b"\r\n"
    return {
        "loris_headers": dribble(b"X-A: b\r\n", 0.02),
        "loris_bytes": dribble(b"x", 0.02),
        "loris_body": on_get(then(missing, dribble(b"x", 0.02))),
        "endless_100": repeat(site, b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
        "endless_102": repeat(site, b"HTTP/1.1 102 Processing\r\n\r\n" * 50),
        "many_headers": raw(OK + b"X-A: b\r\n" * 20_000 + b"\r\n"),
        "long_header": raw(OK + b"X-A: " + b"b" * 1_000_000 + b"\r\n\r\n"),
        "endless_line": repeat(site, b"y" * 65_536, first=OK + b"X-A: "),
        "cookies": raw(OK + (b"Set-Cookie: " + b"c" * 4000 + b"\r\n") * 100 + b"\r\n"),
        "gzip_bomb": on_get(raw(zipped + BOMB)),
        "endless_chunks": on_get(
            repeat(site, b"4000\r\n" + b"z" * 0x4000 + b"\r\n", first=chunked)
        ),
        "endless_body": on_get(repeat(site, b"z" * 65_536, first=missing)),
        "trailers": on_get(raw(chunked + trailers)),
        "huge_location": raw(head_of(302, {"location": "/" + "l" * 65_536, "content-length": "0"})),
        "long_location": raw(head_of(302, {"location": "/" + "l" * 30_000, "content-length": "0"})),
        "loop": answer(302, location="/loop"),
        "nul_reason": raw(b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n"),
        "nul_header": raw(OK + b"X-A: b\x00c\r\nContent-Length: 0\r\n\r\n"),
        "nul_type": raw(OK + b"Content-Type: text/\x00html\r\n\r\n"),
        "http09": raw(b"<html>hello</html>\n"),
        "http2_preface": raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
        "ssh": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        "status_999": raw(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
        "negative_length": raw(OK + b"Content-Length: -5\r\n\r\n"),
        "two_lengths": raw(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        "length_and_chunked": raw(
            OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        "huge_length": raw(OK + b"Content-Length: 99999999999999999999999\r\n\r\n"),
        "short_body": on_get(raw(head_of(404, {"content-length": "1000"}) + b"short")),
        "long_body": on_get(raw(head_of(404, {"content-length": "5"}) + b"L" * 100_000)),
        "empty": raw(b""),
        "rst_at_once": reset,
        "rst_in_status": then(b"HTTP/1.1 2", reset),
        "rst_in_headers": then(OK + b"Content-Ty", reset),
        "rst_in_body": on_get(then(missing + b"abc", reset)),
        "silence": silent,
        "half": raw(b"HTTP/1.1 404 Not Fou", close=False),
    }


async def main() -> None:
    """Serve until standard input ends."""
    site = Site()
    site.scripts = {f"/{name}": script for name, script in scripts(site).items()}
    site.scripts["/honest"] = answer(200, content_type="image/jpeg", content_length="777")
    await site.start()
    for server in site.servers:
        server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    print(site.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await site.stop()


if __name__ == "__main__":
    asyncio.run(main())
