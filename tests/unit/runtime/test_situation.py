"""What a person at the terminal is told of roles that are not ready."""

from services.runtime.situation import Situation


async def nobody():
    """Nobody waits."""
    return {}


def told_of(*moments):
    """Note roles at instants, and give what is said."""
    lines: list[str] = []
    situation = Situation(nobody, lines.append)
    for now, causes in moments:
        situation.note(causes, now)
    return lines


AWAY = {"ledger": "postgres: ConnectionRefusedError", "relay": "postgres: ConnectionRefusedError"}


def test_a_short_absence_is_not_worth_a_line():
    """A role that is back within three seconds is passed over in silence."""
    assert told_of((0, AWAY), (2, AWAY), (2.5, {})) == []


def test_one_line_says_who_waits_for_what():
    """Roles with one cause stand together; the same is not said again, and the end is."""
    lines = told_of((-9, {}), (0, AWAY), (4, AWAY), (5, AWAY), (9, {}), (20, {}))
    assert lines == [
        "not ready: ledger, relay (postgres: ConnectionRefusedError)",
        "every role is ready again after 9 s",
    ]


def test_what_lasts_is_said_again():
    """After a minute the line comes again: whoever opens the terminal then sees it."""
    assert len(told_of((0, AWAY), (4, AWAY), (30, AWAY), (65, AWAY))) == 2


def test_the_first_time_is_no_return():
    """A start that takes long says what it waits for; that it is ready stands in its introduction."""
    assert told_of((0, AWAY), (4, AWAY), (9, {})) == [
        "not ready: ledger, relay (postgres: ConnectionRefusedError)"
    ]
