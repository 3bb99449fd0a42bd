"""Play a simulated world through the pure core, with looks that an ideal prober would make: no server, no clock."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from schemas import ids
from schemas.events import Event, LookMade, Served
from schemas.methodology import Methodology, shipped
from services.core.cadence import next_look
from services.core.case import Case as Folded
from services.core.fold import fold
from services.core.watch import entry_of
from services.simulation.behaviours import NATURE, Shows
from services.simulation.driver import timeline
from services.simulation.world import Case, World

VERDICTS = {Shows.PRESENT: "online", Shows.ABSENT: "removed", Shows.HIDDEN: "undetermined"}
TAKES = timedelta(milliseconds=40)
DEMO = shipped()["demo"]


def look(world: World, case: Case, tick: datetime) -> Event:
    """Make the look that an ideal prober would make: it sees what the behaviour shows."""
    phase = case.plan.at(world.offset(tick + TAKES / 2))
    verdict = VERDICTS[NATURE[phase.behaviour].shows]
    online = verdict == "online"
    address = phase.addresses[0]
    data = LookMade(
        vantage="sim",
        tick=tick,
        started_at=tick,
        finished_at=tick + TAKES,
        verdict=verdict,
        reason="simulated",
        served=(Served(address=address, provider=phase.provider, online=online),),
        canary_at=tick,
    )
    made = ids.look_id(case.case_id, "sim", tick, tick)
    return Event(id=made, time=data.finished_at, source="test", case_id=case.case_id, data=data)


def watched(world: World, methodology: Methodology = DEMO) -> Iterator[Folded]:
    """Fold every case at the end of its watch."""
    said: dict[str, list[Event]] = {}
    for cue in timeline(world):
        if cue.event is not None:
            said.setdefault(cue.event.case_id, []).append(cue.event)
    for case in world.cases:
        yield _watch(world, case, said[case.case_id], methodology)


def _watch(world: World, case: Case, said: list[Event], methodology: Methodology) -> Folded:
    now, looks = world.instant(case.reported), []
    while True:
        known = [event for event in said if event.time <= now]
        folded, _ = fold([*known, *looks], methodology)
        folded.sealed_url = folded.sealed_url or "sealed by the ledger"
        entry = entry_of(folded, methodology)
        tick = entry and next_look(entry, case.case_id, methodology, now)
        upcoming = min((e.time for e in said if e.time > now), default=world.end)
        if tick and tick <= min(upcoming, world.end):
            looks.append(look(world, case, tick))
            now = max(tick, now) + TAKES
        elif upcoming < world.end:
            now = upcoming
        else:
            return folded
