"""What of a command line is text, and instants at the ends of the calendar."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner

from services.cli import app
from services.cli.instant_options import LONGEST, Duration, Instant, Since
from services.cli.support import cell
from services.cli.typed_words import is_text
from services.core.instants import local


@pytest.mark.parametrize("word", ["\udcff", "a\x00b"])
def test_bytes_that_are_no_text_are_no_argument(word: str) -> None:
    """No command has such a word: it is a usage error that does not repeat it."""
    assert not is_text(word)
    done = CliRunner().invoke(app.cli, ["case", "list", "--provider", word])
    assert done.exit_code == 2
    assert "word 4 of the command line is no text" in done.stderr


def test_any_text_is_text() -> None:
    """Letters of any script, and signs beyond the first plane, pass."""
    assert all(map(is_text, ("", "giant", "\u00fc\u4e2d", "\U0001f600")))


@pytest.mark.parametrize("kind", [Instant(), Since()])
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_an_instant_is_a_date_in_utc(kind: click.ParamType[object], text: str) -> None:
    """One that is beyond the calendar in UTC is a usage error."""
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


@pytest.mark.parametrize("kind", [Duration(), Since()])
def test_a_duration_ends(kind: click.ParamType[object]) -> None:
    """A century can be asked for, and not what no clock can count back."""
    assert kind.convert("36500d", None, None) == LONGEST == timedelta(days=36_500)
    with pytest.raises(click.BadParameter, match="at most 36500d"):
        kind.convert("36501d", None, None)


def test_an_instant_without_local_time_is_shown_in_utc() -> None:
    """A zone whose clocks would be beyond the calendar shows nothing else."""
    latest, zone = datetime.max.replace(tzinfo=UTC), ZoneInfo("Europe/Amsterdam")
    assert local(latest, zone) == latest
    assert cell(latest, zone) == "9999-12-31 23:59:59Z"
    assert cell(datetime(2026, 1, 1, tzinfo=UTC), zone) == "2026-01-01 01:00:00 CET"
