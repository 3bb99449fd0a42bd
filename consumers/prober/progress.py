"""A prober's progress, kept where Kafka keeps the group's offsets: in the metadata of the commit.

So a prober needs no store of its own, and whoever takes a partition over finds how far it is.
The text is `p1 <watermark> <born>`; the client reads offsets only, so it is read back through the admin API.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupLoadInProgressError
from aiokafka.structs import OffsetAndMetadata

from consumers.client.connection import KafkaConnection
from schemas import ids
from services.probing.schedule.works import Progress

log = structlog.get_logger(__name__)

_VERSION = "p1"


def to_metadata(progress: Progress) -> OffsetAndMetadata:
    """Write a progress as what is committed."""
    text = f"{_VERSION} {ids.instant(progress.watermark)} {ids.instant(progress.born)}"
    return OffsetAndMetadata(progress.offset, text)


def from_metadata(committed: OffsetAndMetadata) -> Progress | None:
    """Read a commit back; None where there is none, or one that no prober wrote."""
    if committed.offset < 0:
        return None
    version, *rest = committed.metadata.split(" ")
    try:
        watermark, born = (datetime.fromisoformat(text) for text in rest)
    except ValueError:
        version = "?"
    if version != _VERSION:
        log.error("prober.progress_unreadable", consequence="the vantage starts as if new")
        return None
    return Progress(born, watermark, committed.offset)


async def read_progress(
    kafka: KafkaConnection, group: str, topic: str, partitions: Iterable[int]
) -> Mapping[int, Progress | None]:
    """Ask the broker for the progress of some partitions; raises `KafkaError` where it can't say."""
    places = [TopicPartition(topic, number) for number in partitions]
    if not places:
        return {}
    admin = AIOKafkaAdminClient(**kafka.client_options())
    try:
        await admin.start()
        stored = await admin.list_consumer_group_offsets(group, partitions=places)
    finally:
        await admin.close()
    if not all(tp in stored for tp in places):
        # An error of the whole group comes back as an empty answer, which must not read as "never started".
        raise GroupLoadInProgressError("the broker does not know the group's offsets yet")
    return {tp.partition: from_metadata(stored[tp]) for tp in places}
