"""What has to be seen of the running deployment, from the first secret to an alert at Alertmanager."""

import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.runtime.roles import ROLES
from tests.deployment.compose_file import PROVIDER_MAP, ComposeFile, variables_of
from tests.deployment.stack import Stack, standins, wait_for
from tests.deployment.steps import DEPLOY, claim, output, say

_URL = "https://pics.example/1"
_PROMETHEUS = "127.0.0.1:9090:9090"
_ALERTS = "wget -q -O - http://alertmanager:9093/api/v2/alerts"
_MAP = '[[provider]]\nid = "giant"\nname = "Giant"\n[[provider.prefix]]\ncidr = "192.0.2.0/24"\n'
_SPOIL = """
import asyncio
from aiokafka import AIOKafkaProducer

async def main():
    async with AIOKafkaProducer(bootstrap_servers="kafka:9092") as producer:
        await producer.send_and_wait("takedown.reports.v1", b"no event", key=b"no case")

asyncio.run(main())
"""
_REACH = "import socket; socket.create_connection(('{}', {}), 5)"


def check_stack(program: Path) -> None:
    """Run every role by compose.yaml, with Kafka, Postgres, Prometheus and Alertmanager beside it."""
    say("compose: every service but Grafana, run by podman")
    with tempfile.TemporaryDirectory(prefix="takedown-deployment-") as folder:
        deploy = Path(folder) / "deploy"
        shutil.copytree(DEPLOY, deploy, ignore=shutil.ignore_patterns("secrets", ".env"))
        Path(folder).chmod(0o755)
        output([deploy / "make-secrets"])
        tools = standins(program.parent)
        stack = Stack(program, ComposeFile(deploy / "compose.yaml", variables_of(deploy), tools))
        stack.remove()
        try:
            play(stack)
        finally:
            stack.remove()


def play(stack: Stack) -> None:
    """Everything in the order in which an operator does it."""
    stack.make_networks()
    for service in ("kafka", "postgres"):
        stack.start(service)
    for service in ("kafka", "postgres"):
        stack.wait_until_healthy(service)
    vouched = stack.run_once("prepare")
    claim("prepare: schema, topics and doctor", "FAILED" not in vouched, vouched)
    stack.put("maps", PROVIDER_MAP.rpartition("/")[2], _MAP)
    for role in ROLES:
        stack.start(role)
    for service in ("alertmanager", "prometheus"):
        stack.start(service)
        stack.wait_until_healthy(service)
    for role in ROLES:
        stack.wait_until_healthy(role)
        check_confinement(stack, role)
    check_ways(stack)
    check_targets(stack)
    check_report(stack)
    check_alert(stack)
    for role in ROLES:
        claim(f"{role} stops in order within its grace", stack.stop(role) == 0, stack.log(role))


def check_confinement(stack: Stack, role: str) -> None:
    """The process is nobody's root, may nothing, and can write nothing but /tmp and its volume."""
    seen = stack.inside(role, "id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status")
    words = seen.split()
    claim(
        f"{role} runs as {words[0]} without capabilities",
        words[0] != "0" and int(words[2], 16) == 0,
    )
    claim(f"{role} gains no privileges", words[4] == "1", seen)
    tried = "for at in / /opt/takedown /etc /run /var/tmp; do touch $at/x 2>/dev/null && echo $at; done; true"
    written = stack.inside(role, tried)
    claim(f"{role} can't write to its root", written.strip() == "", written)


def check_ways(stack: Stack) -> None:
    """Who talks to servers of others has no way to the database, and others have."""
    for role, host, port, way in (
        ("prober", "postgres", 5432, False),
        ("attribution", "postgres", 5432, False),
        ("intake", "postgres", 5432, False),
        ("ledger", "postgres", 5432, True),
        ("prober", "kafka", 9092, True),
    ):
        tried = f'python -c "{_REACH.format(host, port)}" 2>/dev/null && echo reached; true'
        reached = stack.inside(role, tried).strip() == "reached"
        claim(f"{role} has {'a' if way else 'no'} way to {host}", reached == way)


def check_targets(stack: Stack) -> None:
    """Prometheus scrapes each role where its own configuration finds it, has the rules and knows Alertmanager."""

    def scraped() -> bool:
        active = stack.get(_PROMETHEUS, "/api/v1/targets")["data"]["activeTargets"]
        up = {one["labels"]["instance"] for one in active if one["health"] == "up"}
        found = sum(instance.endswith(":9464") for instance in up)
        return found == len(ROLES)

    wait_for(f"Prometheus scrapes all {len(ROLES)} roles", scraped, 120)
    rules = stack.get(_PROMETHEUS, "/api/v1/rules")["data"]["groups"]
    wrong = [rule for group in rules for rule in group["rules"] if rule["health"] == "err"]
    claim(
        f"{len(rules)} groups of rules are loaded, none in error", bool(rules) and not wrong, wrong
    )
    managers = stack.get(_PROMETHEUS, "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    claim("Prometheus sends to Alertmanager", len(managers) == 1, managers)


def _value(stack: Stack, query: str) -> float | None:
    result = stack.get(_PROMETHEUS, f"/api/v1/query?query={query}")["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def check_report(stack: Stack) -> None:
    """A report and its notice go in by the command of deploy/README.md, and come out as figures."""
    case = stack.run_once("ledger", "case", "id", text=_URL).strip()
    now = datetime.now(UTC).isoformat()
    report: dict[str, Any] = {
        "reporter": "hotline-nl",
        "category": "csam",
        "url": _URL,
        "provider": "giant",
    }
    notice = {"notice_id": "n-1", "provider": "giant", "channel": "email"}
    events = [
        {"type": "takedown.report.filed.v1", "time": now, "data": report},
        {"type": "takedown.notice.sent.v1", "time": now, "subject": case, "data": notice},
    ]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    said = stack.run_once("ledger", "submit", "-", "--wait", text=lines)
    claim("two events reach the ledger", "2 events" in said, said)
    shown = stack.run_once("ledger", "case", "show", case)
    claim(
        "the case is shown, without its URL",
        "giant" in shown and "pics.example" not in shown,
        shown,
    )
    wait_for(
        "Prometheus has the case from the exporter",
        lambda: _value(stack, "sum(takedown_spells)") == 1,
        90,
    )
    page = stack.inside("exporter", f'python -c "{_READ.format("http://127.0.0.1:9464/status")}"')
    claim("the status page names the provider", "giant" in page and "pics.example" not in page)


_READ = "import urllib.request as u; print(u.urlopen('{}', timeout=8).read().decode())"


def check_alert(stack: Stack) -> None:
    """A record that can't be used becomes a dead letter, and the alert about it reaches Alertmanager."""
    stack.inside("ledger", f"python - <<'END'\n{_SPOIL}\nEND")

    def alerted() -> bool:
        alerts = json.loads(stack.inside("prometheus", _ALERTS))
        return any(one["labels"]["alertname"] == "TakedownDeadLetters" for one in alerts)

    wait_for("TakedownDeadLetters is at Alertmanager", alerted, 180)
    listed = stack.run_once("ledger", "dead-letters", "list")
    claim("the command of its runbook lists the record", "takedown.reports.v1" in listed, listed)
