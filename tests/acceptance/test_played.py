"""The installed program on real servers: reports in, removals timed, breaches out, and nothing else out."""

import contextlib
import csv
import json
import math
import re
from pathlib import Path

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.grafana.queries import dashboard_queries
from schemas.topics import EVIDENCE, OUTCOMES, REPORTS, WATCHLIST
from scripts.tour import fetch, sights
from services.simulation import event_player
from tests.acceptance.conftest import Played
from tests.acceptance.dashboard import unanswered
from tests.operations.test_kills import agree
from tests.servers import eventually
from tests.streams import read_all

pytestmark = pytest.mark.asyncio(loop_scope="package")


def metrics_of(text: str) -> dict[str, float]:
    """Sum every sample of an exposition by its name."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


async def test_the_truth_is_measured(played: Played) -> None:
    """Every true removal lies in its interval, no removal, breach or move is false, and n adds up."""
    assert played.result.verification.failures == ()
    assert played.result.verification.found_removals > played.chosen.scenario.cases * 0.7


async def test_the_bounds_bracket_the_truth(played: Played) -> None:
    """For every provider the true share within the norm lies between lower and upper."""
    for name, figures in played.result.verification.providers.items():
        assert figures.brackets_truth, name
    assert played.result.verification.undecided_share <= 0.02


async def test_breaches_come_out_as_metrics(played: Played) -> None:
    """The breach counter of /metrics equals the breaches of the ledger, and there are some."""
    assert played.result.breaches_ledger > 0
    assert played.result.breaches_metric == played.result.breaches_ledger


async def test_the_ledger_is_a_fold_of_the_record(played: Played) -> None:
    """The digest of the tables equals that of a pure fold of everything on the evidence topics."""
    await agree(played.show.installation, played.show.method)
    await played.installation.ready()


async def test_what_can_not_be_used_is_a_dead_letter(played: Played) -> None:
    """The poison record stands on the dead-letter topic with its bytes untouched and its reason."""
    letters = await read_all(played.installation.bootstrap_servers, [REPORTS.dlq])
    assert event_player.POISON in [letter.value for letter in letters]
    headers = dict(
        next(letter for letter in letters if letter.value == event_player.POISON).headers
    )
    assert headers["dlq_topic"] == REPORTS.name.encode()
    assert headers["dlq_reason"]


async def test_outcomes_are_published(played: Played) -> None:
    """Breached, removed, returned and moved spells are told on the outcomes topic, keyed by case id."""
    records = await read_all(played.installation.bootstrap_servers, [OUTCOMES.name])
    types = {dict(record.headers)["ce_type"].decode().split(".")[2] for record in records}
    assert {"breached", "removed", "returned", "moved"} <= types
    assert all(re.fullmatch(rb"[0-9a-f]{32}", record.key) for record in records)


@pytest.mark.parametrize("role", ["ledger", "relay", "prober", "exporter"])
async def test_every_role_is_alive_and_ready(played: Played, role: str) -> None:
    """/healthz says that the loops turn, /readyz names each dependency and that it answers."""
    assert (await fetch(played.url(role, "/healthz")))[0] == 200
    status, body = await fetch(played.url(role, "/readyz"))
    assert status == 200, body
    assert json.loads(body)


def names_of(played: Played) -> set[bytes]:
    """Every host, path and canonical URL of the world: none may show anywhere."""
    found: set[bytes] = set()
    for case in played.show.world.cases:
        url = case.url
        host, path = url.host, "/" + url.href.split("/", 3)[3]
        found |= {host.encode(), path.encode()}
    return {name for name in found if len(name) > 6}


def leaks(names: set[bytes], body: bytes) -> set[bytes]:
    return {name for name in names if name in body}


async def test_no_url_gets_out(played: Played) -> None:
    """No URL, host or path of any case in a log, file name, metric, topic, header, process or table (G4)."""
    names, found = names_of(played), {}
    installation = played.installation
    assert len(names) > played.chosen.scenario.cases
    for path in sorted((played.folder / "logs").rglob("*")):
        found[f"log {path.name}"] = leaks(names, path.read_bytes() + path.name.encode())
    for path in played.folder.rglob("*"):
        found[f"name {path.name}"] = leaks(names, path.name.encode())
    for role in installation.ports:
        text = (await fetch(played.url(role, "/metrics")))[1]
        found[f"metrics of {role}"] = leaks(names, text.encode())
    found |= await topic_leaks(installation.bootstrap_servers, names)
    found |= await table_leaks(installation.dsn, names)
    found["process titles"] = leaks(names, titles())
    assert {place: sorted(leaked) for place, leaked in found.items() if leaked} == {}


async def topic_leaks(bootstrap: str, names: set[bytes]) -> dict[str, set[bytes]]:
    """Search keys and headers of every topic, and values of all but the inbound one."""
    topics = [topic.name for topic in (*EVIDENCE, WATCHLIST, OUTCOMES)]
    found: dict[str, set[bytes]] = {}
    for record in await read_all(bootstrap, topics):
        body = (record.key or b"") + b"".join(n.encode() + v for n, v in record.headers)
        if record.topic != REPORTS.name:
            body += record.value or b""
        found.setdefault(f"topic {record.topic}", set()).update(leaks(names, body))
    assert len(found) == len(topics)
    return found


async def table_leaks(dsn: str, names: set[bytes]) -> dict[str, set[bytes]]:
    """Search every row of every table and view, whatever its columns are."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        found: dict[str, set[bytes]] = {}
        for (table,) in tables:
            rows = await connection.fetch(f'SELECT t::text FROM "{table}" AS t')
            text = "\n".join(row[0] for row in rows)
            hexed = {name.hex().encode() for name in names}
            found[f"table {table}"] = leaks(names | hexed, text.encode())
        return found
    finally:
        await connection.close()


def titles() -> bytes:
    """Read the command line of every process but the one that plays the internet."""
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += path.read_bytes()
    return found


async def test_prometheus_has_scraped_every_role(played: Played) -> None:
    """A real Prometheus reads all four processes without an error."""

    async def all_up() -> bool:
        _, body = await fetch(f"{played.prometheus}/api/v1/targets")
        targets = json.loads(body)["data"]["activeTargets"]
        found = {target["labels"]["role"]: target["health"] for target in targets}
        return found == dict.fromkeys(played.installation.ports, "up")

    await eventually("every target is up", all_up)


async def test_a_certain_breach_raises_an_alert(played: Played) -> None:
    """The breaches of the run show in Prometheus under our rules."""

    async def value() -> bool:
        query = "sum(takedown_breaches_total) - sum(takedown_breaches_voided_total)"
        _, body = await fetch(f"{played.prometheus}/api/v1/query", query=query)
        result = json.loads(body)["data"]["result"]
        return bool(result) and float(result[0]["value"][1]) == played.result.breaches_ledger

    await eventually("Prometheus knows the breaches", value)


async def test_a_newcomer_sees_page_alert_and_table(played: Played, tmp_path: Path) -> None:
    """What `make tour` leads to: a filled status page, an alert that fires, a league table for a spreadsheet."""
    league = tmp_path / "tour" / "league.csv"
    seen = await sights(played.url("exporter", ""), played.prometheus, played.result.table, league)
    assert seen.judged == played.result.table.pooled.n
    assert "TakedownCertainBreach" in seen.alerts
    rows = [
        row for row in csv.DictReader(league.read_text().splitlines()) if row["part"] == "group"
    ]
    assert len(rows) == seen.rows == len(played.result.table.providers)
    assert (await fetch(seen.page))[0] == 200


async def test_every_panel_shows_something(played: Played) -> None:
    """Every query of every panel is answered with a number; the watch list's alone is empty, for nobody is on it."""
    left: list[str] = []
    queries = [
        (str(asked), asked.query)
        for asked in dashboard_queries()
        if asked.panel != "Those of the watch list"
    ]

    async def all_answered() -> bool:
        left[:] = await unanswered(played.prometheus, queries)
        return not left

    try:
        await eventually("every panel shows something", all_answered)
    finally:
        assert left == []


async def test_the_first_panel_counts_the_breaches(played: Played) -> None:
    """The norm's panel shows the ledger's breaches."""
    query = next(
        asked.query
        for asked in dashboard_queries()
        if (asked.board, asked.panel) == ("takedown-norm", "Certain breaches")
    )

    async def value(asked: str) -> float:
        _, body = await fetch(f"{played.prometheus}/api/v1/query", query=asked)
        result = json.loads(body)["data"]["result"]
        return float(result[0]["value"][1]) if result else math.nan

    async def equal() -> bool:
        return await value(query) == played.result.breaches_ledger

    await eventually("the panel shows the ledger's breaches", equal)


async def test_a_restart_counts_nothing_twice(played: Played) -> None:
    """Every process stopped and started again: the same breaches, the same digest, no case lost."""
    installation = played.installation
    before = metrics_of((await fetch(played.url("exporter", "/metrics")))[1])
    for role in installation.ports:
        await installation.restart(role)
    await installation.ready()

    async def counted() -> bool:
        after = metrics_of((await fetch(played.url("exporter", "/metrics")))[1])
        return after.get("takedown_breaches_total") == before["takedown_breaches_total"]

    await eventually("the exporter shows the same breaches", counted)
    again = await played.show.compare(played.show.world.start)
    assert again.breaches_ledger == played.result.breaches_ledger
    assert again.table.cases == played.result.table.cases
