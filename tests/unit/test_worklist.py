"""The work list against a dict."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.errors import UnusableEvent
from schemas.events import WatchEntry
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.core.cadence import plan_of, watched
from services.core.instants import micros, moment
from services.probing.worklist import WorkList
from tests.strategies import METHODOLOGIES

START = datetime(2026, 1, 1, tzinfo=UTC)
instants = st.integers(0, 10**12).map(lambda us: START + timedelta(microseconds=us))
maybe = st.none() | instants
# Ids that share their home in the index, so that probe runs are long and gaps matter.
case_ids = st.integers(0, 30).map(lambda n: f"{n % 3:016x}{n:016x}")
entries = st.builds(
    WatchEntry,
    sealed_url=st.sampled_from(["s1.k.AAAA", "s1.k.AAAB_-8=", "not base64 !", "x.y", "s1.k.AAB="])
    | st.text("abc.", min_size=1, max_size=4000),
    category=st.sampled_from(["csam", "tco"]),
    methodology=st.sampled_from([m.id for m in METHODOLOGIES]),
    watch_from=instants,
    deadline=maybe,
    suspected_at=maybe,
    removed_at=maybe,
    second_vantage=st.booleans(),
)


class WorkListAgainstDict(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.list = WorkList()
        self.model: dict[str, WatchEntry] = {}

    @rule(case_id=case_ids, entry=entries)
    def put(self, case_id: str, entry: WatchEntry) -> None:
        slot = self.list.put(case_id, entry)
        assert self.list.find(case_id) == slot
        self.model[case_id] = entry

    @rule(case_id=case_ids)
    def remove(self, case_id: str) -> None:
        slot = self.list.find(case_id)
        assert (slot >= 0) == (case_id in self.model)
        if slot >= 0:
            self.list.remove(slot)
            del self.model[case_id]
            assert not self.list.occupied(slot)

    @invariant()
    def same_content(self) -> None:
        assert len(self.model) == len(self.list)
        for case_id, entry in self.model.items():
            slot = self.list.find(case_id)
            assert case_id == self.list.case_id(slot)
            assert entry.sealed_url == self.list.sealed(slot)
            plan = plan_of(next(m for m in METHODOLOGIES if m.id == entry.methodology))
            kept, asked = self.list.watched(slot, plan.jitter), watched(entry, case_id, plan)
            for days in (0, 1, 7):
                after = micros(START + timedelta(days=days))
                assert plan.next_tick(asked, after) == plan.next_tick(kept, after)


TestWorkList = WorkListAgainstDict.TestCase
TestWorkList.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_seal_comes_back_as_it_went_in() -> None:
    """What the keyring sealed opens after its stay in the list."""
    keys = Keyring(
        naming=secrets.token_bytes(32), sealing={"k1": secrets.token_bytes(32)}, active="k1"
    )
    url = canonical("http://host.example/path?q=1")
    case_id = keys.case_id(url)
    entry = WatchEntry(
        sealed_url=keys.seal(url), category="csam", methodology="nl-24h", watch_from=START
    )
    cases = WorkList()
    slot = cases.put(case_id, entry)
    assert url == keys.open(cases.sealed(slot), case_id)


def test_churn_does_not_grow_the_memory() -> None:
    """Chunks that are half garbage are written anew, and slots are used again."""
    cases = WorkList()
    entry = WatchEntry(
        sealed_url="s1.k." + "A" * 400, category="csam", methodology="nl-24h", watch_from=START
    )
    for n in range(20_000):
        cases.put(f"{n:032x}", entry)
        if n >= 500:
            cases.remove(cases.find(f"{n - 500:032x}"))
    assert cases.capacity <= 501
    held = sum(len(chunk) for chunk in cases._blobs._chunks)
    assert held <= 2 * 500 * 310 + 2 * 65_536


def test_a_seal_longer_than_any_url_is_refused() -> None:
    """A damaged entry can't blow the store, and leaves no trace in it."""
    cases = WorkList()
    entry = WatchEntry(
        sealed_url="x" * 70_000, category="csam", methodology="nl-24h", watch_from=START
    )
    with pytest.raises(UnusableEvent, match="longer than 64 KiB"):
        cases.put("0" * 32, entry)
    assert (len(cases), cases.find("0" * 32)) == (0, -1)


def test_instants_keep_their_microseconds() -> None:
    """Ticks are names: a rounded one would be another look."""
    at = START + timedelta(microseconds=1)
    assert at == moment(micros(at))
