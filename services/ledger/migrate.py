"""Bring a database to this program's schema: plain SQL files, in order, each once.

A file is `NNNN_{pre,post}_name.sql`: `pre` runs before new code is deployed, `post` after the old code is gone.
Applied files never change. A program runs on a database that has later `pre` files, which only add, and refuses one
that has a `post` file which it does not know: that one took away what the program may need.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Literal

import asyncpg
import structlog

from schemas.errors import TakedownError
from schemas.sqlfiles import statements
from services.ledger.transient import is_transient

log = structlog.get_logger(__name__)

Phase = Literal["pre", "post"]
State = Literal["applied", "pending"]
_NAME = re.compile(r"(\d{4})_(pre|post)_([a-z0-9_]+)\.sql")
# One migration at a time per database; the number is "takedown" in no alphabet, only ours.
_LOCK = 0x7A4E_D0FF


class MigrationError(TakedownError):
    """The database and the program's migrations contradict each other."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    name: str
    phase: Phase
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Status:
    """One file as the database knows it."""

    name: str
    phase: Phase
    state: State


def _statement(name: str) -> str:
    return statements("services.ledger", "migrate.sql")[name]


def shipped() -> list[Migration]:
    """Read the program's migrations, in order."""
    folder = resources.files("schemas") / "migrations"
    files = {f.name: f.read_text("utf-8") for f in folder.iterdir() if f.name.endswith(".sql")}
    return parse(files)


def parse(files: dict[str, str]) -> list[Migration]:
    """Make migrations of file names and texts; raises `MigrationError` for a name out of form."""
    migrations, numbers = [], set()
    for name in sorted(files):
        match = _NAME.fullmatch(name)
        if match is None:
            raise MigrationError(
                f"{name} is no migration; name it NNNN_pre_name.sql or NNNN_post_name.sql"
            )
        if match[1] in numbers:
            raise MigrationError(f"two migrations have the number {match[1]}; renumber {name}")
        numbers.add(match[1])
        migrations.append(Migration(name, "pre" if match[2] == "pre" else "post", files[name]))
    return migrations


async def status(
    session: asyncpg.Connection, migrations: list[Migration] | None = None
) -> list[Status]:
    """Tell for every file whether it was applied; raises `MigrationError` on a contradiction."""
    ours = shipped() if migrations is None else migrations
    applied = await _applied(session)
    _check(ours, applied)
    return [Status(m.name, m.phase, "applied" if m.name in applied else "pending") for m in ours]


async def plan(
    session: asyncpg.Connection, migrations: list[Migration] | None = None
) -> list[Migration]:
    """Give the files that `up` would apply, and apply nothing."""
    ours = shipped() if migrations is None else migrations
    applied = await _applied(session)
    _check(ours, applied)
    return [m for m in ours if m.name not in applied]


async def up(
    session: asyncpg.Connection,
    migrations: list[Migration] | None = None,
    *,
    phase: Phase | None = None,
) -> list[str]:
    """Apply what is missing, each file in a transaction; return the names.

    `phase` stops before the first file of the other phase. A second runner waits for each file, then goes on after it.
    """
    done = []
    while (name := await _apply_next(session, migrations, phase)) is not None:
        done.append(name)
    return done


async def require_current(session: asyncpg.Connection) -> None:
    """Refuse to work on a database that lacks a `pre` migration; raises `MigrationError`.

    A `post` file may wait: it comes once the old code is gone, so the new code runs before it.
    """
    missing = [m for m in await plan(session) if m.phase == "pre"]
    if missing:
        names = ", ".join(m.name for m in missing)
        raise MigrationError(f"the database lacks {names}; run `takedown migrate up`")


async def _apply_next(
    session: asyncpg.Connection, migrations: list[Migration] | None, phase: Phase | None
) -> str | None:
    """Apply the first missing file, alone: the lock ends with the transaction, as a pooler needs it."""
    async with session.transaction():
        await session.execute(_statement("lock"), _LOCK)
        await session.execute(_statement("create_registry"))
        missing = await plan(session, migrations)
        if not missing or phase not in (None, missing[0].phase):
            return None
        await _apply(session, missing[0])
    log.info("migrate.applied", name=missing[0].name)
    return missing[0].name


async def _apply(session: asyncpg.Connection, migration: Migration) -> None:
    try:
        await session.execute(migration.sql)
    except asyncpg.PostgresError as error:
        if is_transient(error):
            raise
        raise MigrationError(
            f"{migration.name} failed and was rolled back: {error}; nothing of it is in the database"
        ) from error
    await session.execute(_statement("note_applied"), migration.name, migration.checksum)


async def _applied(session: asyncpg.Connection) -> dict[str, str]:
    if await session.fetchval(_statement("has_registry")) is None:
        return {}
    rows = await session.fetch(_statement("applied"))
    return {row["name"]: row["checksum"] for row in rows}


def _only_adds(name: str) -> bool:
    match = _NAME.fullmatch(name)
    return match is not None and match[2] == "pre"


def _check(ours: list[Migration], applied: dict[str, str]) -> None:
    names = {m.name: m.checksum for m in ours}
    newer = sorted(name for name in applied if name not in names and not _only_adds(name))
    if newer:
        raise MigrationError(
            f"the database has {', '.join(newer)}, which this program does not know: "
            "it is newer than the program; upgrade the program"
        )
    changed = [name for name, checksum in names.items() if applied.get(name, checksum) != checksum]
    if changed:
        raise MigrationError(
            f"{', '.join(changed)} was changed after it was applied; "
            "restore the file and put the change into a new migration"
        )
    pending = [name for name in sorted(names) if name not in applied]
    late = [name for name in pending if applied and name < max(applied)]
    if late:
        raise MigrationError(
            f"{', '.join(late)} comes before a migration that was already applied; give it a higher number"
        )
