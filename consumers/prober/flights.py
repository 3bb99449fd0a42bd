"""Looks under way: open the URL, look, put the record on Kafka, tell the schedule."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

import structlog

from consumers.prober.recorder import Recorder
from schemas import ids
from schemas.errors import UnusableEvent
from schemas.events import Event, LookMade, LookMissed, MissedReason
from schemas.sealing import Keyring
from schemas.urls import CanonicalUrl
from services.exporter import metrics
from services.probing.limits.rates import Deferred
from services.probing.look.looker import Target
from services.probing.schedule.scheduler import Schedule
from services.probing.schedule.works import Miss, Work

log = structlog.get_logger(__name__)


class Looks(Protocol):
    """Whoever makes a look: `services.probing.look.looker.Looker`."""

    async def look(self, target: Target, tick: datetime) -> LookMade:
        """Make one look; raises `Deferred` where politeness forbids it for too long."""
        ...


class Flight:
    """One work under way; `abandon` turns its look into a missed one."""

    __slots__ = ("abandoned", "looks", "schedule", "task", "work")

    def __init__(self, schedule: Schedule, work: Work) -> None:
        self.schedule = schedule
        self.work = work
        self.abandoned: MissedReason | None = None
        self.looks = False
        self.task: asyncio.Task[None]

    def abandon(self, reason: MissedReason) -> None:
        """Break the look off, if it is not over yet; its tick is recorded as missed."""
        if self.abandoned is None:
            self.abandoned = reason
            if self.looks:
                self.task.cancel()


class Flights:
    """All works under way in one prober.

    Args:
        limit_seconds: a look that takes longer is broken off: a safety net far above a look's own timeouts.
        landed: called after each work.

    """

    def __init__(
        self,
        looker: Looks,
        keyring: Keyring,
        recorder: Recorder,
        *,
        vantage: str,
        clock: Callable[[], datetime],
        limit_seconds: float,
        landed: Callable[[], None],
    ) -> None:
        self._looker = looker
        self._keyring = keyring
        self._recorder = recorder
        self._vantage = vantage
        self._source = f"takedown:prober:{vantage}"
        self._clock = clock
        self._limit_seconds = limit_seconds
        self._landed = landed
        self._flights: set[Flight] = set()
        self._recording = 0
        self.failure: BaseException | None = None

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def held(self) -> int:
        """How many of them politeness makes wait; a looker that knows no politeness holds none."""
        return getattr(self._looker, "held", 0)

    @property
    def busy(self) -> int:
        """How many talk to somebody: they are neither held, nor do they wait for the broker."""
        return max(len(self._flights) - self._recording - self.held, 0)

    def launch(self, schedule: Schedule, work: Work) -> None:
        """Begin a work."""
        flight = Flight(schedule, work)
        self._flights.add(flight)
        flight.task = asyncio.create_task(self._fly(flight))

    async def land(
        self, schedules: Iterable[Schedule], reason: MissedReason, drain: float, limit: float
    ) -> bool:
        """Wait `drain` seconds for the works of some schedules, break the rest off, and wait `limit` for the records.

        Gives False where some could not be recorded: then the watermark holds them for the next owner.
        """
        owners = {id(schedule) for schedule in schedules}
        flights = {f.task: f for f in self._flights if id(f.schedule) in owners}
        for seconds, last in ((drain, False), (limit, True)):
            if not flights:
                return True
            _, late = await asyncio.wait(flights, timeout=seconds)
            flights = {task: flights[task] for task in late}
            for task, flight in flights.items():
                flight.abandon(reason)
                if last:
                    task.cancel()
        return not flights

    async def _fly(self, flight: Flight) -> None:
        try:
            await self._do(flight, flight.work)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.failure = error
        finally:
            self._flights.discard(flight)
            self._landed()

    async def _do(self, flight: Flight, work: Work) -> None:
        """Look, record, settle; or put the look off, where politeness forbids it and it can wait."""
        events = [self._missed(miss) for miss in work.missed]
        if work.tick is not None:
            made = await self._look(flight, work.tick)
            if isinstance(made, float):
                if events:
                    await self._record(events)
                if flight.schedule.put_off(work, made, self._clock()):
                    return
                events, made = [], self._missed(Miss(work.case_id, work.tick, "politeness"))
            events.append(made)
        await self._record(events)
        flight.schedule.settle(work, self._clock())

    async def _record(self, events: list[Event]) -> None:
        self._recording += 1
        try:
            await self._recorder.record(events)
        finally:
            self._recording -= 1
        self._count(events)

    async def _look(self, flight: Flight, tick: datetime) -> Event | float:
        case_id = flight.work.case_id
        try:
            url = self._keyring.open(flight.work.sealed_url, case_id)
        except UnusableEvent:
            log.error("prober.seal_unreadable", case_id=case_id)
            return self._missed(Miss(case_id, tick, "unreadable"))
        made = await self._made(flight, url, tick)
        if isinstance(made, float):
            return made
        if not isinstance(made, LookMade):
            return self._missed(Miss(case_id, tick, made))
        name = ids.look_id(case_id, self._vantage, tick, made.started_at)
        return Event(
            id=name, time=made.finished_at, source=self._source, case_id=case_id, data=made
        )

    async def _made(
        self, flight: Flight, url: CanonicalUrl, tick: datetime
    ) -> LookMade | float | MissedReason:
        """Make the look, or say for how many seconds politeness forbids it; whatever goes wrong is a missed look."""
        if flight.abandoned is not None:
            return flight.abandoned
        flight.looks = True
        try:
            async with asyncio.timeout(self._limit_seconds):
                return await self._looker.look(_target(flight.work, url), tick)
        except asyncio.CancelledError:
            # Broken off; but where somebody ends the whole flight, it ends.
            if flight.abandoned is None or flight.task.uncancel() > 0:
                raise
            return flight.abandoned
        except Deferred as deferred:
            return float(deferred.seconds)
        except Exception as error:
            log.error("prober.look_failed", case_id=flight.work.case_id, error=type(error).__name__)
            return "failed"
        finally:
            flight.looks = False

    def _missed(self, miss: Miss) -> Event:
        return Event(
            id=ids.missed_id(miss.case_id, self._vantage, miss.tick, miss.reason),
            time=miss.tick,
            source=self._source,
            case_id=miss.case_id,
            data=LookMissed(vantage=self._vantage, tick=miss.tick, reason=miss.reason),
        )

    def _count(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event.data, LookMissed):
                metrics.LOOKS_MISSED.labels(self._vantage, event.data.reason).inc()
            elif isinstance(event.data, LookMade):
                self._count_look(event.data)

    def _count_look(self, look: LookMade) -> None:
        metrics.LOOKS.labels(self._vantage, look.verdict, look.reason).inc()
        late = (look.started_at - look.tick).total_seconds()
        metrics.LOOK_LATENESS_SECONDS.labels(self._vantage).observe(max(late, 0.0))
        for phase, seconds in look.phases.items():
            metrics.LOOK_PHASE_SECONDS.labels(phase).observe(seconds)
        if look.canary_at is not None:
            metrics.CANARY_SEEN_TIMESTAMP_SECONDS.labels(self._vantage).set(
                look.canary_at.timestamp()
            )


def _target(work: Work, url: CanonicalUrl) -> Target:
    return Target(
        case_id=work.case_id,
        url=url,
        confirming=work.confirming,
        known_online=work.history.known_online,
        baseline=work.history.baseline,
        host_dark=work.history.host_dark,
        priority=work.priority,
    )
