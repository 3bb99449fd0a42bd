"""A short fault run: what `make faults` does for a quarter of an hour, for as long as a test may take."""

import functools
import importlib
from datetime import timedelta
from pathlib import Path

import msgspec

from schemas.events import Event, LookMissed
from tests.faults.actions import ACTIONS
from tests.faults.arrangements import Own
from tests.faults.run import fault_run
from tests.faults.schedule import OWN, WIRED, Fault, schedule
from tests.faults.steps import STEPS
from tests.faults.urgency import Share, urgency
from tests.strategies import event, look
from tests.unit.probing.schedule.test_scheduler import START

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


def test_only_looks_of_the_same_time_are_compared() -> None:
    """A busy hour without a deadline says nothing of the order, nor does an hour in which nothing else was due."""
    hour, soon = timedelta(hours=1), timedelta(hours=2)

    def tick(hours: float, late: float | None, case: str = "c") -> Event:
        at = START + hours * hour
        if late is None:
            return event(at, LookMissed(vantage="v", tick=at, reason="overload"), case)
        seen = look(at + timedelta(seconds=late), "online", case=case)
        return msgspec.structs.replace(seen, data=msgspec.structs.replace(seen.data, tick=at))

    by_case = {"c": [tick(23.5, 2.0), tick(24.5, None), tick(25.5, 4.0)], "d": []}
    by_case["d"] = [tick(n, None, "d") for n in (1, 2, 24.5)] + [tick(25.5, 90.0, "d")]
    found = urgency(by_case, {"c": START + 24 * hour, "d": START + 90 * hour}, soon, hour)
    assert (found.near, found.others) == (Share(2, 0.5, 4.0), Share(2, 0.5, 90.0))
    assert found.behind == (1.5 * 3600 + 4.0,)
