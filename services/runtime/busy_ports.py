"""Find a port that is in use before keys are made and servers started."""

import asyncio
from collections.abc import Sequence

from schemas.errors import ConfigError
from services.runtime.endpoints import published
from services.runtime.role_children import fixed_ports, refuse_taken
from services.runtime.settings import Settings

# The roles of a monitor that was killed end by themselves within this time.
_LEFTOVER_SECONDS = 12.0
_TICK_SECONDS = 0.2


async def refuse_busy(settings: Settings, roles: Sequence[str]) -> None:
    """Raise `ConfigError` where another program has the port of a role; leftovers of a kill are waited for."""
    left = _LEFTOVER_SECONDS if published(settings.data_path) else 0.0
    while True:
        try:
            refuse_taken(settings.http.host, fixed_ports(settings, roles))
        except ConfigError:
            if left <= 0:
                raise
        else:
            return
        left -= _TICK_SECONDS
        await asyncio.sleep(_TICK_SECONDS)
