"""One round of retention at a time for a ledger, on whichever machines they run: a lock in its database.

Two rounds at once could each delete what only the other one has archived. The lock is held in a transaction, so that it
works behind PgBouncer too; it has touched no row and keeps no snapshot, so that nothing waits for it but a retention.
It goes with its session: a machine that vanishes loses it once the server ends idle transactions, after a minute.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from schemas.errors import TakedownError
from services.ledger.queries import query

_LOCK = 0x7A4E_D0F2
# Well below the minute after which the server ends an idle transaction.
_SIGN_SECONDS = 15.0


class RetentionBusy(TakedownError):
    """Another process does the same work."""


class RoundLock:
    """Held for a round; `require` sees that it still is."""

    def __init__(self, pool: asyncpg.Pool, sign_seconds: float = _SIGN_SECONDS) -> None:
        self._pool = pool
        self._sign_seconds = sign_seconds
        self._session: Any = None
        self._asking = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<RoundLock {'free' if self._session is None else 'held'}>"

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the lock for as long as the block lasts; raises `RetentionBusy` where another process has it."""
        async with self._pool.acquire() as session, session.transaction():
            if not await session.fetchval(query("try_retention_lock"), _LOCK):
                raise RetentionBusy("another retention of this ledger is at work; wait for it")
            self._session = session
            signing = asyncio.create_task(self._sign())
            try:
                yield
            finally:
                self._session = None
                signing.cancel()
                await asyncio.wait({signing})

    async def require(self) -> None:
        """Return while the lock is held; raises what the database's client does where its session is lost."""
        async with self._asking:
            await self._session.fetchval(query("require_retention_lock"))

    async def _sign(self) -> None:
        """Keep the server from ending the transaction; what fails here fails in `require` as well."""
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            while True:
                await asyncio.sleep(self._sign_seconds)
                await self.require()
