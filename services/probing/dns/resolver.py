"""Names to addresses, with typed answers: that a name does not exist, has no address, is filtered, or that all failed.

NXDOMAIN is believed only as the statement of a zone (`answers`), if A and AAAA say so, and every operator of name
servers that the settings name; where they name none, a second name server, if there is one. If another one has
addresses, these are taken.

A remembered answer that is about to grow old is fetched anew in the background; one that is a little too old is still
given meanwhile, and one that is older where the name servers fail (RFC 8767). Its age and that it is stale stand in
the resolution, and whoever can't use an old one says so (`max_age_seconds`). A look that confirms a removal asks past
all of it (`fresh`), and asks every operator: what one of them alone sends elsewhere can't be gone.
"""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain, zip_longest
from time import monotonic
from typing import NamedTuple

from msgspec.structs import replace

from schemas.errors import ConfigError
from services.core.verdict import Dns
from services.probing.dns.answer_cache import AnswerCache
from services.probing.dns.answers import DOUBTED, FAILED, QueryAnswer
from services.probing.dns.resolution import Resolution, ResolverLimits
from services.probing.dns.upstreams import Upstreams
from services.probing.guard.guard import Guard

__all__ = ["Resolution", "Resolver", "ResolverLimits"]

_REFRESH_SHARE = 0.8
_DENIALS = DOUBTED | {"nxdomain"}


class _Statement(NamedTuple):
    """What the servers of one group, or whoever answered, said of both families of a name."""

    v4: QueryAnswer
    v6: QueryAnswer

    @property
    def status(self) -> Dns:
        """What both families say together.

        Where a filter speaks for one family, the addresses of the other are of no use: they may be its own page.
        """
        if (self.v4.values or self.v6.values) and "filtered" not in (
            self.v4.status,
            self.v6.status,
        ):
            return "addresses"
        return _joint((self.v4.status, self.v6.status))


class Resolver:
    """Ask the operator's own name servers, remember the answers, share lookups under way.

    Args:
        servers: (address, port) pairs; under a simulated guard they have to be on loopback.
        operators: who runs each of them, by name; None or empty where that is not known.

    """

    def __init__(
        self,
        servers: Sequence[tuple[str, int]],
        guard: Guard,
        limits: ResolverLimits | None = None,
        operators: Sequence[str] | None = None,
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
        self._limits = limits or ResolverLimits()
        self._servers = Upstreams(
            servers,
            operators or (),
            try_seconds=self._limits.try_seconds,
            tries=self._limits.tries,
        )
        self._cache = AnswerCache(self._limits)
        self._pending: dict[tuple[str, bool], asyncio.Task[Resolution]] = {}
        self._unanswered_since: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Resolver {len(self._servers)} servers, {self._cache!r}>"

    def age_of(self, resolution: Resolution) -> float:
        """Tell how many seconds ago the name servers said it."""
        return resolution.age(monotonic())

    async def resolve(
        self, host: str, *, fresh: bool = False, max_age_seconds: float | None = None
    ) -> Resolution:
        """Resolve a name.

        `fresh` accepts only what is younger than `fresh_seconds`, and asks every operator. Nothing is given that is
        older than `max_age_seconds`; where the name servers fail, their failure is.
        """
        answer = self.recall(host, fresh=fresh, max_age_seconds=max_age_seconds)
        if answer is not None:
            return answer
        answer = await asyncio.shield(self._lookup(host, everybody=fresh))
        if not fresh and answer.status in FAILED:
            return _young(self._cache.stale(host, monotonic()), max_age_seconds) or answer
        return answer

    def recall(
        self, host: str, *, fresh: bool = False, max_age_seconds: float | None = None
    ) -> Resolution | None:
        """Give what is remembered of a name and still holds."""
        now = monotonic()
        if fresh:
            return self._cache.fresh(host, now, self._operators(everybody=True))
        negative = self._cache.negative(host, now)
        if negative is not None:
            stale = self._cache.stale(host, now) if negative.status in FAILED else None
            return _young(stale, max_age_seconds) or negative
        positive = self._cache.positive(host, now)
        if positive is not None and positive.age(now) > positive.ttl * _REFRESH_SHARE:
            self._lookup(host, everybody=False)
        return _young(positive, max_age_seconds)

    async def name_servers(self, domain: str) -> tuple[str, ...] | None:
        """Name the name servers of a domain; empty where it has none, None where nobody can be believed."""
        names = self._cache.name_servers(domain, monotonic())
        if names is not None:
            return names
        answer = await self._follow(domain, "NS", None)
        if answer.status in FAILED | DOUBTED:
            return None
        self._cache.put_name_servers(domain, answer.values, monotonic())
        return answer.values

    async def close(self) -> None:
        """Cancel the lookups under way and close the sockets."""
        lookups = tuple(self._pending.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
        self._servers.close()

    # -- one name ----------------------------------------------------------------------------------

    def _operators(self, *, everybody: bool) -> int:
        """Tell of how many operators an answer has to be."""
        return self._servers.group_count if everybody and self._servers.are_named else 1

    def _lookup(self, host: str, *, everybody: bool) -> "asyncio.Task[Resolution]":
        key = (host, everybody and self._servers.are_named)
        lookup = self._pending.get(key)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(*key), name="resolve")
            self._pending[key] = lookup
        return lookup

    async def _look_up(self, host: str, everybody: bool) -> Resolution:
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                answer = self._resolution(host, await self._statements(host, everybody=everybody))
        except TimeoutError:
            answer = Resolution(status="timeout", ttl=self._limits.failure_seconds, at=monotonic())
        finally:
            self._pending.pop((host, everybody), None)
        self._cache.put(host, answer)
        return answer

    async def _statements(self, host: str, *, everybody: bool) -> list[_Statement]:
        """Ask one group for a name, and others where everybody has to say it, or the first gave nothing to rely on."""
        group = self._servers.next_group()
        first = await self._both_families(host, group)
        if group is None or (first.status in ("addresses", "nodata") and not everybody):
            return [first]
        count = self._servers.group_count
        others = [(group + step) % count for step in range(1, count)]
        if first.status == "nxdomain" and not self._servers.are_named:
            # Without names of operators, a second server is enough.
            others = others[:1]
        rest = await asyncio.gather(*(self._both_families(host, other) for other in others))
        return [first, *rest]

    async def _both_families(self, host: str, group: int | None) -> _Statement:
        both = (self._follow(host, kind, group) for kind in ("A", "AAAA"))
        return _Statement(*await asyncio.gather(*both))

    def _resolution(self, host: str, statements: list[_Statement]) -> Resolution:
        """Put together what was said: addresses of anybody, else the statement that doubts most."""
        codes = tuple(
            sorted({c for statement in statements for a in statement for c in a.error_codes})
        )
        statuses = [statement.status for statement in statements]
        if "addresses" in statuses:
            useful = [
                s for s, status in zip(statements, statuses, strict=True) if status == "addresses"
            ]
            disputed = not _DENIALS.isdisjoint(statuses)
            return self._positive(host, useful, codes, disputed=disputed)
        status = _joint(statuses)
        first = statements[0]
        return Resolution(
            status=status,
            chain=first.v4.chain or first.v6.chain,
            ttl=self._negative_ttl(status, first),
            at=monotonic(),
            operators=self._count_operators(statements),
            error_codes=codes,
        )

    def _positive(
        self,
        host: str,
        statements: list[_Statement],
        codes: tuple[int, ...],
        *,
        disputed: bool,
    ) -> Resolution:
        most = self._limits.addresses_per_family
        v4 = _alternating([statement.v4.values for statement in statements])
        v6 = _alternating([statement.v6.values for statement in statements])
        ttl = min(a.ttl for statement in statements for a in statement if a.values)
        low, high = self._limits.positive_seconds
        first = statements[0]
        return Resolution(
            status="addresses",
            addresses=v4[:most] + v6[:most],
            chain=first.v4.chain or first.v6.chain,
            left_out=max(len(v4) - most, 0) + max(len(v6) - most, 0),
            ttl=min(max(ttl, low), high),
            at=monotonic(),
            unanswered_family=self._unanswered(host, statements),
            operators=self._count_operators(statements),
            disputed=disputed,
            error_codes=codes,
        )

    def _count_operators(self, statements: list[_Statement]) -> int:
        if not self._servers.are_named:
            return 1
        servers = {a.server for statement in statements for a in statement if a.server >= 0}
        return len({self._servers.group_of(server) for server in servers})

    def _unanswered(self, host: str, statements: list[_Statement]) -> int:
        """Name the family that got no answer; 0: none, or one that got none for minutes, as some zones never do."""
        failed = 0
        for family in (6, 4):
            answers = [s.v4 if family == 4 else s.v6 for s in statements]
            failed = family if all(a.status in FAILED for a in answers) else failed
        before = self._unanswered_since.pop(host, None)
        if not failed:
            return 0
        now = monotonic()
        since = before[1] if before is not None and before[0] == failed else now
        self._unanswered_since[host] = (failed, since)
        while len(self._unanswered_since) > self._limits.negative_entries:
            self._unanswered_since.popitem(last=False)
        return failed if now - since < self._limits.family_seconds else 0

    def _negative_ttl(self, status: Dns, statement: _Statement) -> float:
        low, high = self._limits.negative_seconds
        if status in DOUBTED:
            return high
        if status not in ("nxdomain", "nodata"):
            return self._limits.failure_seconds
        return min(max(min(statement.v4.ttl, statement.v6.ttl), low), high)

    async def _follow(self, host: str, kind: str, group: int | None) -> QueryAnswer:
        """Follow a chain of aliases over as many queries as it takes, up to the cap."""
        name = host
        aliases: tuple[str, ...] = ()
        while True:
            answer, name = await self._servers.ask(name, kind, group)
            aliases += answer.chain
            if len(aliases) > self._limits.cname_depth:
                return QueryAnswer("broken", (), aliases[: self._limits.cname_depth])
            if answer.values or not answer.chain or answer.status != "nodata":
                return answer if aliases == answer.chain else replace(answer, chain=aliases)


def _young(answer: Resolution | None, max_age_seconds: float | None) -> Resolution | None:
    """Give an answer unless it is older than it may be."""
    if answer is None or max_age_seconds is None or answer.age(monotonic()) <= max_age_seconds:
        return answer
    return None


def _joint(statuses: Sequence[Dns]) -> Dns:
    """Join what was said of one name that has no address: what doubts most, then what failed; all have to agree."""
    for status in ("filtered", "unproven"):
        if status in statuses:
            return status
    for other in statuses:
        if other not in ("nxdomain", "nodata"):
            return other
    return statuses[0] if len(set(statuses)) == 1 else "disagree"


def _alternating(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Merge lists of addresses, the first ones of each first."""
    if len(lists) == 1:
        return lists[0]
    merged = chain.from_iterable(zip_longest(*lists))
    return tuple(dict.fromkeys(address for address in merged if address is not None))
