"""Quick checks of the deployment's files; `make deployment` runs what they describe."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumers.client.groups import ATTRIBUTION_GROUP, LEDGER_GROUP
from schemas import topics
from services.runtime import settings
from services.runtime.roles import ROLES
from tests.deployment.chart import ARRANGEMENTS, CHART, REFUSED, render
from tests.deployment.compose_file import ComposeFile, Standin
from tests.deployment.manifest_schemas import closed
from tests.deployment.steps import DEPLOY, REPOSITORY, DeploymentFault
from tests.deployment.units import MOST_EXPOSURE, exposure_of, unit_of
from tests.servers import unavailable

COMPOSE = ComposeFile(DEPLOY / "compose.yaml", {"TAKEDOWN_UID": "1000"})
RIGHTS = [
    line.split()
    for line in (DEPLOY / "kafka/rights.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_a_service_becomes_one_command() -> None:
    """Rights, networks, secrets and program of compose.yaml stand in the command that runs it."""
    words = COMPOSE.command("prober", publish={})
    assert {"--read-only", "--cap-drop=ALL", "--user=1000"} <= set(words)
    assert words[-3:] == ["localhost/takedown-monitor", "run", "prober"]
    assert "--network=takedown-run-evidence,takedown-run-metrics,takedown-run-outside" in words
    assert any(word.endswith("keys.toml:ro") for word in words)
    assert not any("database" in word for word in words)
    assert "--env=TAKEDOWN_CANARY_URL=" in words


def test_a_key_that_the_run_does_not_carry_out_is_refused(tmp_path: Path) -> None:
    """What compose would do and the run would not is no silent gap."""
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    content["services"]["ledger"]["privileged"] = True
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(DeploymentFault, match="privileged"):
        ComposeFile(tmp_path / "compose.yaml", {}).command("ledger", publish={})


def test_a_stand_in_keeps_what_the_service_says() -> None:
    """Only the program and its user are another's."""
    standin = Standin(("/programs:/programs:ro",), ("/programs/kafka",))
    file = ComposeFile(COMPOSE.path, {}, {"apache/kafka:4.1.1": standin})
    words = file.command("kafka", publish={})
    assert "--cap-drop=ALL" in words
    assert "--env=KAFKA_PROCESS_ROLES=broker,controller" in words
    assert words[-2] == "--entrypoint=/programs/kafka"


@pytest.mark.parametrize("role", ROLES)
def test_units_are_rated_as_shut(role: str, tmp_path: Path) -> None:
    """Systemd's own rating of each role's unit with its drop-ins is at most 2.0."""
    if shutil.which("systemd-analyze") is None:
        unavailable("systemd-analyze", "it is not installed")
    assert exposure_of(unit_of(role, tmp_path)) <= MOST_EXPOSURE


def test_every_role_has_rights_and_only_on_what_exists() -> None:
    """The table names each role that has a Kafka login, and topics and groups of the program."""
    assert {row[0] for row in RIGHTS} == {*ROLES, "prepare", "operator", "scaler"} - {"exporter"}
    groups = {LEDGER_GROUP, ATTRIBUTION_GROUP, "takedown-prober.*"}
    for _, _, kind, name in RIGHTS:
        known = {*topics.all_names(), "takedown.*"} if kind == "topic" else groups
        assert name in known


def test_who_opens_urls_of_others_may_write_one_topic() -> None:
    """The prober says what it saw; it can't write a report, and nobody but retention deletes."""
    written = {row[3] for row in RIGHTS if row[0] == "prober" and "Write" in row[1]}
    assert written == {topics.OBSERVATIONS.name}
    assert {row[0] for row in RIGHTS if "Delete" in row[1]} == {"retention"}


def test_the_script_of_rights_prints_a_command_for_each_row() -> None:
    """Options are passed on, a prefix is a prefixed pattern, and nothing is carried out."""
    words = [str(DEPLOY / "kafka/acls"), "--bootstrap-server", "kafka.example:9092"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(printed) == len(RIGHTS)
    assert all("--bootstrap-server kafka.example:9092 " in line for line in printed)
    (group,) = [line for line in printed if "User:takedown-prober " in line and "--group" in line]
    assert "--group takedown-prober. --resource-pattern-type prefixed" in group


def chart_values() -> dict[str, Any]:
    return dict(yaml.safe_load((CHART / "values.yaml").read_text("utf-8")))


def test_the_chart_knows_every_role_and_every_setting_it_names() -> None:
    """Roles are those of the program, and each variable of a template is one of its settings."""
    assert set(chart_values()["roles"]) == set(ROLES)
    known = {one.variable for one in settings.catalogue()}
    known |= {f"{one.variable}_FILE" for one in settings.catalogue() if one.secret}
    for path in (CHART / "templates").iterdir():
        named = set(re.findall(r"\bTAKEDOWN_[A-Z_]+[A-Z]\b", path.read_text("utf-8")))
        assert named <= known, path


def test_the_chart_brings_the_rules_and_dashboards_of_this_folder() -> None:
    """They are links, so that there is one copy of each."""
    assert (CHART / "files/rules").resolve() == DEPLOY / "prometheus/rules"
    assert (CHART / "files/dashboards").resolve() == DEPLOY / "grafana"


def helm() -> Path:
    """Helm, where `scripts/chart-tools` has built it."""
    words = [str(REPOSITORY / "scripts/chart-tools"), "--cached"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"helm is built by `make deployment` alone: {done.stderr.strip()}")
    return Path(done.stdout.strip()) / "bin" / "helm"


def test_the_chart_gives_each_role_its_own_secrets() -> None:
    """The prober and attribution mount no database password, and only who seals has the keys."""
    documents = [
        one for one in yaml.safe_load_all(render(helm(), ARRANGEMENTS["with everything"])) if one
    ]
    mounts = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: {
            mount["name"]
            for mount in one["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        }
        for one in documents
        if one["kind"] == "Deployment"
    }
    assert {role for role, names in mounts.items() if "database" in names} == {
        "ledger", "relay", "exporter", "retention",
    }  # fmt: skip
    assert {role for role, names in mounts.items() if "keys" in names} == {
        "ledger", "retention", "prober", "intake",
    }  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_the_chart_refuses_what_makes_no_sense(name: str) -> None:
    """A wrong value ends the rendering, and not the monitor."""
    with pytest.raises(DeploymentFault):
        render(helm(), REFUSED[name])


def test_schemas_are_closed_at_every_depth() -> None:
    """An object refuses what it does not name, unless the API keeps unknown fields."""
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    shut = closed(
        {"properties": {"b": inner, "c": {**inner, "x-kubernetes-preserve-unknown-fields": True}}}
    )
    assert shut["additionalProperties"] is False
    assert shut["properties"]["b"]["additionalProperties"] is False
    assert "additionalProperties" not in shut["properties"]["c"]
