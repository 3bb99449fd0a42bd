"""What later looks change of rows and watch entries: the short way gives what the comparison of all gives."""

from hypothesis import given

from schemas.events import Event
from schemas.methodology import Methodology
from services.core.fold import fold, may_extend, order
from services.core.outcomes import outcomes
from services.core.watch_entry import entry_of
from services.ledger import rows
from services.ledger.changes import LockedCase, extended
from services.ledger.transaction import parts
from tests import strategies
from tests.unit.core.test_fold import NL, gone, notice, online, report


def _check(events: list[Event], method: Methodology) -> None:
    """Extend the case of some events by the next, and compare all that its rows say before and after."""
    before = fold(events[:-1], method)[0]
    if not may_extend(before, events[-1]):
        return
    rows_before = [rows.spell_row(before, spell) for spell in before.spells]
    entry_before = entry_of(before, method)
    stored = LockedCase.read(rows.state_of(before), before.sealed_url, 0)
    change = extended(stored, events[-1:], method)
    after = change.case
    said = {one.id for one in outcomes(*fold(events[:-1], method), method)}
    whole = {one.id for one in outcomes(*fold(events, method), method)}
    assert change.restated or said | {one.id for one in change.concluded} == whole
    assert change.entry_changed == (entry_of(after, method) != entry_before)
    if not change.plain:
        return
    rows_after = [rows.spell_row(after, spell) for spell in after.spells]
    assert rows_after[:-1] == rows_before[:-1]
    assert rows.later_spell_row(rows_before[-1], rows_after[-1]) == rows.plainly_later_row(after)
    assert not change.moved
    assert not change.concluded


@given(strategies.histories | strategies.unnoticed_histories, strategies.methodologies)
def test_a_later_look_changes_no_more_than_is_written_of_it(
    events: list[Event], method: Methodology
) -> None:
    """Where a look counts as plain, row and entry say the same but for the columns it writes; so do outcomes."""
    unique = sorted({event.id: event for event in events}.values(), key=order)
    for end in range(2, len(unique) + 1):
        _check(unique[:end], method)


def test_a_second_sighting_is_plain_and_a_first_is_not() -> None:
    """The first sighting says since when it is online; from the second on, with nothing pending, nothing else moves."""
    seen = [report(0), notice(0.5), online(1), online(2)]
    plain = []
    for end in (3, 4):
        before = fold(seen[: end - 1], NL)[0]
        stored = LockedCase.read(rows.state_of(before), before.sealed_url, 0)
        plain.append(extended(stored, seen[end - 1 : end], NL).plain)
    assert plain == [False, True]


def test_what_was_concluded_is_stated_anew_where_a_look_corrects_who_is_charged() -> None:
    """A removal was charged to whom the report named, until it is back at another one: its outcome names that one."""
    before = [report(provider="small"), *gone(3)]
    events = [*before, online(10)]
    stored = LockedCase.read(rows.state_of(fold(before, NL)[0]), None, 0)
    assert extended(stored, events[-1:], NL).restated
    charged = [
        [one.data.provider for one in outcomes(*fold(told, NL), NL)]  # type: ignore[attr-defined]
        for told in (before, events)
    ]
    assert charged == [["small"], ["giant", "giant"]]


def test_cases_are_folded_again_in_parts_of_so_many_looks() -> None:
    """What a re-fold holds at once is bounded by the looks of its cases, as logs grow; a longer log is alone."""
    held = {}
    for name, looks in {"a": 900, "b": 900, "c": 900, "d": 5000, "e": 1}.items():
        case = fold([report(0), notice(0.5)], NL)[0]
        case.spell.looks = looks
        held[name] = {"state": rows.state_of(case), "sealed_url": None, "transitions": 0}
    assert list(parts(sorted(held), held)) == [["a", "b"], ["c"], ["d"], ["e"]]
