"""The gauntlet: nothing that a host, a network or a block can do makes the monitor say what is not so."""

from pathlib import Path

from services.simulation.behaviours import Behaviour
from services.simulation.builder import build
from services.simulation.scenarios import gauntlet as scenario
from tests.acceptance import gauntlet
from tests.unit.simulation.test_simulation_world import START


def test_the_gauntlet_has_every_behaviour() -> None:
    """The world that is played has at least 80 behaviours of hosts, each with its truth."""
    world = build(scenario(cases=gauntlet.CASES), seed=gauntlet.SEED, start=START, port=18080)
    met = {phase.behaviour for case in world.cases for phase in case.plan.phases}
    assert len(met) >= 80, set(Behaviour) - met


async def test_nothing_fools_the_monitor(jars: Path, tmp_path: Path) -> None:
    """With 5 % loss, the canary down and each vantage blocked for hours: nothing false, every removal found."""
    # Three seconds an hour: at two, one removal in two runs was missed for looks that a lost packet delayed.
    result = await gauntlet.run("all", tmp_path, hour=3.0)
    found = result.verification
    assert found.failures == (), result.logs
    assert found.found_removals == found.expected_removals > found.cases / 2
    assert found.total.breached > found.cases / 10
    assert result.breaches_metric == result.breaches_ledger
    assert found.undecided_share <= gauntlet.MOST_UNDECIDED
