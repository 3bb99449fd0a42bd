"""Names to addresses, with typed answers: NXDOMAIN, NODATA, SERVFAIL, refused and silence stay distinct.

Queries share a few sockets (`sockets`). A plain positive answer is read by `messages`, everything else, and what comes
over TCP, by dnspython.
NXDOMAIN is believed only if A and AAAA, and where there is one a second name server, all say so.

A remembered answer that is about to grow old is fetched anew in the background; one that is a little too old is still
given meanwhile, and one that is older where the name servers fail (RFC 8767). A look that confirms a removal asks past
all of it (`fresh`).
"""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import dns.asyncbackend
import dns.asyncquery
import dns.entropy
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import msgspec
from msgspec import Struct

from schemas.errors import ConfigError
from services.core.verdict import Dns
from services.probing.dns.messages import query_of, question_of, read_plain, truncated
from services.probing.dns.sockets import DnsSockets
from services.probing.guard.guard import Guard

_BACKEND = dns.asyncbackend.get_backend("asyncio")
_STATUS: dict[dns.rcode.Rcode, Dns] = {
    dns.rcode.NOERROR: "nodata",
    dns.rcode.NXDOMAIN: "nxdomain",
    dns.rcode.REFUSED: "refused",
}
_RETRIED = frozenset({"servfail", "timeout", "refused", "broken"})
_REFRESH_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverLimits:
    """Bounds of asking and remembering; nothing from an attacker's zone is trusted to be small.

    After `family_seconds` without an answer for one family of a name, while there is one for the other, it has none.
    """

    try_seconds: float = 2.0
    total_seconds: float = 6.0
    tries: int = 2
    addresses_per_family: int = 16
    cname_depth: int = 8
    positive_entries: int = 50_000
    negative_entries: int = 10_000
    positive_seconds: tuple[float, float] = (1.0, 300.0)
    negative_seconds: tuple[float, float] = (1.0, 30.0)
    failure_seconds: float = 2.0
    stale_seconds: float = 30.0
    stale_failure_seconds: float = 3600.0
    fresh_seconds: float = 0.25
    family_seconds: float = 300.0


class Resolution(Struct, frozen=True, kw_only=True):
    """What the name servers said of one name, and when; `addresses` are IPv4 first.

    `stale`: it is older than it may be, because the name servers fail now. `unanswered_family`: the family, 4 or 6,
    for which they gave no answer, so that there may be addresses that are not among these; 0: none.
    """

    status: Dns
    addresses: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    left_out: int = 0
    ttl: float = 0.0
    at: float = 0.0
    stale: bool = False
    unanswered_family: int = 0


class QueryAnswer(Struct, frozen=True):
    """The answer to one query, its CNAME chain followed."""

    status: Dns
    values: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    ttl: float = 0.0


class Resolver:
    """Ask the operator's own name servers, remember the answers, share lookups under way.

    `servers` are (address, port) pairs. Under a simulated guard they have to be on loopback.
    """

    def __init__(
        self,
        servers: Sequence[tuple[str, int]],
        guard: Guard,
        limits: ResolverLimits | None = None,
    ) -> None:
        if not servers:
            raise ConfigError(
                "no name server is configured; set the addresses of your own resolvers"
            )
        for address, _ in servers:
            if guard.simulated and not ipaddress.ip_address(address).is_loopback:
                raise ConfigError(
                    "a simulation asks name servers on loopback only; set 127.0.0.1:PORT"
                )
        self._servers = tuple(servers)
        self._sockets = tuple(DnsSockets(server) for server in self._servers)
        self._limits = limits or ResolverLimits()
        self._positive: OrderedDict[str, Resolution] = OrderedDict()
        self._negative: OrderedDict[str, Resolution] = OrderedDict()
        self._pending: dict[str, asyncio.Task[Resolution]] = {}
        self._unanswered_since: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._turn = 0

    def __repr__(self) -> str:
        entries = f"{len(self._positive)} positive, {len(self._negative)} negative"
        return f"<Resolver {len(self._servers)} servers, {entries}>"

    async def resolve(self, host: str, *, fresh: bool = False) -> Resolution:
        """Resolve a name; `fresh` accepts only what is younger than `fresh_seconds`."""
        known = self.recall(host, fresh=fresh)
        if known is not None:
            return known
        found = await asyncio.shield(self._lookup(host))
        if not fresh and found.status in _RETRIED:
            return self._stale(host) or found
        return found

    def recall(self, host: str, *, fresh: bool = False) -> Resolution | None:
        """Give what is remembered of a name and still holds."""
        positive, negative = self._positive.get(host), self._negative.get(host)
        # Where both are there, the name servers have failed since.
        newest = negative or positive
        if newest is None:
            return None
        now = monotonic()
        if fresh:
            # Half an answer is asked for again.
            if newest.unanswered_family:
                return None
            most = min(self._limits.fresh_seconds, newest.ttl)
            return newest if now - newest.at <= most else None
        if negative is not None and now - negative.at <= negative.ttl:
            failed = negative.status in _RETRIED
            return (self._stale(host) if failed else None) or negative
        return None if positive is None else self._remembered(host, positive, now - positive.at)

    def _remembered(self, host: str, known: Resolution, age: float) -> Resolution | None:
        """Give a positive answer that holds, or held until just now; see that it is renewed in time."""
        if age > known.ttl + min(self._limits.stale_seconds, known.ttl):
            return None
        if age > known.ttl * _REFRESH_SHARE:
            self._lookup(host)
        return known

    def _stale(self, host: str) -> Resolution | None:
        """Give an answer of before the name servers failed."""
        known = self._positive.get(host)
        if known is None or monotonic() - known.at > self._limits.stale_failure_seconds:
            return None
        return msgspec.structs.replace(known, stale=True)

    def _lookup(self, host: str) -> "asyncio.Task[Resolution]":
        lookup = self._pending.get(host)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(host), name="resolve")
            self._pending[host] = lookup
        return lookup

    async def name_servers(self, domain: str) -> tuple[str, ...] | None:
        """Name the name servers of a domain; empty where it has none, None where nobody answers."""
        reply = await self._follow(domain, "NS")
        return None if reply.status in _RETRIED else reply.values

    async def close(self) -> None:
        """Cancel the lookups under way and close the sockets."""
        lookups = tuple(self._pending.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
        for sockets in self._sockets:
            sockets.close()

    # -- one name ----------------------------------------------------------------------------------

    async def _look_up(self, host: str) -> Resolution:
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                found = await self._both_families(host)
        except TimeoutError:
            found = Resolution(status="timeout", ttl=self._limits.failure_seconds, at=monotonic())
        finally:
            self._pending.pop(host, None)
        self._remember(host, found)
        return found

    async def _both_families(self, host: str) -> Resolution:
        v4, v6 = await asyncio.gather(self._follow(host, "A"), self._follow(host, "AAAA"))
        if v4.values or v6.values:
            return self._addresses(host, v4, v6)
        status = _joint(v4.status, v6.status)
        if status == "nxdomain" and len(self._servers) > 1:
            status = _joint(status, (await self._follow(host, "A")).status)
        chain = v4.chain or v6.chain
        return Resolution(
            status=status, chain=chain, ttl=self._negative_ttl(status, v4, v6), at=monotonic()
        )

    def _addresses(self, host: str, v4: QueryAnswer, v6: QueryAnswer) -> Resolution:
        most = self._limits.addresses_per_family
        ttl = min(reply.ttl for reply in (v4, v6) if reply.values)
        low, high = self._limits.positive_seconds
        return Resolution(
            status="addresses",
            addresses=v4.values[:most] + v6.values[:most],
            chain=v4.chain or v6.chain,
            left_out=max(len(v4.values) - most, 0) + max(len(v6.values) - most, 0),
            ttl=min(max(ttl, low), high),
            at=monotonic(),
            unanswered_family=self._unanswered(host, v4, v6),
        )

    def _unanswered(self, host: str, v4: QueryAnswer, v6: QueryAnswer) -> int:
        """Name the family that got no answer; 0: none, or one that got none for minutes, as some zones never do."""
        failed = 4 if v4.status in _RETRIED else 6 if v6.status in _RETRIED else 0
        known = self._unanswered_since.pop(host, None)
        if not failed:
            return 0
        now = monotonic()
        since = known[1] if known is not None and known[0] == failed else now
        self._unanswered_since[host] = (failed, since)
        while len(self._unanswered_since) > self._limits.negative_entries:
            self._unanswered_since.popitem(last=False)
        return failed if now - since < self._limits.family_seconds else 0

    def _negative_ttl(self, status: Dns, v4: QueryAnswer, v6: QueryAnswer) -> float:
        if status not in ("nxdomain", "nodata"):
            return self._limits.failure_seconds
        low, high = self._limits.negative_seconds
        return min(max(min(v4.ttl, v6.ttl), low), high)

    def _remember(self, host: str, found: Resolution) -> None:
        """Keep negative answers apart, so that a flood of them can't push the others out.

        A failure says nothing about what was known before.
        """
        if found.status not in _RETRIED:
            self._positive.pop(host, None)
        self._negative.pop(host, None)
        positive = found.status == "addresses"
        cache = self._positive if positive else self._negative
        most = self._limits.positive_entries if positive else self._limits.negative_entries
        cache[host] = found
        while len(cache) > most:
            cache.popitem(last=False)

    # -- one query ---------------------------------------------------------------------------------

    async def _follow(self, host: str, kind: str) -> QueryAnswer:
        """Follow a CNAME chain over as many queries as it takes, up to the cap."""
        name = host
        chain: tuple[str, ...] = ()
        while True:
            reply, name = await self._query(name, kind)
            chain += reply.chain
            if len(chain) > self._limits.cname_depth:
                return QueryAnswer("broken", (), chain[: self._limits.cname_depth])
            if reply.values or not reply.chain or reply.status != "nodata":
                return QueryAnswer(reply.status, reply.values, chain, reply.ttl)

    async def _query(self, name: str, kind: str) -> tuple[QueryAnswer, str]:
        """Ask the servers in turn until one answers; returns the name that the chain ends at."""
        try:
            question = question_of(name, kind)
        except (dns.exception.DNSException, ValueError):
            return QueryAnswer("broken"), name
        found: tuple[QueryAnswer, str] = (QueryAnswer("timeout"), name)
        for _ in range(max(self._limits.tries, len(self._servers))):
            self._turn = (self._turn + 1) % len(self._servers)
            found = await self._ask(self._turn, name, question)
            if found[0].status not in _RETRIED:
                break
        return found

    async def _ask(self, turn: int, name: str, question: bytes) -> tuple[QueryAnswer, str]:
        seconds = self._limits.try_seconds
        try:
            data = await self._sockets[turn].ask(question, seconds)
            if truncated(data):
                return _read(await self._over_tcp(turn, question), name)
            plain = read_plain(data, name, question)
            if plain is not None:
                return QueryAnswer("addresses", plain.values, plain.chain, plain.ttl), plain.end
            return _read(dns.message.from_wire(data), name)
        except (TimeoutError, dns.exception.Timeout):
            return QueryAnswer("timeout"), name
        except (OSError, EOFError):
            return QueryAnswer("servfail"), name
        except (dns.exception.DNSException, ValueError):
            return QueryAnswer("broken"), name

    async def _over_tcp(self, turn: int, question: bytes) -> dns.message.Message:
        address, port = self._servers[turn]
        query = dns.message.from_wire(query_of(dns.entropy.random_16(), question))
        return await dns.asyncquery.tcp(
            query, address, timeout=self._limits.try_seconds, port=port, backend=_BACKEND
        )


def _read(answer: dns.message.Message, name: str) -> tuple[QueryAnswer, str]:
    if not isinstance(answer, dns.message.QueryMessage):
        return QueryAnswer("broken"), name
    status = _STATUS.get(answer.rcode(), "servfail")
    if status not in ("nodata", "nxdomain"):
        return QueryAnswer(status), name
    told = answer.resolve_chaining()
    chain = tuple(rrset[0].target.to_text(omit_final_dot=True).lower() for rrset in told.cnames)
    values = () if told.answer is None else tuple(dict.fromkeys(_value(r) for r in told.answer))
    ttl = float(told.minimum_ttl)
    end = told.canonical_name.to_text(omit_final_dot=True).lower()
    return QueryAnswer("addresses" if values else status, values, chain, ttl), end


def _value(record: object) -> str:
    address = getattr(record, "address", None)
    if isinstance(address, str):
        return address
    target = getattr(record, "target", None)
    return target.to_text(omit_final_dot=True).lower() if isinstance(target, dns.name.Name) else ""


def _joint(first: Dns, second: Dns) -> Dns:
    """Join what two queries said of one name that has no address."""
    if first == second:
        return first
    for status in (first, second):
        if status not in ("nxdomain", "nodata"):
            return status
    return "disagree"
