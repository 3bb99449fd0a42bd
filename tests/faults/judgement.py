"""What has to hold after the faults: nothing lost, nothing counted twice, everything published."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import chain

import asyncpg
from aiokafka import TopicPartition

from schemas import topics
from schemas.events import Event
from schemas.methodology import Methodology
from services.core.digest import fold_digest
from services.ledger.ledger_digest import ledger_digest
from services.ledger.pool import open_pool
from services.runtime.endpoints import Endpoints
from tests.as_configured import database_at, kafka_at
from tests.integration.ledger_kit import KEYRING, pure_outcomes
from tests.integration.transaction_kit import offsets_of
from tests.streams import evidence, read_all

_SECONDS = 300.0


class Lost(AssertionError):
    """A promise that did not hold."""


async def judge(
    places: Endpoints, method: Methodology, acknowledged: set[str], say: Callable[[str], None]
) -> None:
    """Hold the ledger against a clean fold of the topics, and the outcomes against theirs; raises `Lost`."""
    pool = await open_pool(database_at(places.database_url))
    try:
        await _settled(pool, places)
        by_case = await evidence(places.bootstrap_servers, KEYRING)
        events = await _complete(pool, by_case, acknowledged)
        digest, expected = await ledger_digest(pool), fold_digest(by_case, method)
        if digest != expected:
            raise Lost(f"the digest is {digest}, a clean fold has {expected}")
        await _compare_outcomes(pool, by_case, method)
        concluded, records = await _published(pool, places)
    finally:
        await pool.close()
    say(
        f"{events} events of {len(by_case)} cases: 0 lost, 0 double, digest {digest[:16]} as a clean fold; "
        f"{concluded} outcomes published in {records} records, those that hold as of a clean fold"
    )


async def _settled(pool: asyncpg.Pool, places: Endpoints) -> None:
    """Wait until the ledger has read every record, and the relay has published every row."""
    try:
        async with asyncio.timeout(_SECONDS):
            while behind := await _behind(pool, places):
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise Lost(f"not in {_SECONDS:g} s of quiet: {behind}") from None


async def _behind(pool: asyncpg.Pool, places: Endpoints) -> str:
    if rows := await pool.fetchval("SELECT count(*) FROM outbox"):
        return f"{rows} rows wait in the outbox"
    rows = await pool.fetch("SELECT topic, partition, next_offset FROM consumer_offsets")
    at = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    ends = await offsets_of(kafka_at(places.bootstrap_servers), "read_committed", list(at))
    late = {tp: (at[tp], end) for tp, end in ends.items() if at[tp] != end}
    return "" if at and not late else f"offsets {late}"


async def _complete(
    pool: asyncpg.Pool, by_case: dict[str, list[Event]], acknowledged: set[str]
) -> int:
    ids = {str(event.id) for events in by_case.values() for event in events}
    rows = await pool.fetch("SELECT event_id::text AS id FROM events")
    stored = Counter(row["id"] for row in rows)
    faults = {
        "acknowledged and on no topic": acknowledged - ids,
        "on a topic and not in the ledger": ids - stored.keys(),
        "in the ledger and on no topic": stored.keys() - ids,
        "in the ledger twice": {name for name, times in stored.items() if times > 1},
    }
    if any(faults.values()):
        raise Lost(", ".join(f"{len(names)} events {what}" for what, names in faults.items()))
    return len(ids)


async def _compare_outcomes(
    pool: asyncpg.Pool, by_case: dict[str, list[Event]], method: Methodology
) -> None:
    """What holds of the outcomes is what a clean fold concludes: their ids name all that they say."""
    rows = await pool.fetch("SELECT outcome_id::text AS id FROM outcomes WHERE voided_at IS NULL")
    held = {row["id"] for row in rows}
    events = chain.from_iterable(by_case.values())
    expected = {str(one.id) for one in pure_outcomes(events, method)}
    if held != expected:
        raise Lost(
            f"{len(held - expected)} outcomes hold that a clean fold has not, "
            f"and {len(expected - held)} of its own do not"
        )


async def _published(pool: asyncpg.Pool, places: Endpoints) -> tuple[int, int]:
    """Every outcome is on its topic, and each id has said one thing only."""
    records = await read_all(places.bootstrap_servers, [topics.OUTCOMES.name])
    values: dict[str, set[bytes]] = {}
    for record in records:
        values.setdefault(dict(record.headers)["ce_id"].decode(), set()).add(record.value)
    rows = await pool.fetch("SELECT outcome_id::text AS id FROM outcomes")
    missing = {row["id"] for row in rows} - values.keys()
    if missing:
        raise Lost(f"{len(missing)} of {len(rows)} outcomes were never published")
    unlike = [name for name, bodies in values.items() if len(bodies) > 1]
    if unlike:
        raise Lost(f"{len(unlike)} ids of outcomes say two things")
    return len(rows), len(records)
