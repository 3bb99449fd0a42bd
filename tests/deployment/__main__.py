"""`make deployment`: run what deploy/ holds. Parts may be named: units, compose, chart, upgrade, image, stack."""

import sys
import time

from tests.deployment.chart import check_chart
from tests.deployment.compose_schema import check_schema
from tests.deployment.image import build_image, podman
from tests.deployment.scenario import check_stack
from tests.deployment.steps import DeploymentFault, say
from tests.deployment.units import check_units
from tests.deployment.upgrade import check_upgrade

PARTS = {
    "units": check_units,
    "compose": check_schema,
    "chart": check_chart,
    "upgrade": check_upgrade,
    "image": lambda: build_image(podman()),
    "stack": lambda: check_stack(podman()),
}


def main(names: list[str]) -> int:
    """Run the named parts, or all in order; status 1 at the first that does not hold."""
    for name in names or PARTS:
        begun = time.monotonic()
        try:
            PARTS[name]()
        except DeploymentFault as fault:
            say(f"FAILED  {fault}")
            return 1
        say(f"{name}: {time.monotonic() - begun:.0f} s")
    say("the deployment does what its files say")
    return 0


sys.exit(main(sys.argv[1:]))
