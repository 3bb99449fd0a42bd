"""Bring Kafka and Postgres to this version's contracts: topics and schema."""

from consumers.client.login import check_login
from consumers.client.topic_admin import create_topics, verify_topics
from services.ledger import migrate
from services.ledger.pool import session_of
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.settings import Settings


async def prepare_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing and return their names; refuse what would lose evidence."""
    kafka, topics = kafka_connection(settings), settings.topics
    await check_login(kafka)
    created = await create_topics(
        kafka, partitions=topics.partitions, replication=topics.replication_factor
    )
    await verify_topics(kafka)
    return created


async def prepare_database(settings: Settings) -> list[str]:
    """Apply the migrations that are missing; return their names."""
    async with session_of(database_connection(settings)) as session:
        return await migrate.up(session)
