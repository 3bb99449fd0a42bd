"""The stage of a demo: time may be stretched, and everything that counts it with it."""

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from schemas.methodology import parse, seconds
from services.runtime.demo.stage import HOUR_SECONDS, settings_for, stage, stretched
from tests.acceptance import gauntlet

START = datetime(2026, 1, 1, tzinfo=UTC)
DEMO = resources.files("schemas.methodologies") / "demo.toml"


@pytest.mark.parametrize("factor", [1.0, 3.0, 0.5])
@pytest.mark.parametrize("path", [DEMO, gauntlet.METHODOLOGY], ids=["demo", "gauntlet"])
def test_a_methodology_is_stretched_as_a_whole(path: Path, factor: float) -> None:
    """Norm, confirmation and cadence keep their proportions; counts stay."""
    text = path.read_text("utf-8")
    plain, longer = parse(text, "plain"), parse(stretched(text, factor), "longer")
    assert seconds(longer.norm) == seconds(plain.norm) * factor
    assert longer.confirmation_span == plain.confirmation_span * factor
    assert longer.confirmation.looks == plain.confirmation.looks
    offsets = [[seconds(text) for text in one.cadence.deadline] for one in (plain, longer)]
    assert offsets[1] == [offset * factor for offset in offsets[0]]


def test_an_hour_of_the_usual_length_changes_nothing(tmp_path: Path) -> None:
    """The demo's own methodology keeps its digest, by which its figures are named."""
    chosen = stage(1, 40)
    settings = settings_for(chosen, START, tmp_path)
    written = parse(Path(settings.methodology).read_text("utf-8"), "written")
    assert written.digest == parse(DEMO.read_text("utf-8"), "demo").digest


@pytest.mark.parametrize("hour", [2.0, 6.0])
def test_a_condition_lasts_as_many_hours_whatever_an_hour_lasts(hour: float) -> None:
    """Losses, blocks and a canary that is down are stretched with the world; the share of packets is not."""
    longer = hour / HOUR_SECONDS
    scenario = gauntlet.scenario_of("all", 400, hour)
    assert scenario.canary_downs == ((36.0 * longer, 41.0 * longer),)
    assert [block[2] for block in scenario.blocks] == ["home", "abroad"]
    assert scenario.losses[0][2] == 0.05
    assert scenario.seconds(24) == 24 * hour
