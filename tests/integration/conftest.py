"""Fixtures of the tests with servers."""

from collections.abc import AsyncIterator

import pytest

from tests.integration import ledger_kit
from tests.integration.lab import Lab
from tests.integration.looksites import NameServer


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    names = await NameServer({"a.example": ["127.0.0.1"]}).start()
    lab = Lab(names)
    yield lab
    await lab.close()


@pytest.fixture
async def ledger(kafka_bootstrap: str, postgres_dsn: str) -> AsyncIterator[ledger_kit.Lab]:
    """Give a ledger with empty topics and an empty database; none of its members runs yet."""
    async with ledger_kit.lab(kafka_bootstrap, postgres_dsn) as made:
        yield made


@pytest.fixture
async def running(ledger: ledger_kit.Lab) -> AsyncIterator[None]:
    """Have one member of the ledger run for as long as the test."""
    ledger.start()
    yield
    await ledger.stop()
