"""Rules, routes and exposition, judged by Prometheus' own tools."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from schemas.methodology import shipped
from services.exporter import metrics
from services.exporter.collector import Snapshot
from services.exporter.ledger_reading import LedgerReading, NoticeReading
from services.exporter.metric_families import LEFT, families, notice_families
from tests.servers import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
NL = shipped()["nl-24h"]


def run(*words: str | Path, text: bytes | None = None) -> subprocess.CompletedProcess[str]:
    answer = subprocess.run(
        [str(word) for word in words], input=text, capture_output=True, check=False, timeout=60
    )
    out = (answer.stdout + answer.stderr).decode()
    return subprocess.CompletedProcess(answer.args, answer.returncode, out, "")


def figures() -> Snapshot:
    """A ledger's figures with every kind of row in them."""
    at = datetime.now(UTC)
    spell = {"provider": "giant", "category": "csam", "clock": "WITHIN", "standing": "within"}
    names = (
        "online",
        "due_soon",
        "without_notice",
        "breaches_day",
        "looks",
        "undetermined",
        "missed",
    )
    stock = dict.fromkeys((*names, *LEFT.values()), 1)
    exposure = {"exposure_lower_seconds": 10.0, "exposure_upper_seconds": 20.0}
    removal = {"provider": "giant", "category": "csam", "bucket": 3, "removals": 4, "seconds": 9.0}
    outcome = {"provider": "giant", "category": "csam", "type": "takedown.spell.breached.v1"}
    progress = {"topic": "takedown.reports.v1", "event_time": at, "committed_at": at}
    reading = LedgerReading(
        at=at,
        providers=["giant"],
        categories=["csam"],
        spells=[spell | stock | exposure | {"spells": 4}],
        removals=[removal | {"side": side} for side in ("lower", "upper")],
        outcomes=[outcome | {"recorded": 3, "voided": 1}],
        progress=[progress],
        watched=["giant"],
    )
    sent = [{"provider": "giant", "state": "sent", "notices": 2}]
    snapshot = Snapshot()
    snapshot.publish("figures", families(reading, NL))
    snapshot.publish("notices", notice_families(NoticeReading(at=at, providers=[], notices=sent)))
    return snapshot


def test_rules_are_rules(promtool: Path) -> None:
    """Promtool accepts the rules and the configuration that loads them."""
    checked = run(promtool, "check", "config", DEPLOY / "prometheus/prometheus.yml")
    assert checked.returncode == 0, checked.stdout
    assert "rules found" in checked.stdout


@pytest.mark.parametrize(
    "path", sorted((DEPLOY / "prometheus/tests").glob("*.yml")), ids=lambda p: p.name
)
def test_alerts_fire_and_stay_silent(promtool: Path, path: Path) -> None:
    """Every case in deploy/prometheus/tests holds."""
    tested = run(promtool, "test", "rules", path)
    assert tested.returncode == 0, tested.stdout


def test_exposition_is_clean(promtool: Path) -> None:
    """Promtool finds nothing to say against names, units and help of what we expose."""
    registry = CollectorRegistry()
    registry.register(figures())
    text = generate_latest(registry) + b"".join(
        line + b"\n"
        for line in generate_latest(metrics.REGISTRY).splitlines()
        if b"takedown_" in line
    )
    checked = run(promtool, "check", "metrics", text=text)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.strip() == ""


def test_routes_are_routes(amtool: Path) -> None:
    """Amtool accepts the configuration."""
    checked = run(amtool, "check-config", DEPLOY / "alertmanager/alertmanager.yml")
    assert checked.returncode == 0, checked.stdout


ENGINEER, OFFICER, READING, WATCH_LIST = "engineer", "duty-officer", "reading", "watch-list"
RECEIVERS = {
    "TakedownCertainBreach": OFFICER,
    "TakedownChannelSaturated": OFFICER,
    "TakedownConsumerRebuilds": ENGINEER,
    "TakedownDeadLetters": ENGINEER,
    "TakedownDeadlineNear": OFFICER,
    "TakedownDiskLow": ENGINEER,
    "TakedownLagHigh": ENGINEER,
    "TakedownLooksMissed": ENGINEER,
    "TakedownMonitorDown": ENGINEER,
    "TakedownNormSlipping": READING,
    "TakedownNoticeBacklog": READING,
    "TakedownNoticesUndelivered": OFFICER,
    "TakedownOpenTransaction": ENGINEER,
    "TakedownOverdueUnverified": OFFICER,
    "TakedownPipelineStalled": ENGINEER,
    "TakedownProberBlind": ENGINEER,
    "TakedownUndeterminedHigh": ENGINEER,
    "TakedownUndeterminedJump": OFFICER,
    "TakedownWatchedBreach": WATCH_LIST,
}
ALERTS = [
    {"alertname": rule["alert"], **rule["labels"]}
    for group in yaml.safe_load((DEPLOY / "prometheus/rules/takedown.rules.yml").read_text())[
        "groups"
    ]
    for rule in group["rules"]
    if "alert" in rule
]


def test_every_alert_has_its_receiver() -> None:
    """The table of receivers names every alert, and every receiver of the configuration."""
    assert {alert["alertname"] for alert in ALERTS} == set(RECEIVERS)
    config = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text())
    assert {receiver["name"] for receiver in config["receivers"]} == set(RECEIVERS.values())


@pytest.mark.parametrize("labels", ALERTS, ids=lambda one: " ".join(one.values()))
def test_alerts_reach_whom_they_concern(amtool: Path, labels: dict[str, str]) -> None:
    """Who runs the monitor, who calls providers, who follows the watch list and who only reads are told apart."""
    receiver = RECEIVERS[labels["alertname"]]
    config = f"--config.file={DEPLOY / 'alertmanager/alertmanager.yml'}"
    words = [f"{name}={value}" for name, value in labels.items()]
    routed = run(amtool, "config", "routes", "test", config, *words)
    assert routed.returncode == 0, routed.stdout
    # Newer ones warn after it that the test knows no time of day.
    assert routed.stdout.split()[0] == receiver
