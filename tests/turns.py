"""Whose turn it is at the processor, where workers of pytest-xdist share it.

In a play an hour lasts two seconds, so that what others do at the same time would be its delays: plays run one after
the other, first of all, and every other test yields to them.
"""

import functools
import os

from xdist.scheduler import LoadFileScheduling

PLAYS = frozenset(
    {
        "tests/acceptance/test_played.py",
        "tests/operations/test_kills.py",
        # No plays, but they measure how late looks are, what Prometheus shows within seconds, and what answers in one.
        "tests/integration/test_hostile_lateness.py",
        "tests/operations/test_dashboards.py",
        "tests/operations/test_blackbox.py",
    }
)
# Tests of minutes: the end would wait for them.
LONG = frozenset({"tests/integration/test_replay_reference.py"})
# A third of the weight of a play, which needs half a core: the others still go on where the whole run is nice itself.
_NICENESS = 5


class PlaysInOneRow(LoadFileScheduling):
    """Give each worker a file at a time, and all plays to one."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "plays" if file in PLAYS else file


def turn(nodeid: str) -> int:
    """Say which tests come first: plays, then the long ones, then the others."""
    file = nodeid.split("::", 1)[0]
    return 0 if file in PLAYS else 1 if file in LONG else 2


def yield_to_plays(nodeid: str) -> None:
    """Lower the priority of this worker, and of all that it starts, before its first test that is no play."""
    if turn(nodeid) > 0 and "PYTEST_XDIST_WORKER" in os.environ:
        _lower_priority()


@functools.cache
def _lower_priority() -> None:
    """Become nicer once; there is no way back without rights, and plays come first."""
    os.nice(_NICENESS)
