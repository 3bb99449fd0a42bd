"""Play a simulated world through the pure core, with looks that ideal probers would make: no server, no clock.

The second vantage looks right after the first one whenever the watch entry asks for it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import structs

from schemas import ids
from schemas.events import Event, LookMade, ReportFiled, Served, WatchEntry
from schemas.methodology import Methodology, shipped
from services.core.cadence import next_look
from services.core.case import Case as Folded
from services.core.fold import fold
from services.core.watch_entry import entry_of
from services.probing.look.darkness import DarknessLimits
from services.simulation.behaviours import ABROAD_TOO, AT_HOME, DARK, NATURE, WALLS, Shows
from services.simulation.event_player import timeline
from services.simulation.plan import Phase
from services.simulation.world import SimulatedCase, World

VERDICTS = {Shows.PRESENT: "online", Shows.ABSENT: "removed", Shows.HIDDEN: "undetermined"}
FIRST, SECOND = "sim", "sim-abroad"
TAKES = timedelta(milliseconds=40)
DEMO = shipped()["demo"]


def seen(phase: Phase, dark: float, vantage: str, methodology: Methodology) -> tuple[str, str]:
    """Give verdict and reason of a phase that has lasted for `dark` seconds, as a vantage sees it."""
    shown = (ABROAD_TOO if vantage == SECOND else AT_HOME).get(phase.behaviour, phase.behaviour)
    if shown in DARK and dark >= DarknessLimits.within(methodology.host_dark_span).seconds:
        return "removed", "host_dark"
    reason = "blocked_forbidden" if shown in WALLS else "simulated"
    return VERDICTS[NATURE[shown].shows], reason


def look(
    world: World,
    case: SimulatedCase,
    tick: datetime,
    vantage: str = FIRST,
    methodology: Methodology = DEMO,
) -> Event:
    """Make the look that an ideal prober would make: it sees what the behaviour shows."""
    at = world.offset(tick + TAKES / 2)
    phase = case.plan.at(at)
    verdict, reason = seen(phase, at - phase.offset, vantage, methodology)
    online = verdict == "online"
    address = phase.addresses[0]
    data = LookMade(
        vantage=vantage,
        tick=tick,
        started_at=tick,
        finished_at=tick + TAKES,
        verdict=verdict,
        reason=reason,
        layer="host" if reason == "host_dark" else None,
        served=(
            Served(
                address=address,
                provider=phase.provider,
                online=online,
                gone=verdict == "removed",
            ),
        ),
        canary_at=tick,
        providers_left_out=(),
    )
    made = ids.look_id(case.case_id, vantage, tick, tick)
    return Event(id=made, time=data.finished_at, source="test", case_id=case.case_id, data=data)


def watched(world: World, methodology: Methodology = DEMO) -> Iterator[Folded]:
    """Fold every case at the end of its watch."""
    said: dict[str, list[Event]] = {}
    for cue in timeline(world):
        if cue.event is not None:
            said.setdefault(cue.event.case_id, []).append(cue.event)
    for case in world.cases:
        events = [_admitted(case, event) for event in said[case.case_id]]
        yield _watch(world, case, events, methodology)


def _admitted(case: SimulatedCase, event: Event) -> Event:
    """Say of a report what admission says of its URL."""
    if case.url.not_measurable is None or not isinstance(event.data, ReportFiled):
        return event
    data = structs.replace(event.data, not_measurable=case.url.not_measurable)
    return structs.replace(event, data=data)


def _folded(events: list[Event], methodology: Methodology) -> tuple[Folded, WatchEntry | None]:
    folded, _ = fold(events, methodology)
    folded.sealed_url = folded.sealed_url or "sealed by the ledger"
    return folded, entry_of(folded, methodology)


def _watch(
    world: World, case: SimulatedCase, said: list[Event], methodology: Methodology
) -> Folded:
    now, looks = world.instant(case.reported), []
    while True:
        known = [event for event in said if event.time <= now]
        folded, entry = _folded([*known, *looks], methodology)
        tick = entry and next_look(entry, case.case_id, methodology, now)
        upcoming = min((e.time for e in said if e.time > now), default=world.end)
        if tick and tick <= min(upcoming, world.end):
            looks.append(look(world, case, tick, FIRST, methodology))
            now = max(tick, now) + TAKES
            _, entry = _folded([*known, *looks], methodology)
            if entry is not None and entry.second_vantage:
                looks.append(look(world, case, now, SECOND, methodology))
                now += TAKES
        elif upcoming < world.end:
            now = upcoming
        else:
            return folded
