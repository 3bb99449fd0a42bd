"""Read whole topics of a broker, as a test's own view of the record."""

from collections import defaultdict
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from consumers.record.admission import Admission
from schemas.errors import UnusableEvent
from schemas.events import Event
from schemas.methodology import Methodology
from schemas.sealing import Keyring
from schemas.topics import EVIDENCE
from services.core.digest import fold_digest


async def read_all(bootstrap_servers: str, topics: Iterable[str]) -> list[ConsumerRecord]:
    """Read every record of some topics up to their present ends, without a group and without what was aborted."""
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        found: list[ConsumerRecord] = []
        places = consumer.assignment()
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            batches = await consumer.getmany(timeout_ms=200)
            found += [record for records in batches.values() for record in records]
        return found
    finally:
        await consumer.stop()


async def evidence(bootstrap_servers: str, keyring: Keyring) -> dict[str, list[Event]]:
    """Admit every usable event of the evidence topics, by case, as an undisturbed ledger would."""
    admission = Admission(keyring)
    by_case: defaultdict[str, list[Event]] = defaultdict(list)
    for record in await read_all(bootstrap_servers, [topic.name for topic in EVIDENCE]):
        try:
            event = admission.admit(record)
        except UnusableEvent:
            continue
        by_case[event.case_id].append(event)
    return dict(by_case)


async def undisturbed(bootstrap_servers: str, keyring: Keyring, methodology: Methodology) -> str:
    """Give the digest that a fold of the whole record has, whatever happened to the ledger."""
    return fold_digest(await evidence(bootstrap_servers, keyring), methodology)
