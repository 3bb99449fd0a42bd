"""Where people read an instant, it is in the time of their zone; what programs read stays in UTC."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.cli.support import cell, print_rows
from services.runtime.methods import reading_zone
from services.runtime.settings import Settings

AT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


def test_the_zone_is_the_setting_or_the_methodologys() -> None:
    """A setting goes before the zone in which the methodology counts its days."""
    assert reading_zone(Settings()) == ZoneInfo("Europe/Amsterdam")
    assert reading_zone(Settings(time_zone="America/Bogota")) == ZoneInfo("America/Bogota")


def test_an_instant_names_its_zone() -> None:
    """The day is that of the zone, and the zone is named, so that nobody takes it for UTC."""
    assert cell(AT, ZoneInfo("Europe/Amsterdam")) == "2026-07-02 00:30:00 CEST"
    assert cell(AT) == "2026-07-01 22:30:00Z"


def test_json_stays_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get RFC 3339 in UTC, whatever people read."""
    print_rows([{"at": AT}], ["at"], as_json=True, zone=ZoneInfo("Europe/Amsterdam"))
    assert "2026-07-01T22:30:00Z" in capsys.readouterr().out
