"""A short fault run: what `make faults` does for a quarter of an hour, for as long as a test may take."""

import functools
import importlib
from pathlib import Path

import msgspec

from tests.faults.actions import ACTIONS
from tests.faults.arrangements import Own
from tests.faults.run import fault_run
from tests.faults.schedule import OWN, WIRED, Fault, schedule
from tests.faults.steps import STEPS

COUNT = 12
FEW = ("ledger", "relay", "prober", "exporter")
SHORT = (
    "kill role",
    "kill server",
    "kill guardian",
    "kill both servers",
    "kill backend",
    "kill up",
)


def hurried(seed: int) -> list[Fault]:
    """A dozen kills with little peace between them."""
    kinds = [kind for kind in OWN if kind.name in SHORT]
    faults = schedule(seed, COUNT, kinds)
    return [msgspec.structs.replace(one, after=one.after / 6, measured=False) for one in faults]


async def test_kills_lose_and_double_nothing(jars: Path, tmp_path: Path) -> None:
    """After a dozen kills of roles, servers, guardians and itself the ledger is a clean fold of the topics."""
    lines: list[str] = []
    (tmp_path / "data").mkdir()
    await fault_run(tmp_path, Own(), 5, hurried(5), lines.append, roles=FEW)
    assert "0 lost, 0 double" in lines[-1]


def test_a_schedule_is_a_function_of_its_seed() -> None:
    """A seed that failed is played again as it was; every kind comes measured before any comes by chance."""
    assert schedule(3, 60, OWN) == schedule(3, 60, OWN) != schedule(4, 60, OWN)
    assert len(schedule(3, 5, OWN)) == 5
    assert {one.kind for one in schedule(3, 60, OWN) if one.measured} == {kind.name for kind in OWN}


def test_every_kind_of_fault_can_happen() -> None:
    """A kind that the schedule draws has something that it does."""
    assert {kind.name for kind in (*OWN, *WIRED)} == ACTIONS.keys()


def test_every_step_is_in_the_product() -> None:
    """A step at which a process is to die is a function that is there: a step that vanished would strike nobody."""
    for step in STEPS:
        functools.reduce(getattr, step.function.split("."), importlib.import_module(step.module))
