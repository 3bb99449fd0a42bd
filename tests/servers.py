"""Start real servers for tests, from synchronous fixtures as well as from tests that own one."""

import asyncio
import os
import subprocess
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import asyncpg
import pytest

from services.runtime.embedded import (
    EmbeddedKafka,
    EmbeddedPostgres,
    JarsUnavailable,
    PostgresMissing,
)

T = TypeVar("T")
REPOSITORY = Path(__file__).parent.parent


def run_apart(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own in a thread of its own, and return its result.

    pytest-asyncio gives each test its loop; nothing that outlives a test may be bound to one of those.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(coroutine))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="run_apart")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def unavailable(what: str, error: object) -> NoReturn:
    """Skip on a laptop, fail in CI: a test that was not run must not look like one that passed."""
    message = f"{what} can't be had here: {error}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@contextmanager
def running(server: EmbeddedKafka | EmbeddedPostgres, what: str) -> Iterator[None]:
    """Hold a server for as long as the block lasts, without a loop around it."""
    try:
        run_apart(server.start())
    except (JarsUnavailable, PostgresMissing) as error:
        unavailable(what, error)
    try:
        yield
    finally:
        run_apart(server.stop())


@contextmanager
def fresh_database(server: EmbeddedPostgres) -> Iterator[str]:
    """Make an empty database, yield its name, drop it together with the sessions left on it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    run_apart(_execute(server.dsn, f"CREATE DATABASE {name}"))
    try:
        yield name
    finally:
        run_apart(_execute(server.dsn, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def eventually(
    what: str | Callable[[], str], condition: Callable[[], Awaitable[T]], seconds: float = 20.0
) -> T:
    """Return the first true result of `condition`; fail, naming `what` (as it is then), if none comes in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while loop.time() < deadline:
        if result := await condition():
            return result
        await asyncio.sleep(0.05)
    pytest.fail(f"not within {seconds:g} s: {what if isinstance(what, str) else what()}")


def debian_tool(name: str) -> Path:
    """Find a program of Debian's that `scripts/debian-tools` has made available."""
    script = REPOSITORY / "scripts" / "debian-tools"
    found = subprocess.run([script, "--cached", name], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        unavailable(name, found.stderr.strip())
    return Path(found.stdout.strip()) / name
