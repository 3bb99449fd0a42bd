"""Checks of what a site keeps up beside the monitor: its backup, its retention, its Prometheus."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from services.core.watch_entry import ended_at
from services.ledger import retained
from services.ledger.pool import open_pool
from services.runtime import datadir
from services.runtime.connections import database_connection
from services.runtime.findings import Check, CheckFailed, CheckNote
from services.runtime.methods import methodology
from services.runtime.settings import Settings

_JOB = "takedown"
_TIMEOUT = aiohttp.ClientTimeout(total=8)
# The role looks every hour (TAKEDOWN_RETENTION_INTERVAL_SECONDS); what waits for a day is not being done.
_PATIENCE = timedelta(days=1)


def upkeep_checks(settings: Settings, clock: Callable[[], datetime]) -> dict[str, Check]:
    """Give the checks by name."""
    return {
        "backup": lambda: _backup(settings, clock()),
        "retention": lambda: _retention(settings, clock()),
        "Prometheus": lambda: _prometheus(settings),
    }


async def _backup(settings: Settings, now: datetime) -> str:
    doctor = settings.doctor
    if doctor.backup_marker is None:
        raise CheckNote(
            "its age is not known: let your backup touch a file, and name it in TAKEDOWN_DOCTOR_BACKUP_MARKER"
        )
    hours = _hours_since_touched(Path(doctor.backup_marker), now)
    if hours > doctor.backup_max_hours:
        raise CheckFailed(
            f"the last one is {hours:.0f} hours old, more than {doctor.backup_max_hours:g}; see why it stopped"
        )
    return f"{max(hours, 0):.0f} hours old"


def _hours_since_touched(marker: Path, now: datetime) -> float:
    try:
        touched = marker.expanduser().stat().st_mtime
    except OSError:
        raise CheckFailed(f"{marker} is not there: no backup has succeeded yet; run it") from None
    return (now.timestamp() - touched) / 3600


async def _retention(settings: Settings, now: datetime) -> str:
    days = settings.retention.url_days
    if days == 0:
        raise CheckNote("off: URLs are kept for ever (TAKEDOWN_RETENTION_URL_DAYS is 0)")
    if settings.database.url is None:
        raise CheckNote("not read: no PostgreSQL is running")
    late = await _kept_too_long(settings, now - timedelta(days=days) - _PATIENCE)
    if late:
        raise CheckFailed(
            f"{late:,} URLs should have been destroyed more than a day ago; see whether the role `retention` runs"
        )
    if fault := datadir.problem(settings.archives_path):
        raise CheckNote(f"no URL is late; the archives can't be seen from here: {fault}")
    return f"no URL is kept longer than {days} days after its watch"


async def _kept_too_long(settings: Settings, since: datetime) -> int:
    method = methodology(settings.methodology)
    pool = await open_pool(database_connection(settings))
    try:
        ends = [ended_at(case, method) async for case in retained.quiet_cases(pool, since)]
    finally:
        await pool.close()
    return sum(end is not None and end <= since for end in ends)


async def _prometheus(settings: Settings) -> str:
    address = settings.doctor.prometheus_url
    if address is None:
        raise CheckNote("not asked: TAKEDOWN_DOCTOR_PROMETHEUS_URL names none")
    targets = [one for one in await _targets(address) if one["labels"].get("job") == _JOB]
    if not targets:
        raise CheckFailed(f"it has no target of the job {_JOB}, so no alert can fire")
    down = sorted(_name(one) for one in targets if one["health"] != "up")
    if down:
        raise CheckFailed(f"it does not reach {', '.join(down)}")
    return f"scrapes {len(targets)} roles"


async def _targets(address: str) -> list[dict[str, Any]]:
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(f"{address.rstrip('/')}/api/v1/targets?state=active") as answer,
        ):
            answer.raise_for_status()
            content = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        raise CheckFailed(
            "it gives no list of targets; check TAKEDOWN_DOCTOR_PROMETHEUS_URL"
        ) from None
    return list(content["data"]["activeTargets"])


def _name(target: Mapping[str, Any]) -> str:
    return str(target["labels"].get("instance", "a target"))
