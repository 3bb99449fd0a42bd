"""Run Debian's blackbox_exporter beside us, and ask it."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from services.runtime.embedded.server_process import free_port
from tests.servers import debian_tool

_HTTP = {"preferred_ip_protocol": "ip4"}
_UNVERIFIED = {"tls_config": {"insecure_skip_verify": True}}
HEAD_MODULE = {"prober": "http", "http": {**_HTTP, "method": "HEAD", "follow_redirects": False}}
GET_MODULE = {"prober": "http", "http": {**_HTTP, **_UNVERIFIED, "method": "GET"}}
VERIFYING_MODULE = {"prober": "http", "http": {**_HTTP, "method": "GET"}}


def dns_module(name: str) -> dict[str, Any]:
    """Ask a name server for the addresses of a name."""
    asked = {"query_name": name, "query_type": "A", "valid_rcodes": ["NOERROR"]}
    return {"prober": "dns", "dns": {**asked, "preferred_ip_protocol": "ip4"}}


@dataclass(frozen=True, slots=True)
class Blackbox:
    """A running exporter."""

    port: int
    pid: int

    def path(self, target: str, module: str) -> str:
        """Give the path that asks about a target."""
        return f"/probe?module={module}&target={quote(target, safe='')}"

    async def probe(self, target: str, module: str) -> dict[str, float]:
        """Ask about a target; returns every sample without labels by its name."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {self.path(target, module)} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        text = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        lines = (line.split(" ") for line in text.splitlines() if line.startswith("probe_"))
        return {words[0]: float(words[1]) for words in lines if "{" not in words[0]}


@contextlib.asynccontextmanager
async def blackbox(
    modules: Mapping[str, Mapping[str, Any]], timeout: str = "2s"
) -> AsyncIterator[Blackbox]:
    """Run an exporter with some modules."""
    binary = debian_tool("blackbox_exporter")
    port = free_port()
    config = {"modules": {name: {"timeout": timeout, **made} for name, made in modules.items()}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "blackbox.yml"
        file.write_text(json.dumps(config))
        process = await asyncio.create_subprocess_exec(
            str(binary),
            f"--config.file={file}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        )
        try:
            await _until_it_listens(port)
            yield Blackbox(port, process.pid)
        finally:
            process.terminate()
            await process.wait()


async def _until_it_listens(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return
