"""compose.yaml read as a deployment: variables filled in, and each service as one command of podman."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deployment.steps import DeploymentFault

PREFIX = "takedown-run-"
BASE = "localhost/python:3.11-slim-bookworm"
PROVIDER_MAP = "/etc/takedown/maps/providers.toml"
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
# What `command` turns into options, and what only says when to start and what to do after an end.
_USED = {
    "image", "user", "read_only", "cap_drop", "security_opt", "tmpfs", "environment", "secrets", "volumes",
    "networks", "command", "entrypoint", "ports", "shm_size", "stop_grace_period",
}  # fmt: skip
_ELSEWHERE = {"build", "restart", "healthcheck", "depends_on", "profiles"}


@dataclass(frozen=True)
class Standin:
    """What runs in the place of an image of others: the same program, from packages."""

    mounts: tuple[str, ...]
    entrypoint: tuple[str, ...]
    variables: tuple[str, ...] = ()
    user: str = "65534:65534"
    image: str = BASE


@dataclass(frozen=True)
class ComposeFile:
    """The file, the folder that its paths are relative to, and the operator's variables."""

    path: Path
    variables: dict[str, str]
    standins: dict[str, Standin] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """The file with its variables filled in: after it was read, so that an empty one is an empty text."""
        return dict(self._filled(yaml.safe_load(self.path.read_text("utf-8"))))

    def _filled(self, part: Any) -> Any:
        if isinstance(part, dict):
            return {name: self._filled(one) for name, one in part.items()}
        if isinstance(part, list):
            return [self._filled(one) for one in part]
        return _VARIABLE.sub(self._fill, part) if isinstance(part, str) else part

    def _fill(self, match: "re.Match[str]") -> str:
        return self.variables.get(match[1]) or match[2]

    def command(self, name: str, *, publish: dict[str, int]) -> list[str]:
        """Options and words for `podman run` that say what the service says; no key is passed over."""
        service = self.content()["services"][name]
        if strange := set(service) - _USED - _ELSEWHERE:
            raise DeploymentFault(
                f"{name} has {sorted(strange)}, which this run does not carry out"
            )
        standin = self.standins.get(service["image"])
        options = [*_rights(service), *self._mounts(service, standin), *_network(name, service)]
        options += _environment(service)
        options += [
            f"--publish=127.0.0.1:{publish[p]}:{_inner(p)}" for p in service.get("ports", ())
        ]
        return [*options, *_program(service, standin)]

    def _mounts(self, service: dict[str, Any], standin: Standin | None) -> list[str]:
        owned = "" if standin is None else ":U"
        found = [
            f"--volume={self.path.parent / 'secrets' / name}:/run/secrets/{name}:ro"
            for name in service.get("secrets", ())
        ]
        for volume in service.get("volumes", ()):
            source, rest = volume.split(":", 1)
            if source.startswith("."):
                found.append(f"--volume={(self.path.parent / source).resolve()}:{rest}")
            else:
                found.append(f"--volume={PREFIX}{source}:{rest}{owned if ':' not in rest else ''}")
        return found + [f"--volume={mount}" for mount in (standin.mounts if standin else ())]


def _inner(port: str) -> str:
    return port.rpartition(":")[2]


def _rights(service: dict[str, Any]) -> list[str]:
    options = [
        f"--security-opt={one.replace(':true', '')}" for one in service.get("security_opt", ())
    ]
    options += [f"--cap-drop={one}" for one in service.get("cap_drop", ())]
    options += [f"--tmpfs={one}" for one in service.get("tmpfs", ())]
    if service.get("read_only"):
        # podman would put folders that may be written under /run and /var/tmp; docker does not.
        options += ["--read-only", "--read-only-tmpfs=false"]
    if "shm_size" in service:
        options.append(f"--shm-size={service['shm_size']}")
    return options


def _network(name: str, service: dict[str, Any]) -> list[str]:
    networks = ",".join(PREFIX + network for network in service["networks"])
    return [f"--network={networks}", f"--network-alias={name}", f"--name={PREFIX}{name}"]


def _environment(service: dict[str, Any]) -> list[str]:
    found = service.get("environment", {})
    return [f"--env={name}={value}" for name, value in found.items()]


def _program(service: dict[str, Any], standin: Standin | None) -> list[str]:
    command = [str(word) for word in service.get("command", ())]
    if standin is not None:
        first, *rest = standin.entrypoint
        options = [f"--env={one}" for one in standin.variables]
        options += [f"--user={standin.user}", f"--entrypoint={first}"]
        return [*options, standin.image, *rest, *command]
    entrypoint = list(service.get("entrypoint", ()))
    options = [f"--user={service['user']}"]
    if entrypoint:
        options.append(f"--entrypoint={entrypoint[0]}")
    return [*options, f"localhost/{service['image']}", *entrypoint[1:], *command]


def health_test(service: dict[str, Any]) -> list[str]:
    """The program that says how a container is."""
    kind, *words = service["healthcheck"]["test"]
    if kind != "CMD":
        raise DeploymentFault(f"a health check of the kind {kind} is not carried out")
    return [str(word) for word in words]


def grace_seconds(service: dict[str, Any]) -> int:
    """How long the container has to stop."""
    return int(str(service.get("stop_grace_period", "10s")).removesuffix("s"))


def variables_of(folder: Path) -> dict[str, str]:
    """What compose would know: the file .env, and the variables of an operator with a prober."""
    lines = (folder / ".env").read_text().splitlines()
    read = dict(line.split("=", 1) for line in lines if "=" in line)
    asked = {
        "TAKEDOWN_PROBE_OPERATOR": "A hotline",
        "TAKEDOWN_PROBE_CONTACT": "probe@hotline.example",
        "TAKEDOWN_PROBE_LEGAL_BASIS": "A law",
        "TAKEDOWN_CANARY_URL": "https://canary.hotline.example/",
        "TAKEDOWN_WATCH_PROVIDERS": "giant",
        "TAKEDOWN_PROVIDER_MAP": PROVIDER_MAP,
    }
    return read | asked
