"""The Helm chart: linted, rendered in several arrangements, and held against the API's own schemas."""

import tempfile
from pathlib import Path

import yaml

from tests.deployment.manifest_schemas import write_schemas
from tests.deployment.steps import DEPLOY, REPOSITORY, claim, output, run, say

CHART = DEPLOY / "helm"
_KAFKA = ("--set", "kafka.bootstrapServers=kafka.example:9092")
_PROBER = (
    "prober.operator=A hotline,prober.contact=probe@hotline.example,prober.legalBasis=A law,"
    "prober.canaryUrl=https://canary.hotline.example/"
)
_EVERYTHING = (
    *_KAFKA,
    "--set",
    f"roles.prober.replicas=2,roles.intake.replicas=2,roles.attribution.replicas=1,{_PROBER}",
    "--set",
    "keda.enabled=true,keda.authenticationRef=kafka,roles.ledger.secretEnvironment=ledger-kafka",
)
ARRANGEMENTS = {
    "as it comes": _KAFKA,
    "with everything": _EVERYTHING,
    "without the operators of others": (
        *_KAFKA,
        "--set",
        "serviceMonitor.enabled=false,prometheusRule.enabled=false,networkPolicy.enabled=false",
    ),
}
REFUSED = {
    "no Kafka": (),
    "a prober without a legal basis": (*_KAFKA, "--set", "roles.prober.replicas=1"),
    "two exporters": (*_KAFKA, "--set", "roles.exporter.replicas=2"),
    "a value that the chart does not know": (*_KAFKA, "--set", "roles.ledgr.replicas=2"),
}


def check_chart() -> None:
    """Lint, render, validate each arrangement, and see the wrong ones refused."""
    say("chart: helm and kubeconform")
    tools = Path(output([REPOSITORY / "scripts" / "chart-tools"], seconds=3600).strip())
    helm = tools / "bin" / "helm"
    linted = run([helm, "lint", "--strict", CHART, *_KAFKA, "--kube-version", "1.31.0"])
    claim("helm lint finds nothing", linted.returncode == 0, linted.stdout + linted.stderr)
    with tempfile.TemporaryDirectory() as folder:
        claim("schemas of the API are written", write_schemas(tools, Path(folder)) > 100)
        for name, values in ARRANGEMENTS.items():
            _check_arrangement(tools, Path(folder), name, render(helm, values))
    for name, values in REFUSED.items():
        refused = run([*_template(helm), *values])
        claim(f"refused: {name}", refused.returncode != 0, "rendered")
    _check_package(helm)


def _template(helm: Path) -> list[object]:
    return [helm, "template", "site", CHART, "--kube-version", "1.31.0"]


def render(helm: Path, values: tuple[str, ...]) -> str:
    """Render the chart to its manifests."""
    return output([*_template(helm), *values])


def _check_arrangement(tools: Path, schemas: Path, name: str, manifests: str) -> None:
    location = f"{schemas}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    command = [tools / "bin" / "kubeconform", "-strict", "-summary", "-schema-location", location]
    done = run(command, text=manifests)
    claim(f"kubeconform, {name}: {done.stdout.strip()}", done.returncode == 0, done.stderr)
    spoilt = manifests.replace("replicas:", "replicaz:")
    refused = run(command, text=spoilt).returncode != 0
    claim("kubeconform refuses the same with a misspelt field", refused)
    documents = [one for one in yaml.safe_load_all(manifests) if one]
    for one in documents:
        if one["kind"] in {"Deployment", "Job"}:
            _check_pod(one["spec"]["template"]["spec"])


def _check_pod(pod: dict[str, object]) -> None:
    (container,) = pod["containers"]  # type: ignore[misc]
    security = container["securityContext"]
    shut = security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
    claim(f"{container['args']} is shut in", shut and not security["allowPrivilegeEscalation"])


def _check_package(helm: Path) -> None:
    """The archive that a site installs holds the rules and dashboards, not links to them."""
    with tempfile.TemporaryDirectory() as folder:
        output([helm, "package", CHART, "--destination", folder])
        (archive,) = Path(folder).glob("*.tgz")
        packed = output([helm, "template", "site", archive, "--kube-version", "1.31.0", *_KAFKA])
    claim("the packed chart brings rules and dashboards", "PrometheusRule" in packed)
    claim("the packed chart brings a dashboard", "grafana_dashboard" in packed)
