"""The role `intake` on a real Kafka: what was acknowledged is there, whatever is killed."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from consumers.record.admission import Admission
from schemas import topics
from schemas.sqlfiles import statements
from schemas.urls import canonical
from services.runtime.settings import Settings
from tests.commands import takedown
from tests.integration.intake_process import IntakeProcess, own_keys, report
from tests.integration.ledger_kit import KEYRING, Lab, fresh_topics
from tests.servers import eventually
from tests.streams import read_all

KILLS = 4
POSTERS = 8
SCART = Path(__file__).parents[1] / "data" / "scart"


@pytest.fixture
async def intake(kafka_bootstrap: str, tmp_path: Path) -> AsyncIterator[IntakeProcess]:
    await fresh_topics(kafka_bootstrap)
    process = IntakeProcess(tmp_path / "intake", kafka_bootstrap)
    await process.start()
    yield process
    assert await process.stop() == 0, process.log.read_text()[-2000:]


async def post_for_ever(
    intake: IntakeProcess, numbers: "itertools.count[int]", acknowledged: dict[str, int]
) -> None:
    """Post one report after the other; an answer of 201 is kept, a cut connection is not."""
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(headers=intake.headers, timeout=timeout) as session:
        for number in numbers:
            try:
                async with session.post(f"{intake.url}/v1/reports", json=report(number)) as answer:
                    if answer.status == 201:
                        acknowledged[(await answer.json())["event_id"]] = number
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.02)


async def test_what_was_acknowledged_is_in_kafka(
    intake: IntakeProcess, kafka_bootstrap: str
) -> None:
    """Kill -9 at random moments under posting: every event of a receipt stands on the topic, its URL sealed."""
    acknowledged: dict[str, int] = {}
    numbers, rng = itertools.count(), random.Random(7)
    posters = [
        asyncio.create_task(post_for_ever(intake, numbers, acknowledged)) for _ in range(POSTERS)
    ]
    for _ in range(KILLS):
        wanted = len(acknowledged) + 10
        await asyncio.sleep(rng.uniform(0.05, 0.6))
        await eventually("reports are acknowledged", partial(_has, acknowledged, wanted))
        await intake.kill()
        await intake.start()
    for poster in posters:
        poster.cancel()
    await asyncio.wait(posters)
    records = await read_all(kafka_bootstrap, [topics.REPORTS.name])
    events = {str(Admission(KEYRING).admit(record).id) for record in records}
    assert len(acknowledged) >= 10 * KILLS
    assert set(acknowledged) - events == set()
    assert not [record for record in records if b"marker" in record.value]
    assert "marker" not in intake.log.read_text()


async def _has(acknowledged: dict[str, int], wanted: int) -> bool:
    return len(acknowledged) >= wanted


COLUMNS = (
    "filenumber;url;received_at;source_code;status_code;grade_code;hoster_owner;hoster_first_ntd_at"
)
REPORTS = f"""{COLUMNS}
F1;https://marker1.example/1;2026-02-01 10:00:00;hotline;close_offline;illegal;Fictional Hosting A B.V.;
F2;https://marker2.example/2;2026-02-01 11:00:00;hotline;close;illegal;Fictional Hosting B B.V.;2026-02-01 12:00:00
F3;ftp://marker3.example/3;28-11-2026 10:00;hotline;close;illegal;Fictional Hosting B B.V.;
"""
NOTICES = """"File number";"Reference";"Status";"Hoster";"first NTD";"Classification";
"F1";"x";"close_offline";"Fictional Hosting A B.V.";"2026-02-01 13:00:00";"illegal";
"F9";"x";"close";"Fictional Hosting A B.V.";"2026-02-01 13:00:00";"illegal";
"""


async def test_exports_with_and_without_urls_make_one_case(
    ledger: Lab, kafka_bootstrap: str, postgres_dsn: str, tmp_path: Path
) -> None:
    """Reports by one export, the notice of one of them by another without URLs, each twice: nothing is doubled."""
    own_keys(tmp_path)
    variables = {
        "TAKEDOWN_DATA_DIR": str(tmp_path),
        "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "TAKEDOWN_DATABASE_URL": postgres_dsn,
    }
    for name, text in (("reports", REPORTS), ("notices", NOTICES)):
        (tmp_path / f"{name}.csv").write_text(text)

    async def imported(name: str) -> dict[str, Any]:
        options = ("--zone", "Europe/Amsterdam", "--providers", str(SCART / "providers.csv"))
        done = await takedown(
            Settings(),
            "import", "scart", str(tmp_path / f"{name}.csv"), *options, "--wait", "--json",
            variables=variables,
        )  # fmt: skip
        assert done.status == 4, done.err
        assert "marker" not in done.out + done.err
        return json.loads(done.out)

    ledger.start()
    first = await imported("reports")
    assert (first["events"], first["dead_letter"], first["sent_events"]) == (2, 1, 5)
    second = await imported("notices")
    assert (second["events"], second["dead_letter"]) == (1, 1)
    digest = await ledger.digest()
    for name in ("reports", "notices"):
        await imported(name)
    assert await ledger.digest() == digest
    rows = await ledger.pool.fetch("SELECT notice_id, provider FROM notices ORDER BY notice_id")
    case_id = KEYRING.case_id(canonical("https://marker1.example/1"))
    shown = await takedown(Settings(), "case", "show", case_id, "--json", variables=variables)
    claims = json.loads(shown.out)["claims"]
    assert {claim["status"] for claim in claims} == {"close_offline"}
    assert [move["after"] for move in json.loads(shown.out)["transitions"]] == [
        "NOTIFIED",
        "RUNNING",
    ]
    await ledger.stop()
    assert [tuple(row) for row in rows] == [
        ("scart:F1:first", "fictional-hosting-a"),
        ("scart:F2:first", "fictional-hosting-b"),
    ]


async def test_references_are_looked_up_by_an_index(ledger: Lab) -> None:
    """An import of any size reads no look: reports are found by their reference."""
    statement = statements("services.cli", "import.sql")["cases_of_references"]
    async with ledger.pool.acquire() as session:
        await session.execute("SET enable_seqscan = off")
        plan = await session.fetch(f"EXPLAIN {statement}", ["F1", "F2"], "scart:%")
    assert any("events_references" in row[0] for row in plan)
