"""What the rows of URLhaus's dumps state, and later dumps of the same rows: new facts, in whatever order they come."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Event, LookMade, NoticeSent, ReportFiled, unsealed
from schemas.methodology import shipped
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.core.case import Spell
from services.core.digest import fold_digest
from services.core.fold import fold
from services.core.machines import Presence
from services.reports import urlhaus
from services.reports.urlhaus.entry import Cells, checked
from services.reports.urlhaus.statements import statements
from tests.unit.reports.urlhaus_kit import COLUMNS, KEYS, Row, published, row, saved

METHOD = shipped()["urlhaus-report-clock"]
DAY = datetime(2026, 3, 8, tzinfo=UTC)
ADDED = "2026-03-08 12:00:00"
NOON = timedelta(hours=12)
CHECK = timedelta(hours=3.3)

Dump = tuple[Row, str]
"""A row as a dump has it, and the dump's own date."""


def at(text: str) -> datetime:
    """Read an instant of the day of these tests, or of a later one: `15:30`, `+1 09:00`."""
    day, _, time = text.rpartition(" ")
    hours, minutes = time.split(":")
    return DAY + timedelta(days=int(day or 0), hours=int(hours), minutes=int(minutes))


def written(text: str) -> str:
    """Write an instant as a dump does."""
    return at(text).strftime("%Y-%m-%d %H:%M:%S") if text else ""


def seen(status: str, last_online: str, dumped: str, **cells: str) -> Dump:
    """Give the row as a dump of that date has it."""
    said = {"url_status": status, "last_online": written(last_online), "dateadded": ADDED}
    return row(1, **said, **cells), written(dumped)


def stated(*dumps: Dump, keys: Keyring = KEYS, without: Sequence[str] = ()) -> list[Event]:
    """Give the events of some dumps of one row, in that order."""
    found: list[Event] = []
    for cells, dumped in dumps:
        values = {name: text for name, text in cells.items() if name not in without}
        date = datetime.fromisoformat(dumped).replace(tzinfo=UTC)
        found += statements(checked(Cells(1, values)), keys, date)
    return found


def looks(events: Iterable[Event]) -> list[tuple[str, datetime]]:
    """Give verdict and instant of each look."""
    return [(e.data.verdict, e.time) for e in events if isinstance(e.data, LookMade)]


def spell(*dumps: Dump) -> Spell:
    """Fold some dumps of one row."""
    return fold(stated(*dumps), METHOD)[0].spell


# -- one dump ------------------------------------------------------------------------------------

STATEMENTS = {
    "online": (
        seen("online", "20:00", "21:00"),
        [("online", at("12:00")), ("online", at("20:00"))],
    ),
    "online when it was reported": (
        seen("online", "12:00", "21:00"),
        [("online", at("12:00"))],
    ),
    "online while the dump was written": (
        seen("online", "21:01", "21:00"),
        [("online", at("12:00")), ("online", at("21:00"))],
    ),
    "reported while the dump was written": (
        seen("online", "12:00", "11:59"),
        [("online", at("12:00"))],
    ),
    "offline": (
        seen("offline", "20:00", "+1 21:00"),
        [
            ("online", at("12:00")),
            ("online", at("20:00")),
            ("removed", at("20:00") + CHECK),
        ],
    ),
    "never online": (
        seen("offline", "", "21:00"),
        [("removed", at("12:00"))],
    ),
    "online, and no word of when": (
        seen("online", "", "21:00"),
        [("online", at("21:00"))],
    ),
    "a status that is not known": (
        seen("unknown", "", "21:00"),
        [],
    ),
    "seen before it was reported, not since": (
        seen("offline", "11:00", "21:00"),
        [("online", at("11:00")), ("removed", at("11:00") + CHECK)],
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_row_states_what_was_seen(name: str) -> None:
    """Each instant is one that the row names, or the dump's own date where the row names none."""
    dump, expected = STATEMENTS[name]
    assert looks(stated(dump)) == expected


@pytest.mark.parametrize(
    ("status", "verdict"), [("online", "online"), ("offline", "removed"), ("unknown", None)]
)
def test_a_dump_without_the_column_is_dated_by_itself(status: str, verdict: str | None) -> None:
    """Dumps of before 2022 have no `last_online`: nothing says that a URL was never seen."""
    found = looks(stated(seen(status, "", "21:00"), without=("last_online",)))
    assert found == ([] if verdict is None else [(verdict, at("21:00"))])


def test_a_dump_without_statuses_states_reports(tmp_path: Path) -> None:
    """Where neither status nor sighting stands, a row is a report and a notice and no more."""
    columns = [name for name in COLUMNS if name not in ("url_status", "last_online")]
    found = list(urlhaus.events(saved(tmp_path, published(columns=columns)), KEYS))
    assert {type(event.data) for event in found} == {ReportFiled, NoticeSent}


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("h1.example", "h1.example"),
        ("h1.example.", "h1.example"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("_dmarc.h1.example", "dmarc.h1.example"),
        ("a!b.example", "a-b.example"),
        (f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example", f"{'b' * 51}.{'c' * 60}.example"),
    ],
)
def test_a_group_has_a_name_that_the_ledger_takes(host: str, name: str) -> None:
    """Hosts of every kind give a provider's name, and their row is no dead letter."""
    assert urlhaus.network(canonical(f"http://{host}/x")) == name
    assert stated((row(1, url=f"http://{host}/x"), written("21:00")))


# -- later dumps ---------------------------------------------------------------------------------

STORIES: dict[str, tuple[Dump, ...]] = {
    "never online, then online": (
        seen("offline", "", "13:00"),
        seen("online", "15:00", "16:00"),
    ),
    "online, then gone, then back": (
        seen("online", "13:00", "13:30"),
        seen("offline", "14:00", "18:00"),
        seen("online", "22:00", "22:30"),
    ),
    "gone, and online again before the imputed end": (
        seen("offline", "13:00", "14:00"),
        seen("online", "14:30", "15:00"),
        seen("offline", "15:30", "+1 12:00"),
    ),
    "seen while the dump was written": (
        seen("online", "13:01", "13:00"),
        seen("online", "13:01", "13:30"),
    ),
    "another reporter": (
        seen("online", "13:00", "13:30"),
        seen("online", "13:00", "14:00", reporter="anonymous"),
    ),
    "other tags, another threat": (
        seen("online", "13:00", "13:30"),
        seen("online", "13:00", "14:00", tags="exe", threat="phishing"),
    ),
    "another date": (
        seen("online", "13:00", "13:30"),
        (row(1, dateadded=written("11:00"), last_online=written("13:00")), written("14:00")),
    ),
    "another URL": (
        seen("online", "13:00", "13:30"),
        seen("online", "13:00", "14:00", url="http://h2.example/x"),
    ),
}


def digest(events: Iterable[Event]) -> str:
    """Give the digest of the ledger that took these events."""
    by_case: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_case[event.case_id].append(event)
    return fold_digest(by_case, METHOD)


@pytest.mark.parametrize("name", STORIES)
def test_the_order_of_the_dumps_does_not_matter(name: str) -> None:
    """In every order, each once or twice, the same digest; and one id never names two facts."""
    dumps = STORIES[name]
    wanted = digest(stated(*dumps))
    for order in itertools.permutations(dumps):
        assert digest(stated(*order)) == wanted
        assert digest(stated(*order, *order, order[0])) == wanted
    bodies = {event.id: (event.time, event.data) for event in stated(*dumps)}
    assert all(bodies[event.id] == (event.time, event.data) for event in stated(*dumps))


def test_the_same_dump_again_says_nothing_new() -> None:
    """Ids are functions of the facts, even after the sealing key was rotated."""
    dumps = STORIES["online, then gone, then back"]
    rotated = Keyring(naming=KEYS.naming, sealing={**KEYS.sealing, "k2": b"t" * 32}, active="k2")
    first, again = stated(*dumps), stated(*dumps, keys=rotated)
    assert [event.id for event in first] == [event.id for event in again]
    assert [unsealed(e.data) for e in first] == [unsealed(e.data) for e in again]
    assert digest(first) == digest([*first, *again])


def test_a_later_sighting_is_a_return() -> None:
    """Never online by the first dump, online by the second: gone at the notice, back since."""
    found = spell(*STORIES["never online, then online"])
    assert found.presence is Presence.RETURNED
    assert found.returned_at == [at("15:00")]
    assert found.breached_at is None


def test_a_return_is_told_by_three_dumps() -> None:
    """Each dump has one `last_online`; together they tell the removal between two of them."""
    found = spell(*STORIES["online, then gone, then back"])
    assert [(r.lower, r.upper) for r in found.removals] == [(at("14:00"), at("14:00") + CHECK)]
    assert found.returned_at == [at("22:00")]


def test_an_imputed_end_yields_to_a_sighting() -> None:
    """A dump of 14:00 puts the end at 16:18; seen at 14:30, it was not gone for good, whatever was imputed."""
    dumps = STORIES["gone, and online again before the imputed end"]
    assert spell(*dumps[:2]).presence is Presence.ONLINE
    [removal] = spell(*dumps).removals
    assert (removal.lower, removal.upper) == (at("15:30"), at("15:30") + CHECK)
    assert removal.upper == spell(dumps[2]).removals[0].upper


def test_every_dump_of_an_hour_gives_no_false_end() -> None:
    """A URL that answers every other check is never gone for good while each hour's dump is imported."""
    hours = range(13, 20)
    dumps = [
        seen("online" if h % 2 else "offline", f"{h - 1 + h % 2}:00", f"{h}:05") for h in hours
    ]
    found = spell(*dumps)
    assert found.removals == []
    assert found.known_online_at == at("19:00")


HISTORY = st.lists(
    st.tuples(st.booleans(), st.integers(0, 90), st.integers(1, 600)), min_size=1, max_size=6
)


@given(HISTORY, st.integers(0, 1000))
def test_no_history_of_dumps_depends_on_its_order(
    history: list[tuple[bool, int, int]], seed: int
) -> None:
    """Random histories, shuffled and doubled: one digest, and the last sighting is known."""
    dumps, sighted, last = [], DAY + NOON, None
    for online, minutes, later in history:
        if online or (last is None and minutes % 2):
            sighted = last = sighted + timedelta(minutes=minutes)
        dumped = sighted + timedelta(minutes=later)
        text = "" if last is None else last.strftime("%Y-%m-%d %H:%M:%S")
        cells = row(1, url_status="online" if online else "offline", last_online=text)
        dumps.append((cells, dumped.strftime("%Y-%m-%d %H:%M:%S")))
        sighted = dumped
    shuffled = [*dumps, *dumps]
    random.Random(seed).shuffle(shuffled)
    assert digest(stated(*shuffled)) == digest(stated(*dumps))
    if last is not None and dumps[-1][0]["url_status"] == "online":
        assert spell(*dumps).known_online_at == last
        assert spell(*dumps).presence in (Presence.ONLINE, Presence.RETURNED)
