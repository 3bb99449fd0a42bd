"""`takedown import urlhaus` on the real servers: dumps as published, a later one after or before it, each twice."""

import itertools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from consumers.record.deadletter import read_dead_letters
from services.reports import urlhaus
from services.runtime import keyfile
from services.runtime.settings import Settings
from tests.commands import takedown
from tests.integration.ledger_kit import KEYRING, Lab, pure_digest
from tests.unit.reports.urlhaus_kit import as_json, gzipped, published, row, saved, zipped

Import = Callable[..., Awaitable[Any]]

EARLIER = (
    row(4, url_status="online", last_online="2026-03-08 12:30:00"),
    row(3, last_online=""),
    row(2, reporter="reporter-2"),
    row(1),
)
LATER = (
    row(5, dateadded="2026-03-09 08:00:00", last_online=""),
    row(4, last_online="2026-03-08 20:00:00"),
    row(3, url_status="online", last_online="2026-03-09 09:00:00"),
    row(2, reporter="anonymous"),
    row(1),
)


@pytest.fixture
def dumps(tmp_path: Path) -> dict[str, Path]:
    """Give an earlier and a later dump of one source, as zip and gzip, and the later one as JSON."""
    return {
        "earlier": saved(
            tmp_path, zipped(published(EARLIER, dated="2026-03-08 13:00:00")), "csv.zip"
        ),
        "later": saved(tmp_path, gzipped(published(LATER)), "later.csv.gz"),
        "json": saved(tmp_path, as_json(LATER), "later.json"),
    }


@pytest.fixture
def run(kafka_bootstrap: str, postgres_dsn: str, tmp_path: Path) -> Import:
    """Import a dump as another terminal would, and wait for the ledger."""
    sealing = {name: key.hex() for name, key in KEYRING.sealing.items()}
    made = keyfile.KeyFile(naming=KEYRING.naming.hex(), active=KEYRING.active, sealing=sealing)
    keyfile.write_keys(tmp_path / "data" / "keys.toml", made)
    known = {
        "TAKEDOWN_DATA_DIR": str(tmp_path / "data"),
        "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "TAKEDOWN_DATABASE_URL": postgres_dsn,
    }

    async def imported(path: Path, status: int = 0) -> Any:
        arguments = ("import", "urlhaus", str(path), "--wait", "--json")
        done = await takedown(Settings(), *arguments, variables=known)
        assert done.status == status, done.err
        return json.loads(done.out)

    return imported


ORDERS = [*itertools.permutations(["earlier", "later", "json"])]


@pytest.mark.parametrize("order", [ORDERS[0], ORDERS[-1]], ids="-".join)
async def test_later_dumps_in_any_order_make_one_ledger(
    ledger: Lab, run: Import, dumps: dict[str, Path], order: tuple[str, ...]
) -> None:
    """Each dump twice: the digest is that of all facts, and nothing becomes a dead letter."""
    ledger.start()
    for name in (*order, *order):
        told = await run(dumps[name])
        assert told["in_ledger"]
        assert told["refused"] == 0
    await ledger.stop()
    facts = [event for path in dumps.values() for event in urlhaus.events(path, KEYRING)]
    assert await ledger.digest() == pure_digest(facts)
    assert await read_dead_letters(ledger.kafka) == []


async def test_rows_that_can_not_be_used_are_left_out(
    ledger: Lab, run: Import, tmp_path: Path
) -> None:
    """The others reach the ledger; the command lists the refused ones and ends in status 4."""
    rows = (row(3), row(2, url="http://marker.example/a b"), row(1))
    path = saved(tmp_path, published(rows))
    ledger.start()
    told = await run(path, status=4)
    await ledger.stop()
    assert (told["rows"], told["refused"], told["events"]) == (3, 1, 10)
    assert [one["line"] for one in told["refusals"]] == [10]
    assert await ledger.digest() == pure_digest(urlhaus.events(path, KEYRING))
