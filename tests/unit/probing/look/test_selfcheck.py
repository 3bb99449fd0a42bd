"""When many unrelated hosts fail at once, the vantage is blind."""

from services.probing.look.selfcheck import SelfCheck, SelfCheckLimits


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
