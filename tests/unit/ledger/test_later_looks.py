"""What later looks change of rows and watch entries: the short way gives what the comparison of all gives."""

from hypothesis import given

from schemas.events import Event
from schemas.methodology import Methodology
from services.core.fold import fold, may_extend, order
from services.core.watch_entry import entry_of
from services.ledger import rows
from services.ledger.changes import LockedCase, extended
from tests import strategies
from tests.unit.core.test_fold import NL, notice, online, report


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
    assert change.entry_changed == (entry_of(after, method) != entry_before)
    if not change.plain:
        return
    rows_after = [rows.spell_row(after, spell) for spell in after.spells]
    assert rows_after[:-1] == rows_before[:-1]
    assert rows.later_spell_row(rows_before[-1], rows_after[-1]) == rows.plainly_later_row(after)
    assert not change.moved
    assert not change.concluded


@given(strategies.histories, strategies.methodologies)
def test_a_plain_look_changes_no_more_than_its_row_says(
    events: list[Event], method: Methodology
) -> None:
    """Where a look counts as plain, the whole row and the whole entry say the same but for the columns it writes."""
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
