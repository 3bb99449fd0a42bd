"""One world played once on a whole installation, with Prometheus beside it; the tests here look at what came of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import Struct

from scripts.tour import prometheus
from services.runtime.demo.play import DemoResult, Show, staged
from services.runtime.demo.stage import Stage, settings_for, stage
from services.runtime.installation import Installation

CASES = 240


class Played(Struct, kw_only=True):
    """A world after its play, its installation still running."""

    chosen: Stage
    folder: Path
    installation: Installation
    show: Show
    result: DemoResult
    prometheus: str

    def url(self, role: str, path: str) -> str:
        """Address one of the processes."""
        return f"http://127.0.0.1:{self.installation.ports[role]}{path}"


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def played(
    jars: Path, prometheus_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Played]:
    """Play a world on a whole installation; takes about 100 seconds, once."""
    folder = tmp_path_factory.mktemp("played")
    chosen = stage(seed=5, cases=CASES)
    began = datetime.now(UTC)
    installation = Installation(settings_for(chosen, began, folder), durable=False, fetch=False)
    async with (
        staged(chosen, installation, lambda _: None) as (show, _),
        prometheus(prometheus_binary, folder / "prometheus", installation.ports) as address,
    ):
        await show.play(lambda _: None)
        result = await show.compare(began)
        yield Played(
            chosen=chosen,
            folder=folder,
            installation=installation,
            show=show,
            result=result,
            prometheus=address,
        )
