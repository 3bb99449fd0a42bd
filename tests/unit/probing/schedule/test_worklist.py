"""The work list against a dict."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.errors import UnusableEvent
from schemas.events import Fingerprint, WatchEntry
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.core.cadence import plan_of, watched
from services.core.fingerprints import changed
from services.core.instants import micros, moment
from services.probing.schedule.profiles import History
from services.probing.schedule.worklist import WorkList
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
    known_online=st.booleans(),
    host_dark=st.booleans(),
    baseline=st.none()
    | st.builds(
        Fingerprint,
        content_type=st.sampled_from([None, "image/png", "text/html", "application/pdf"]),
        content_length=st.none() | st.integers(0, 2**40),
    ),
)


def case_of(number: int) -> str:
    """Give a case id as the program makes them: evenly spread, as those of an HMAC are."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


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
            self._same_sight(entry, self.list.history(slot))
            plan = plan_of(next(m for m in METHODOLOGIES if m.id == entry.methodology))
            kept, asked = self.list.watched(slot, plan.jitter)[0], watched(entry, case_id, plan)
            for days in (0, 1, 7):
                after = micros(START + timedelta(days=days))
                assert plan.next_tick(asked, after) == plan.next_tick(kept, after)

    def _same_sight(self, entry: WatchEntry, history: History) -> None:
        assert (history.known_online, history.host_dark) == (entry.known_online, entry.host_dark)
        assert (history.baseline is None) == (entry.baseline is None)
        if entry.baseline is None or history.baseline is None:
            return
        # What is kept says of any answer what the baseline itself would have said, up to 4 GiB.
        for found in PRINTS:
            if (entry.baseline.content_length or 0) < 2**32 - 2:
                exact, kept = changed(found, entry.baseline), changed(found, history.baseline)
                assert (exact in HEAVY, kept in HEAVY) == (exact in HEAVY, exact in HEAVY)


HEAVY = {"text", "file", "kind"}
PRINTS = [
    Fingerprint(content_type=kind, content_length=length)
    for kind in (None, "image/gif", "text/html", "application/zip")
    for length in (None, 0, 512, 10**6)
]
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
    assert url == keys.open(cases.sealed(slot), case_id, purpose="look")


def test_churn_does_not_grow_the_memory() -> None:
    """What is removed leaves nothing behind, and rows are used again."""
    cases = WorkList()
    entry = WatchEntry(
        sealed_url="s1.k." + "A" * 400, category="csam", methodology="nl-24h", watch_from=START
    )
    for n in range(20_000):
        cases.put(case_of(n), entry)
        if n >= 500:
            cases.remove(cases.find(case_of(n - 500)))
    assert cases.capacity <= 501
    assert cases._blobs.size <= 501 * 310


def test_deadlines_that_no_two_cases_share_cost_eight_bytes_each() -> None:
    """Working hours give every case a deadline of its own: past a thousand profiles they get a column."""
    cases, plan = WorkList(), plan_of(METHODOLOGIES[0])
    for n in range(5_000):
        entry = WatchEntry(
            sealed_url="s1.k.AAAA",
            category="csam",
            methodology="nl-24h",
            watch_from=START,
            deadline=START + timedelta(hours=24, microseconds=n),
        )
        slot = cases.put(case_of(n), entry)
        assert watched(entry, case_of(n), plan) == cases.watched(slot, plan.jitter)[0]
    assert len({cases.profile_number(slot) for slot in range(5_000)}) <= 1_025
    assert cases.deadline(4_999) == micros(START + timedelta(hours=24, microseconds=4_999))
    assert cases.deadline(0) == micros(START + timedelta(hours=24))


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
