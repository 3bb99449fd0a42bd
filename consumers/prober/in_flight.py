"""Looks in flight: open the URL, look, put the record on Kafka, tell the schedule."""

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


class LookMaker(Protocol):
    """Whoever makes a look: `services.probing.look.looker.Looker`."""

    async def look(self, target: Target, tick: datetime) -> LookMade:
        """Make one look; raises `Deferred` where politeness forbids it for too long."""
        ...


class InFlightLook:
    """One work under way; `abandon` turns its look into a missed one."""

    __slots__ = ("abandoned", "running", "schedule", "task", "work")

    def __init__(self, schedule: Schedule, work: Work) -> None:
        self.schedule = schedule
        self.work = work
        self.abandoned: MissedReason | None = None
        self.running = False
        self.task: asyncio.Task[None]

    def abandon(self, reason: MissedReason) -> None:
        """Break the look off, if it is not over yet; its tick is recorded as missed."""
        if self.abandoned is None:
            self.abandoned = reason
            if self.running:
                self.task.cancel()


class InFlightLooks:
    """All works under way in one prober.

    Args:
        limit_seconds: a look that takes longer is broken off: a safety net far above a look's own timeouts.
        on_end: called after each work.

    """

    def __init__(
        self,
        looker: LookMaker,
        keyring: Keyring,
        recorder: Recorder,
        *,
        vantage: str,
        clock: Callable[[], datetime],
        limit_seconds: float,
        on_end: Callable[[], None],
    ) -> None:
        self._looker = looker
        self._keyring = keyring
        self._recorder = recorder
        self._vantage = vantage
        self._source = f"takedown:prober:{vantage}"
        self._clock = clock
        self._limit_seconds = limit_seconds
        self._on_end = on_end
        self._in_flight: set[InFlightLook] = set()
        self._recording = 0
        self.failure: BaseException | None = None

    def __len__(self) -> int:
        return len(self._in_flight)

    @property
    def held(self) -> int:
        """How many of them politeness makes wait; a looker that knows no politeness holds none."""
        return getattr(self._looker, "held", 0)

    @property
    def busy(self) -> int:
        """How many talk to somebody: they are neither held, nor do they wait for the broker."""
        return max(len(self._in_flight) - self._recording - self.held, 0)

    def start(self, schedule: Schedule, work: Work) -> None:
        """Begin a work."""
        look = InFlightLook(schedule, work)
        self._in_flight.add(look)
        look.task = asyncio.create_task(self._run(look))

    async def drain(
        self, schedules: Iterable[Schedule], reason: MissedReason, seconds: float, limit: float
    ) -> bool:
        """Wait `seconds` for the works of some schedules, break the rest off, and wait `limit` for the records.

        Gives False where some could not be recorded: then the watermark holds them for the next owner.
        """
        owners = {id(schedule) for schedule in schedules}
        ending = {f.task: f for f in self._in_flight if id(f.schedule) in owners}
        for timeout, last in ((seconds, False), (limit, True)):
            if not ending:
                return True
            _, late = await asyncio.wait(ending, timeout=timeout)
            ending = {task: ending[task] for task in late}
            for task, look in ending.items():
                look.abandon(reason)
                if last:
                    task.cancel()
        return not ending

    async def _run(self, look: InFlightLook) -> None:
        try:
            await self._perform(look, look.work)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.failure = error
        finally:
            self._in_flight.discard(look)
            self._on_end()

    async def _perform(self, look: InFlightLook, work: Work) -> None:
        """Look, record, settle; or put the look off, where politeness forbids it and it can wait."""
        events = [self._missed(miss) for miss in work.missed]
        if work.tick is not None:
            result = await self._look(look, work.tick)
            if isinstance(result, float):
                if events:
                    await self._record(events)
                if look.schedule.put_off(work, result, self._clock()):
                    return
                events, result = [], self._missed(Miss(work.case_id, work.tick, "politeness"))
            events.append(result)
        await self._record(events)
        look.schedule.settle(work, self._clock())

    async def _record(self, events: list[Event]) -> None:
        self._recording += 1
        try:
            await self._recorder.record(events)
        finally:
            self._recording -= 1
        self._count(events)

    async def _look(self, look: InFlightLook, tick: datetime) -> Event | float:
        case_id = look.work.case_id
        try:
            url = self._keyring.open(look.work.sealed_url, case_id, purpose="look")
        except UnusableEvent:
            log.error("prober.seal_unreadable", case_id=case_id)
            return self._missed(Miss(case_id, tick, "unreadable"))
        result = await self._make(look, url, tick)
        if isinstance(result, float):
            return result
        if not isinstance(result, LookMade):
            return self._missed(Miss(case_id, tick, result))
        name = ids.look_id(case_id, self._vantage, tick, result.started_at)
        return Event(
            id=name, time=result.finished_at, source=self._source, case_id=case_id, data=result
        )

    async def _make(
        self, look: InFlightLook, url: CanonicalUrl, tick: datetime
    ) -> LookMade | float | MissedReason:
        """Make the look, or say for how many seconds politeness forbids it; whatever goes wrong is a missed look."""
        if look.abandoned is not None:
            return look.abandoned
        look.running = True
        try:
            async with asyncio.timeout(self._limit_seconds):
                return await self._looker.look(_target(look.work, url), tick)
        except asyncio.CancelledError:
            # Broken off; but where somebody ends the whole task, it ends.
            if look.abandoned is None or look.task.uncancel() > 0:
                raise
            return look.abandoned
        except Deferred as deferred:
            return float(deferred.seconds)
        except Exception as error:
            log.error("prober.look_failed", case_id=look.work.case_id, error=type(error).__name__)
            return "failed"
        finally:
            look.running = False

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
                self._count_look(event.case_id, event.data)

    def _count_look(self, case_id: str, look: LookMade) -> None:
        metrics.LOOKS.labels(self._vantage, look.verdict, look.reason).inc()
        late = (look.started_at - look.tick).total_seconds()
        lateness = metrics.LOOK_LATENESS_SECONDS.labels(self._vantage)
        lateness.observe(max(late, 0.0), {"case_id": case_id})
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
