"""What a library may write while its server is away."""

import logging

from services.runtime.logthrottle import Throttle


def line(name, number=1):
    """A line of a library from a place in its code."""
    return logging.LogRecord(name, logging.ERROR, "client.py", number, "can't connect", (), None)


def test_a_library_says_the_same_once_in_ten_seconds():
    """One line of each place passes, and again after the period; our own lines pass always."""
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    passed = [throttle.filter(line("aiokafka.client")) for _ in range(3)]
    assert passed == [True, False, False]
    assert throttle.filter(line("aiokafka.client", 2))
    assert [throttle.filter(line("consumers.ledger")) for _ in range(3)] == [True] * 3
    now[0] = 10.0
    assert throttle.filter(line("aiokafka.client"))
