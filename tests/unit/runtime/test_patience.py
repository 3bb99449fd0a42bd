"""Work that waits for a server: which errors it waits out, and what it says."""

import asyncpg
import pytest

from services.ledger.failover import DatabaseReadOnly
from services.runtime import patience
from services.runtime.patience import patiently


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Let no test wait, and every cause be worth a line."""

    async def at_once(seconds):
        assert seconds <= 2

    monkeypatch.setattr(patience.asyncio, "sleep", at_once)
    monkeypatch.setattr(patience, "_QUIET_SECONDS", 0.0)


def failing(*errors):
    """Fail with each error in turn, then succeed."""
    waiting = list(errors)

    async def work():
        if waiting:
            raise waiting.pop(0)
        return "done"

    return work


async def test_servers_that_are_away_are_waited_for():
    """No connection, a start and a database that takes no writes pass; each cause is said once."""
    errors = (ConnectionRefusedError(), ConnectionRefusedError(), DatabaseReadOnly("a standby"))
    lines = []
    assert await patiently(failing(*errors), lines.append) == "done"
    assert lines == ["waiting: ConnectionRefusedError", "waiting: DatabaseReadOnly"]


async def test_what_a_person_must_mend_is_raised():
    """A refused login is not waited for."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await patiently(failing(asyncpg.InvalidPasswordError("no")), print)
