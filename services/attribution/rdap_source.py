"""Registries over RDAP: who holds the range of an address, and whom to tell. They are told the address, and no more.

A server is asked that IANA's bootstrap names, and sends us on only to another that it names, or to a national registry
below it: an answer leads nowhere else. Its body is bounded, and never decompressed.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urljoin, urlsplit

import aiohttp

from services.attribution.lookup import Failure, Lookup, NoAnswer, SourceAnswer, SourceSilence
from services.attribution.mailboxes import Placeholders
from services.attribution.rdap.abuse import abuse_contact
from services.attribution.rdap.bootstrap import RdapBootstrap
from services.attribution.rdap.fault import MAX_ANSWER_BYTES, RdapFault
from services.attribution.rdap.rdap_answer import RdapAnswer, read_rdap
from services.attribution.rdap.rdap_ranges import IPAddress
from services.core.retry_after import retry_after_seconds

_HEADERS = {"Accept": "application/rdap+json", "Accept-Encoding": "identity"}
_MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class _Unanswered(Exception):
    def __init__(self, failure: Failure, wait_seconds: float | None = None) -> None:
        super().__init__(failure)
        self.answer = NoAnswer(failure=failure, wait_seconds=wait_seconds)


class RdapSource:
    """The registries together: which one answers for an address, its bootstrap says."""

    name = "rdap"

    def __init__(
        self,
        session: aiohttp.ClientSession,
        bootstrap: RdapBootstrap,
        placeholders: Placeholders,
        clock: Callable[[], datetime],
        *,
        timeout_seconds: float,
    ) -> None:
        self._session = session
        self._bootstrap = bootstrap
        self._placeholders = placeholders
        self._clock = clock
        self._timeout_seconds = timeout_seconds

    async def look_up(self, address: str) -> Lookup:
        """Ask who holds the range of an address."""
        target = ipaddress.ip_address(address)
        server = self._bootstrap.server_for(target)
        if server is None:
            return SourceSilence(answered_at=self._clock())
        try:
            return await self._ask(urljoin(server, f"ip/{target}"), target)
        except (
            _Unanswered,
            RdapFault,
            TimeoutError,
            aiohttp.ClientError,
            OSError,
            ValueError,
        ) as e:
            return _no_answer(e)

    async def _ask(self, url: str, target: IPAddress) -> Lookup:
        async with asyncio.timeout(self._timeout_seconds):
            body = await self._get(url)
        if body is None:
            return SourceSilence(answered_at=self._clock())
        return self._read(read_rdap(body), target)

    async def _get(self, url: str) -> bytes | None:
        """Give the body of an answer; None where the registry has nothing of the address."""
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._session.get(url, headers=_HEADERS, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await _body(response, self._clock)
                url = self._onward(url, response.headers.get("Location", ""))
        raise _Unanswered("refused")

    def _onward(self, url: str, location: str) -> str:
        """Give where a server sends us, if that is a server of the bootstrap, and not from HTTPS to HTTP."""
        onward = urljoin(url, location)
        before, after = urlsplit(url), urlsplit(onward)
        downgraded = before.scheme == "https" and after.scheme != "https"
        if not location or downgraded or not self._bootstrap.speaks_for_registries(after.netloc):
            raise _Unanswered("refused")
        return onward

    def _read(self, answer: RdapAnswer, target: IPAddress) -> Lookup:
        now = self._clock()
        if answer.error is not None:
            return (
                SourceSilence(answered_at=now)
                if answer.error == 404
                else NoAnswer(failure="refused")
            )
        # A range of several prefixes is kept under the one that holds the address.
        prefix = answer.prefix_of(target)
        if prefix is None:
            return NoAnswer(failure="unreadable")
        if answer.is_unassigned:
            return SourceSilence(answered_at=now)
        return SourceAnswer(
            prefix=str(prefix),
            as_numbers=answer.asns,
            country=answer.country,
            holder=answer.holder or answer.name,
            contact=abuse_contact(answer, self._placeholders, now.date()),
            answered_at=now,
        )


def _no_answer(error: Exception) -> NoAnswer:
    if isinstance(error, _Unanswered):
        return error.answer
    if isinstance(error, RdapFault):
        return NoAnswer(failure="unreadable")
    return NoAnswer(failure="timeout" if isinstance(error, TimeoutError) else "refused")


async def _body(response: aiohttp.ClientResponse, clock: Callable[[], datetime]) -> bytes | None:
    if response.status == 404:
        return None
    if response.status in (429, 503):
        wish = response.headers.get("Retry-After")
        raise _Unanswered("limited", retry_after_seconds(wish, clock()))
    if response.status != 200:
        raise _Unanswered("refused")
    body = bytearray()
    async for part in response.content.iter_chunked(65_536):
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise _Unanswered("unreadable")
    return bytes(body)


def rdap_session(timeout_seconds: float) -> aiohttp.ClientSession:
    """Open a session that keeps no cookie, follows nothing by itself and unpacks nothing."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=8),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        auto_decompress=False,
        trust_env=False,
    )
