"""The operator's own name servers: one query, asked of them in turn until one answers.

They stand in groups. Where the settings name the operators of the resolvers, a group is all servers of one operator;
else each server is a group by itself.
"""

import itertools
from collections.abc import Iterator, Sequence
from time import monotonic

import dns.asyncbackend
import dns.asyncquery
import dns.entropy
import dns.exception
import dns.message
import msgspec

from services.core.verdict import Dns
from services.probing.dns.answers import DOUBTED, FAILED, QueryAnswer, message_of, read_answer
from services.probing.dns.messages import (
    query_of,
    question_of,
    read_plain,
    refuses_edns,
    truncated,
)
from services.probing.dns.sockets import DnsSockets

_BACKEND = dns.asyncbackend.get_backend("asyncio")
_WITHOUT_EDNS_SECONDS = 900.0
_UNUSABLE = FAILED | DOUBTED
Answer = tuple[QueryAnswer, str]
"""An answer, and the name that its chain of aliases ends at."""


class Upstream:
    """One name server; one that does not know EDNS is asked without it for a while (RFC 6891, 7)."""

    def __init__(self, number: int, address: tuple[str, int]) -> None:
        self.number = number
        self.address = address
        self.sockets = DnsSockets(address)
        self._edns_at = 0.0

    def __repr__(self) -> str:
        return f"<Upstream {self.number}>"

    async def ask(self, name: str, question: bytes, seconds: float) -> Answer:
        """Put one question; whatever goes wrong is a status."""
        try:
            return await self._ask(name, question, seconds)
        except (TimeoutError, dns.exception.Timeout):
            status: Dns = "timeout"
        except (OSError, EOFError):
            status = "servfail"
        except (dns.exception.DNSException, ValueError):
            status = "broken"
        return QueryAnswer(status, server=self.number), name

    async def _ask(self, name: str, question: bytes, seconds: float) -> Answer:
        edns = monotonic() >= self._edns_at
        data = await self.sockets.ask(question, seconds, edns=edns)
        if edns and refuses_edns(data):
            edns, data = False, await self.sockets.ask(question, seconds, edns=False)
            if not refuses_edns(data):
                self._edns_at = monotonic() + _WITHOUT_EDNS_SECONDS
        if truncated(data):
            return self._read(await self._ask_over_tcp(question, seconds, edns=edns), name)
        plain = read_plain(data, name, question)
        if plain is None:
            return self._read(message_of(data), name)
        answer = QueryAnswer("addresses", plain.values, plain.chain, plain.ttl, server=self.number)
        return answer, plain.end

    def _read(self, message: dns.message.Message, name: str) -> Answer:
        answer, end = read_answer(message, name)
        return msgspec.structs.replace(answer, server=self.number), end

    async def _ask_over_tcp(
        self, question: bytes, seconds: float, *, edns: bool
    ) -> dns.message.Message:
        address, port = self.address
        query = dns.message.from_wire(query_of(dns.entropy.random_16(), question, edns=edns))
        return await dns.asyncquery.tcp(
            query, address, timeout=seconds, port=port, backend=_BACKEND
        )


class Upstreams:
    """All name servers.

    Args:
        operators: who runs each server, by name; fewer than two names say nothing.
        tries: how often at least a query is put where servers fail.

    """

    def __init__(
        self,
        addresses: Sequence[tuple[str, int]],
        operators: Sequence[str] = (),
        *,
        try_seconds: float,
        tries: int,
    ) -> None:
        self._servers = tuple(Upstream(n, address) for n, address in enumerate(addresses))
        self._try_seconds = try_seconds
        self._tries = tries
        self.are_named = len(set(operators)) > 1
        names = operators if self.are_named else [str(server.number) for server in self._servers]
        self._group_of = tuple(list(dict.fromkeys(names)).index(name) for name in names)
        self.group_count = len(set(self._group_of))
        self._groups: dict[int | None, tuple[Upstream, ...]] = {None: self._servers}
        for server in self._servers:
            group = self._group_of[server.number]
            self._groups[group] = (*self._groups.get(group, ()), server)
        self._turns = itertools.count()
        self._group_turns = itertools.count()

    def __len__(self) -> int:
        return len(self._servers)

    def group_of(self, server: int) -> int:
        """Give the group of a server."""
        return self._group_of[server]

    async def ask(self, name: str, kind: str, group: int | None = None) -> Answer:
        """Put a query to the servers in turn, of one group or of all, until one is to be believed."""
        try:
            question = question_of(name, kind)
        except (dns.exception.DNSException, ValueError):
            return QueryAnswer("broken"), name
        last: Answer = (QueryAnswer("timeout"), name)
        for server in self._in_turn(group):
            if last[0].server == server.number and last[0].status in DOUBTED:
                break
            answer = await server.ask(name, question, self._try_seconds)
            if answer[0].status not in _UNUSABLE:
                return answer
            # What a server made up says more than the silence of the others.
            if answer[0].status in DOUBTED or last[0].status not in DOUBTED:
                last = answer
        return last

    def next_group(self) -> int | None:
        """Give the group whose turn it is; None where there is one alone."""
        return next(self._group_turns) % self.group_count if self.group_count > 1 else None

    def close(self) -> None:
        """Close every socket."""
        for server in self._servers:
            server.sockets.close()

    def _in_turn(self, group: int | None) -> Iterator[Upstream]:
        """Give the servers in the order in which they are asked; each begins as often as the others."""
        servers = self._groups[group]
        # Where another group is asked next, that is the second try.
        tries = self._tries if group is None else 1
        turn = next(self._turns)
        for number in range(max(tries, len(servers))):
            yield servers[(turn + number) % len(servers)]
