"""Create the topics that are missing, and say clearly what is wrong with those that exist."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from consumers.client.connection import KafkaConnection
from schemas import topics
from schemas.errors import TakedownError

log = structlog.get_logger(__name__)

_DELAYS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 2.0)


class TopicsWrong(TakedownError):
    """Topics are missing, or have other partitions or settings than the contracts say."""

    exit_code = 2


class TopicsNotReady(TopicsWrong, TimeoutError):
    """Partitions without a leader: what waits goes on waiting, for a broker that is away may come back."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic on the broker; `problems` is empty where it is as it should be."""

    name: str
    partitions: int
    problems: tuple[str, ...]


async def create_topics(
    kafka: KafkaConnection,
    *,
    partitions: int,
    replication: int,
    contracts: Mapping[str, Mapping[str, str]] | None = None,
) -> list[str]:
    """Create the topics that are missing; return their names. Another process may create them meanwhile."""
    names = topics.all_names() if contracts is None else contracts
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await admin.start()
        missing = sorted(names.keys() - set(await admin.list_topics()))
        if not missing:
            return []
        new = [
            NewTopic(name, partitions, replication, topic_configs=dict(names[name]))
            for name in missing
        ]
        answer = await admin.create_topics(new)
        created = [str(name) for name, *rest in answer.topic_errors if _is_created(name, *rest)]
        # The controller has them; who asks the broker next is to find them, too.
        await _wait_until_right(lambda: _missing(admin, set(missing)))
        await _counts(admin, missing)
        return created
    finally:
        await admin.close()


def _is_created(name: str, code: int, message: str | None = None) -> bool:
    error = for_code(code)
    if code == 0:
        log.info("topics.created", topic=name)
        return True
    if error is TopicAlreadyExistsError:
        return False
    raise TopicsWrong(f"topic {name} can't be created: {message or error.__name__}")


async def partition_counts(kafka: KafkaConnection, names: Iterable[str]) -> dict[str, int]:
    """Give the number of partitions of those topics that exist."""
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await admin.start()
        # Only what exists is asked for: a broker may create what is asked for.
        return await _counts(admin, sorted(set(await admin.list_topics()) & set(names)))
    finally:
        await admin.close()


async def require_partitions(kafka: KafkaConnection, names: Iterable[str]) -> dict[str, int]:
    """Give the number of partitions of topics that must all exist; raises `TopicsWrong`.

    A broker hears of a topic that was made a moment ago a little later than its controller.
    """
    unique = set(names)
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await admin.start()
        missing = await _wait_until_right(lambda: _missing(admin, unique))
        if missing:
            # A broker shows nobody a topic that he has no right to.
            raise TopicsWrong(
                f"{', '.join(missing)}: missing, or this login has no right to them; run `takedown topics create`, or "
                "see `takedown rights list`"
            )
        return await _counts(admin, sorted(unique))
    finally:
        await admin.close()


async def _missing(admin: AIOKafkaAdminClient, names: set[str]) -> list[str]:
    return sorted(names - set(await admin.list_topics()))


async def _counts(admin: AIOKafkaAdminClient, existing: list[str]) -> dict[str, int]:
    """Count partitions once all have a leader: before, a topic may show some of them or none."""
    if not existing:
        return {}
    counts: dict[str, int] = {}

    async def unready() -> list[str]:
        described = await admin.describe_topics(existing)
        counts.update({t["topic"]: len(t["partitions"]) for t in described})
        return [t["topic"] for t in described if not _is_ready(t)]

    if names := await _wait_until_right(unready):
        raise TopicsNotReady(f"{', '.join(names)}: not ready; see that all brokers run")
    return counts


def _is_ready(topic: Mapping[str, Any]) -> bool:
    parts = topic["partitions"]
    return topic["error_code"] == 0 and bool(parts) and all(p["leader"] >= 0 for p in parts)


async def _wait_until_right(problems: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """Ask until nothing is wrong; after a few seconds, return what still is."""
    for delay in _DELAYS:
        if not await problems():
            return []
        await asyncio.sleep(delay)
    return await problems()


async def describe_topics(
    kafka: KafkaConnection, contracts: Mapping[str, Mapping[str, str]] | None = None
) -> list[TopicState]:
    """Compare every topic on the broker with the contracts; all must have one number of partitions."""
    names = topics.all_names() if contracts is None else contracts
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await admin.start()
        existing = set(await admin.list_topics()) & names.keys()
        counts = await _counts(admin, sorted(existing))
        settings = await _settings(admin, sorted(existing)) if existing else {}
    finally:
        await admin.close()
    common = max(counts.values(), default=0)
    return [
        TopicState(
            name,
            counts.get(name, 0),
            _problems(names[name], counts.get(name), settings.get(name), common),
        )
        for name in names
    ]


async def verify_topics(
    kafka: KafkaConnection, contracts: Mapping[str, Mapping[str, str]] | None = None
) -> int:
    """Give the number of partitions; raises `TopicsWrong` with everything that is wrong."""
    states = await describe_topics(kafka, contracts)
    wrong = [f"{state.name}: {problem}" for state in states for problem in state.problems]
    if wrong:
        raise TopicsWrong(
            "; ".join(wrong) + ". Mend it with `takedown topics create` or your broker's tools"
        )
    return states[0].partitions if states else 0


def _problems(
    contract: Mapping[str, str],
    partitions: int | None,
    actual: Mapping[str, str] | None,
    common: int,
) -> tuple[str, ...]:
    if partitions is None or actual is None:
        return ("is missing",)
    problems = []
    if partitions != common:
        problems.append(
            f"has {partitions} partitions and another topic {common}; all need the same number, "
            "or a case's events have no common owner"
        )
    problems += [
        f"{name} is {actual.get(name)!r} and must be {value!r}"
        for name, value in contract.items()
        if name in ("cleanup.policy", "retention.ms", "retention.bytes")
        and actual.get(name) != value
    ]
    return tuple(problems)


async def _settings(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    settings: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for _, _, _, name, entries in answer.resources:
            settings[name] = {entry[0]: entry[1] for entry in entries}
    return settings
