"""Targets that work on a real PostgreSQL: which they are, how they change an input, and the server that they have."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from services.runtime.embedded import EmbeddedPostgres
from tests.fuzzing.ledger_target import DATABASE, sql
from tests.fuzzing.mutations import mutated

WITH_POSTGRES: Mapping[str, Callable[[bytes], None]] = {"sql": sql}
"""Such targets by the name that the command line knows."""
MUTATIONS: Mapping[str, Callable[[bytes, int, int], bytes]] = {"sql": mutated}
"""How an input is changed in its own form: bytes, how many they may become, and a seed."""


@contextmanager
def postgres() -> Iterator[Mapping[str, str]]:
    """Run a server of our own without fsync; give what a target's process has in its environment.

    Raises `PostgresMissing` where there is none to start.
    """
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", durable=False)
        asyncio.run(server.start())
        try:
            yield {DATABASE: server.dsn}
        finally:
            asyncio.run(server.stop())
