"""Keys of a monitor that runs: rotated under load without a loss, and gone once nothing needs them."""

import asyncio
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from msgspec import structs

from consumers.ledger.relay import Relay
from consumers.replay.replay_run import replay
from consumers.retention.mover import archives_in
from schemas.ids import instant
from schemas.topics import REPORTS
from schemas.urls import canonical
from services.cli.support import CHECK_FAILED
from services.exporter.health import Health
from services.intake.reporter_tokens import hashed, new_token, write_tokens
from services.runtime import keyfile
from services.runtime.embedded import EmbeddedKafka
from services.runtime.embedded.server_process import free_port
from services.runtime.installation import Installation
from services.runtime.settings import Database, Http, Kafka, Probe, Settings, Topics
from services.runtime.settings.intake_section import IntakeSection
from tests.commands import takedown
from tests.integration import ledger_kit
from tests.integration.lab import Lab
from tests.integration.ledger_kit import case_of, fresh_topics, url_of
from tests.integration.replay_kit import asked
from tests.integration.retention_kit import SOON, removed, retention, taken
from tests.integration.test_corrections_flow import WHO, Desk, desk  # noqa: F401 - a fixture
from tests.servers import eventually

ROLES = ("ledger", "relay", "prober", "intake")


class Load:
    """A reporter that posts one report after the other, and remembers which were acknowledged."""

    def __init__(self, settings: Settings, token: str) -> None:
        self.acknowledged: list[str] = []
        self._address = f"http://127.0.0.1:{settings.intake.port}/v1/reports"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def run(self) -> None:
        """Post until it is cancelled; an intake that restarts is asked again."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            while True:
                url = f"https://seen.example/{len(self.acknowledged)}"
                try:
                    body = {"url": url, "reported_at": instant(datetime.now(UTC))}
                    async with session.post(self._address, json=body) as answer:
                        if answer.status == 201:
                            self.acknowledged.append(url)
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(0.02)

    async def more(self, count: int) -> bool:
        return len(self.acknowledged) >= count


async def test_a_rotation_under_load_loses_nothing(
    kafka: EmbeddedKafka, postgres_dsn: str, lab: Lab, tmp_path: Path
) -> None:
    """Reports come in while a key is added and activated, and roles restart: each is a case, opened, and looked at."""
    await fresh_topics(kafka.bootstrap_servers)
    lab.names.names["seen.example"] = ["127.0.0.1"]
    token = new_token()
    write_tokens(tmp_path / "tokens.toml", {hashed(token): "hotline-nl"})
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        methodology="demo",
        database=Database(url=postgres_dsn),
        kafka=Kafka(bootstrap_servers=kafka.bootstrap_servers),
        topics=Topics(partitions=4),
        http=Http(port=0),
        stop_seconds=10.0,
        intake=IntakeSection(
            tokens_file=str(tmp_path / "tokens.toml"), port=free_port(frozenset())
        ),
        probe=Probe(
            mode="simulated",
            nameservers=(f"127.0.0.1:{lab.names.port}",),
            canary_url="http://canary.example/",
            resolution_seconds=0.1,
            address_per_second=1000.0,
            network_per_second=1000.0,
        ),
    )
    load = Load(settings, token)
    async with Installation(settings, ROLES, fetch=False) as monitor:
        await monitor.ready()
        keys_file = keyfile.keys_path(settings)
        posting = asyncio.create_task(load.run())
        await eventually("reports are acknowledged", partial(load.more, 10))
        assert (await takedown(settings, "keys", "rotate")).status == 0
        keys = keyfile.read_keys(keys_file)
        (added,) = set(keys.sealing) - {keys.active}
        early = await takedown(settings, "keys", "activate", added)
        assert (early.status, "does not know" in early.err) == (CHECK_FAILED, True), early.err
        await asyncio.gather(*(monitor.restart(role) for role in ROLES))
        await monitor.ready()
        active = await takedown(settings, "keys", "activate", added)
        assert "every role that runs knows" in active.err, active.err
        # One after the other: readers restart after the writer that has the new key already.
        for role in ("intake", "ledger"):
            await monitor.restart(role)
        await monitor.ready()
        await eventually("reports are sealed anew", partial(load.more, len(load.acknowledged) + 10))
        posting.cancel()
        used = keyfile.read_keys(keys_file).keyring()
        cases = {used.case_id(canonical(url)) for url in load.acknowledged}
        session = await asyncpg.connect(postgres_dsn)

        async def looked_at() -> bool:
            return cases <= {r["case_id"] for r in await session.fetch("SELECT case_id FROM looks")}

        await eventually("every case has a look", looked_at, 60)
        rows = await session.fetch("SELECT split_part(sealed_url, '.', 2) AS key FROM cases")
        by_key = Counter(row["key"] for row in rows)
        missed = await session.fetchval(
            "SELECT count(*) FROM events WHERE body ->> 'reason' = 'unreadable'"
        )
        letters = await takedown(settings, "dead-letters", "list", "--json")
        kept = await takedown(settings, "keys", "retire", keys.active)
        await session.close()
    assert by_key.keys() == set(keys.sealing)
    assert sum(by_key.values()) >= len(load.acknowledged)
    assert (missed, json.loads(letters.out)) == (0, [])
    assert (kept.status, "is needed still" in kept.err) == (CHECK_FAILED, True), kept.err


async def test_a_key_goes_with_the_last_url_that_it_sealed(
    desk: Desk,  # noqa: F811
    postgres_dsn: str,
) -> None:
    """Refused while anything is sealed with it; after the erasure it goes, and a replay without it says the same."""
    keys_file = desk.folder / "data" / "keys.toml"
    first = keyfile.read_keys(keys_file)
    both = keyfile.rotated(first)
    (new,) = set(both.sealing) - set(first.sealing)
    keyfile.write_keys(keys_file, keyfile.activated(both, new), replace=True)
    await desk.told(*removed(1))
    spells = await desk.rows("SELECT * FROM spells")
    before = await desk.ledger.digest()
    refused = await desk.run("keys", "retire", "k1", code=CHECK_FAILED)
    # A batch of the ledger may send the watch entry once or twice, as its events come.
    counts = rf"cases: 1, reports: 1, outbox: [1-9], {re.escape(REPORTS.name)}: 1"
    assert re.search(counts, refused.stderr), refused.stderr
    # Its watch ended long ago, and its report came to the broker just now.
    last = datetime.now(UTC) + timedelta(days=90)
    days = "|".join((last - timedelta(days=n)).strftime("%Y-%m-%d") for n in (0, 1))
    assert re.search(rf"\); the rest until ({days})T", refused.stderr), refused.stderr
    archives = desk.folder / "archives"
    await taken(desk.ledger, await retention(desk.ledger, archives, SOON).round())
    await published(desk)
    await desk.run("keys", "retire", "k1")
    left = keyfile.read_keys(keys_file)
    assert set(left.sealing) == {new}
    folders = tuple(map(str, archives_in(archives)))
    request = asked(desk.ledger.kafka, postgres_dsn, archive=folders)
    result = await replay(structs.replace(request, keyring=left.keyring()))
    # The same figures; and the digest says that the URL was destroyed.
    assert await desk.rows("SELECT * FROM spells") == spells
    assert (result.digest, result.digest == before) == (await desk.ledger.digest(), False)
    gone = await desk.run("case", "reveal", case_of(1), "--purpose", "enquiry", code=1)
    assert "erased" in gone.stderr


async def test_one_url_leaves_a_key_by_a_new_report(
    desk: Desk,  # noqa: F811
    postgres_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Erased and reported again it is sealed with the active key, under its id; only the topic needs the old one."""
    keys_file = desk.folder / "data" / "keys.toml"
    both = keyfile.rotated(keyfile.read_keys(keys_file))
    (new,) = set(both.sealing) - {both.active}
    keyfile.write_keys(keys_file, keyfile.activated(both, new), replace=True)
    await desk.told(*removed(1))
    started = await desk.rows("SELECT clock_started_at FROM spells")
    await desk.ledger.stop()
    used = keyfile.read_keys(keys_file).keyring()
    monkeypatch.setattr(ledger_kit, "KEYRING", used)
    desk.ledger.start()
    await desk.run("correct", "erase", case_of(1), "--yes", *WHO)
    again = {
        "type": "takedown.report.filed.v1",
        "time": instant(datetime.now(UTC)),
        "data": {"reporter": "hotline", "url": url_of(1)},
    }
    (desk.folder / "again.json").write_text(json.dumps(again))
    await desk.run("submit", str(desk.folder / "again.json"), "--wait")
    sealed = "SELECT case_id, split_part(sealed_url, '.', 2) AS key FROM cases"
    assert await desk.rows(sealed) == [{"case_id": case_of(1), "key": new}]
    assert await desk.rows("SELECT clock_started_at FROM spells") == started
    await published(desk)
    refused = await desk.run("keys", "retire", "k1", code=CHECK_FAILED)
    assert f"needed still ({REPORTS.name}: 1); the rest until" in refused.stderr
    request = structs.replace(asked(desk.ledger.kafka, postgres_dsn), keyring=used)
    assert (await replay(request)).digest == await desk.ledger.digest()


async def published(desk: Desk) -> None:  # noqa: F811
    """Have the outbox on the watch list."""
    relay = Relay(desk.ledger.kafka, desk.ledger.pool, Health(), batch_records=1000)
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))

    async def empty() -> bool:
        return not await desk.rows("SELECT id FROM outbox")

    await eventually("the outbox is empty", empty)
    stop.set()
    await running
