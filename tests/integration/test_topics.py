"""Topics on a real broker."""

import uuid

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from consumers.client.topic_admin import (
    TopicsWrong,
    create_topics,
    describe_topics,
    require_partitions,
    verify_topics,
)
from consumers.record.deadletter import read_dead_letters
from schemas import topics
from tests.as_configured import kafka_at
from tests.integration.ledger_kit import PARTITIONS, fresh_topics, no_topics
from tests.servers import eventually


async def test_topics_are_created_once_and_are_right(kafka_bootstrap: str) -> None:
    """All topics exist with their settings; a second call creates nothing."""
    kafka = await fresh_topics(kafka_bootstrap)
    assert await create_topics(kafka, partitions=PARTITIONS, replication=1) == []
    assert await verify_topics(kafka) == PARTITIONS
    states = await describe_topics(kafka)
    assert set(topics.all_names()) == {state.name for state in states}
    assert not any(state.problems for state in states)


async def test_what_is_wrong_is_said(kafka_bootstrap: str) -> None:
    """A retention that would lose evidence and a topic with other partitions are errors that name both."""
    kafka = await fresh_topics(kafka_bootstrap)
    admin = AIOKafkaAdminClient(**kafka.client_options())
    await admin.start()
    await admin.create_partitions({topics.OUTCOMES.name: NewPartitions(PARTITIONS + 1)})
    short = {"retention.ms": "604800000"}
    await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topics.REPORTS.name, configs=short)]
    )
    await admin.close()

    async def both_seen() -> bool:
        wrong = [state.name for state in await describe_topics(kafka) if state.problems]
        return topics.REPORTS.name in wrong and topics.WATCHLIST.name in wrong

    await eventually("the broker's metadata say so", both_seen)
    with pytest.raises(TopicsWrong) as caught:
        await verify_topics(kafka)
    assert f"{topics.REPORTS.name}: retention.ms is '604800000' and must be '-1'" in str(
        caught.value
    )
    assert f"{topics.WATCHLIST.name}: has {PARTITIONS} partitions" in str(caught.value)


async def test_a_missing_topic_is_said(kafka_bootstrap: str) -> None:
    """A topic that is wanted and absent is a problem, not an exception of the client."""
    kafka = await fresh_topics(kafka_bootstrap)
    states = await describe_topics(kafka, {"takedown.absent.v1": {}})
    assert states[0].problems == ("is missing",)


async def test_topics_made_a_moment_ago_are_whole(kafka_bootstrap: str) -> None:
    """Who asks right after the topics were made gets every topic with every partition, never some."""
    kafka = kafka_at(kafka_bootstrap)
    for _ in range(5):
        names = {f"test.{uuid.uuid4().hex}.{n}": {"retention.ms": "-1"} for n in range(5)}
        await create_topics(kafka, partitions=7, replication=1, contracts=names)
        assert await require_partitions(kafka, names) == dict.fromkeys(names, 7)


async def test_dead_letters_without_topics_are_an_error(kafka_bootstrap: str) -> None:
    """Topics that are missing are said to be, and not taken for topics without dead letters."""
    kafka = await no_topics(kafka_bootstrap)
    with pytest.raises(TopicsWrong, match="takedown topics create"):
        await read_dead_letters(kafka)
    await create_topics(kafka, partitions=PARTITIONS, replication=1)
    assert await read_dead_letters(kafka) == []
