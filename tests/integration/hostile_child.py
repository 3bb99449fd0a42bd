"""Hostile and honest sites in a process of their own, so that what they burn is not ours; prints the port."""

import asyncio
import socket
import sys

from schemas.urls import MAX_URL_LENGTH
from services.probing.http.header_handler import (
    HEADER_BYTES,
    INTERIM_RESPONSES,
    RECEIVE_BUFFER,
)
from tests.integration.looksites import (
    Asked,
    Script,
    Site,
    answer,
    dribble,
    head_of,
    raw,
    reset,
    silent,
)

OK = b"HTTP/1.1 200 OK\r\n"


def on_get(script: Script) -> Script:
    """Say 404 to HEAD, and something odd to the GET that asks again."""

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


def header_of(size: int) -> bytes:
    """Write a header block of so many bytes."""
    padding = size - len(OK + b"X-A: \r\n\r\n")
    return OK + b"X-A: " + b"b" * padding + b"\r\n\r\n"


def interim(count: int, line: bytes) -> bytes:
    """Write so many interim answers, and the answer."""
    return (b"HTTP/1.1 " + line + b"\r\n\r\n") * count + head_of(404)


def scripts() -> dict[str, Script]:
    """Name every hostile answer: each goes one step past a limit, or breaks off at one point."""
    missing = head_of(404, {"content-type": "image/jpeg"})
    chunked = head_of(404, {"transfer-encoding": "chunked"})
    encoded = head_of(404, {"content-encoding": "gzip", "content-length": "5"})
    return {
        "slow_headers": dribble(b"X-A: b\r\n", 0.02),
        "slow_bytes": dribble(b"x", 0.02),
        "slow_body": on_get(then(missing, dribble(b"x", 0.02))),
        "interim_100": raw(interim(INTERIM_RESPONSES + 1, b"100 Continue")),
        "interim_102": raw(interim(INTERIM_RESPONSES + 1, b"102 Processing")),
        "interim_allowed": raw(interim(INTERIM_RESPONSES, b"103 Early Hints")),
        "header_byte_too_many": raw(header_of(HEADER_BYTES + 1)),
        "line_without_end": raw(header_of(HEADER_BYTES + 5)[:-4], close=False),
        "encoded_body": on_get(raw(encoded + b"plain")),
        "chunked_body": on_get(raw(chunked + b"5\r\nhello\r\n", close=False)),
        "body_past_the_buffer": on_get(raw(missing + b"z" * (RECEIVE_BUFFER + 1), close=False)),
        "trailer": on_get(raw(chunked + b"0\r\nX-T: y\r\n\r\n")),
        "long_location": answer(302, location="/" + "l" * MAX_URL_LENGTH),
        "loop": answer(302, location="/loop"),
        "nul_reason": raw(b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n"),
        "nul_header": raw(OK + b"X-A: b\x00c\r\nContent-Length: 0\r\n\r\n"),
        "nul_type": raw(OK + b"Content-Type: text/\x00html\r\n\r\n"),
        "http09": raw(b"<html>hello</html>\n"),
        "http2_preface": raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
        "ssh": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        "status_999": raw(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
        "two_lengths": raw(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        "short_body": on_get(raw(head_of(404, {"content-length": "1000"}) + b"short")),
        "long_body": on_get(raw(head_of(404, {"content-length": "5"}) + b"longer")),
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
    site.scripts = {f"/{name}": script for name, script in scripts().items()}
    site.scripts["/honest"] = answer(200, content_type="image/jpeg", content_length="777")
    await site.start()
    for server in site.servers:
        server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    print(site.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await site.stop()


if __name__ == "__main__":
    asyncio.run(main())
