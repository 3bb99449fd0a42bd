"""A notice id that is used again with another content: the first holds, whatever the order of arrival."""

import random
from datetime import timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import shipped
from services.core.case import Case
from services.core.digest import case_digest
from services.core.fold import fold
from services.core.notice_conflicts import conflicting_arrivals
from services.ledger.changes import notice_conflicts
from tests.strategies import START, event, look

NL = shipped()["nl-24h"]
HOUR = timedelta(hours=1)
REPORT = event(START, ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x"))


def notice(hours: float, provider: str = "giant", name: str = "n1") -> Event:
    return event(START + hours * HOUR, ev.NoticeSent(notice_id=name, provider=provider))


FIRST, OTHER = notice(1), notice(3, "small")


def folded(*events: Event) -> Case:
    return fold([REPORT, *events], NL)[0]


def test_the_first_notice_of_an_id_holds() -> None:
    """Provider and deadline are those of the first by time; the other one is counted and moves nothing."""
    case, alone = folded(FIRST, OTHER), folded(FIRST)
    assert (case.spell.provider, case.spell.deadline) == (
        alone.spell.provider,
        alone.spell.deadline,
    )
    assert case.notices == alone.notices
    assert [(c.event_id, c.provider) for c in case.notice_conflicts] == [(OTHER.id, "small")]


def test_a_notice_without_a_conflict_leaves_no_trace() -> None:
    """Other ids, and the same notice twice, are no conflict: nothing of the digest changes."""
    case = folded(FIRST, FIRST, notice(2, "giant", "n2"))
    assert case.notice_conflicts == []
    assert "notice_conflicts" not in str(case_digest(case, []))


def test_every_order_gives_one_digest() -> None:
    """Which notice holds is decided by time and id, not by arrival; looks after it extend the same case."""
    events = [REPORT, FIRST, OTHER, notice(1, "third"), look(START + 5 * HOUR, "online")]
    digests = {case_digest(*fold(some, NL)) for some in permutations(events)}
    assert len(digests) == 1


notices = st.builds(
    notice, st.sampled_from([1, 2, 3]), st.sampled_from(["giant", "small"]), st.sampled_from("ab")
)


@given(st.lists(notices, max_size=7, unique_by=lambda one: one.id), st.integers(0, 99))
def test_batches_make_no_difference(arrived: list[Event], seed: int) -> None:
    """The arrivals that are shown as conflicts are the same, however they are split into batches."""
    whole = conflicting_arrivals(arrived, arrived)
    cut = random.Random(seed).randint(0, len(arrived))
    before, after = arrived[:cut], arrived[cut:]
    assert whole == conflicting_arrivals(before, before) | conflicting_arrivals(arrived, after)
    assert bool(whole) == bool(arrived and folded(*arrived).notice_conflicts)


def test_an_earlier_notice_that_comes_late_is_shown() -> None:
    """It takes the place of the one that held; its record brings the conflict to light, once."""
    late = [OTHER, FIRST, FIRST]
    keys = {(one.case_id, one.id) for one in late}
    assert notice_conflicts(late, keys, {FIRST.case_id: [FIRST, OTHER]}) == [1]
    assert folded(*late).spell.provider == "giant"
