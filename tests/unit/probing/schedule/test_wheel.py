"""The timing wheel against a naive model."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.probing.schedule.wheel import Wheel

ITEMS = 12


class WheelAgainstDict(RuleBasedStateMachine):
    """The model is a dict of item to slot; the wheel is tiny, so that every ring wraps often."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.model: dict[int, int] = {}
        self.wheel = Wheel(self.model.__getitem__, self.now, width=4, buckets=3)
        self.wheel.reserve(ITEMS)

    @rule(item=st.integers(0, ITEMS - 1), ahead=st.integers(-5, 80))
    def schedule(self, item: int, ahead: int) -> None:
        slot = self.now + ahead
        if item in self.model:
            self.wheel.reschedule(item, slot)
        else:
            self.wheel.schedule(item, slot)
        self.model[item] = slot

    @rule(item=st.integers(0, ITEMS - 1))
    def cancel(self, item: int) -> None:
        if item in self.model:
            self.wheel.cancel(item)
            del self.model[item]

    @rule(ahead=st.integers(0, 30))
    def advance(self, ahead: int) -> None:
        self.now += ahead
        expected = sorted(item for item, slot in self.model.items() if slot <= self.now)
        handed_out = list(self.wheel.advance(self.now))
        assert expected == sorted(handed_out)
        future = [self.model[item] for item in handed_out if self.model[item] > self.now - ahead]
        assert future == sorted(future)
        for item in handed_out:
            del self.model[item]

    @rule(ahead=st.integers(1, 30))
    def stop_half_way(self, ahead: int) -> None:
        """A caller that takes one item and stops loses nothing."""
        self.now += ahead
        first = next(iter(self.wheel.advance(self.now)), None)
        if first is not None:
            assert self.model.pop(first) <= self.now
        self.now = self.wheel.cursor if first is not None else self.now

    @invariant()
    def same_size(self) -> None:
        assert len(self.model) == len(self.wheel)
        for item in range(ITEMS):
            assert (item in self.model) == self.wheel.chains.linked(item)


TestWheel = WheelAgainstDict.TestCase
TestWheel.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=300))
@settings(max_examples=50, deadline=None)
def test_a_far_item_comes_exactly_in_its_slot(slots: list[int]) -> None:
    """Cascades bring each item into its own slot, one step of the clock at a time."""
    wheel = Wheel(slots.__getitem__, width=16, buckets=8)
    wheel.reserve(len(slots))
    for item, slot in enumerate(slots):
        wheel.schedule(item, slot)
    came = {item: now for now in range(1, 5001) for item in wheel.advance(now)}
    assert dict(enumerate(slots)) == came


def test_no_single_step_moves_a_whole_bucket() -> None:
    """A coarse bucket with everything in it is moved in shares."""
    wheel = Wheel(lambda item: 2048 + item % 1024, width=1024, buckets=8)
    wheel.reserve(100_000)
    for item in range(100_000):
        wheel.schedule(item, 2048 + item % 1024)
    list(wheel.advance(1))
    chain = 2 * 1024 + 2
    moved = []
    for now in range(2, 2048):
        before = wheel.chains.first(chain)
        list(wheel.advance(now))
        moved.append(before != wheel.chains.first(chain))
    assert wheel.chains.first(chain) < 0
    assert sum(moved) > 200


def test_queues_of_the_owner_share_the_memory() -> None:
    """An item that was handed out waits in a queue, first in, first out."""
    wheel = Wheel(lambda item: 7, queues=2)
    wheel.reserve(3)
    for item in (2, 0, 1):
        wheel.chains.append(wheel.first_queue + 1, item)
    assert [wheel.chains.pop(wheel.first_queue + 1) for _ in range(3)] == [2, 0, 1]
    assert wheel.chains.pop(wheel.first_queue + 1) < 0
