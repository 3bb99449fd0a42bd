"""The role `intake` as a process of its own: started, killed, started again, and posted to."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from services.intake.reporter_tokens import hashed, new_token, write_tokens
from services.runtime import keyfile
from services.runtime.embedded.server_process import free_port
from tests.integration.ledger_kit import KEYRING
from tests.servers import REPOSITORY, eventually


def own_keys(folder: Path) -> Path:
    """Write the keys of the tests where a command looks for them."""
    sealing = {name: key.hex() for name, key in KEYRING.sealing.items()}
    keys = keyfile.KeyFile(naming=KEYRING.naming.hex(), active=KEYRING.active, sealing=sealing)
    path = folder / "keys.toml"
    keyfile.write_keys(path, keys)
    return path


class IntakeProcess:
    """One intake with one reporter, on a port of its own."""

    def __init__(self, folder: Path, bootstrap: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.token = new_token()
        write_tokens(folder / "tokens.toml", {hashed(self.token): "hotline-nl"})
        self.port = free_port(frozenset())
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "intake.log"
        self._process: asyncio.subprocess.Process | None = None
        health = free_port(frozenset({self.port}))
        self._variables = {
            "TAKEDOWN_DATA_DIR": str(folder),
            "TAKEDOWN_KEYS_FILE": str(own_keys(folder)),
            "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "TAKEDOWN_INTAKE_TOKENS_FILE": str(folder / "tokens.toml"),
            "TAKEDOWN_INTAKE_PORT": str(self.port),
            "TAKEDOWN_HTTP_PORT": str(health),
            **settings,
        }

    @property
    def headers(self) -> Mapping[str, str]:
        """What a reporter sends with every request."""
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    async def start(self) -> None:
        """Start it, and return when it answers."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TAKEDOWN_")}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.cli", "run", "intake",
                env=kept | self._variables | {"PYTHONPATH": str(REPOSITORY)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )  # fmt: skip
        await eventually("the intake answers", self._answers)

    async def kill(self) -> None:
        """SIGKILL it."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Stop it in order; give its status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        process = self._process
        assert process is not None
        if process.returncode is None:
            process.send_signal(number)
        return await process.wait()

    async def _answers(self) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{self.url}/v1/openapi.json") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False


def report(number: int) -> dict[str, Any]:
    """A report of a URL of its own."""
    return {
        "url": f"https://marker{number}.example/{number}",
        "reported_at": "2026-03-01T11:00:00Z",
        "provider": "giant",
        "reference": f"r-{number}",
    }
