"""The real data: the core alone reproduces the reference, from any order of arrival."""

import csv
import gzip
import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pytest

from schemas.events import Event
from schemas.methodology import shipped
from schemas.sealing import Keyring
from services.core.case import Case
from services.core.estimate import turnbull
from services.core.fold import fold
from services.core.intervals import outward
from services.core.removal import removal_time
from services.reports import table, urlhaus
from services.reports.table import Row, Table

DATA = Path(__file__).parents[1] / "data"
DUMP = DATA / "urlhaus-2026-03-09T0928.csv.gz"
REFERENCE = json.loads((DATA / "urlhaus-2026-03-09T0928.reference.json").read_text())
KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
METHOD = shipped()["urlhaus-report-clock"]


def as_reference(row: Row) -> dict[str, object]:
    """Write a row in the reference's own fields and digits."""
    assert row.lower is not None
    assert row.upper is not None
    return {
        "n": row.n,
        "within": row.within,
        "not_certainly_outside": row.not_certainly_outside,
        "certain_breaches": row.certain_breaches,
        "lower": round(row.lower, 4),
        "upper": round(row.upper, 4),
    }


CUTOFF = urlhaus.cutoff(DUMP)


def folded(last: datetime, *dumps: Path) -> list[Case]:
    """Fold the events up to an instant, each case's in a shuffled order."""
    by_case: defaultdict[str, list[Event]] = defaultdict(list)
    for event in chain.from_iterable(urlhaus.events(dump, KEYS) for dump in dumps or (DUMP,)):
        if event.time <= last:
            by_case[event.case_id].append(event)
    rng = random.Random(7)
    for events in by_case.values():
        rng.shuffle(events)
    return [fold(events, METHOD)[0] for events in by_case.values()]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return folded(datetime.max.replace(tzinfo=UTC))


@pytest.fixture(scope="module")
def made(cases: list[Case]) -> Table:
    return table.build(cases, METHOD, CUTOFF)


def equals_the_reference(made: Table) -> None:
    enough = [row for row in made.providers if not row.too_few]
    by_name = {row.provider: row for row in enough}
    assert made.reports == REFERENCE["rows"]
    assert made.pooled.excluded["gone_before_notice"] == REFERENCE["never_seen_online"]
    assert made.pooled.reports_younger_than_norm == REFERENCE["younger_than_norm"]
    assert as_reference(made.pooled) == REFERENCE["pooled"]
    assert len(enough) == REFERENCE["groups_n30"]
    assert sum(row.lower >= 0.9 for row in enough) == REFERENCE["groups_lower_ge_90"]
    assert sum(row.upper <= 0.2 for row in enough) == REFERENCE["groups_upper_le_20"]
    for name, expected in REFERENCE["groups"].items():
        assert as_reference(by_name[name]) == expected


def test_the_reference_is_reproduced(made: Table) -> None:
    """Every number of the independent reference comes out, pooled and by group."""
    equals_the_reference(made)


def test_the_reference_is_reproduced_as_of_the_cutoff() -> None:
    """A table that knows only events up to the dump's cut-off has the same numbers."""
    equals_the_reference(table.build(folded(CUTOFF), METHOD, CUTOFF))


def as_of(earlier: str, folder: Path) -> Path:
    """Write the dump as it was published on an earlier day: later rows are missing, later sightings unknown."""
    path = folder / "earlier.csv"
    with gzip.open(DUMP, "rt", newline="") as dump, path.open("w", newline="") as file:
        lines = dump.read().replace("2026-03-09 09:28:18 (UTC)", f"{earlier} (UTC)").splitlines()
        head = [line for line in lines if line.startswith("#")]
        file.write("\r\n".join([*head, ""]))
        names = head[-1].strip("# ").split(",")
        rows = csv.DictWriter(file, names, quoting=csv.QUOTE_ALL)
        for row in csv.DictReader(lines[len(head) :], names):
            if row["last_online"] > earlier:
                row |= {"url_status": "online", "last_online": earlier}
            if row["dateadded"] <= earlier:
                rows.writerow(row)
    return path


def test_the_reference_is_reproduced_with_an_earlier_dump(tmp_path: Path) -> None:
    """A dump of a week before, taken in as well and twice, changes no number."""
    earlier = as_of("2026-03-02 00:00:00", tmp_path)
    assert sum(1 for _ in urlhaus.events(earlier, KEYS)) > 50_000
    cases = folded(datetime.max.replace(tzinfo=UTC), DUMP, earlier, DUMP, earlier)
    equals_the_reference(table.build(cases, METHOD, CUTOFF))


def test_the_parts_of_the_table_add_up(made: Table) -> None:
    """Providers sum to the pooled row, and the largest plus the rest is everything."""
    for name in ("n", "within", "certain_breaches", "undecided", "still_online", "looks"):
        assert sum(getattr(row, name) for row in made.providers) == getattr(made.pooled, name)
        assert made.without_largest is not None
        rest = getattr(made.without_largest, name) + getattr(made.providers[0], name)
        assert rest == getattr(made.pooled, name)


def test_the_estimate_of_the_real_data_is_the_published_one(cases: list[Case], made: Table) -> None:
    """On the half-hour grid of the reference Turnbull's share at 24 h is 0.5579 to 0.5582."""
    day = timedelta(hours=24)
    spells = [s for c in cases for s in c.spells if s.clock_started_at and not s.gone_before_notice]
    times = [removal_time(spell, METHOD, day) for spell in spells]
    found = turnbull(outward(time, 1800.0) for time in times if time is not None)
    assert found.n == 17769
    low, high = found.gone_by(day.total_seconds())
    assert 0.5579 <= low <= high <= 0.5582
    # At a minute's resolution intervals are narrower: a little more is certainly gone.
    assert made.pooled.estimate == pytest.approx((0.5630, 0.5630), abs=1e-4)
    assert made.pooled.lower < made.pooled.estimate[0] < made.pooled.upper  # type: ignore[operator]


def test_hours_and_months_hold_every_spell_once(made: Table) -> None:
    """The cells of the week and the months of the trend both sum to n."""
    assert sum(cell.n or 0 for cell in made.hours) == made.pooled.n
    assert sum(month.row.n for month in made.trend) == made.pooled.n
    assert len(made.hours) == 168
    assert made.pooled.incidence_n == made.pooled.n
