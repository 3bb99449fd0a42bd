"""Attempts of a login at a broker that checks rights, and what the broker's log says of rights that were used."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import DeleteRecordsRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.produce import ProduceRequest

from consumers.client.connection import KafkaConnection
from consumers.client.role_rights import Grant
from schemas import topics

# As the broker answers a topic, and a group, that a login has no right to.
_REFUSED = {29, 30}
LOGGED = "-Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=debug"
"""A Java option: every decision of the authorizer stands in the broker's log."""


class May(NamedTuple):
    """The topics that a login may read, write and delete records of, and the groups it may be in."""

    read: frozenset[str] = frozenset()
    write: frozenset[str] = frozenset()
    delete: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


async def attempts(kafka: KafkaConnection, groups: Iterable[str]) -> May:
    """Try everything with every topic and some groups, by requests that change nothing; give what was not refused."""
    names = sorted(topics.all_names())
    client = AIOKafkaClient(**kafka.client_options())
    await client.bootstrap()
    try:
        return May(
            await _allowed(
                client, FetchRequest(0, 0, 1000, 0, [(n, [(0, 0, 1000)]) for n in names])
            ),
            # No record at all: one that may write is told so, and nothing is written.
            await _allowed(
                client, ProduceRequest(None, -1, 1000, [(n, [(0, b"")]) for n in names])
            ),
            await _allowed(client, DeleteRecordsRequest([(n, [(0, 0)]) for n in names], 1000)),
            frozenset([group for group in groups if await _may_join(client, group)]),
        )
    finally:
        await client.close()


async def _allowed(client: AIOKafkaClient, request: Any) -> frozenset[str]:
    answer = await client.send(client.get_random_node(), request)
    codes = {}
    # DeleteRecords says first how much is left, the others the error.
    place = 2 if isinstance(request, DeleteRecordsRequest) else 1
    for name, partitions, *_ in answer.topics:
        codes[name] = partitions[0][place]
    return frozenset(name for name, code in codes.items() if code not in _REFUSED)


async def _may_join(client: AIOKafkaClient, group: str) -> bool:
    node = client.get_random_node()
    place = await client.send(node, FindCoordinatorRequest(group, 0))
    beat = await client.send(node, HeartbeatRequest(group, 1, "nobody"))
    return not {place.error_code, beat.error_code} & _REFUSED


_RULE = re.compile(
    r"is Allowed .* based on rule MatchingAcl\(acl=StandardAcl\[resourceType=(\w+), resourceName=([^,]+), "
    r"patternType=(\w+), principal=([^,]+), host=[^,]+, operation=(\w+)"
)
_DENIAL = re.compile(r"Principal = (\S+) is Denied operation = (\w+) .* on resource = (\S+)")


class Decisions:
    """What the broker decides from now on, as its log tells it."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._begins = log.stat().st_size

    def used_grants(self) -> set[Grant]:
        """Give the rules by which the broker let somebody do something."""
        return {
            Grant(
                principal, operation.title().replace("_", ""), kind.lower(), name, pattern.lower()
            )
            for kind, name, pattern, principal, operation in _RULE.findall(self._said())
        }

    def denials(self) -> set[tuple[str, ...]]:
        """Give who was refused what: principal, operation, resource."""
        return set(_DENIAL.findall(self._said()))

    def _said(self) -> str:
        return self._log.read_bytes()[self._begins :].decode()
