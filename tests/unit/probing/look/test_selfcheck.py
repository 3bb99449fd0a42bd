"""When many unrelated hosts fail at once, the vantage is blind."""

from datetime import timedelta

from services.probing.look.selfcheck import SelfCheck, SelfCheckLimits

HOUR = 3600.0


def test_many_unrelated_failures_blind() -> None:
    """Half of five unrelated hosts failing within the window voids it; four hosts say nothing."""
    check = SelfCheck(SelfCheckLimits(window_seconds=60, hosts=5, share=0.5))
    for n in range(4):
        check.note(f"h{n}.example", float(n), failed=True)
    assert not check.blind(4.0)
    check.note("h4.example", 4.0, failed=False)
    assert check.blind(4.0)


def test_one_host_counts_once() -> None:
    """Ten thousand dark URLs of one host are one dark host."""
    check = SelfCheck()
    for n in range(4):
        check.note(f"up{n}.example", 0.0, failed=False)
    for _ in range(1000):
        check.note("giant.example", 1.0, failed=True)
    assert not check.blind(1.0)


def test_sight_comes_back() -> None:
    """Failures leave the window with time, or when their hosts answer again."""
    check = SelfCheck()
    for n in range(6):
        check.note(f"h{n}.example", 0.0, failed=True)
    assert check.blind(59.0)
    assert not check.blind(61.0)
    for n in range(6):
        check.note(f"h{n}.example", 100.0, failed=True)
    for n in range(4):
        check.note(f"h{n}.example", 101.0, failed=False)
    assert not check.blind(101.0)


def rounds(check: SelfCheck, first: float, last: float, *, living_fail: bool = False) -> list[bool]:
    """Look every two hours at five hosts that died long ago and at five that live; tell at which looks it was blind."""
    blind, at = [], first
    while at <= last:
        for n in range(5):
            check.note(f"dead{n}.example", at, failed=True)
            check.note(f"living{n}.example", at, failed=living_fail)
        blind.append(check.blind(at))
        at += 2 * HOUR
    return blind


def test_a_dead_half_of_all_hosts_blinds_for_six_hours_and_no_longer() -> None:
    """Who has failed at every look for so long says nothing of us; a new prober knows it after that time."""
    assert rounds(SelfCheck(), 0.0, 12 * HOUR) == [True, True, True, False, False, False, False]
    assert SelfCheckLimits.within(timedelta(hours=48)) == SelfCheckLimits()


def test_what_the_ledger_knows_to_be_dark_blinds_nobody() -> None:
    """Also right after a start, which knows nothing else of those hosts."""
    check = SelfCheck()
    for n in range(5):
        check.note(f"dead{n}.example", 0.0, failed=True, dark=True)
        check.note(f"living{n}.example", 0.0, failed=False)
    assert not check.blind(0.0)


def test_an_outage_of_ours_beside_a_dead_half_is_seen() -> None:
    """The hosts that lived until then fail at once: blind from the first of them on, until they answer again."""
    check = SelfCheck()
    rounds(check, 0.0, 8 * HOUR)
    assert rounds(check, 10 * HOUR, 12 * HOUR, living_fail=True) == [True, True]
    assert rounds(check, 14 * HOUR, 14 * HOUR) == [False]


def test_a_host_that_answered_once_fails_anew() -> None:
    """What counts is how long it has failed without an answer in between."""
    check = SelfCheck()
    rounds(check, 0.0, 8 * HOUR)
    for n in range(5):
        check.note(f"dead{n}.example", 9 * HOUR, failed=False)
    assert rounds(check, 10 * HOUR, 10 * HOUR) == [True]


def test_memory_of_failing_hosts_is_bounded() -> None:
    """Those that were looked at longest ago are forgotten, and count as failing for six hours more."""
    check = SelfCheck(most_failing=3)
    for n in range(5):
        check.note(f"dead{n}.example", 0.0, failed=True)
    assert len(check._since) == 3
    for n in range(5):
        check.note(f"dead{n}.example", 7 * HOUR, failed=True)
        check.note(f"living{n}.example", 7 * HOUR, failed=False)
    assert repr(check) == "<SelfCheck 5 of 10 hosts failed>"
