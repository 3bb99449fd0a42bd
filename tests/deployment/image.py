"""The image, built by podman from deploy/Dockerfile itself, on a base made of Debian's packages."""

import os
import ssl
from pathlib import Path

from tests.deployment.steps import DEPLOY, REPOSITORY, claim, output, say

IMAGE = "localhost/takedown-monitor"


def podman() -> Path:
    """Podman as `scripts/container-tools` has it, fetched if need be."""
    return (
        Path(output([REPOSITORY / "scripts" / "container-tools"], seconds=1800).strip()) / "podman"
    )


def build_image(program: Path) -> None:
    """Carry out every step of deploy/Dockerfile; the registries are reached as this machine reaches them."""
    say("image: podman build, by deploy/Dockerfile")
    # Where a proxy ends TLS, its certificate is among this machine's, not among those of the base.
    trusted = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile
    policy = program.parent.parent / "tree/etc/containers/policy.json"
    options = ["--network=host", "--pull=never", "--layers", f"--file={DEPLOY / 'Dockerfile'}"]
    options.append(f"--signature-policy={policy}")
    if trusted:
        options.append(f"--volume={trusted}:/etc/ssl/certs/ca-certificates.crt:ro")
    output([program, "build", *options, f"--tag={IMAGE}", REPOSITORY], seconds=3600)
    shown = "{{.Config.User}} {{.Config.StopSignal}} {{.Config.Entrypoint}}"
    seen = output([program, "image", "inspect", "--format", shown, IMAGE]).strip()
    claim("the image starts takedown, as no root", seen == "10001:10001 SIGTERM [takedown]", seen)
    words = [program, "run", "--rm", "--network=none", "--read-only", IMAGE]
    claim("it says its version", output([*words, "--version"]).startswith("takedown"))
    listed = output(
        [program, "run", "--rm", "--network=none", "--entrypoint=sh", IMAGE, "-c", _SEARCH]
    )
    claim("no secret, no test and no builder is in it", listed.strip() == "", listed)


_SEARCH = (
    "find /opt /src /wheels /var/lib/takedown "
    r"\( -name keys.toml -o -name database_url -o -path '/opt/builder*' -o -name '*.whl' \) 2>/dev/null; true"
)
