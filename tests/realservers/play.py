"""Play the life of a URL on real servers in simulated time: the looks that a prober makes, and what the fold says.

Only `Eyes` knows how a look is made.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from schemas import ids
from schemas.events import Event, LookMade, LookMissed, NoticeSent, ReportFiled, WatchEntry
from schemas.methodology import shipped
from schemas.urls import canonical
from services.core.cadence import next_look
from services.core.case import Case, Spell
from services.core.fold import fold
from services.core.watch_entry import entry_of
from services.probing.dns.resolver import Resolver, ResolverLimits
from services.probing.guard.guard import Guard
from services.probing.limits.gate import DEADLINE, REST
from services.probing.limits.rates import Deferred
from services.probing.look.looker import Looker, Target
from tests.as_configured import look_limits, looker_options, politeness_limits
from tests.strategies import event

CASE = "5a5a5a5a" + "0" * 24
VANTAGE = "home"
# The notice of a Monday morning; every instant of a story is in hours after it.
NOTICE = datetime(2026, 3, 2, 9, tzinfo=UTC)
REPORT = NOTICE - timedelta(minutes=10)
METHODOLOGY = shipped()["nl-24h"]
Act = Callable[[], object]


def instant(hours: float) -> datetime:
    """Give the instant that is so many hours after the notice."""
    return NOTICE + timedelta(hours=hours)


def hours(at: datetime | None) -> float | None:
    """Write an instant as hours after the notice."""
    return None if at is None else round((at - NOTICE) / timedelta(hours=1), 3)


class Clock:
    """Simulated time. Instants stand still while looks are made; the seconds of rates and timers run on."""

    def __init__(self) -> None:
        self.at = REPORT

    def now(self) -> datetime:
        """Give the instant."""
        return self.at

    def monotonic(self) -> float:
        """Give the same in seconds, with those that have really passed: what waits for a rate would wait for ever."""
        return self.at.timestamp() + time.monotonic()


class Eyes:
    """Make looks with the prober's own parts; `resolvers` are ports of loopback.

    What is remembered of a name or a connection doesn't last from one look to the next, as it would not over hours.
    """

    def __init__(self, resolvers: Sequence[int], clock: Clock, vantage: str = VANTAGE) -> None:
        self.vantage = vantage
        guard = Guard("simulated", None)
        forgetful = ResolverLimits(
            try_seconds=1.0,
            positive_seconds=(0.0, 0.0),
            negative_seconds=(0.0, 0.0),
            failure_seconds=0.0,
        )
        self.resolver = Resolver([("127.0.0.1", port) for port in resolvers], guard, forgetful)
        self.looker = Looker(
            guard=guard,
            resolver=self.resolver,
            vantage=vantage,
            clock=clock.now,
            **looker_options(
                limits=look_limits(
                    exchange_seconds=5.0, connect_seconds=2.0, keepalive_seconds=0.05
                ),
                politeness=politeness_limits(
                    address_per_second=1e6,
                    network_per_second=1e6,
                    address_burst=1000,
                    network_burst=1000,
                    address_concurrency=100,
                    network_concurrency=100,
                ),
            ),
        )
        self.looker._gate.now = clock.monotonic

    async def look(self, case_id: str, url: str, entry: WatchEntry, tick: datetime) -> LookMade:
        """Make the look of a tick that the watch entry asks for; raises `Deferred`."""
        target = Target(
            case_id,
            canonical(url),
            confirming=entry.suspected_at is not None,
            known_online=entry.known_online,
            baseline=entry.baseline,
            host_dark=entry.host_dark,
            priority=_priority(entry, tick),
        )
        look = await self.looker.look(target, tick)
        # No story is about the vantage, which sees its canary all the time.
        return msgspec.structs.replace(look, canary_at=look.started_at)

    async def close(self) -> None:
        """Close every connection."""
        await self.looker.close()
        await self.resolver.close()


def _priority(entry: WatchEntry, tick: datetime) -> int:
    """Give the priority that the prober's schedule would: a deadline that is near decides."""
    near = entry.deadline is not None and abs(tick - entry.deadline) <= timedelta(hours=2)
    return DEADLINE if near else REST


@dataclass
class Life:
    """A URL's life: for how long the material was really there, and what the looks made of it.

    `stays` are the stretches, in hours, in which somebody could see it; one of them may have no end.
    """

    url: str
    stays: list[tuple[float, float]]
    case_id: str = CASE
    looked: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    after: datetime = REPORT

    def __post_init__(self) -> None:
        report = ReportFiled(reporter="hotline", sealed_url="s1.k.x")
        notice = NoticeSent(notice_id="n1", provider="hoster")
        self.events = [
            event(REPORT, report, self.case_id),
            event(NOTICE, notice, self.case_id),
        ]
        self.case = self._folded()

    def there(self, since: float, until: float) -> bool:
        """Tell whether it was there at some instant of a stretch."""
        return any(start <= until and since < end for start, end in self.stays)

    def removals(self) -> list[float]:
        """Give the instants at which it went."""
        return [end for _, end in self.stays if end < 1e9]

    def next_tick(self) -> datetime | None:
        """Give the tick of the next look; None when the watch has ended."""
        entry = entry_of(self.case, METHODOLOGY)
        return None if entry is None else next_look(entry, self.case_id, METHODOLOGY, self.after)

    async def look(self, eyes: Eyes, tick: datetime, abroad: Eyes | None = None) -> None:
        """Look once, and from the second vantage where it is wanted then; fold what was seen."""
        entry = entry_of(self.case, METHODOLOGY)
        assert entry is not None
        self.after = tick
        self.events.append(await self._looked(eyes, entry, tick))
        self.case = self._folded()
        wanted = entry_of(self.case, METHODOLOGY)
        if abroad is not None and wanted is not None and wanted.second_vantage:
            self.events.append(await self._looked(abroad, wanted, tick))
            self.case = self._folded()

    def _folded(self) -> Case:
        return fold(self.events, METHODOLOGY)[0]

    async def _looked(self, eyes: Eyes, entry: WatchEntry, tick: datetime) -> Event:
        at, case, who = hours(tick), self.case_id, eyes.vantage
        away = "" if who == VANTAGE else f" from {who}"
        try:
            look = await eyes.look(case, self.url, entry, tick)
        except Deferred:
            self.looked.append(f"{at} missed{away}")
            missed = LookMissed(vantage=who, tick=tick, reason="politeness")
            name = ids.missed_id(case, who, tick, "politeness")
            return Event(id=name, time=tick, source="realservers", case_id=case, data=missed)
        self.looked.append(f"{at} {look.verdict} {look.reason} by {look.method}{away}")
        name = ids.look_id(case, who, tick, look.started_at)
        return Event(id=name, time=look.finished_at, source="realservers", case_id=case, data=look)


async def play(
    lives: Sequence[Life],
    acts: Mapping[float, Act],
    eyes: Sequence[Eyes],
    clock: Clock,
    until: float,
) -> None:
    """Look at each life whenever the cadence says so, and do what is done meanwhile, until an hour of the story."""
    due = sorted(acts)
    while True:
        ticks = [(tick, n) for n, life in enumerate(lives) if (tick := life.next_tick())]
        if not ticks or min(ticks)[0] > instant(until):
            return
        tick, n = min(ticks)
        while due and instant(due[0]) <= tick:
            acts[due.pop(0)]()
        clock.at = tick
        await lives[n].look(eyes[0], tick, *eyes[1:])


# -- what came out, against the truth --------------------------------------------------------------


def falsehoods(life: Life) -> list[str]:
    """Name every statement of the fold that is not true of this life."""
    spell, spells = life.case.spell, len(life.case.spells)
    false = [f"{spells} spells"] if spells > 1 else []
    for removal in spell.removals:
        lower, upper = hours(removal.lower), hours(removal.upper)
        assert upper is not None
        if not any((lower is None or lower < at) and at <= upper for at in life.removals()):
            false.append(f"removed in ({lower}, {upper}]: {removal.reason}")
    for at in map(hours, spell.returned_at):
        assert at is not None
        if not life.there(at, at):
            false.append(f"returned at {at}")
    return false + _false_outcomes(life, spell)


def _false_outcomes(life: Life, spell: Spell) -> list[str]:
    said, deadline = outcome_of(spell), hours(spell.deadline)
    if said == "breached":
        assert deadline is not None
        at = hours(spell.breached_at)
        assert at is not None
        return [] if life.there(deadline, at) else [f"breached, seen at {at}"]
    if (
        said == "within"
        and deadline is not None
        and not any(at <= deadline for at in life.removals())
    ):
        return ["within"]
    if said == "gone_before_notice" and life.there(0.0, 0.25):
        return ["gone before the notice"]
    return []


def outcome_of(spell: Spell) -> str:
    """Name what a table counts the spell as."""
    if spell.gone_before_notice:
        return "gone_before_notice"
    return {"WITHIN": "within", "BREACHED": "breached"}.get(spell.clock.value, "undecided")


def told(life: Life, versions: Path) -> str:
    """Write what the looks saw and what came of it, for those who read a failure."""
    spell = life.case.spell
    lines = ["", *shortened(life.looked), f"outcome {outcome_of(spell)}, presence {spell.presence}"]
    lines += [
        f"removed in ({hours(r.lower)}, {hours(r.upper)}] {r.layer} {r.reason}"
        for r in spell.removals
    ]
    lines += [f"in truth there in {life.stays}", versions.read_text()]
    return "\n".join(lines)


def shortened(looked: list[str]) -> list[str]:
    """Write the looks with a run of one verdict as one."""
    runs: list[tuple[str, str, str]] = []
    for line in looked:
        at, _, said = line.partition(" ")
        since = at
        if runs and runs[-1][2] == said:
            since = runs.pop()[0]
        runs.append((since, at, said))
    return [f"{since}..{at} {said}" if since != at else f"{at} {said}" for since, at, said in runs]
