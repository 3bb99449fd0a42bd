"""When nothing of a host answers: an outage of minutes is told from a host that is gone."""

from datetime import timedelta

from schemas.methodology import shipped
from services.probing.look.darkness import Darkness, DarknessLimits
from services.runtime import prober_assembly
from services.runtime.settings import Probe
from tests.unit.simulation.test_simulation_truth import TWO_VANTAGES

HOUR = 3600.0


def test_a_host_is_dark_after_hours_and_looks() -> None:
    """Both are asked for: three looks in a minute are an outage, and so are two that lie hours apart."""
    many, few = Darkness(), Darkness()
    assert [many.dark("a", at) for at in (0.0, 20.0, 40.0, 6 * HOUR)] == [False, False, False, True]
    assert [few.dark("a", at) for at in (0.0, 6 * HOUR, 6 * HOUR + 1)] == [False, False, True]


def test_an_answer_ends_the_dark() -> None:
    """Whoever answered once begins anew, and nobody else does."""
    found = Darkness(DarknessLimits(seconds=10.0, looks=2))
    for host in ("a", "b"):
        found.dark(host, 0.0)
    found.alive("a")
    assert [found.dark(host, 20.0) for host in ("a", "b")] == [False, True]


def test_a_dark_that_other_looks_broke_off_begins_anew() -> None:
    """One old silence, resets for days, and two silences are no host that is dark for days."""
    found = Darkness(DarknessLimits(seconds=10.0, looks=3))
    for host in ("broken off", "rarely looked at", "soon again"):
        found.dark(host, 0.0)
    for host in ("broken off", "soon again", "unheard of"):
        found.unclear(host)
    assert not found.dark("soon again", 10.0)
    assert [found.dark("broken off", at) for at in (100.0, 101.0, 110.0)] == [False, False, True]
    assert [found.dark("rarely looked at", at) for at in (100.0, 200.0)] == [False, True]
    assert found.dark("soon again", 20.0)


def test_what_is_forgotten_waits_longer() -> None:
    """Of more hosts than it may remember the oldest are forgotten, and none is called dark too early."""
    found = Darkness(DarknessLimits(seconds=10.0, looks=2), most_hosts=2)
    for host in ("a", "b", "c"):
        found.dark(host, 0.0)
    assert [found.dark(host, 20.0) for host in ("c", "a")] == [True, False]
    assert repr(found) == "<Darkness 2 hosts>"


def test_the_prober_waits_an_eighth_of_what_the_methodology_asks() -> None:
    """Six hours of the 48 of every shipped methodology, and less where the definition or its time is shorter."""
    waits = {prober_assembly._limits(Probe(), method).darkness for method in shipped().values()}
    assert waits == {DarknessLimits()}
    assert prober_assembly._limits(Probe(), TWO_VANTAGES).darkness.seconds == 1.5
    assert DarknessLimits.within(timedelta(hours=8)).seconds == HOUR


def test_a_front_page_of_before_the_dark_is_soon_asked_again() -> None:
    """An hour of the six that make a host dark, and as much less where those are fewer: else it lived for ever."""
    fronts = {
        prober_assembly._limits(Probe(), method).front_interval_seconds
        for method in shipped().values()
    }
    assert fronts == {HOUR}
    assert prober_assembly._limits(Probe(), TWO_VANTAGES).front_interval_seconds == 0.25


def test_a_confirming_look_asks_again_for_a_control_that_got_lost() -> None:
    """Five minutes at the Dutch cadence, and where nothing confirms; as much less as the cadence is denser."""
    named = {method.id: method for method in (*shipped().values(), TWO_VANTAGES)}
    names = ("nl-24h", "urlhaus-report-clock", "terrorist-1h", "gauntlet-2v")
    limits = [prober_assembly._limits(Probe(), named[name]) for name in names]
    assert [one.control_retry_seconds for one in limits] == [300.0, 300.0, 120.0, 1.0]
