"""Waiting for a server that is away, and saying so: what begins is not to end because the server comes later."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from consumers.client import retry
from consumers.client.outages import is_transient
from services.runtime.advice import advice

T = TypeVar("T")

_QUIET_SECONDS = 2.0
_LONGEST_SECONDS = 2.0


async def patiently(work: Callable[[], Awaitable[T]], say: Callable[[str], None]) -> T:
    """Repeat work until no server is away, and say each cause once.

    Raises what waiting can't mend.
    """
    loop = asyncio.get_running_loop()
    begun, last = loop.time(), ""
    for delay in retry.delays(cap=_LONGEST_SECONDS):
        try:
            return await work()
        except Exception as error:
            if not is_transient(error):
                raise
            cause = advice(error) or type(error).__name__
        if cause != last and loop.time() - begun >= _QUIET_SECONDS:
            last = cause
            say(f"waiting: {cause}")
        await asyncio.sleep(delay)
    raise AssertionError("delays never end")
