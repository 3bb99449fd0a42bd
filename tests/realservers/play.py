"""Play the life of a URL on real servers in simulated time: the looks that a prober makes, and what the fold says.

Only `Eyes` knows how a look is made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from schemas import ids
from schemas.events import Event, LookMade, LookMissed, NoticeSent, ReportFiled, WatchEntry
from schemas.methodology import Methodology, shipped
from schemas.urls import canonical
from services.core.cadence import next_look
from services.core.case import Case, Spell
from services.core.fold import fold
from services.core.watch_entry import entry_of
from services.probing.dns.resolver import Resolver, ResolverLimits
from services.probing.guard.guard import Guard
from services.probing.limits.gate import DEADLINE, REST
from services.probing.limits.rates import Deferred, PolitenessLimits
from services.probing.look.looker import Looker, LookLimits, Target
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
    """Simulated time; it stands still while a look is made."""

    def __init__(self) -> None:
        self.at = REPORT

    def now(self) -> datetime:
        """Give the instant."""
        return self.at

    def monotonic(self) -> float:
        """Give the same in seconds."""
        return self.at.timestamp()


class Eyes:
    """Make looks with the prober's own parts; `resolvers` are ports of loopback.

    What is remembered of a name or a connection doesn't last from one look to the next, as it would not over hours.
    """

    def __init__(self, resolvers: Sequence[int], clock: Clock) -> None:
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
            vantage=VANTAGE,
            clock=clock.now,
            limits=LookLimits(exchange_seconds=5.0, connect_seconds=2.0, keepalive_seconds=0.05),
            politeness=PolitenessLimits(
                address_per_second=1e6,
                network_per_second=1e6,
                address_burst=1000,
                network_burst=1000,
                address_concurrency=100,
                network_concurrency=100,
            ),
        )
        self.looker._gate.now = clock.monotonic

    async def look(self, url: str, entry: WatchEntry, tick: datetime) -> LookMade:
        """Make the look of a tick that the watch entry asks for; raises `Deferred`."""
        target = Target(
            CASE,
            canonical(url),
            confirming=entry.suspected_at is not None,
            known_online=entry.known_online,
            baseline=entry.baseline,
            host_dark=entry.host_dark,
            worth=REST if entry.deadline is None or tick < entry.deadline else DEADLINE,
        )
        look = await self.looker.look(target, tick)
        # No story is about the vantage, which sees its canary all the time.
        return msgspec.structs.replace(look, canary_at=look.started_at)

    async def close(self) -> None:
        """Close every connection."""
        await self.looker.close()
        await self.resolver.close()


@dataclass
class Life:
    """A URL's life: what is done when, and for how long the material was really there.

    `stays` are the stretches, in hours, in which somebody could see it; one of them may have no end.
    """

    url: str
    acts: dict[float, Act] = field(default_factory=dict)
    stays: list[tuple[float, float]] = field(default_factory=lambda: [(-1e9, 1e9)])
    until: float = 60.0
    looked: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def there(self, since: float, until: float) -> bool:
        """Tell whether it was there at some instant of a stretch."""
        return any(start <= until and since < end for start, end in self.stays)

    def removals(self) -> list[float]:
        """Give the instants at which it went."""
        return [end for _, end in self.stays if end < 1e9]

    async def play(self, eyes: Eyes, clock: Clock, methodology: Methodology = METHODOLOGY) -> Case:
        """Look whenever the cadence says so, until the end of the story."""
        report = ReportFiled(reporter="hotline", sealed_url="s1.k.x")
        notice = NoticeSent(notice_id="n1", provider="hoster")
        self.events = [event(REPORT, report, CASE), event(NOTICE, notice, CASE)]
        case, after, due = _folded(self.events, methodology), REPORT, sorted(self.acts)
        while (entry := entry_of(case, methodology)) is not None:
            tick = next_look(entry, CASE, methodology, after)
            if tick is None or tick > instant(self.until):
                break
            while due and instant(due[0]) <= tick:
                self.acts[due.pop(0)]()
            after = clock.at = tick
            self.events.append(await self._looked(eyes, entry, tick))
            case = _folded(self.events, methodology)
        return case

    async def _looked(self, eyes: Eyes, entry: WatchEntry, tick: datetime) -> Event:
        try:
            look = await eyes.look(self.url, entry, tick)
        except Deferred:
            self.looked.append(f"{hours(tick)} missed")
            missed = LookMissed(vantage=VANTAGE, tick=tick, reason="politeness")
            return _named(ids.missed_id(CASE, VANTAGE, tick, "politeness"), tick, missed)
        self.looked.append(f"{hours(tick)} {look.verdict} {look.reason} by {look.method}")
        return _named(ids.look_id(CASE, VANTAGE, tick, look.started_at), look.finished_at, look)


def _named(name, time: datetime, data: LookMade | LookMissed) -> Event:
    return Event(id=name, time=time, source="realservers", case_id=CASE, data=data)


def _folded(events: list[Event], methodology: Methodology) -> Case:
    return fold(events, methodology)[0]


# -- what came out, against the truth --------------------------------------------------------------


def falsehoods(life: Life, case: Case) -> list[str]:
    """Name every statement of the fold that is not true of this life."""
    spell = case.spell
    false = [f"{len(case.spells)} spells"] if len(case.spells) > 1 else []
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


def told(life: Life, case: Case, versions: Path) -> str:
    """Write what the looks saw and what came of it, for those who read a failure."""
    spell = case.spell
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
