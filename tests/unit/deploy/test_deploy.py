"""What stands in deploy/, held against the program: settings, files, metrics, runbooks."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import metrics_reference
from services.exporter.metrics import catalogue
from services.runtime import settings
from services.runtime.roles import ROLES, refusals
from tests.servers import REPOSITORY
from tests.unit.deploy.promql_names import takedown_names

DEPLOY = REPOSITORY / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MONITOR = [name for name, service in SERVICES.items() if service["image"] == "takedown-monitor"]
OPERATOR = {
    "TAKEDOWN_PROBE_OPERATOR": "A hotline",
    "TAKEDOWN_PROBE_CONTACT": "abuse@hotline.example",
    "TAKEDOWN_PROBE_LEGAL_BASIS": "A law",
    "TAKEDOWN_CANARY_URL": "https://canary.example/",
    "TAKEDOWN_UID": "1000",
}
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus/rules/takedown.rules.yml").read_text())[
        "groups"
    ]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
NAMES = sorted({rule["alert"] for rule in ALERTS})


def test_metric_reference_is_current() -> None:
    """METRICS.md is what `python -m deploy.metrics_reference` gives."""
    assert metrics_reference.PATH.read_text("utf-8") == metrics_reference.text()
    assert all(f"`{info.name}`" in metrics_reference.text() for info in catalogue())


# -- compose -------------------------------------------------------------------------------------


def environment(service: str, tmp_path: Path) -> dict[str, str]:
    """A service's environment as the operator's variables make it, secrets in files of this test."""
    found = {}
    for name, value in SERVICES[service].get("environment", {}).items():
        text = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda m: OPERATOR.get(m[1], m[2]), str(value))
        if text.startswith("/run/secrets/"):
            path = tmp_path / Path(text).name
            path.write_text("postgresql://takedown:secret@postgres:5432/takedown\n")
            text = str(path)
        found[name] = text
    return found


@pytest.mark.parametrize("service", MONITOR)
def test_settings_of_each_service_are_accepted(service: str, tmp_path: Path) -> None:
    """The program itself reads the environment: every name is known and every value allowed."""
    found = settings.load(environment(service, tmp_path))
    assert found.kafka.bootstrap_servers == "kafka:9092"
    if service == "prober":
        assert refusals(found) == []


def test_every_role_is_a_service() -> None:
    """Ledger, relay, prober and exporter each run in a container of their own, and one prepares."""
    commands = {name: SERVICES[name]["command"] for name in MONITOR}
    assert {tuple(command) for name, command in commands.items() if name != "prepare"} == {
        ("run", role) for role in ROLES
    }
    assert set(MONITOR) == {*ROLES, "prepare"}


def test_the_prober_knows_no_database() -> None:
    """The container that talks to hostile servers has no way to Postgres and no password of it."""
    prober = SERVICES["prober"]
    assert "database_url" not in prober["secrets"]
    assert not [name for name in prober["environment"] if "DATABASE" in name]
    assert "ledger" not in prober["networks"]
    assert SERVICES["postgres"]["networks"] == ["ledger"]


def test_nothing_looks_without_being_asked() -> None:
    """The prober starts only with its profile, and refuses without operator, contact and legal basis."""
    assert SERVICES["prober"]["profiles"] == ["prober"]


@pytest.mark.parametrize("service", MONITOR)
def test_containers_are_shut_in(service: str) -> None:
    """Not root, no capability, nothing writable but a tmpfs."""
    found = SERVICES[service]
    assert found["user"] == "${TAKEDOWN_UID:-10001}"
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]


def test_no_secret_stands_in_the_file() -> None:
    """Passwords and keys come from files that make-secrets draws and git ignores."""
    script = (DEPLOY / "make-secrets").read_text()
    assert set(COMPOSE["secrets"]) == {
        Path(secret["file"]).name for secret in COMPOSE["secrets"].values()
    }
    for name in COMPOSE["secrets"]:
        assert f"put {name} " in script
    assert "secrets/" in (DEPLOY / ".gitignore").read_text().split()
    text = (DEPLOY / "compose.yaml").read_text()
    assert not re.findall(r"(?i)password: |:\/\/\w+:\w+@", text)


def test_referenced_files_exist() -> None:
    """Every file that a service mounts or builds from is here."""
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists(), volume
        for name in service.get("secrets", []):
            assert name in COMPOSE["secrets"]
        for name in service["networks"]:
            assert name in COMPOSE["networks"]
    assert (DEPLOY / COMPOSE["x-monitor"]["build"]["context"] / "deploy/Dockerfile").exists()


def test_everything_has_a_health_check() -> None:
    """Each long-running service says how it is, and only the viewers and the intake are published, on loopback."""
    for name, service in SERVICES.items():
        assert "test" in service["healthcheck"] or name == "prepare"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
    assert {n for n, s in SERVICES.items() if "ports" in s} == {"prometheus", "grafana", "intake"}


def test_stopping_takes_longer_than_draining() -> None:
    """Docker waits longer than the program's own drain."""
    grace = int(COMPOSE["x-monitor"]["stop_grace_period"].rstrip("s"))
    assert grace > settings.load({}).stop_seconds


def test_dockerfile_copies_what_exists_and_drops_root() -> None:
    """Its sources exist, packages come by hash, and the last stage runs as a numeric user."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            *sources, _ = line.split()[1:]
            assert all((REPOSITORY / source).exists() for source in sources), line
    installs = [line for line in lines if "pip install" in line and "/wheels" not in line]
    assert installs
    assert all("--require-hashes" in line for line in installs)
    assert "USER 10001:10001" in lines


def test_prometheus_scrapes_every_role() -> None:
    """Each role's service is a target of the job that the rules name."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    job = next(job for job in config["scrape_configs"] if job["job_name"] == "takedown")
    static = {target.partition(":")[0] for s in job["static_configs"] for target in s["targets"]}
    found = {name for dns in job["dns_sd_configs"] for name in dns["names"]}
    assert static | found == set(ROLES)
    assert {d["port"] for d in job["dns_sd_configs"]} == {9464}


# -- rules and runbooks --------------------------------------------------------------------------


def test_rules_name_what_is_exposed() -> None:
    """Every metric in an expression is in the catalogue or recorded by a rule."""
    known = {name for info in catalogue() for name in info.series}
    known |= {rule["record"] for rule in RULES if "record" in rule}
    for rule in RULES:
        assert takedown_names(rule["expr"]) <= known, rule


@pytest.mark.parametrize(
    "alert", ALERTS, ids=lambda rule: " ".join((rule["alert"], *rule["labels"].values()))
)
def test_alert_says_what_and_what_to_do(alert: dict[str, Any]) -> None:
    """Severity, summary, description and a runbook that exists."""
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    runbook = REPOSITORY / alert["annotations"]["runbook_url"]
    text = runbook.read_text("utf-8")
    assert text.startswith(f"# {alert['alert']}\n")
    assert "Check" in text


def test_no_runbook_without_an_alert() -> None:
    """A runbook that no alert names would never be read."""
    assert {path.stem for path in (DEPLOY / "runbooks").glob("*.md")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_alert_has_a_firing_and_a_silent_case(name: str) -> None:
    """Promtool sees each alert fire, and sees it silent."""
    cases = [
        case
        for path in (DEPLOY / "prometheus/tests").glob("*.test.yml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == name
    ]
    assert any(case["exp_alerts"] for case in cases)
    assert any(not case["exp_alerts"] for case in cases)


def test_every_rule_of_the_stalled_pipeline_fires_in_a_case() -> None:
    """The four parts share a name; each has its own firing case."""
    fired = {
        alert["exp_labels"]["part"]
        for path in (DEPLOY / "prometheus/tests").glob("*.test.yml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
        for alert in case["exp_alerts"]
        if case["alertname"] == "TakedownPipelineStalled"
    }
    rules = [rule for rule in ALERTS if rule["alert"] == "TakedownPipelineStalled"]
    assert fired == {rule["labels"]["part"] for rule in rules}


def test_alertmanager_names_alerts_that_exist() -> None:
    """Routes and inhibition rules name no alert that no rule raises."""
    text = (DEPLOY / "alertmanager/alertmanager.yml").read_text()
    assert set(re.findall(r"Takedown[A-Z]\w+", text)) <= set(NAMES)


def test_readme_names_files_that_exist() -> None:
    """The table of deploy/README.md is about what is there."""
    text = (DEPLOY / "README.md").read_text()
    for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE):
        for path in re.findall(r"`([^`]+)`", row):
            assert (DEPLOY / path).exists(), path
