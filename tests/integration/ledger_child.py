"""A ledger consumer in a process of its own, to be killed: `python -m tests.integration.ledger_child`.

Standard input: JSON with `bootstrap` and `dsn`. Ends when standard input ends, in order.
"""

import asyncio
import json
import sys

from consumers.ledger.ledger_consumer import LedgerConsumer
from services.exporter.health import Health
from services.ledger.pool import open_pool
from tests.as_configured import database_at, kafka_at, ledger_options
from tests.integration.ledger_kit import KEYRING, METHOD, QUICK, clock


async def run(bootstrap: str, dsn: str) -> None:
    pool = await open_pool(database_at(dsn, role="takedown_ledger"))
    stop = asyncio.Event()
    consumer = LedgerConsumer(
        kafka_at(bootstrap),
        pool,
        KEYRING,
        METHOD,
        Health(),
        clock,
        **ledger_options(settings=QUICK),
    )
    role = asyncio.create_task(consumer.run(stop))
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await role
    await pool.close()


if __name__ == "__main__":
    asyncio.run(run(**json.loads(sys.stdin.readline())))
