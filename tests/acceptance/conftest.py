"""One world played once on a whole installation, with Prometheus beside it; the tests here look at what came of it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from msgspec import Struct

from services.runtime.demo.play import DemoResult, Show
from services.runtime.demo.stage import Stage, serving, settings_for, stage
from services.runtime.embedded.server_process import free_port
from services.runtime.installation import Installation
from tests.servers import eventually

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


async def fetch(url: str, **parameters: str) -> tuple[int, str]:
    """Get a text over HTTP."""
    async with aiohttp.ClientSession() as session, session.get(url, params=parameters) as answer:
        return answer.status, await answer.text()


@contextlib.asynccontextmanager
async def prometheus(binary: Path, folder: Path, targets: dict[str, int]) -> AsyncIterator[str]:
    """Run Debian's Prometheus on our rules, scraping every role each second."""
    rules = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules" / "takedown.rules.yml"
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "takedown",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}"], "labels": {"role": name}}
                    for name, port in targets.items()
                ],
            }
        ],
    }
    folder.mkdir()
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        str(binary),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=error",
    )
    address = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return (await fetch(f"{address}/-/ready"))[0] == 200
        return False

    try:
        await eventually("Prometheus is ready", ready)
        yield address
    finally:
        process.terminate()
        await process.wait()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def played(
    jars: Path, prometheus_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Played]:
    """Play a world on a whole installation; takes about 100 seconds, once."""
    folder = tmp_path_factory.mktemp("played")
    chosen = stage(seed=5, cases=CASES)
    began = datetime.now(UTC)
    installation = Installation(settings_for(chosen, began, folder), durable=False, fetch=False)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(installation)
        start = datetime.now(UTC) + timedelta(seconds=4)
        await stack.enter_async_context(serving(chosen, start))
        await installation.ready()
        address = await stack.enter_async_context(
            prometheus(prometheus_binary, folder / "prometheus", installation.ports)
        )
        show = Show(chosen, installation, start)
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
