"""What a person who looks at the terminal is told: in one line, and only when it changes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

_LOOK_SECONDS = 0.2
# Whoever is only being started again has not kept anybody waiting.
_QUIET_SECONDS = 3.0
_AGAIN_SECONDS = 60.0
_READY_LOOK_SECONDS = 2.0


class Situation:
    """Says which roles are not ready and why, and when all are ready again.

    Args:
        waiting: returns by role why it is not ready; empty once all are.
        say: takes lines for people.
    """

    def __init__(
        self, waiting: Callable[[], Awaitable[Mapping[str, str]]], say: Callable[[str], None]
    ) -> None:
        self._waiting = waiting
        self._say = say
        self._once_ready = False
        self._since: float | None = None
        self._last_line = ""
        self._line_at = 0.0

    def __repr__(self) -> str:
        return f"<Situation {self._last_line or 'ready'}>"

    async def ready(self) -> None:
        """Return once every role is ready, however long it takes."""
        waiting = await self._look()
        while waiting:
            await asyncio.sleep(_LOOK_SECONDS)
            waiting = await self._look()

    async def follow(self) -> None:
        """Say what changes; returns never."""
        while True:
            waiting = await self._look()
            await asyncio.sleep(_LOOK_SECONDS if waiting else _READY_LOOK_SECONDS)

    async def _look(self) -> bool:
        """Tell whether a role is not ready."""
        causes = await self._waiting()
        self.note(causes, asyncio.get_running_loop().time())
        return bool(causes)

    def note(self, causes: Mapping[str, str], now: float) -> None:
        """Note which roles are not ready at an instant; says what is new."""
        if not causes:
            if self._once_ready and self._last_line and self._since is not None:
                self._say(f"every role is ready again after {now - self._since:.0f} s")
            self._since, self._last_line, self._once_ready = None, "", True
            return
        self._since = now if self._since is None else self._since
        line = _line(causes)
        late = now - self._since >= _QUIET_SECONDS
        if late and (line != self._last_line or now - self._line_at >= _AGAIN_SECONDS):
            self._last_line, self._line_at = line, now
            self._say(line)


def _line(causes: Mapping[str, str]) -> str:
    """Write one line; roles with the same cause stand together."""
    by_cause: dict[str, list[str]] = {}
    for name, cause in causes.items():
        by_cause.setdefault(cause, []).append(name)
    return "not ready: " + "; ".join(
        f"{', '.join(names)} ({cause})" for cause, names in by_cause.items()
    )
