"""Run commands of the program as processes of their own, as an operator's terminal would."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.runtime.settings import Settings, environment_of
from tests.servers import REPOSITORY

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Done:
    """What a command said, and how it ended."""

    status: int
    out: str
    err: str


def environment(settings: Settings) -> dict[str, str]:
    """Give a process exactly these settings."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("TAKEDOWN_")}
    return kept | environment_of(settings) | {"PYTHONPATH": str(REPOSITORY)}


async def takedown(
    settings: Settings, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] = _NONE
) -> Done:
    """Run a command with these settings, to its end; `variables` are added to them."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *arguments,
        env=environment(settings) | dict(variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())
