"""What goes over the wire for each behaviour: synthetic heads and bytes, nothing else."""

from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from services.simulation.behaviours import Behaviour, HeadManner
from services.simulation.world import (
    MIRROR,
    PARKING_HOST,
    RAW_PLACE,
    REMOVED_FILE,
    REMOVED_PICTURE,
    SPELLED_404,
    Page,
)

RETRY_AFTER_SECONDS = 3
INTERIMS = 9  # one more than a look takes
_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
_MODIFIED = "Wed, 01 Jan 2020 00:00:00 GMT"
_REASONS = {
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    302: "Found",
    304: "Not Modified",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    410: "Gone",
    421: "Misdirected Request",
    429: "Too Many Requests",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    530: "Origin Unknown",
}


class Then(Enum):
    """What a server does after the bytes."""

    KEEP = auto()
    CLOSE = auto()
    RESET = auto()
    HOLD = auto()
    DRIP = auto()
    LATER = auto()


class Request(NamedTuple):
    """What a reply depends on; `ranged` for `Range: bytes=0-0`, `abroad` and `identified` by who asks."""

    method: str
    host: str
    port: int
    target: str
    ranged: bool
    abroad: bool = False
    identified: bool = True


class ScriptedReply(NamedTuple):
    """Bytes, and what then."""

    data: bytes
    then: Then = Then.KEEP


_STATUS: dict[Behaviour, tuple[int, tuple[str, ...]]] = {
    Behaviour.GONE_404: (404, ()),
    Behaviour.GONE_410: (410, ()),
    Behaviour.GONE_403: (403, ()),
    Behaviour.LOGIN_401: (401, ('WWW-Authenticate: Basic realm="members"',)),
    Behaviour.BLOCK_403: (403, ()),
    Behaviour.PROXY_407: (407, ('Proxy-Authenticate: Basic realm="proxy"',)),
    Behaviour.BLOCK_429: (429, (f"Retry-After: {RETRY_AFTER_SECONDS}",)),
    Behaviour.LEGAL_451: (451, ()),
    Behaviour.CHALLENGE_503: (503, ("Server: cloudflare", "cf-mitigated: challenge")),
    Behaviour.BUSY_503: (503, (f"Retry-After: {RETRY_AFTER_SECONDS}",)),
    Behaviour.ERROR_500: (500, ()),
    Behaviour.GATEWAY_502: (502, ()),
    Behaviour.GATEWAY_504: (504, ()),
    Behaviour.ROUTE_503: (503, ()),
    Behaviour.PROXY_530: (530, ()),
    Behaviour.MISDIRECTED_421: (421, ()),
}
_SILENT: dict[Behaviour, ScriptedReply] = {
    Behaviour.RESET: ScriptedReply(b"", Then.RESET),
    Behaviour.TARPIT: ScriptedReply(b"", Then.HOLD),
    Behaviour.EMPTY: ScriptedReply(b"", Then.CLOSE),
    Behaviour.TRUNCATED: ScriptedReply(b"HTTP/1.1 200 OK\r\nContent-Ty", Then.CLOSE),
    Behaviour.GARBAGE: ScriptedReply(b"\x16\x03\x01\x00\x00 not http at all\r\n\r\n", Then.CLOSE),
    Behaviour.DRIP: ScriptedReply(b"HTTP/1.1 200 OK\r\nX-Slow: ", Then.DRIP),
    Behaviour.FLOOD_100: ScriptedReply(_INTERIM * INTERIMS, Then.HOLD),
}


@lru_cache(maxsize=8192)
def reply(behaviour: Behaviour, page: Page, request: Request) -> ScriptedReply:
    """Render a behaviour; a function of its arguments, so that thousands of looks a second are cheap."""
    silent = _SILENT.get(behaviour)
    if silent is not None:
        return silent
    listed = _STATUS.get(behaviour)
    if listed is not None:
        status, headers = listed
        return ScriptedReply(_head(status, request, "text/html", 200, headers))
    where = _location(behaviour, request)
    if where is not None:
        return ScriptedReply(_head(302, request, "text/html", 0, (f"Location: {where}",)))
    return _present(behaviour, page, request)


def _location(behaviour: Behaviour, request: Request) -> str | None:
    origin = f"http://{request.host}:{request.port}"
    return {
        Behaviour.SOFT_ROOT: f"{origin}/",
        Behaviour.WALL_ROOT: None if request.target == "/" else f"{origin}/",
        Behaviour.OK_HEAD_REDIRECT: f"{origin}/error/missing" if request.method == "HEAD" else None,
        Behaviour.SOFT_PATH: f"{origin}/404.html",
        Behaviour.PARKED_302: f"http://{PARKING_HOST}:{request.port}/",
        Behaviour.LOGIN_302: f"{origin}/login?next={request.target}",
        Behaviour.REDIRECT_LOOP: f"{origin}{request.target}",
        Behaviour.OK_REDIRECT: f"{origin}{MIRROR}{request.target}",
        Behaviour.OK_SPELLED_404: f"{origin}{SPELLED_404}{request.target}",
        Behaviour.OK_RAW_LOCATION: f"{origin}{RAW_PLACE}{request.target}",
        Behaviour.PLACEHOLDER_302: f"{origin}{REMOVED_PICTURE}",
        Behaviour.PLACEHOLDER_FILE: f"{origin}{REMOVED_FILE}",
    }.get(behaviour)


def _present(behaviour: Behaviour, page: Page, request: Request) -> ScriptedReply:
    """Render what answers 200: the material, a front page, or a page that says no in 200."""
    if request.method == "HEAD" and (answer := _to_head(behaviour, request)) is not None:
        return answer
    if behaviour in _BARE:
        return ScriptedReply(b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n", Then.CLOSE)
    if behaviour in _IN_PLACE:
        kind, length = _IN_PLACE[behaviour]
        return ScriptedReply(_head(200, request, kind, length, ()))
    if behaviour is Behaviour.PARKED_CNAME or page.kind == "front":
        return ScriptedReply(_head(200, request, "text/html", 512, ()))
    if behaviour is Behaviour.PLACEHOLDER:
        large = request.target == REMOVED_FILE
        kind, length = ("image/jpeg", 4096) if large else ("image/gif", _PLACEHOLDER_BYTES)
        return ScriptedReply(_head(200, request, kind, length, ()))
    if behaviour is Behaviour.OK_REENCODED:
        page = Page(page.kind, page.length * 7 // 10, f"{page.etag}-encoded")
    hints = _HINTS if behaviour is Behaviour.OK_HINTS else b""
    twice = behaviour is Behaviour.OK_TWO_LENGTHS
    image = _image(page, request, twice=twice)
    return ScriptedReply(hints + image, _AFTER_IMAGE.get(behaviour, Then.KEEP))


def _to_head(behaviour: Behaviour, request: Request) -> ScriptedReply | None:
    """Render what HEAD is answered where that says little of the material."""
    refused = _NO_HEAD.get(behaviour)
    if refused is not None:
        return ScriptedReply(_head(refused, request, "text/html", 0, ("Allow: GET",)))
    if behaviour is Behaviour.OK_HEAD_EMPTY:
        return ScriptedReply(_head(200, request, "text/html", 0, ()))
    if behaviour is Behaviour.OK_HEAD_BARE:
        return ScriptedReply(b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\n\r\n")
    return ScriptedReply(b"", Then.CLOSE) if behaviour is Behaviour.OK_HEAD_CLOSED else None


_PLACEHOLDER_BYTES, _SORRY_BYTES = 807, 731
_IN_PLACE = {
    Behaviour.GONE_EMPTIED: ("image/jpeg", 0),
    Behaviour.SOFT_SAME: ("text/html", _SORRY_BYTES),
    Behaviour.SORRY_UNSEEN: ("text/html", _SORRY_BYTES),
    Behaviour.WALL_PAGE: ("text/html", 2200),
    Behaviour.WALL_200: ("text/html", 2200),
    Behaviour.WALL_ROOT: ("text/html", 2200),
    Behaviour.WALL_EMPTY: ("text/html", 0),
    Behaviour.WALL_PICTURE: ("image/png", 4321),
}
"""What answers 200 in the place of the material: nothing, or one page for everything."""
_BARE = frozenset({Behaviour.BARE_200, Behaviour.WALL_BARE})
_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_NO_HEAD = {
    Behaviour.OK_NO_HEAD: 405,
    Behaviour.OK_HEAD_501: 501,
    Behaviour.OK_HEAD_404: 404,
    Behaviour.OK_HEAD_401: 401,
    Behaviour.OK_HEAD_429: 429,
    Behaviour.OK_HEAD_451: 451,
    Behaviour.OK_HEAD_503: 503,
}
_AFTER_IMAGE = {Behaviour.OK_CLOSE: Then.CLOSE, Behaviour.OK_SLOW: Then.LATER}


def _image(page: Page, request: Request, *, twice: bool = False) -> bytes:
    """Serve the material; `twice`: its length is stated two times."""
    headers = [f'ETag: "{page.etag}"', f"Last-Modified: {_MODIFIED}", "Accept-Ranges: bytes"]
    status, length = 200, page.length
    if request.ranged and request.method == "GET":
        headers.insert(0, f"Content-Range: bytes 0-0/{page.length}")
        status, length = 206, 1
    if twice:
        headers.insert(0, f"Content-Length: {length}")
    return _head(status, request, "image/jpeg", length, tuple(headers))


def head_reply(manner: HeadManner, request: Request) -> ScriptedReply:
    """Render what a host of this manner says to HEAD: of everything the same."""
    if manner is HeadManner.CLOSED:
        return ScriptedReply(b"", Then.CLOSE)
    status, length = _HEADS.get(manner) or (int(manner.value[-3:]), 0)
    front = f"Location: http://{request.host}:{request.port}/"
    headers = (front,) if manner is HeadManner.TO_FRONT else ()
    return ScriptedReply(_head(status, request, "image/jpeg", length, headers))


_HEADS: dict[HeadManner, tuple[int, int | None]] = {
    HeadManner.LENGTH_0: (200, 0),
    HeadManner.NO_LENGTH: (200, None),
    HeadManner.ALWAYS_200: (200, 4096),
    HeadManner.TO_FRONT: (302, 0),
    HeadManner.STATUS_204: (204, None),
    HeadManner.STATUS_304: (304, None),
}


def _head(
    status: int, request: Request, kind: str, length: int | None, headers: tuple[str, ...]
) -> bytes:
    """Write a head, and for a GET the stated number of "x"."""
    named = any(header.startswith("Server:") for header in headers)
    lines = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        *(() if named else ("Server: nginx",)),
        f"Content-Type: {kind}",
        *(() if length is None else (f"Content-Length: {length}",)),
        *headers,
    ]
    body = b"" if request.method == "HEAD" else b"x" * (length or 0)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
