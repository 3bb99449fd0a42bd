"""What a batch does to one case: decided here, without a database; performed by the store."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from schemas import codec, ids, topics
from schemas.events import TYPE_OF, CaseErased, Event, ReportFiled, WatchEntry, unsealed
from schemas.methodology import Methodology
from services.core.case import Case, Spell, Transition
from services.core.fold import extend_by, fold, order
from services.core.notice_conflicts import conflicting_arrivals
from services.core.outcomes import SOURCE, outcomes, voided
from services.core.watch_entry import entry_of
from services.ledger.rows import OutboxRecord, StoredSpell, case_of, spell_row

_headers = msgspec.json.Encoder()


class LockedCase(Struct):
    """A locked case as it stands in the ledger; `transitions` is how many rows it has of them."""

    case: Case
    transitions: int
    state: bytes
    sealed_url: str | None

    @classmethod
    def read(cls, state: bytes, sealed_url: str | None, transitions: int) -> "LockedCase":
        """Read it from its row."""
        return cls(case_of(state, sealed_url), transitions, state, sealed_url)

    def before(self) -> Case:
        """Read the case again as it was locked; looks extend `case` in place."""
        return case_of(self.state, self.sealed_url)


class Change(Struct):
    """A case after a batch.

    `refolded` says that everything about it is written anew; `first_spell` is the first one that changed, and
    `spell_before` its row before later looks. `plain`: its looks moved nothing but what `LaterSpell` holds.
    `restated`: what was concluded of it before says something else by now, so that it has to be folded from its log.
    """

    case: Case
    refolded: bool
    first_spell: int
    spell_before: StoredSpell | None
    transitions_before: int
    moved: list[Transition]
    entry_changed: bool
    entry: WatchEntry | None
    concluded: list[Event]
    plain: bool = False
    restated: bool = False

    @property
    def transitions(self) -> int:
        """How many transitions the case has now."""
        return self.transitions_before + len(self.moved)


# All that a look may change of a spell and that its row or the watch entry shows, but for `LaterSpell` and what is
# pending: a look that leaves these alone leaves both alone.
_shown = attrgetter(
    *(
        "number",
        "provider",
        "edge",
        "procedure",
        "presence",
        "opened_at",
        "closed_at",
        "closed_reason",
    ),
    *("clock", "clock_started_at", "clock_started_from", "deadline", "gone_before_notice", "held"),
    *("first_online_at", "breached_at", "reported_again_at", "baseline"),
)
# What an outcome says of its spell beside its own instants.
_stated = attrgetter("provider", "clock_started_at", "deadline")


def _standing(case: Case) -> tuple[Any, ...] | None:
    """Give what shows of a case beside what `LaterSpell` holds; None where something is pending."""
    spell = case.spells[-1]
    if spell.run is not None or spell.dark is not None:
        return None
    if spell.elsewhere is not None or spell.block is not None:
        return None
    return _shown(spell), case.seen_elsewhere, len(spell.removals), len(spell.returned_at)


def extended(stored: LockedCase, new: Sequence[Event], methodology: Methodology) -> Change:
    """Take later looks, in order."""
    case, first_spell = stored.case, stored.case.spell.number
    standing = _standing(case)
    moved = extend_by(case, new, methodology)
    plain = standing is not None and not moved and _standing(case) == standing
    change = Change(
        case=case,
        refolded=False,
        first_spell=first_spell,
        spell_before=None,
        transitions_before=stored.transitions,
        moved=moved,
        entry_changed=False,
        entry=None,
        concluded=[],
        plain=plain,
    )
    return change if plain else _compared(change, stored.before(), methodology)


def _compared(change: Change, before: Case, methodology: Methodology) -> Change:
    """Say what later looks changed of a case."""
    case, moved = change.case, change.moved
    change.restated = _is_restated(before.spell, case.spells[before.spell.number - 1])
    change.spell_before = spell_row(before, before.spell)
    # Without a transition only a lengthening run can change what the probers need to know.
    change.entry = entry_of(case, methodology)
    change.entry_changed = change.entry != entry_of(before, methodology)
    change.concluded = outcomes(case, moved, methodology) if moved else []
    return change


def _is_restated(before: Spell, after: Spell) -> bool:
    """Tell whether looks changed what an outcome of before says: who is charged may be corrected until a clock starts.

    What was concluded before that is a removal or the return after it; a breach comes after the clock's start.
    """
    return bool(before.removals) and _stated(before) != _stated(after)


def refolded(
    stored: LockedCase | None, everything: Iterable[Event], methodology: Methodology
) -> Change:
    """Fold a case from its whole log; `stored` is what it was before, None for a new case.

    A new case without an entry gets a tombstone: an emptied ledger that is filled again can't know what
    the probers were told before.
    """
    before = entry_of(stored.case, methodology) if stored is not None else None
    case, moved = fold(everything, methodology)
    change = whole(case, moved, before, methodology)
    change.entry_changed = change.entry_changed or stored is None
    return change


def whole(
    case: Case, moved: list[Transition], before: WatchEntry | None, methodology: Methodology
) -> Change:
    """Have everything about a case written anew; `before` is what the probers were told of it."""
    entry = entry_of(case, methodology)
    return Change(
        case=case,
        refolded=True,
        first_spell=1,
        spell_before=None,
        transitions_before=0,
        moved=moved,
        entry_changed=entry != before,
        entry=entry,
        concluded=outcomes(case, moved, methodology),
    )


class Reconciled(Struct):
    """How the outcomes of refolded cases differ from those recorded before."""

    appended: list[Event]
    revived: list[Event]
    vanished: list[UUID]
    published: list[Event]


def reconcile(
    changes: Iterable[Change], recorded: dict[str, dict[UUID, tuple[str, bool]]], at: datetime
) -> Reconciled:
    """Compare outcomes; `recorded` maps case → outcome id → (type, voided?).

    A new one is appended, one that no longer holds is voided, one that holds again is no longer voided.
    """
    result = Reconciled([], [], [], [])
    for change in changes:
        before = recorded.get(change.case.case_id, {})
        for event in change.concluded:
            if event.id not in before:
                result.appended.append(event)
                result.published.append(event)
            elif before[event.id][1]:
                result.revived.append(event)
                result.published.append(event)
        holding = {event.id for event in change.concluded}
        for outcome_id, (type_, gone) in before.items():
            if outcome_id not in holding and not gone:
                result.vanished.append(outcome_id)
                result.published.append(voided(change.case.case_id, outcome_id, type_, at))
    return result


def outcome_record(event: Event) -> OutboxRecord:
    """Give a row of `outbox` for an outcome."""
    key, value, headers = codec.encode(event)
    return OutboxRecord(topics.OUTCOMES.name, key.decode(), value, _written(headers))


def watch_record(change: Change) -> OutboxRecord:
    """Give a row of `outbox` for a watch entry, or its tombstone."""
    case, name = change.case, topics.WATCHLIST.name
    if change.entry is None:
        return OutboxRecord(name, case.case_id, None, "[]")
    assert case.last_time is not None
    data = codec.encode_data(change.entry)
    event = Event(
        id=ids.content_id(TYPE_OF[WatchEntry], case.case_id, case.last_time, data),
        time=case.last_time,
        source=SOURCE,
        case_id=case.case_id,
        data=change.entry,
    )
    key, value, headers = codec.encode(event)
    return OutboxRecord(name, key.decode(), value, _written(headers))


def _written(headers: list[tuple[str, bytes]]) -> str:
    return _headers.encode([(name, text.decode()) for name, text in headers]).decode()


def same_fact(one: Event, other: Event) -> bool:
    """Tell whether two events with one id say the same, whatever became of their sealed URL."""
    if one.time != other.time or type(one.data) is not type(other.data):
        return False
    return unsealed(one.data) == unsealed(other.data)


def notice_conflicts(
    events: Sequence[Event],
    new: Collection[tuple[str, UUID]],
    logs: Mapping[str, Sequence[Event]],
) -> list[int]:
    """Give the indices of new events, in order of arrival, that contradict another notice of their notice id.

    `logs` has the whole log of each case that has such conflicts.
    """
    wrong: set[tuple[str, UUID]] = set()
    for case_id, log in logs.items():
        arrived = {e.id: e for e in events if e.case_id == case_id and (case_id, e.id) in new}
        wrong |= {(case_id, name) for name in conflicting_arrivals(log, list(arrived.values()))}
    if not wrong:
        return []
    keys = ((event.case_id, event.id) for event in events)
    first = {key: index for index, key in reversed(list(enumerate(keys))) if key in wrong}
    return sorted(first.values())


def erased_urls(events: Iterable[Event]) -> set[UUID]:
    """Name the reports of a case, by event id, whose sealed URL an erasure that comes after them has destroyed."""
    statements = [event for event in events if isinstance(event.data, CaseErased | ReportFiled)]
    erased = max((order(e) for e in statements if isinstance(e.data, CaseErased)), default=None)
    return {
        event.id
        for event in statements
        if isinstance(event.data, ReportFiled) and event.data.sealed_url is not None
        if erased is not None and order(event) < erased
    }


def by_case(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Group events by case, each group in the order of the fold."""
    groups: dict[str, list[Event]] = {}
    for event in events:
        groups.setdefault(event.case_id, []).append(event)
    for group in groups.values():
        if len(group) > 1:
            group.sort(key=order)
    return groups
