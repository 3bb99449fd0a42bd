"""Twenty random kills of ledger, prober and relay during a run change nothing in what is concluded."""

import asyncio
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.methodology import Methodology
from services.ledger.ledger_digest import ledger_digest
from services.ledger.pool import open_pool
from services.runtime.connections import database_connection
from services.runtime.demo.play import Show
from services.runtime.demo.stage import serving, settings_for, stage
from services.runtime.installation import Installation
from services.runtime.supervisor import Backoff
from tests.servers import eventually
from tests.streams import undisturbed

KILLS = 20
VICTIMS = ("ledger", "prober", "relay")
NEVER = {"false_removal", "false_breach", "wrong_interval", "false_within", "false_move"}


async def kill_at_random(
    installation: Installation, rng: random.Random, seconds: float
) -> list[str]:
    """SIGKILL one process after the other, at random instants within so many seconds."""
    killed: list[str] = []
    instants = sorted(rng.uniform(3, seconds) for _ in range(KILLS))
    gone = 0.0
    for instant in instants:
        await asyncio.sleep(instant - gone)
        gone = instant
        victim = rng.choice(VICTIMS)
        await installation.kill(victim)
        killed.append(victim)
    return killed


async def test_kills_change_no_conclusion(jars: Path, tmp_path: Path) -> None:
    """After 20 kill -9 the digest of cases, spells and transitions is that of an undisturbed fold."""
    chosen = stage(seed=11, cases=120)
    settings = settings_for(chosen, datetime.now(UTC), tmp_path)
    quick = Backoff(first_seconds=0.1, longest_seconds=0.5)
    async with Installation(settings, durable=False, fetch=False, backoff=quick) as installation:
        start = datetime.now(UTC) + timedelta(seconds=4)
        async with serving(chosen, start):
            await installation.ready()
            show = Show(chosen, installation, start)
            rng = random.Random(4)
            playing = asyncio.create_task(show.play(lambda _: None))
            killed = await kill_at_random(installation, rng, 70)
            await playing
            await installation.ready()
            await agree(installation, show.method)
            result = await show.compare(start)
    assert set(killed) == set(VICTIMS)
    kinds = {failure.kind for failure in result.verification.failures}
    assert kinds & NEVER == set(), result.verification.failures
    assert result.breaches_metric == result.breaches_ledger


@contextmanager
def held(installation: Installation, role: str) -> Iterator[None]:
    """Stop the processes of a role for as long as the block lasts."""
    names = [name for name in installation.ports if name.startswith(role)]
    for name in names:
        installation.children[name].signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for name in names:
            installation.children[name].signal(signal.SIGCONT)


async def agree(installation: Installation, method: Methodology) -> None:
    """Wait until the ledger has read everything, and hold it against a fold of the record.

    While probers look, the record has no end to fold to.
    """
    with held(installation, "prober"):
        await agree_on_record(installation, method)


async def agree_on_record(installation: Installation, method: Methodology) -> None:
    """Wait until the ledger is a fold of the record; for as long as nobody looks."""
    pool = await open_pool(database_connection(installation.settings, max_size=2))

    async def equal() -> bool:
        expected = await undisturbed(installation.bootstrap_servers, installation.keyring, method)
        return bool(await ledger_digest(pool) == expected)

    try:
        await eventually("the ledger equals an undisturbed fold", equal, seconds=40)
    finally:
        await pool.close()
