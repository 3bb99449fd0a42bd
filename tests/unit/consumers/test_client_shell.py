"""The shell around a client: what ends its work."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from consumers.client.shell import ClientShell
from consumers.client.watchdog import Stuck


async def never() -> None:
    await asyncio.Event().wait()


async def test_a_fetcher_that_dies_ends_the_client() -> None:
    """A client whose fetcher has died of an error that it tells nobody is given up at once, not when it stood still."""
    died: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    died.set_exception(RuntimeError("the handler is closed"))
    consumer: Any = SimpleNamespace(_fetcher=SimpleNamespace(error_future=died))
    watchdog: Any = SimpleNamespace(run=never)
    shell = ClientShell("ledger", consumer, stop_seconds=1)
    with pytest.raises(Stuck):
        await shell.guard(never(), watchdog)
    assert isinstance(died.exception(), RuntimeError)
