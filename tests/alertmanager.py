"""Run Debian's Alertmanager on the shipped routes and rules of inhibition, with a hook for each receiver."""

import asyncio
import contextlib
import os
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from services.runtime.embedded.server_process import free_port
from tests.servers import REPOSITORY, debian_tool

Labels = dict[str, str]
# Debian's build reads its templates from where the package would install them.
_TEMPLATES = Path("/usr/share/prometheus/alertmanager/default.tmpl")
# A name space of its own, in which the unpacked package lies over /usr/share; nothing of the machine changes.
_UNPACKED = 'mount -t overlay overlay -o "lowerdir=$0/usr/share:/usr/share" /usr/share && exec "$@"'


@dataclass(slots=True)
class Alertmanager:
    """A running one: what it is told, and what its receivers were told."""

    base: str
    client: aiohttp.ClientSession
    messages: dict[str, list[Labels]] = field(default_factory=lambda: defaultdict(list))

    async def tell(self, *alerts: Labels) -> None:
        """Post alerts, as Prometheus does."""
        body = [{"labels": labels} for labels in alerts]
        async with self.client.post(f"{self.base}/api/v2/alerts", json=body) as answer:
            answer.raise_for_status()

    async def alerts(self) -> list[dict[str, Any]]:
        """Give the alerts with their receivers, and by what they are inhibited."""
        async with self.client.get(f"{self.base}/api/v2/alerts") as answer:
            answer.raise_for_status()
            return list(await answer.json())

    async def hear(self, request: web.Request) -> web.Response:
        """Take the message of a receiver."""
        told = (await request.json())["alerts"]
        self.messages[request.match_info["receiver"]].extend(one["labels"] for one in told)
        return web.Response()


def shipped_config() -> dict[str, Any]:
    """Read the file that is shipped."""
    return dict(yaml.safe_load((REPOSITORY / "deploy/alertmanager/alertmanager.yml").read_text()))


@contextlib.asynccontextmanager
async def alertmanager() -> AsyncIterator[Alertmanager]:
    """Run one whose receivers are heard at once; routes and rules are those that are shipped."""
    port = free_port()
    async with aiohttp.ClientSession() as client:
        manager = Alertmanager(f"http://127.0.0.1:{port}", client)
        async with _hooks(manager) as hooks:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "alertmanager.yml"
                file.write_text(yaml.safe_dump(_heard_at(hooks)))
                async with _process(file, port), asyncio.timeout(20):
                    await _until_ready(manager)
                    yield manager


def _heard_at(hooks: str) -> dict[str, Any]:
    config = shipped_config()
    config["route"]["group_wait"] = "500ms"
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{hooks}/{receiver['name']}"}]
    return config


@contextlib.asynccontextmanager
async def _hooks(manager: Alertmanager) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/{receiver}", manager.hear)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _process(file: Path, port: int) -> AsyncIterator[None]:
    options = (
        f"--config.file={file}",
        f"--storage.path={file.parent}",
        f"--web.listen-address=127.0.0.1:{port}",
        # Else it looks for peers on every address of the machine.
        "--cluster.listen-address=",
        "--log.level=error",
    )
    process = await asyncio.create_subprocess_exec(*_command(), *options)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def _command() -> list[str]:
    program = debian_tool("alertmanager").resolve()
    tree = program.parent.parent.parent
    if _TEMPLATES.exists() or not (tree / _TEMPLATES.relative_to("/")).exists():
        return [str(program)]
    alone = (
        ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    )
    return [*alone, "sh", "-c", _UNPACKED, str(tree), str(program)]


async def _until_ready(manager: Alertmanager) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientError):
            async with manager.client.get(f"{manager.base}/-/ready") as answer:
                if answer.ok:
                    return
        await asyncio.sleep(0.05)
