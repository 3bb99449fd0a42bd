"""Fixtures of the tests with servers."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.lab import Lab
from tests.integration.looksites import NameServer


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    names = await NameServer({"a.example": ["127.0.0.1"]}).start()
    lab = Lab(names)
    yield lab
    await lab.close()
