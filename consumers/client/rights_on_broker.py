"""Read the rules of a broker that checks rights, and bring them to what the table says."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Any, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import SecurityDisabled, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from consumers.client.connection import KafkaConnection
from consumers.client.role_rights import Grant
from schemas.errors import TakedownError

_DELAYS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 2.0)
C = TypeVar("C", bound=IntEnum)


class RightsUnchecked(TakedownError):
    """A Kafka that lets every login do everything."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__(
            "this Kafka checks no rights; set authorizer.class.name on its brokers, and "
            "allow.everyone.if.no.acl.found=false"
        )


class RightsNotApplied(TakedownError):
    """A broker that accepted rules and does not show them."""

    def __init__(self) -> None:
        super().__init__("the broker took the rights and does not show them; run the command again")


# Kafka's own numbers, as its protocol guide lists them.
class ResourceCode(IntEnum):
    """Kinds of what a rule is about."""

    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


class PatternCode(IntEnum):
    """How a rule's name is compared."""

    ANY = 1
    MATCH = 2
    LITERAL = 3
    PREFIXED = 4


class OperationCode(IntEnum):
    """What a rule allows or denies."""

    Any = 1
    All = 2
    Read = 3
    Write = 4
    Create = 5
    Delete = 6
    Alter = 7
    Describe = 8
    ClusterAction = 9
    DescribeConfigs = 10
    AlterConfigs = 11
    IdempotentWrite = 12
    CreateTokens = 13
    DescribeTokens = 14
    TwoPhaseCommit = 15


class PermissionCode(IntEnum):
    """Whether a rule allows or denies."""

    ANY = 1
    DENY = 2
    ALLOW = 3


async def read_grants(kafka: KafkaConnection, principals: Collection[str]) -> set[Grant]:
    """Give every rule of a broker about some principals; raises `RightsUnchecked`."""
    async with _client(kafka) as client:
        return await _read(client, principals)


async def change_grants(
    kafka: KafkaConnection, added: Collection[Grant], removed: Collection[Grant]
) -> None:
    """Add and remove rules, and return once the broker shows them so; raises the client's errors."""
    async with _client(kafka) as client:
        for grant in sorted(added):
            answer = await _ask(client, CreateAclsRequest(*_codes(grant)))
            _require([code for code, _ in answer.creation_responses])
        for grant in sorted(removed):
            answer = await _ask(client, DeleteAclsRequest(*_codes(grant)))
            _require([code for code, *_ in answer.filter_responses])
        await _shown(client, set(added), set(removed))


async def _shown(client: AIOKafkaClient, added: set[Grant], removed: set[Grant]) -> None:
    """Wait until a broker, which hears of rules a little later than its controller, has them."""
    principals = {grant.principal for grant in added | removed}
    for delay in _DELAYS:
        there = await _read(client, principals)
        if added <= there and not removed & there:
            return
        await asyncio.sleep(delay)
    raise RightsNotApplied


async def _read(client: AIOKafkaClient, principals: Collection[str]) -> set[Grant]:
    every = (ResourceCode.ANY, None, PatternCode.ANY, None, None)
    answer = await _ask(client, DescribeAclsRequest(*every, OperationCode.Any, PermissionCode.ANY))
    _require([answer.error_code])
    return {grant for grant in _grants(answer.resources) if grant.principal in principals}


def _grants(resources: Iterable[Any]) -> Iterable[Grant]:
    for kind, name, pattern, rules in resources:
        for principal, host, operation, permission in rules:
            yield Grant(
                principal,
                _name(OperationCode, operation),
                _name(ResourceCode, kind).lower(),
                name,
                _name(PatternCode, pattern).lower(),
                host,
                _name(PermissionCode, permission).lower(),
            )


def _name(codes: type[C], number: int) -> str:
    """Name a number; one of a later Kafka keeps its digits."""
    try:
        return codes(number).name
    except ValueError:
        return str(number)


def _codes(grant: Grant) -> tuple[int, str, int, str, str, int, int]:
    return (
        _code(ResourceCode, grant.kind.upper()),
        grant.name,
        _code(PatternCode, grant.pattern.upper()),
        grant.principal,
        grant.host,
        _code(OperationCode, grant.operation),
        _code(PermissionCode, grant.permission.upper()),
    )


def _code(codes: type[C], name: str) -> int:
    return int(name) if name.isdigit() else codes[name].value


async def _ask(client: AIOKafkaClient, request: Any) -> Any:
    return await client.send(client.get_random_node(), request)


def _require(codes: Iterable[int]) -> None:
    """Raise the client's error for the first number that is one."""
    for code in codes:
        if code == SecurityDisabled.errno:
            raise RightsUnchecked
        if code:
            raise for_code(code)


@asynccontextmanager
async def _client(kafka: KafkaConnection) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**kafka.client_options())
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()
