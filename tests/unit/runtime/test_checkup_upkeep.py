"""`takedown doctor` says what it can of backup, retention and Prometheus, and what it can't."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.runtime.checkup_upkeep import upkeep_checks
from services.runtime.findings import CheckFailed, CheckNote
from services.runtime.settings import DoctorSection, RetentionSection, Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def clock() -> datetime:
    return NOW


async def check(name: str, **doctor: Any) -> str:
    return await upkeep_checks(Settings(doctor=DoctorSection(**doctor)), clock)[name]()


async def test_the_age_of_a_backup_is_that_of_its_marker(tmp_path: Path) -> None:
    """Unknown without a marker; a failure where it is missing or too old."""
    with pytest.raises(CheckNote):
        await check("backup")
    marker = tmp_path / "marker"
    with pytest.raises(CheckFailed, match="no backup has succeeded"):
        await check("backup", backup_marker=str(marker))
    marker.touch()
    os.utime(marker, (NOW.timestamp() - 3 * 3600,) * 2)
    assert await check("backup", backup_marker=str(marker)) == "3 hours old"
    with pytest.raises(CheckFailed, match="3 hours old, more than 2"):
        await check("backup", backup_marker=str(marker), backup_max_hours=2)


async def test_retention_that_is_off_is_a_note() -> None:
    """URLs that are kept for ever are the site's decision."""
    settings = Settings(retention=RetentionSection(url_days=0))
    with pytest.raises(CheckNote, match="off"):
        await upkeep_checks(settings, clock)["retention"]()


async def served(targets: list[dict[str, Any]]) -> tuple[web.AppRunner, str]:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"status": "success", "data": {"activeTargets": targets}})

    app = web.Application()
    app.router.add_get("/api/v1/targets", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


def target(instance: str, health: str, job: str = "takedown") -> dict[str, Any]:
    return {"labels": {"job": job, "instance": instance}, "health": health}


UP = target("ledger:9464", "up")


@pytest.mark.parametrize(
    ("targets", "error", "said"),
    [
        ([UP, target("else:1", "down", "other")], None, "scrapes 1 roles"),
        ([UP, target("relay:9464", "down")], CheckFailed, "does not reach relay:9464"),
        ([target("else:1", "up", "other")], CheckFailed, "no target of the job takedown"),
    ],
)
async def test_prometheus_is_asked_whom_it_scrapes(
    targets: list[dict[str, Any]], error: type[Exception] | None, said: str
) -> None:
    """Every target of the monitor's job is up, or the one that is not is named."""
    runner, address = await served(targets)
    try:
        if error is None:
            assert said in await check("Prometheus", prometheus_url=address)
        else:
            with pytest.raises(error, match=said):
                await check("Prometheus", prometheus_url=address)
    finally:
        await runner.cleanup()


async def test_a_prometheus_that_does_not_answer_is_a_failure() -> None:
    """A wrong address is told from one that was not given."""
    with pytest.raises(CheckNote):
        await check("Prometheus")
    with pytest.raises(CheckFailed, match="no list of targets"):
        await check("Prometheus", prometheus_url="http://127.0.0.1:1")
