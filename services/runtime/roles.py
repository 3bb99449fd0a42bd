"""The roles: what each is built of, when it refuses to start, and how several run in one process."""

import asyncio
import importlib
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import structlog

from schemas.errors import ConfigError, TakedownError
from services.exporter.health import Health
from services.exporter.http import serve
from services.runtime.disk_space import watch_disk
from services.runtime.endpoints import connected
from services.runtime.methods import methodology
from services.runtime.parts import Build, Clock, Parts
from services.runtime.role_facts import facts_of
from services.runtime.role_process import run_process
from services.runtime.settings import Settings
from services.runtime.systemd import Systemd

__all__ = [
    "ROLES",
    "default_roles",
    "refusals",
    "refuse_to_start",
    "run_roles",
]

log = structlog.get_logger(__name__)


# Imported when a role is built: a prober's process has no business with the database, nor room for its client.
_BUILT_BY = {
    "ledger": "services.runtime.ledger_roles",
    "relay": "services.runtime.ledger_roles",
    "prober": "services.runtime.prober_role",
    "exporter": "services.runtime.ledger_roles",
    "retention": "services.runtime.ledger_roles",
    "intake": "services.runtime.intake_role",
    "attribution": "services.runtime.attribution_role",
}
ROLES = tuple(_BUILT_BY)
_NEEDS_DATABASE = frozenset({"ledger", "relay", "exporter", "retention"})
_NEEDS_KAFKA = frozenset({"ledger", "relay", "prober", "retention", "intake", "attribution"})


class NotStarted(TakedownError):
    """A role that is still being built."""


def refusals(settings: Settings) -> list[str]:
    """Return the reasons why the prober would not start under these settings."""
    probe = settings.probe
    if probe.mode == "off":
        return [
            "probing is off (TAKEDOWN_PROBE_MODE=off): reports and the looks of other vantages are processed, "
            "no URL is probed; `public` needs TAKEDOWN_PROBE_OPERATOR, _CONTACT and _LEGAL_BASIS"
        ]
    if probe.canary_url is None and methodology(settings.methodology).canary_max_age is not None:
        return [
            f"methodology {settings.methodology} confirms no removal without a recent look at a "
            "canary: set TAKEDOWN_CANARY_URL to a page of your own that is always online"
        ]
    return []


def refuse_to_start(settings: Settings, role: str) -> None:
    """Raise `ConfigError` where a role must not start under these settings."""
    if role == "prober" and (reasons := refusals(settings)):
        raise ConfigError(f"the prober does not start: {'; '.join(reasons)}")
    if role == "retention" and not settings.retention.url_days:
        raise ConfigError("retention has nothing to do: TAKEDOWN_RETENTION_URL_DAYS is 0")
    if role == "intake" and settings.intake.tokens_file is None:
        raise ConfigError(
            "the intake knows no reporter: set TAKEDOWN_INTAKE_TOKENS_FILE, and add reporters with "
            "`takedown intake token NAME`"
        )
    if role == "attribution" and not has_source(settings):
        raise ConfigError(
            "attribution has no source: set TAKEDOWN_PROVIDER_MAP, TAKEDOWN_ASN_DATABASE or "
            "TAKEDOWN_ATTRIBUTION_*"
        )


def has_source(settings: Settings) -> bool:
    """Tell whether anything is set that says who answers for an address."""
    section = settings.attribution
    return any(
        (
            settings.provider_map,
            settings.asn_database,
            section.cymru_zone,
            section.rdap_bootstrap,
        )
    )


def default_roles(settings: Settings) -> tuple[str, ...]:
    """Return the roles that `up` runs: all that are configured, the prober once per process."""
    times = {
        "prober": 0 if settings.probe.mode == "off" else settings.probe.processes,
        "retention": 1 if settings.retention.url_days else 0,
        "intake": 1 if settings.intake.tokens_file else 0,
        "attribution": 1 if has_source(settings) else 0,
    }
    return tuple(r for role in ROLES for r in [role] * times.get(role, 1))


def run_roles(
    settings: Settings, roles: Sequence[str], clock: Clock, *, with_parent: bool = False
) -> int:
    """Run roles in this process until a signal; return the exit status."""
    for role in roles:
        refuse_to_start(settings, role)
    settings = connected(
        settings,
        database=bool(_NEEDS_DATABASE.intersection(roles)),
        kafka=bool(_NEEDS_KAFKA.intersection(roles)),
    )
    watch_disk(settings)
    return run_process(
        lambda stop: _work(
            Parts(settings, Health(about=facts_of(settings, roles)), clock), roles, stop
        ),
        stop_seconds=settings.stop_seconds,
        with_parent=with_parent,
    )


async def _work(parts: Parts, roles: Sequence[str], stop: asyncio.Event) -> None:
    """Serve /healthz from before the roles are built until after they have drained."""
    over = asyncio.Event()
    systemd = Systemd.from_environment(os.environ)
    parts = replace(parts, started=_when_all(roles, systemd.ready))
    following = asyncio.create_task(systemd.follow(parts.health, stop), name="systemd")
    http = parts.settings.http
    serving = asyncio.create_task(
        serve(parts.health, http.host, http.port, over, ready=_log_port), name="http"
    )
    try:
        await together([_run(parts, role, stop) for role in roles], serving, stop)
    finally:
        over.set()
        await serving
        following.cancel()


def _when_all(roles: Sequence[str], done: Callable[[], None]) -> Callable[[str], None]:
    waiting = set(roles)

    def started(role: str) -> None:
        waiting.discard(role)
        if not waiting:
            done()

    return started


def _builder(role: str) -> Build:
    build: dict[str, Build] = importlib.import_module(_BUILT_BY[role]).BUILD
    return build[role]


def _log_port(port: int) -> None:
    log.info("http.listening", port=port)


async def _run(parts: Parts, role: str, stop: asyncio.Event) -> None:
    begun = asyncio.Event()
    parts.health.add_check(role, lambda: _has_begun(begun))
    async with AsyncExitStack() as stack:
        building = asyncio.ensure_future(stack.enter_async_context(_builder(role)(parts)))
        if await _before(stop, building):
            built = building.result()
            log.info("role.started", what=role)
            begun.set()
            parts.started(role)
            await built.run(stop)
    log.info("role.stopped", what=role)


async def _has_begun(begun: asyncio.Event) -> str:
    """Check for /readyz that a role has all that it needs: a server that is away is waited for."""
    if not begun.is_set():
        raise NotStarted("the role waits for a server")
    return "started"


async def _before(stop: asyncio.Event, work: "asyncio.Future[Any]") -> bool:
    """Wait for work, but no longer than until `stop`; tell whether it was done. What was not is cancelled."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
    return not work.cancelled()


async def together(
    works: Sequence[Coroutine[Any, Any, None]],
    serving: "asyncio.Task[None]",
    stop: asyncio.Event,
) -> None:
    """Run works until all are done; the first that ends stops the others, which drain.

    Raises the error of the first that failed.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait({*tasks, serving}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
    if serving.done():
        serving.result()
    for task in tasks:
        task.result()
