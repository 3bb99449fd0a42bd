"""The status: one look that answers, its public form, its page, its JSON and the document that describes it."""

import json
import re
from datetime import timedelta
from html.parser import HTMLParser

import jsonschema
import msgspec

from services.cli.status_command import lines
from services.exporter import status_page
from services.exporter.health import Health
from services.exporter.status import StatusView, status_of
from services.exporter.status_board import PATHS, StatusBoard, openapi
from services.exporter.status_public import published, rounded
from tests.unit.exporter.status_kit import AT, NL, notices, reading


def status(**parts) -> StatusView:
    return status_of(reading(**parts), notices(), NL, AT)


def line_of(made: StatusView, name: str):
    return next(line for line in made.providers if line.provider == name)


def test_the_counts_are_those_of_the_readings():
    """Bounds, clocks, breaches, notices and looks of each provider, and their sums."""
    made = status()
    giant = line_of(made, "giant")
    assert (giant.n, giant.within, giant.certain_breaches, giant.undecided) == (350, 300, 48, 2)
    assert (giant.lower, giant.upper) == (300 / 350, 302 / 350)
    assert (giant.left["under_2h"], giant.left["later"], giant.due_soon) == (9, 31, 6)
    assert made.total.n == 350 + 40 + 3
    assert made.total.notices["failed"] == 31
    assert line_of(made, "ipvol").watched
    assert line_of(made, "ipvol").n == 0


def test_a_monitor_that_sees_can_be_trusted():
    """Fresh figures and a fresh look leave no doubt."""
    assert status().monitor.trusted


def test_doubts_are_sentences():
    """Old figures, nobody who looks, and looks that can't tell are each said."""
    old = status_of(reading(at=AT - timedelta(minutes=20)), notices(), NL, AT).monitor
    assert not old.trusted
    assert "these figures are 20 min old" in old.doubts[0]
    silent = status_of(reading(), notices(), NL, AT + timedelta(hours=3)).monitor
    assert any("nobody has looked for 3 h 02 min" in doubt for doubt in silent.doubts)
    never = status(progress=()).monitor
    assert never.doubts == ("clocks run and nobody has looked yet",)


def test_what_is_published_hides_small_counts():
    """No count from 1 to 4 stands there; a small one of the bounds becomes undecided; small groups are one line."""
    made = published(status())
    assert [line.provider for line in made.providers] == ["giant", "refuser", "others together"]
    giant, refuser, others = made.providers
    assert (giant.within, giant.undecided, giant.breaches_day) == (300, None, 5)
    assert (refuser.within, refuser.certain_breaches, refuser.lower) == (0, 35, 0.0)
    assert (others.lower, others.upper) == (None, None)
    numbers = [
        count
        for line in (*made.providers, made.total)
        for count in (line.n, line.within, line.online, *line.left.values(), *line.notices.values())
    ]
    assert not [number for number in numbers if number is not None and 0 < number < 5]
    assert [rounded(n) for n in (None, 0, 1, 4, 5, 9)] == [None, 0, None, None, 5, 5]


def test_the_published_interval_holds_the_exact_one():
    """What is suppressed only widens an interval."""
    exact, public = status(), published(status())
    for name in ("giant", "refuser"):
        inner, outer = line_of(exact, name), line_of(public, name)
        assert outer.lower <= inner.lower <= inner.upper <= outer.upper


class Cells(HTMLParser):
    """Collect each table's rows as head and labelled cells."""

    def __init__(self):
        super().__init__()
        self.cells = {}
        self._row = self._label = None
        self._tag = ""

    def handle_starttag(self, tag, attrs):
        self._tag, values = tag, dict(attrs)
        if tag == "td":
            self._label = values["data-label"]

    def handle_data(self, data):
        if self._tag == "th":
            self._row = data
        elif self._tag == "td":
            self.cells[self._row, self._label] = data
        self._tag = ""


def test_the_page_shows_the_same_numbers():
    """What stands in the cells of the page is what the status says, provider by provider."""
    made = status()
    parser = Cells()
    parser.feed(status_page.page(made))
    for line in made.providers:
        head = {"other": "all smaller providers"}.get(line.provider, line.provider)
        head += " *" if line.watched else ""
        assert parser.cells[head, "n"] == f"{line.n:,}"
        assert parser.cells[head, "certain breaches"] == f"{line.certain_breaches:,}"
    assert parser.cells["giant", "under 2 h"] == "9"
    assert parser.cells["refuser *", "breaches in 24 h"] == "3"
    assert parser.cells["refuser *", "did not arrive"] == "30"
    assert parser.cells["giant", "lower"] == "85.71%"
    assert parser.cells["all smaller providers", "lower"] == "too few"


def test_the_page_needs_nothing_and_names_nothing():
    """No script, no picture, no address but its own JSON; a policy that forbids the rest."""
    page = status_page.page(status())
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert re.findall(r'(?:href|src)="([^"]*)"', page) == ["status.json", "openapi.json"]
    assert not re.search(r"https?://", page)


def test_a_provider_cannot_write_into_the_page():
    """A provider's name is text, whatever it holds."""
    row = {**reading().spells[0], "provider": "<b>x</b>"}
    assert "<b>x</b>" not in status_page.page(status(spells=[row]))


def test_ten_lines_for_a_terminal():
    """Trust, the norm, today's breaches with their providers, what is due, and what is not seen."""
    said = [*lines(status(), {"ledger": "ready", "prober": "no answer"})]
    assert len(said) == 10
    text = "\n".join(said)
    for words in (
        "2026-11-28 10:30 CET, nl-24h version 1",
        "trust    NO: prober: no answer",
        "today    10 certain breaches in 24 h: giant 7, refuser 3",
        "due      9 clocks run out within 2 h: giant 9",
        "31 notices did not arrive: refuser 30, giant 1; 4 cases wait for one",
    ):
        assert words in text


def test_one_is_no_plural():
    """A single case, notice, clock or breach is spoken of as one."""
    (only, *_) = reading().spells
    text = "\n".join(lines(status(spells=[{**only, "online": 1}]), {}))
    assert re.search(r"^online   1 case now;", text, re.M), text


def board(**options) -> StatusBoard:
    made = StatusBoard(NL, lambda: AT, **options)
    made.put(reading())
    made.put_notices(notices())
    return made


def test_the_json_form_fits_its_document():
    """Exact or public, /status.json is valid under the schema that /openapi.json gives, and reads back."""
    document = openapi()
    schema = {"$ref": "#/components/schemas/StatusView", "components": document["components"]}
    for public in (False, True):
        health = Health()
        board(public=public).serve(health)
        body = json.loads(health.page("/status.json").body)
        jsonschema.Draft202012Validator(schema).validate(body)
        assert msgspec.convert(body, StatusView).public is public


def test_the_page_is_in_the_time_of_its_readers():
    """A zone that is set goes before the methodology's; the JSON form names it and stays in UTC."""
    health = Health()
    board(time_zone="America/Bogota").serve(health)
    assert b"2026-11-28 04:30 -05" in health.page("/status").body
    body = json.loads(health.page("/status.json").body)
    assert (body["time_zone"], body["at"]) == ("America/Bogota", "2026-11-28T09:30:00Z")


def test_a_page_grows_doubts_with_time_alone():
    """Without a new reading the page says after a while that its figures are old."""
    now = [AT]
    health, made = Health(), StatusBoard(NL, lambda: now[0])
    made.put(reading())
    made.serve(health)
    assert b"trusted now: yes" in health.page("/").body
    now[0] += timedelta(minutes=6)
    assert b"these figures are 6 min old" in health.page("/").body


def test_before_the_first_reading_nothing_is_claimed():
    """Until the ledger was read the page says so, with status 503."""
    health = Health()
    StatusBoard(NL, lambda: AT).serve(health)
    assert {health.page(path).status for path in PATHS} == {200, 503}
    assert health.page("/status").status == 503
    assert health.page("/elsewhere") is None
