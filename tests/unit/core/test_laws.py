"""The eight laws of the core, as properties over any history of one case."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import structs

from schemas import events as ev
from schemas import ids
from schemas.events import Event
from schemas.methodology import Methodology
from services.core import machines
from services.core.bounds import Count, exclusion, standing
from services.core.case import Case, Run, Spell, Transition
from services.core.digest import case_digest
from services.core.fingerprints import changed
from services.core.fold import extend, fold, in_effect, may_extend, order
from services.core.machines import CLOCK, PRESENCE, PROCEDURE, Clock, IllegalTransition, Presence
from services.core.moves import place_of, serving
from services.core.state import decode_case, encode_case
from services.core.watch_entry import entry_of
from tests.strategies import (
    START,
    TWO_VANTAGES,
    any_event,
    event,
    histories,
    look,
    methodologies,
    ordinary,
    plain_histories,
)

HOUR = timedelta(hours=1)


def digest(events: list[Event], methodology: Methodology) -> str:
    return case_digest(*fold(events, methodology))


@given(histories, methodologies, st.randoms(use_true_random=False))
def test_a_fold_is_a_function_of_the_set(
    events: list[Event], methodology: Methodology, rng: random.Random
) -> None:
    """Law 1: any order of arrival and any duplicates give the same result."""
    mixed = [*events, *rng.sample(events, len(events) // 2)]
    rng.shuffle(mixed)
    assert digest(events, methodology) == digest(mixed, methodology)


def arrive(events: list[Event], methodology: Methodology) -> tuple[Case | None, list[Transition]]:
    """Take events as the ledger does: extend where that is allowed, fold the log anew elsewhere."""
    log: dict[object, Event] = {}
    case: Case | None = None
    transitions: list[Transition] = []
    for incoming in events:
        if incoming.id in log:
            continue
        log[incoming.id] = incoming
        if case is not None and may_extend(case, incoming):
            case = decode_case(encode_case(case))
            transitions += extend(case, incoming, methodology)
        else:
            case, transitions = fold(log.values(), methodology)
    return case, transitions


@given(histories, methodologies, st.randoms(use_true_random=False))
def test_arrival_in_any_split_equals_one_fold(
    events: list[Event], methodology: Methodology, rng: random.Random
) -> None:
    """Law 1: extending look by look, through stored bytes, equals one fold of everything."""
    rng.shuffle(events)
    case, transitions = arrive(events, methodology)
    assert case is not None
    assert digest(events, methodology) == case_digest(case, transitions)


def evidence(case: Case) -> list[object]:
    """Everything but the plain counters of looks, and the note that a run's first vantage was kept out since."""
    return [
        (
            s.presence, s.clock, s.procedure, s.provider, s.clock_started_at, s.deadline, s.breached_at,
            s.last_seen_at, s.removals, s.returned_at, _plain_run(s), s.gone_before_notice, s.dark, s.baseline,
            s.elsewhere, s.alternations, s.swaps, s.beside,
        )
        for s in case.spells
    ]  # fmt: skip


def _plain_run(spell: Spell) -> Run | None:
    # A block moves nothing: it asks for another vantage's looks.
    return None if spell.run is None else structs.replace(spell.run, shut_out=False)


def says_nothing(event: Event) -> bool:
    """Tell whether an event is a missed look, or one that counts as undetermined."""
    data = event.data
    if isinstance(data, ev.LookMade):
        return data.verdict == "undetermined" or (data.verdict == "online" and is_old(data))
    return isinstance(data, ev.LookMissed)


def is_old(look: ev.LookMade) -> bool:
    """Tell whether a look went by an old resolution, under every methodology here."""
    return look.resolution_age_seconds is not None and look.resolution_age_seconds > 900


def dark(event: Event) -> bool:
    return (
        isinstance(event.data, ev.LookMade)
        and event.data.verdict == "removed"
        and event.data.layer == "host"
    )


def answers(event: Event) -> bool:
    """Tell whether an undetermined look shows that something of the host answered."""
    data = event.data
    return (
        isinstance(data, ev.LookMade)
        and says_nothing(event)
        and (data.reason in ("blocked_legal", "soft_404_control") or data.fingerprint is not None)
    )


def moves_nothing(
    events: list[Event], left_out: Callable[[Event], bool], methodology: Methodology
) -> None:
    """Hold that a fold without some looks has the same evidence and transitions."""
    first = min(events, key=order)
    kept = [e for e in events if e is first or not left_out(e)]
    with_all, without = fold(events, methodology), fold(kept, methodology)
    changed = [(t.machine, t.before, t.after, t.spell) for t in with_all[1]]
    assert evidence(with_all[0]) == evidence(without[0])
    assert changed == [(t.machine, t.before, t.after, t.spell) for t in without[1]]


@given(histories, methodologies)
def test_undetermined_moves_nothing(events: list[Event], methodology: Methodology) -> None:
    """Law 2: an undetermined or missed look changes no evidence and no transition; an answer ends a dark alone."""
    moves_nothing(events, lambda e: says_nothing(e) and not answers(e), methodology)
    lit = [e for e in events if not dark(e)]
    if lit:
        moves_nothing(lit, says_nothing, methodology)


def run_before(looks: list[ev.LookMade], layer: str | None) -> list[ev.LookMade]:
    """Walk back over the looks that saw the same kind of gone: to a sighting, or an answer of a host that is dark."""
    run: list[ev.LookMade] = []
    for data in reversed(looks):
        if data.verdict == "online" and not is_old(data):
            break
        if data.verdict == "removed" and (data.layer == "host") is (layer == "host"):
            run.append(data)
        elif data.verdict == "removed" and layer == "host":
            # Something answered for the host.
            break
    return run[::-1]


@given(plain_histories, st.one_of(methodologies, st.just(TWO_VANTAGES), st.just(TWO_VANTAGES)))
def test_r_is_the_first_look_of_the_run(events: list[Event], methodology: Methodology) -> None:
    """Law 3: R is the first look of the run; where vantages dispute or agree late, the look at which they agree."""
    case, moved = fold(events, methodology)
    unique = sorted({e.id: e for e in events}.values(), key=order)
    places = {e.id: n for n, e in enumerate(unique)}
    rule = methodology.confirmation
    removals = [removal for spell in case.spells for removal in spell.removals]
    confirmed = [t for t in moved if t.after == Presence.REMOVED]
    for removal, move in zip(removals, confirmed, strict=True):
        told = [e.data for e in unique[: places[move.cause] + 1] if isinstance(e.data, ev.LookMade)]
        run = run_before(told, removal.layer)
        assert len(run) >= rule.looks
        host = removal.layer == "host"
        span = methodology.host_dark_span if host else methodology.confirmation_span
        needed = max(rule.vantages, rule.host_dark_vantages) if host else rule.vantages
        assert run[-1].finished_at - run[0].finished_at >= span
        assert removal.lower is None or removal.lower <= removal.upper
        first, agreed = run[0].finished_at, agreement(run, needed)
        late = agreed - first > rule.agreement_spans * span
        disputed = seen_elsewhere(told, run[0].vantage)
        if late or not disputed:
            assert removal.upper == (agreed if late else first)
        assert removal.upper in (first, agreed)


def agreement(run: list[ev.LookMade], vantages: int) -> datetime:
    """Give the first look by which so many vantages saw it gone."""
    seen: set[str] = set()
    for data in run:
        seen.add(data.vantage)
        if len(seen) == vantages:
            return data.finished_at
    raise AssertionError("a run was confirmed without its vantages")


def seen_elsewhere(looks: list[ev.LookMade], vantage: str) -> bool:
    """Tell whether a vantage ever saw gone what another one saw online after it."""
    gone = [n for n, d in enumerate(looks) if d.verdict == "removed" and d.vantage == vantage]
    return bool(gone) and any(
        d.verdict == "online" and d.vantage != vantage for d in looks[gone[0] :]
    )


@given(histories, methodologies)
def test_a_dark_host_alone_is_confirmed_by_its_own_rule(
    events: list[Event], methodology: Methodology
) -> None:
    """Law 3: a removal of layer host has seen the dark from enough vantages, over the longer span, unbroken."""
    case, moved = fold(events, methodology)
    asked = methodology.confirmation
    seen = sorted(
        (e.data for e in {e.id: e for e in events}.values() if isinstance(e.data, ev.LookMade)),
        key=lambda data: data.finished_at,
    )
    for removal in (r for spell in case.spells for r in spell.removals if r.layer == "host"):
        dark = [d for d in seen if d.layer == "host" and d.verdict == "removed"]
        run = [d for d in dark if d.finished_at >= removal.upper]
        vantages = {d.vantage for d in run}
        assert len(vantages) >= max(asked.vantages, asked.host_dark_vantages)
        assert run[-1].finished_at - removal.upper >= methodology.host_dark_span
        confirmed = min(t.at for t in moved if t.after == Presence.REMOVED and t.at > removal.upper)
        assert not [e for e in events if answers(e) and removal.upper < e.time < confirmed]


@given(histories, methodologies)
def test_the_entry_knows_what_was_seen(events: list[Event], methodology: Methodology) -> None:
    """The entry says that it was online where some look or report says so, with such a look's first fingerprint."""
    case, _ = fold(events, methodology)
    entry = entry_of(case, methodology)
    if entry is None:
        return
    reported = any(isinstance(e.data, ev.ReportFiled) and e.data.seen_online_at for e in events)
    looked = any(isinstance(e.data, ev.LookMade) and e.data.verdict == "online" for e in events)
    assert entry.known_online or not (reported or any(s.first_online_at for s in case.spells))
    assert reported or looked or not entry.known_online
    kept = case.spell.baseline
    assert (entry.baseline is None) == (kept is None)
    if kept is not None:
        assert entry.baseline is not None
        assert changed(kept, entry.baseline) == changed(kept, kept) or not kept.content_length
    assert entry.baseline is None or entry.known_online
    assert entry.host_dark == (case.spell.dark is not None)


@given(histories, methodologies)
def test_a_certain_breach_was_seen(events: list[Event], methodology: Methodology) -> None:
    """Law 4: BREACHED names a look that saw it online at or after the deadline."""
    case, _ = fold(events, methodology)
    sightings = [
        e.data
        for e in events
        if isinstance(e.data, ev.LookMade) and e.data.verdict == "online" and not is_old(e.data)
    ]
    for spell in case.spells:
        if spell.clock is Clock.BREACHED:
            seen = [look for look in sightings if look.started_at == spell.breached_at]
            assert seen
            assert spell.deadline is not None
            assert spell.breached_at is not None
            assert spell.breached_at >= spell.deadline
            if spell.provider is not None and not case.corrections:
                assert any(place_of(s, serving(s), spell.provider) == "here" for s in seen)


@given(histories, methodologies)
def test_no_look_moves_the_start_of_a_clock(events: list[Event], methodology: Methodology) -> None:
    """A clock starts at a report or a notice, or where a move opened its spell; never at a sighting."""
    case, _ = fold(events, methodology)
    stated = {e.time for e in events if not isinstance(e.data, ev.LookMade | ev.LookMissed)}
    for spell in case.spells:
        start = spell.clock_started_at
        assert start is None or start in stated or start == spell.opened_at


@given(histories, methodologies)
def test_gone_before_the_notice_was_gone_by_then(
    events: list[Event], methodology: Methodology
) -> None:
    """Nothing leaves n as gone before its notice but by a removal at its start, or unseen and within the bound."""
    case, _ = fold(events, methodology)
    for spell in case.spells:
        start = spell.clock_started_at
        if spell.gone_before_notice:
            assert start is not None
            bound = start + methodology.gone_before_notice_bound
            assert any(
                removal.upper <= (bound if removal.lower is None else start)
                for removal in spell.removals
            )


def reaches_back(event: Event) -> bool:
    """Tell whether an event says something about the time before it."""
    if isinstance(event.data, ev.CaseAttributed):
        return event.data.effective_from is not None
    return isinstance(event.data, ev.NoticeFailed | ev.NoticeUndelivered | ev.ReportFiled)


@given(histories, st.lists(any_event, max_size=10), methodologies)
def test_breached_is_final(
    events: list[Event], later: list[Event], methodology: Methodology
) -> None:
    """Law 4: no later look, notice or hold takes a certain breach back; only what corrects the past may."""
    case, _ = fold(events, methodology)
    last = max(e.time for e in events)
    after = [e for e in later if e.time > last and not reaches_back(e)]
    longer, _ = fold([*events, *after], methodology)
    for spell, same in zip(case.spells, longer.spells, strict=False):
        if spell.clock is Clock.BREACHED:
            assert same.clock is Clock.BREACHED


@given(st.lists(histories, max_size=6), methodologies, st.integers(0, 80))
def test_the_counts_add_up(many: list[list[Event]], methodology: Methodology, hours: int) -> None:
    """Law 5: within + certain breaches + undecided = n, and no spell is lost or counted twice."""
    cutoff, total, spells = START + hours * HOUR, Count(), 0
    for events in many:
        case, _ = fold(events, methodology)
        for spell in case.spells:
            total.add(standing(case, spell, methodology, cutoff))
            spells += 1
    assert total.within + total.certain_breaches + total.undecided == total.n
    outside = total.younger_than_norm + total.not_started + sum(total.excluded.values())
    assert total.n + outside == spells
    if total.n:
        assert total.lower is not None
        assert total.upper is not None
        assert 0 <= total.lower <= total.upper <= 1


@given(histories, methodologies)
def test_there_are_no_timers(events: list[Event], methodology: Methodology) -> None:
    """Law 6: every transition is caused by one of the events and happens when that event takes effect."""
    unique = sorted({e.id: e for e in events}.values(), key=order)
    times = {e.id: at for at, e in in_effect(unique)}
    _, transitions = fold(events, methodology)
    assert all(times[t.cause] == t.at for t in transitions)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 3)), min_size=2)
)
def test_a_look_is_named_by_its_facts(facts: list[tuple[str, int, int]]) -> None:
    """Law 7: equal facts have equal ids, different facts have different ones."""
    names = {
        fact: ids.look_id("a" * 32, fact[0], START + fact[1] * HOUR, START + fact[2] * HOUR)
        for fact in facts
    }
    assert len(set(names.values())) == len(set(facts))


@given(histories, methodologies)
def test_missed_looks_are_counted(events: list[Event], methodology: Methodology) -> None:
    """Law 8: every missed look is counted at its case, and none disappears."""
    case, _ = fold(events, methodology)
    unique = {e.id for e in events if isinstance(e.data, ev.LookMissed)}
    assert sum(spell.missed for spell in case.spells) == len(unique)


@given(ordinary)
@example([look(START, "online"), look(START + HOUR, "removed")])
def test_standing_agrees_with_its_definition(events: list[Event]) -> None:
    """The clock says what the words of the design say, by plain search over the looks of a spell."""
    methodology = next(m for m in METHODS if m.id == "urlhaus-report-clock")
    case, _ = fold(events, methodology)
    for spell in case.spells:
        if exclusion(case, spell) or spell.clock_started_at is None:
            continue
        assert spell.deadline == spell.clock_started_at + methodology.norm_for(case.category)
        in_time = [r for r in spell.removals if r.upper <= spell.deadline]
        late = spell.known_online_at is not None and spell.known_online_at >= spell.deadline
        if spell.clock is Clock.WITHIN:
            assert in_time
        elif spell.clock is Clock.BREACHED:
            assert late
        else:
            assert not late or in_time


METHODS = __import__("tests.strategies", fromlist=["METHODOLOGIES"]).METHODOLOGIES


@pytest.mark.parametrize(
    "table", [PROCEDURE, PRESENCE, CLOCK], ids=["procedure", "presence", "clock"]
)
def test_an_unknown_pair_raises_and_changes_nothing(
    table: dict[tuple[object, object], object],
) -> None:
    """A trigger that a state does not know raises, for every pair outside the table."""
    states = type(next(iter(table))[0])
    for state in states:
        for trigger in machines.Trigger:
            if (state, trigger) not in table:
                with pytest.raises(IllegalTransition):
                    machines.advance(table, state, trigger)


class Arrivals(RuleBasedStateMachine):
    """The ledger's way of taking events, against a naive fold of the sorted set."""

    def __init__(self) -> None:
        super().__init__()
        self.methodology = next(m for m in METHODS if m.id == "nl-24h")
        self.log: dict[object, Event] = {}
        self.case: Case | None = None
        self.transitions: list[Transition] = []

    @rule(incoming=any_event)
    def arrives(self, incoming: Event) -> None:
        if incoming.id in self.log:
            return
        self.log[incoming.id] = incoming
        if self.case is not None and may_extend(self.case, incoming):
            self.transitions += extend(self.case, incoming, self.methodology)
        else:
            self.case, self.transitions = fold(self.log.values(), self.methodology)

    @rule()
    def arrives_again(self) -> None:
        if self.log:
            self.arrives(next(iter(self.log.values())))

    @invariant()
    def equals_the_naive_fold(self) -> None:
        if self.log:
            naive = fold(sorted(self.log.values(), key=order), self.methodology)
            assert self.case is not None
            assert case_digest(*naive) == case_digest(self.case, self.transitions)

    @invariant()
    def removed_means_confirmed(self) -> None:
        for spell in self.case.spells if self.case else []:
            if spell.presence is Presence.REMOVED:
                assert spell.removals


TestArrivals = Arrivals.TestCase


def test_the_event_helper_names_by_content() -> None:
    """The strategies' own events obey law 7, or every property above would prove little."""
    data = ev.NoticeAcknowledged(notice_id="n")
    assert event(START, data).id == event(START, data).id
    assert event(START, data).id != event(START + HOUR, data).id
