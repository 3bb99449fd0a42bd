"""Exposure: at least from sighting to sighting, at most from removal to removal, stretch by stretch."""

import pytest

from services.core.exposure import exposure_bounds
from services.core.fold import fold
from tests.unit.core.test_fold import NL, at, gone, moved, notice, online, report, spell

HOUR = 3600.0
FILED = (report(), notice(1))


def test_an_open_stretch_is_counted_when_it_is_read() -> None:
    """From the first sighting to the last at least; from the report to the instant asked for at most."""
    found = spell(*FILED, online(2), online(5))
    assert exposure_bounds(found, at(10)) == (3 * HOUR, 10 * HOUR)
    assert exposure_bounds(found, at(20)) == (3 * HOUR, 20 * HOUR)


def test_a_removal_ends_a_stretch() -> None:
    """Between the last sighting and the first look that saw it gone."""
    found = spell(*FILED, online(2), online(5), *gone(6))
    lower, upper = exposure_bounds(found, at(100))
    assert (lower, upper) == (3 * HOUR, pytest.approx(6 * HOUR, abs=1))


def test_the_stretch_after_two_returns_begins_at_the_last_removal() -> None:
    """What was gone in between was not online, whatever was removed first."""
    returns = (online(10), *gone(11, further=6), online(20), online(22))
    lower, upper = exposure_bounds(spell(*FILED, online(2), *gone(5), *returns), at(30))
    assert lower == 2 * HOUR
    # 0 to 5, 5 to 11 and 11 to 30: back since right after each removal, at most.
    assert upper == pytest.approx(30 * HOUR, abs=1)
    again = (online(10), *gone(11, further=6))
    _, closed = exposure_bounds(spell(*FILED, online(2), *gone(5), *again), at(30))
    assert closed == pytest.approx(11 * HOUR, abs=1)


def test_a_move_ends_the_stretch_of_the_old_provider() -> None:
    """At the first look that saw it elsewhere, however late the move was confirmed."""
    old, new = fold([*FILED, online(2), *moved(5)], NL)[0].spells
    assert exposure_bounds(old, at(30))[1] == pytest.approx(5 * HOUR, abs=1)
    assert exposure_bounds(new, at(30)) == (0.75 * HOUR, 25 * HOUR)
