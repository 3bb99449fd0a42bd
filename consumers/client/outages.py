"""Waiting out outages of Kafka and of Postgres: for those who have a ledger; a prober has none."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from consumers.client import retry
from services.ledger.transient import is_transient as is_transient_database

log = structlog.get_logger(__name__)


def is_transient(error: BaseException) -> bool:
    """Tell whether an error of Kafka or Postgres may pass by itself."""
    return retry.is_transient(error) or is_transient_database(error)


class OutageRetry:
    """Repeats work through outages; `waiting` tells that one lasts at this moment."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waits = 0

    def __repr__(self) -> str:
        return f"<OutageRetry {self._name} waiting={self.waiting}>"

    @property
    def waiting(self) -> bool:
        """Tell whether something waits for a dependency to come back."""
        return self._waits > 0

    async def run(
        self, attempt: Callable[[], Awaitable[None]], worthwhile: Callable[[], bool]
    ) -> bool:
        """Repeat until it succeeds; False where it failed and is no longer worthwhile.

        Raises what waiting can't mend.
        """
        for delay in retry.delays():
            try:
                await attempt()
            except Exception as error:
                if not is_transient(error):
                    raise
                if not worthwhile():
                    return False
                await self._wait(delay, error)
            else:
                return True
        raise AssertionError("delays never end")

    async def _wait(self, delay: float, error: Exception) -> None:
        log.warning(
            "consumer.waits", consumer=self._name, error=type(error).__name__, seconds=delay
        )
        self._waits += 1
        try:
            await asyncio.sleep(delay)
        finally:
            self._waits -= 1
