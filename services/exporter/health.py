"""Health: liveness means that the loops turn, readiness that the dependencies answer.

Liveness never touches a dependency: restarting this process would not mend Postgres.
Model: arroyo's health check, svcs' service pings.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

Check = Callable[[], Awaitable[str]]


class RolePage(NamedTuple):
    """What a role serves beside the metrics."""

    body: bytes
    content_type: str
    status: int = 200


Render = Callable[[], RolePage]


class Health:
    """Knows when each loop last turned, and how to ask each dependency.

    Args:
        monotonic: Seconds that never run backwards.
        check_seconds: How long one check may take before it counts as failed.
        about: What the process says of itself on /about; it must hold no secret.

    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        check_seconds: float = 3.0,
        about: object = None,
    ) -> None:
        self.about = {} if about is None else about
        self._monotonic = monotonic
        self._check_seconds = check_seconds
        self._limits: dict[str, float] = {}
        self._turns: dict[str, float] = {}
        self._checks: dict[str, Check] = {}
        self._pages: dict[str, Render] = {}

    def __repr__(self) -> str:
        return f"<Health loops={sorted(self._limits)} checks={sorted(self._checks)}>"

    def register(self, loop: str, limit_seconds: float) -> None:
        """Expect a loop to turn at least once per limit, from now on."""
        self._limits[loop] = limit_seconds
        self._turns[loop] = self._monotonic()

    def unregister(self, loop: str) -> None:
        """Stop expecting a loop that ended as asked."""
        self._limits.pop(loop, None)
        self._turns.pop(loop, None)

    def turned(self, loop: str) -> None:
        """Note that a loop turned; an unregistered loop is nobody's business."""
        if loop in self._limits:
            self._turns[loop] = self._monotonic()

    def add_check(self, name: str, check: Check) -> None:
        """Ask a dependency at each `ready`: the check says something short, or raises."""
        self._checks[name] = check

    def add_page(self, path: str, render: Render) -> None:
        """Serve a page of a role; `render` must not wait."""
        self._pages[path] = render

    def remove_page(self, path: str) -> None:
        """Serve it no longer."""
        self._pages.pop(path, None)

    def page(self, path: str) -> RolePage | None:
        """Give the page at a path."""
        render = self._pages.get(path)
        return None if render is None else render()

    def live(self, now: float | None = None) -> tuple[bool, dict[str, Any]]:
        """Tell whether every loop turned within its limit, and how long ago each did."""
        at = self._monotonic() if now is None else now
        loops = {name: self._loop(name, at) for name in sorted(self._limits)}
        return all(loop["ok"] for loop in loops.values()), {"loops": loops}

    def _loop(self, name: str, now: float) -> dict[str, Any]:
        age, limit = now - self._turns[name], self._limits[name]
        return {"ok": age <= limit, "age_seconds": round(age, 3), "limit_seconds": limit}

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Ask every dependency at once; name each and what it said."""
        names = sorted(self._checks)
        answers = await asyncio.gather(*(self._ask(self._checks[name]) for name in names))
        checks = dict(zip(names, answers, strict=True))
        return all(check["ok"] for check in answers), {"checks": checks}

    async def _ask(self, check: Check) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._check_seconds):
                answer = await check()
        except TimeoutError:
            return {"ok": False, "said": f"no answer within {self._check_seconds:g} s"}
        except Exception as error:  # a probe must answer whatever broke
            # Only the kind of error: a driver's message may name a host.
            return {"ok": False, "said": type(error).__name__}
        return {"ok": True, "said": answer}
