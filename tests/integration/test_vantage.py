"""A vantage abroad: the same program, with a Kafka login and no database."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from consumers.client.connection import KafkaConnection
from consumers.client.topic_admin import create_topics
from schemas import codec, ids
from schemas.events import Event, Fingerprint, LookMade, WatchEntry
from schemas.topics import OBSERVATIONS, WATCHLIST, all_names
from schemas.urls import canonical
from services.runtime import keyfile
from tests.as_configured import kafka_at
from tests.conftest import OwnKafka
from tests.integration.lab import Lab
from tests.integration.looksites import answer
from tests.servers import REPOSITORY, eventually


@pytest.fixture
async def broker(own_kafka: OwnKafka) -> KafkaConnection:
    server = await own_kafka()
    connection = kafka_at(server.bootstrap_servers)
    await create_topics(connection, partitions=3, replication=1, contracts=all_names())
    return connection


def environment(tmp_path: Path, lab: Lab, broker: KafkaConnection, canary: str) -> dict[str, str]:
    """Give the settings of a vantage: Kafka, how it looks, and nothing of a database."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TAKEDOWN_")}
    return inherited | {
        "TAKEDOWN_DATA_DIR": str(tmp_path),
        "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "TAKEDOWN_PROBE_MODE": "simulated",
        "TAKEDOWN_PROBE_NAMESERVERS": f"127.0.0.1:{lab.names.port}",
        "TAKEDOWN_PROBE_AGENT": "neutral",
        "TAKEDOWN_CANARY_URL": canary,
        "TAKEDOWN_VANTAGE_ROLE": "second",
        "TAKEDOWN_HTTP_PORT": "0",
    }


async def looks(broker: KafkaConnection) -> list[LookMade]:
    """Read every look that was recorded so far."""
    consumer = AIOKafkaConsumer(
        OBSERVATIONS.name, **broker.consumer_options(), auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        fetched = await consumer.getmany(timeout_ms=1000)
        found = [codec.decode(r.value, r.headers) for rs in fetched.values() for r in rs]
        return [one.data for one in found if isinstance(one.data, LookMade)]
    finally:
        await consumer.stop()


async def publish(broker: KafkaConnection, case_id: str, entry: WatchEntry) -> None:
    """Put an entry on the watch list."""
    at = datetime.now(UTC)
    event = Event(
        id=ids.content_id("test", case_id, at, b""),
        time=at,
        source="test",
        case_id=case_id,
        data=entry,
    )
    key, value, headers = codec.encode(event)
    producer = AIOKafkaProducer(**broker.producer_options())
    await producer.start()
    await producer.send_and_wait(WATCHLIST.name, value, key=key, headers=headers)
    await producer.stop()


async def test_a_vantage_needs_a_kafka_login_alone(
    lab: Lab, tmp_path: Path, broker: KafkaConnection
) -> None:
    """`run prober --vantage de-1` without a setting of a database looks where it is asked, and says who looked."""
    site = await lab.site(x=answer(404), canary=answer(200))
    secrets = keyfile.new_keys()
    keyfile.write_keys(tmp_path / "keys.toml", secrets)
    keyring = keyfile.read_keys(tmp_path / "keys.toml").keyring()
    url = canonical(f"http://a.example:{site.port}/x")
    earlier = datetime.now(UTC) - timedelta(hours=1)
    entry = WatchEntry(
        sealed_url=keyring.seal(url),
        category="csam",
        methodology="nl-24h",
        watch_from=earlier,
        second_vantage=True,
        known_online=True,
        baseline=Fingerprint(status=200, content_type="image/jpeg", content_length=9),
    )
    await publish(broker, keyring.case_id(url), entry)
    settings = environment(tmp_path, lab, broker, f"http://a.example:{site.port}/canary")
    assert not [name for name in settings if "DATABASE" in name]
    log = (tmp_path / "prober.log").open("w")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "run", "prober", "--vantage", "de-1"),
        env=settings,
        cwd=REPOSITORY,
        stderr=log,
    )
    try:
        made = await eventually("a look from de-1", lambda: looks(broker), 60.0)
    finally:
        child.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(child.wait(), 30)
        log.close()
    assert status == 0, (tmp_path / "prober.log").read_text()
    assert {(look.vantage, look.agent) for look in made} == {("de-1", "neutral")}
    assert made[0].reason == "not_found"
    assert made[0].canary_at is not None
    assert "takedown" not in site.asked[0].headers["user-agent"]
