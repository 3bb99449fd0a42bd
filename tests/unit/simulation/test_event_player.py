"""The driver says the right things at the right instants, in any clock."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from schemas import codec
from schemas import events as ev
from schemas.errors import ConfigError, UnusableEvent
from schemas.topics import REPORTS
from services.simulation.builder import build
from services.simulation.event_player import play, timeline
from services.simulation.scenarios import demo
from tests.unit.simulation.test_simulation_world import KEYS, START


@pytest.fixture(scope="module")
def world():
    return build(demo(), seed=3, start=START, port=18080, keyring=KEYS)


class Time:
    """A clock that moves only by sleeping."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def of_type(world, kind: type[ev.Payload]) -> list[ev.Event]:
    found = [cue.event for cue in timeline(world) if cue.event is not None]
    return [event for event in found if isinstance(event.data, kind)]


async def test_each_cue_is_sent_at_its_instant(world):
    """With a clock of its own, each event leaves exactly when it is due."""
    time, sent, raw = Time(START), [], []

    async def send(event: ev.Event) -> None:
        sent.append((time.now, event))

    async def send_raw(key, value, headers) -> None:
        raw.append((key, value, headers))

    played = await play(world, send=send, send_raw=send_raw, clock=time.clock, sleep=time.sleep)
    cues = [cue for cue in timeline(world) if cue.event is not None]
    assert [(cue.at, cue.event) for cue in cues] == sent
    assert (played.events, played.raw) == (len(sent), len(raw)) == (len(cues), 1)


async def test_late_driver_catches_up_without_waiting(world):
    """Started after the end, it sends everything at once, with the planned event times."""
    time, sent = Time(world.end), []

    async def send(event: ev.Event) -> None:
        sent.append(event)

    async def send_raw(key, value, headers) -> None:
        pass

    await play(world, send=send, send_raw=send_raw, clock=time.clock, sleep=time.sleep)
    assert time.now == world.end
    assert max(event.time for event in sent) < world.end


def test_every_event_passes_the_codec_of_its_topic(world):
    """What the driver says can be read from the reports topic, byte for byte."""
    for cue in timeline(world):
        if cue.event is None:
            continue
        key, value, headers = codec.encode(cue.event)
        read = codec.decode(value, headers, REPORTS)
        assert (read.id, read.time, read.data) == (cue.event.id, cue.event.time, cue.event.data)
        assert key.decode() == cue.event.case_id


def test_poison_is_really_unusable(world):
    """The planted record can't be decoded."""
    (poison,) = [cue.raw for cue in timeline(world) if cue.raw is not None]
    with pytest.raises(UnusableEvent):
        codec.decode(poison, [], REPORTS)


def test_both_forms_of_a_report_are_used(world):
    """Some reporters seal, some send the plain URL; both name the same case."""
    reports = of_type(world, ev.ReportFiled)
    sealed = [r for r in reports if r.data.sealed_url]
    assert 100 < len(sealed) < len(reports) - 100
    opened = KEYS.open(sealed[0].data.sealed_url, sealed[0].case_id, purpose="look")
    assert KEYS.case_id(opened) == sealed[0].case_id


def test_duplicates_are_the_same_events(world):
    """A duplicate has the id and the content of the event that it repeats."""
    events = [cue.event for cue in timeline(world) if cue.event is not None]
    repeated = [name for name, count in Counter(e.id for e in events).items() if count > 1]
    assert len(repeated) == world.scenario.duplicates
    for name in repeated:
        first, second = [event for event in events if event.id == name]
        assert first == second


def test_one_notice_is_late(world):
    """One notice is sent long after its event time."""
    late = [
        cue
        for cue in timeline(world)
        if cue.event and isinstance(cue.event.data, ev.NoticeSent)
        if cue.at - cue.event.time > timedelta(seconds=5)
    ]
    assert len(late) == 1


def test_hold_and_retraction_are_said(world):
    """One hold is placed and lifted, one report retracted."""
    for kind in (ev.HoldPlaced, ev.HoldLifted, ev.ReportRetracted):
        assert len({event.id for event in of_type(world, kind)}) == 1


def test_world_without_names_can_not_be_played():
    """Without a keyring there are no case ids, and the error says what to do."""
    nameless = build(demo(cases=5), seed=1, start=START, port=18080)
    with pytest.raises(ConfigError, match="keyring"):
        timeline(nameless)
