"""Methodologies: what is shipped, and how a wrong file is refused, with its line."""

from pathlib import Path

import pytest

from schemas.errors import ConfigError
from schemas.methodology import parse, shipped
from schemas.tomllines import line_of
from services.cli.app import main

SHIPPED = Path(__file__).parents[3] / "schemas" / "methodologies"
NL = (SHIPPED / "nl-24h.toml").read_text()


def test_the_definitions_of_the_field_are_shipped() -> None:
    """The Dutch norm, one hour for terrorist content, receipt-based, the reference's and the demo's."""
    found = shipped()
    assert set(found) == {
        "delivered-24h", "demo", "nl-24h", "receipt-24h", "terrorist-1h", "urlhaus-report-clock",
    }  # fmt: skip
    assert found["terrorist-1h"].norm == "1h"
    assert found["receipt-24h"].clock_start == "report"
    assert all(m.source or m.id == "demo" for m in found.values())
    assert len({m.digest for m in found.values()}) == len(found)


def test_a_comment_changes_no_digest_and_a_value_does() -> None:
    """The digest covers the meaning."""
    assert parse(NL + "\n# more\n", "x").digest == parse(NL, "x").digest
    assert parse(NL.replace('"24h"', '"25h"', 1), "x").digest != parse(NL, "x").digest


def numbered(text: str, needle: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if needle in line)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('norm = "24h"', 'norm = "24"', "norm"),
        ('norm = "24h"', 'norm = "-1h"', "longer than nothing"),
        ("version = 1", "versoin = 1", "versoin"),
        ("looks = 3", "looks = 0", "confirmation.looks"),
        ("looks = 3", "looks = 3\nlokos = 4", "lokos"),
        ("vantages = 1", "vantages = 4", "more vantages than looks"),
        ('terrorist = "1h"', 'terrorist = "0h"', "norms.terrorist"),
        ('    { every = "2h", until = "26h" },', '    { evry = "2h", until = "26h" },', "evry"),
        ('{ every = "2h", until = "26h" }', '{ every = "2h", until = "3h" }', "growing"),
        ('time_zone = "Europe/Amsterdam"', 'time_zone = "Europe/Rotterdam"', "time_zone"),
        ('clock_start = "notice_sent"', 'clock_start = "dawn"', "clock_start"),
        ("minimum_n = 30", 'minimum_n = 30\ncalendar = "business"', "[business]"),
        ("[confirmation]", '[business]\nopens = "09:00"\n[confirmation]', "[business]"),
        ('norm = "24h"', 'norm = "99999999999h"', "longer than 3660 days"),
        ('every = "30d"', 'every = "9999999d"', "longer than 3660 days"),
        ('canary_max_age = "15m"', 'canary_max_age = "9999999d"', "longer than 3660 days"),
        ("terrorist =", '"Terror ist" =', "no category"),
        ('"moved"]', '"moved", "moved"]', "twice"),
        ('jitter = "3m"', 'jitter = "-3m"', "negative"),
        ('confirm_every = "1h"', 'confirm_every = "0h"', "confirm_every"),
        ('confirm = ["5m", ', 'confirm = ["-5m", ', "into the future"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(before: str, after: str, says: str) -> None:
    """Unknown fields, wrong values and contradictions are refused with the line that they stand on."""
    assert before in NL
    text = NL.replace(before, after)
    with pytest.raises(ConfigError) as caught:
        parse(text, "mine.toml")
    message = str(caught.value)
    assert says in message
    number = int(message.split("mine.toml, line ")[1].split(":", maxsplit=1)[0])
    lines = zip(NL.splitlines(), text.splitlines(), strict=False)
    changed = {n for n, (a, b) in enumerate(lines, 1) if a != b}
    near = {*changed, *(n - 1 for n in changed), numbered(text, "steps = [")}
    assert number in near


def test_every_contradiction_is_told_at_once() -> None:
    """A file with two faults is refused with both lines."""
    text = NL.replace('norm = "24h"', 'norm = "0h"').replace('jitter = "3m"', 'jitter = "-3m"')
    with pytest.raises(ConfigError) as caught:
        parse(text, "mine.toml")
    assert str(caught.value).count("line ") == 2


def test_what_is_no_toml_is_refused_with_its_line() -> None:
    """A broken file is refused where it breaks."""
    with pytest.raises(ConfigError, match="line 2"):
        parse('id = "x"\nversion = = 1\n', "mine.toml")


@pytest.mark.parametrize(
    ("business", "says"),
    [
        ('opens = "18:00"', "later than"),
        ("days = []", "at least one day"),
        ('days = ["mon", "mon"]', "none twice"),
        ("holidays = [2026-01-01, 2026-01-01]", "twice"),
        ('closes = "25:00"', "closes"),
    ],
)
def test_a_contradictory_calendar_is_refused(business: str, says: str) -> None:
    """Working hours need an opening before their closing, and days that exist once."""
    text = (
        NL.replace("minimum_n", 'calendar = "business"\nminimum_n') + f"\n[business]\n{business}\n"
    )
    with pytest.raises(ConfigError, match=says) as caught:
        parse(text, "mine.toml")
    assert f"line {len(text.splitlines())}" in str(caught.value)


def test_lines_are_found_in_tables_arrays_and_elements() -> None:
    """A path leads to its line, an unknown one to its nearest parent."""
    text = (
        'a = 1\n[b]\nc = { d = 2 }\ne = [\n  1,\n  2,\n]\n[[f]]\ng = 1\n[[f]]\ng = 2\n"h i" = 3\n'
    )
    found = {p: line_of(text, p) for p in ("a", "b", "b.c.d", "b.e[1]", "f[1].g", "f[1].x", "zzz")}
    assert found == {
        "a": 1,
        "b": 2,
        "b.c.d": 3,
        "b.e[1]": 6,
        "f[1].g": 11,
        "f[1].x": 10,
        "zzz": None,
    }


def test_method_check_names_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`method check` accepts a sound file with its digest and refuses another with status 2 and the line."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(NL)
    bad.write_text(NL.replace("looks = 3", "lokos = 3"))
    assert main(["method", "check", str(good)]) == 0
    assert shipped()["nl-24h"].digest in capsys.readouterr().out
    assert main(["method", "check", str(bad)]) == 2
    assert f"bad.toml, line {numbered(NL, 'looks = 3')}" in capsys.readouterr().err


def test_method_check_takes_no_other_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not UTF-8 is refused in words."""
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    assert main(["method", "check", str(tmp_path / "mine.toml")]) == 2
    assert "UTF-8" in capsys.readouterr().err


def test_method_diff_shows_only_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """Two definitions are compared field by field, and a definition with itself is equal."""
    assert main(["method", "diff", "nl-24h", "receipt-24h"]) == 0
    fields = {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]}
    assert fields == {"id", "title", "source", "clock_start"}
    assert main(["method", "diff", "demo", "demo"]) == 0
    assert "no difference" in capsys.readouterr().out


def test_method_show_prints_every_field_and_the_digest(capsys: pytest.CaptureFixture[str]) -> None:
    """What is shown is the whole definition."""
    assert main(["method", "show", "terrorist-1h"]) == 0
    out = capsys.readouterr().out
    assert shipped()["terrorist-1h"].digest in out
    assert "confirmation.canary_max_age" in out
    assert "2021/784" in out
