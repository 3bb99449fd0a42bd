"""Play the reporters and the hotline of a world: the right events at the right instants.

An event's time is its planned instant, not the instant of sending: the events are a function of the world.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import cast

from schemas import codec, ids
from schemas import events as ev
from schemas.errors import ConfigError
from schemas.events import TYPE_OF, Event, Payload
from schemas.events_of_notices import DeliveryFailure, DeliveryReason
from services.simulation.notice_plans import EscalationPlan, NoticePlan
from services.simulation.world import SimulatedCase, World

SOURCE = "takedown:simulation"
SECOND_REPORTER = "Second Hotline"
POISON = b'{"specversion": "1.0", "type": \xff\xfe broken'

Send = Callable[[Event], Awaitable[None]]
SendRaw = Callable[[bytes | None, bytes, list[tuple[str, bytes]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Cue:
    """One thing to send at an instant: an event, or the bytes of a record that nobody can read."""

    at: datetime
    event: Event | None = None
    raw: bytes | None = None


@dataclass(slots=True)
class Played:
    """How much was sent."""

    events: int = 0
    raw: int = 0


def timeline(world: World) -> list[Cue]:
    """Give everything that is said about a world, in the order of sending; duplicates have equal ids."""
    if any(not case.case_id for case in world.cases):
        raise ConfigError("this world has no names for its cases; build it with a keyring")
    cues = [cue for case in world.cases for cue in _case_cues(world, case)]
    cues += _duplicates(world, cues)
    middle = world.scenario.seconds(world.scenario.arrival_hours) / 2
    for number in range(world.scenario.poison):
        cues.append(Cue(world.instant(middle + number), raw=POISON))
    return sorted(cues, key=lambda cue: cue.at)


async def play(
    world: World,
    *,
    send: Send,
    send_raw: SendRaw,
    clock: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]],
    on_cue: Callable[[Cue], None] | None = None,
) -> Played:
    """Send the timeline, each cue at its instant or at once where that has passed.

    Args:
        world: built with a keyring.
        send: takes an event of the reports topic.
        send_raw: takes (key, value, headers) of a record of the reports topic.
        clock: the present, in UTC.
        sleep: waits so many seconds.
        on_cue: is told of each cue after it was sent.

    """
    played = Played()
    for cue in timeline(world):
        wait = (cue.at - clock()).total_seconds()
        if wait > 0:
            await sleep(wait)
        await _send(cue, send, send_raw, played)
        if on_cue is not None:
            on_cue(cue)
    return played


async def _send(cue: Cue, send: Send, send_raw: SendRaw, played: Played) -> None:
    if cue.event is not None:
        await send(cue.event)
        played.events += 1
    if cue.raw is not None:
        await send_raw(None, cue.raw, [])
        played.raw += 1


def _duplicates(world: World, cues: list[Cue]) -> Iterator[Cue]:
    """Send a few events once more, an hour later."""
    rng = Random(f"duplicates|{world.seed}")  # noqa: S311
    later = timedelta(seconds=world.scenario.seconds(1))
    for cue in rng.sample(cues, min(world.scenario.duplicates, len(cues))):
        yield Cue(cue.at + later, cue.event)


def _case_cues(world: World, case: SimulatedCase) -> Iterator[Cue]:
    for offset, data in _statements(world, case):
        at = world.instant(offset)
        late = case.late_notice if isinstance(data, ev.NoticeSent) else None
        yield Cue(at if late is None else world.instant(late), _event(case, at, data))


def _event(case: SimulatedCase, at: datetime, data: Payload) -> Event:
    name = ids.content_id(TYPE_OF[type(data)], case.case_id, at, codec.encode_data(data))
    return Event(id=name, time=at, source=SOURCE, case_id=case.case_id, data=data)


def _statements(world: World, case: SimulatedCase) -> Iterator[tuple[float, Payload]]:
    yield case.reported, _report(case, case.reporter)
    if case.second_report is not None:
        yield case.second_report, _report(case, SECOND_REPORTER)
    for notice in case.notices:
        yield from _notice(notice)
    for rung in case.escalations:
        yield rung.at, _escalation(rung)
    if case.hold is not None:
        expires = world.instant(case.hold.expires)
        placed = ev.HoldPlaced(actor="Police", reason="investigation", expires_at=expires)
        yield case.hold.placed, placed
        yield case.hold.lifted, ev.HoldLifted(actor="Police")
    if case.retracted is not None:
        yield case.retracted, ev.ReportRetracted(actor=case.reporter, reason="not illegal")


def _report(case: SimulatedCase, reporter: str) -> ev.ReportFiled:
    """Report sealed where the case has a seal, with the plain URL on the inbound topic otherwise."""
    if case.sealed_url is not None:
        return ev.ReportFiled(reporter=reporter, sealed_url=case.sealed_url)
    return ev.ReportFiled(reporter=reporter, url=case.url.href)


def _notice(notice: NoticePlan) -> Iterator[tuple[float, Payload]]:
    named = notice.notice_id
    sent = ev.NoticeSent(notice_id=named, provider=notice.provider, channel=notice.channel)
    yield notice.sent, sent
    if notice.delivered is not None:
        yield notice.delivered, ev.NoticeDelivered(notice_id=named)
    if notice.failed is not None and notice.failure is not None:
        yield notice.failed, _failure(notice, notice.failure)
    if notice.acknowledged is not None:
        yield notice.acknowledged, ev.NoticeAcknowledged(notice_id=named)


def _failure(notice: NoticePlan, reason: DeliveryFailure) -> Payload:
    if notice.status is None:
        return ev.NoticeFailed(notice_id=notice.notice_id, reason=reason)
    return ev.NoticeUndelivered(
        notice_id=notice.notice_id,
        reason=cast("DeliveryReason", reason),
        fault="theirs",
        status=notice.status,
    )


def _escalation(plan: EscalationPlan) -> ev.NoticeEscalated:
    return ev.NoticeEscalated(
        to=plan.to,
        actor="duty officer",
        reason="the notice did not arrive",
        channel=plan.channel,
        notice_id=plan.notice_id,
    )
