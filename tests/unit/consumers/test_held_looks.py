"""Looks that politeness holds take nobody's place, and are counted."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from consumers.prober.assignment import Assignment
from consumers.prober.in_flight import InFlightLooks
from consumers.prober.options import ProberVantage
from schemas.topics import WATCHLIST
from services.exporter import metrics
from tests.as_configured import prober_settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Endless:
    """A schedule that always has a work due."""

    waiting = 7
    put_off_count = 3
    started = True

    def __len__(self) -> int:
        return 9

    def peek(self) -> tuple[int, int]:
        return (2, 0)

    def take(self, now: datetime) -> str:
        return "work"


class Held(list):
    """Looks in flight of which so many are held."""

    held = 0

    @property
    def busy(self) -> int:
        return len(self) - self.held

    def start(self, schedule: object, work: object) -> None:
        self.append(work)


def watching(flights: Any) -> Assignment:
    """Make one with one partition of an endless schedule, and room for four looks."""
    made = Assignment(
        None,
        None,  # type: ignore[arg-type]
        ProberVantage(name="held-test", role="first", methodologies={}, watchlist=WATCHLIST),
        flights,
        settings=prober_settings(concurrency=4, looks_per_second=1e6),
        clock=lambda: NOW,
        turned=lambda: None,
    )
    progress = SimpleNamespace(watermark=NOW)
    made._owned = {0: SimpleNamespace(at_work=True, schedule=Endless(), progress=progress)}  # type: ignore[dict-item]
    return made


async def test_a_held_look_takes_nobodys_place() -> None:
    """Others begin while looks are held, up to as many again."""
    flights = Held()
    loop = watching(flights)
    loop.launch()
    assert len(flights) == 4
    flights.held = 3
    loop.launch()
    assert len(flights) == 7
    flights.held = 7
    loop.launch()
    assert len(flights) == 8


async def test_the_backlog_is_measured() -> None:
    """The looks that are due and those that politeness holds or put off are figures of their own."""
    flights = Held(["a", "b"])
    flights.held = 2
    watching(flights)._report_metrics()
    value = metrics.REGISTRY.get_sample_value
    assert value("takedown_looks_waiting", {"vantage": "held-test"}) == 7
    assert value("takedown_looks_held", {"vantage": "held-test"}) == 5


def test_a_looker_without_politeness_holds_none() -> None:
    """Whoever makes looks need not know of any line."""
    options: Any = {"vantage": "v", "clock": lambda: NOW, "limit_seconds": 1.0}
    plain = InFlightLooks(object(), None, None, on_end=lambda: None, **options)  # type: ignore[arg-type]
    assert (plain.held, plain.busy) == (0, 0)
    polite = InFlightLooks(SimpleNamespace(held=3), None, None, on_end=lambda: None, **options)  # type: ignore[arg-type]
    assert (polite.held, polite.busy) == (3, 0)
