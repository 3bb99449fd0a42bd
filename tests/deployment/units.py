"""The systemd units: verified by systemd itself, role by role with their drop-ins, and rated."""

import re
import shutil
import tempfile
from pathlib import Path

from services.runtime.roles import ROLES
from tests.deployment.steps import DEPLOY, claim, output, run, say

MOST_EXPOSURE = 2.0
UNITS = DEPLOY / "systemd"


def check_units() -> None:
    """Verify each role's unit and rate what it leaves open."""
    say("units: systemd-analyze")
    with tempfile.TemporaryDirectory() as folder:
        for role in ROLES:
            unit = unit_of(role, Path(folder))
            done = run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit])
            claim(
                f"verify finds nothing in {unit.name}", not done.stdout + done.stderr, done.stderr
            )
            exposure = exposure_of(unit)
            claim(f"exposure of {role}: {exposure}", exposure <= MOST_EXPOSURE)


def unit_of(role: str, folder: Path) -> Path:
    """Write the unit of a role with its drop-ins, its program one that exists here."""
    unit = folder / f"takedown@{role}.service"
    text = (UNITS / "takedown@.service").read_text("utf-8")
    unit.write_text(text.replace("/opt/takedown-monitor/bin/takedown", "/bin/true"))
    shutil.copytree(UNITS / f"{unit.name}.d", folder / f"{unit.name}.d")
    return unit


def exposure_of(unit: Path) -> float:
    """The overall exposure that `systemd-analyze security` gives, from 0 (shut) to 10 (open)."""
    text = output(["systemd-analyze", "security", "--offline=true", "--no-pager", unit])
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
    claim("systemd rates it", found is not None, text[-300:])
    return float(found[1]) if found else 10.0
