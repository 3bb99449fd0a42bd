"""One exchange: one request to one pinned address, and what its header block said or what went wrong.

Whatever aiohttp raises ends here as a reason code: its exceptions repeat the URL.
"""

import hashlib
import re
from functools import lru_cache
from typing import Literal, NamedTuple

import aiohttp
from msgspec import Struct

from schemas.errors import ConfigError
from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl
from services.core.verdict import Redirect
from services.probing.guard.guard import Guard
from services.probing.http.connector import GuardedConnector, Route
from services.probing.http.egress import Egress
from services.probing.http.faults import fault_of
from services.probing.http.head import HeaderBlock, number_in
from services.probing.http.header_handler import Attempt, HeaderHandler

Method = Literal["HEAD", "GET"]
_HEADER_CHARACTERS = 120
# Bytes that are no text break the record of the look, control characters a terminal.
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_RAW = re.compile(r"[^\x21-\x7e]+")
_DROPPED = {ord(end): None for end in "\t\r\n"}  # WHATWG URL, 4.4: tabs and line ends are removed
_WAYS = 50_000
_DEFAULT_PORT = {"http": 80, "https": 443}
# What guards a site against machines says so in a header of its own; by some it is also in answers that let pass.
_CHALLENGES = {
    "cf-mitigated": ("challenge",),
    "x-amzn-waf-action": ("challenge", "captcha"),
    "x-vercel-mitigated": ("challenge", "deny"),
}
_PROTECTORS = ("x-datadome", "x-sucuri-block")
_MARKS = frozenset({*_CHALLENGES, *_PROTECTORS})
_CHALLENGING = frozenset({202, 403, 405, 429, 503})
_BREAKS = (aiohttp.ServerDisconnectedError, OSError)


class Reply(Struct, frozen=True, kw_only=True):
    """What one request brought: a fault, or the allow-listed part of a header block (G2)."""

    method: Method
    fault: str | None = None
    status: int | None = None
    location: str | None = None
    retry_after: str | None = None
    challenge: bool = False
    content_type: str | None = None
    content_length: int | None = None
    is_past_end: bool = False
    etag_digest: str | None = None
    last_modified: str | None = None
    server_class: str | None = None
    cache_age: int | None = None
    phases: dict[str, float] = {}

    def fingerprint(
        self, redirect: Redirect | None, sibling: str | None = None
    ) -> Fingerprint | None:
        """Say what is kept of the header block, with the class of a redirect in place of its target.

        `sibling` names how siblings were answered.
        """
        if self.status is None:
            return None
        return Fingerprint(
            status=self.status,
            content_type=self.content_type,
            content_length=self.content_length,
            etag_digest=self.etag_digest,
            last_modified=self.last_modified,
            redirect=redirect,
            server_class=self.server_class,
            cache_age=self.cache_age,
            method=self.method,
            sibling=sibling,
        )


class Exchanger:
    """Ask addresses for URLs over kept-alive connections; Host and SNI keep the name.

    `ask` never raises for what the far side does. No cookie, no credential, no Referer is ever sent.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        agent: str,
        neutral_agent: str | None = None,
        connect_seconds: float = 5.0,
        connections_per_host: int = 2,
        keepalive_seconds: float = 30.0,
        egress: Egress | None = None,
    ) -> None:
        if not (agent.isascii() and agent.isprintable()):
            raise ConfigError("the User-Agent may hold printable ASCII only; set another one")
        self._connector = GuardedConnector(
            guard,
            per_host=connections_per_host,
            connect_seconds=connect_seconds,
            keepalive_seconds=keepalive_seconds,
            egress=egress,
        )
        self._tails = _tails(agent)
        self._neutral_tails = self._tails if neutral_agent is None else _tails(neutral_agent)
        self._ways: dict[tuple[str, str, str, bool], _Way] = {}

    async def close(self) -> None:
        """Close every connection."""
        await self._connector.close()

    async def ask(
        self,
        method: Method,
        url: CanonicalUrl,
        address: str,
        seconds: float,
        *,
        neutral: bool = False,
    ) -> Reply:
        """Make one request to one address and give what its header block said, within so many seconds.

        `neutral` asks under the neutral agent (G8).
        """
        attempt = Attempt(seconds)
        target = target_of(url)
        way = self._way(method, url, address, neutral, len(target))
        connector, route = self._connector, way.route
        try:
            if method == "GET":
                return await self._get(way, target, attempt)
            # No coroutine of its own: nearly every look waits here.
            is_again = False
            while True:
                attempt.handler = None
                handler = connector.idle(route) or await connector.join(route, attempt)
                attempt.handler = handler
                try:
                    _send(handler, way, target)
                    return _reply("HEAD", await handler.answer(attempt.left()), attempt.phases())
                except BaseException as error:
                    handler.abort()
                    if is_again or not _is_stale(attempt, error):
                        raise
                    is_again = True
                finally:
                    connector.release(route, handler)
        except (
            Exception
        ) as error:  # whatever a hostile answer brings about, it must not end the look
            return Reply(method=method, fault=fault_of(error, attempt), phases=attempt.phases())

    async def _get(self, way: "_Way", target: str, attempt: Attempt) -> Reply:
        """Ask over a connection of its own, which is cut after the answer."""
        handler = await self._connector.open(way.route, attempt)
        try:
            _send(handler, way, target)
            return _reply("GET", await handler.answer(attempt.left()), attempt.phases())
        finally:
            # Closing it politely would take in more of the body.
            handler.abort()

    def _way(
        self, method: Method, url: CanonicalUrl, address: str, neutral: bool, target_length: int
    ) -> "_Way":
        key = (method, address, url.href[:-target_length], neutral)
        way = self._ways.get(key)
        if way is None:
            if len(self._ways) >= _WAYS:
                self._ways.clear()
            tails = self._neutral_tails if neutral else self._tails
            route = Route(url, address)
            tail = f" HTTP/1.1\r\nHost: {_host_of(url)}\r\n{tails[method]}"
            way = self._ways[key] = _Way(method, route, tail)
        return way


class _Way(NamedTuple):
    """How the requests of one method to one host at one address go out: `tail` follows the target."""

    method: Method
    route: Route
    tail: str


def _send(handler: HeaderHandler, way: _Way, target: str) -> None:
    """Write the request."""
    handler.expect(head=way.method == "HEAD")
    if handler.transport is None:
        raise aiohttp.ServerDisconnectedError
    handler.transport.write(f"{way.method} {target}{way.tail}".encode("ascii"))


def _is_stale(attempt: Attempt, error: BaseException) -> bool:
    """Tell whether a kept-alive connection turned out to be closed, so that another try is due (RFC 9112, 9.3.1)."""
    if isinstance(error, TimeoutError) or not isinstance(error, _BREAKS):
        return False
    handler = attempt.handler
    return handler is not None and handler.exchanges > 1 and not handler.taken


def _host_of(url: CanonicalUrl) -> str:
    return url.host if _DEFAULT_PORT.get(url.scheme) == url.port else f"{url.host}:{url.port}"


def _tails(agent: str) -> dict[str, str]:
    """Write the headers after the request's line and host, by method."""
    common = f"User-Agent: {agent}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
    return {
        "HEAD": common + "\r\n",
        "GET": f"{common}Range: bytes=0-0\r\nConnection: close\r\n\r\n",
    }


def target_of(url: CanonicalUrl) -> str:
    """Give path and query as they are."""
    rest = url.href[len(url.scheme) + 3 :]
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"


def _reply(method: Method, head: HeaderBlock, phases: dict[str, float]) -> Reply:
    field = head.fields.get
    etag = field("etag")
    return Reply(
        method=method,
        status=head.status,
        location=_location(field("location")),
        retry_after=field("retry-after"),
        challenge=_is_challenge(head),
        content_type=_content_type(field("content-type")),
        content_length=head.length,
        is_past_end=head.is_past_end,
        etag_digest=None if etag is None else _digest(etag),
        last_modified=_short(field("last-modified")),
        server_class=_server_class(field("server")),
        cache_age=number_in(field("age")),
        phases=phases,
    )


def _location(text: str | None) -> str | None:
    """Write a redirect's target as browsers do before they parse it: tabs go, what is no printable ASCII is encoded.

    Bytes are encoded as they came: a server that writes Latin-1 has the file under those bytes. A blank or a raw byte
    in the host is encoded too, and ends at the parser.
    """
    if text is None or not _RAW.search(text):
        return text
    text = text.translate(_DROPPED).strip()
    return _RAW.sub(
        lambda raw: "".join(f"%{byte:02X}" for byte in raw[0].encode("utf-8", "surrogateescape")),
        text,
    )


def _is_challenge(head: HeaderBlock) -> bool:
    """Recognise what guards a site against machines, where it kept us out."""
    if _MARKS.isdisjoint(head.fields):
        return False
    if any((head.get(name) or "").lower() in values for name, values in _CHALLENGES.items()):
        return True
    return head.status in _CHALLENGING and any(name in head.fields for name in _PROTECTORS)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


# Of both there are few that differ.
@lru_cache(maxsize=1024)
def _content_type(text: str | None) -> str | None:
    return None if text is None else _short(text.partition(";")[0].strip().lower())


def _short(text: str | None) -> str | None:
    return None if text is None else _plain(text[:_HEADER_CHARACTERS])


@lru_cache(maxsize=1024)
def _server_class(text: str | None) -> str | None:
    """Keep the product's name, without version: `nginx`, `cloudflare`."""
    if not text:
        return None
    return _plain(text.split("/", 1)[0].split(" ", 1)[0].lower()[:40])


def _plain(text: str) -> str:
    # Nearly every text is plain, which costs less to tell than to search.
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub("?", text)
