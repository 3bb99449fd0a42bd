"""What a fold concludes for the world: breached, removed, returned, moved, each named by its cause."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from schemas import events as ev
from schemas import ids
from schemas.events import Event
from schemas.methodology import Methodology
from services.core.case import Case, Removal, Spell, Transition

SOURCE = "takedown:ledger"
_KINDS: dict[tuple[str, str], type[ev.Outcome]] = {
    ("clock", "BREACHED"): ev.SpellBreached,
    ("presence", "REMOVED"): ev.SpellRemoved,
    ("presence", "RETURNED"): ev.SpellReturned,
}
# The spell has its own place in an id; the same conclusion under another methodology keeps its id.
_NOT_STATED = ("spell", "methodology", "methodology_digest")


def outcomes(
    case: Case, transitions: Sequence[Transition], methodology: Methodology
) -> list[Event]:
    """Derive the outcome events of the last transitions of a case, or of all, in order.

    A retracted report takes effect on all history: where the methodology leaves it out, nothing is concluded
    from its case, and the ledger voids what was.
    """
    if case.retracted and "retracted" in methodology.exclude:
        return []
    events = []
    # Counted back from the last one, so that later looks can't change what an outcome says: by their instants alone a
    # removal may be as early as a return before it.
    left: dict[int, int] = {}
    for moved in reversed(transitions):
        kind = _kind(moved)
        if kind is None:
            continue
        removals = case.spells[moved.spell - 1].removals
        count = left.setdefault(moved.spell, len(removals))
        if kind is ev.SpellRemoved:
            left[moved.spell] -= 1
        last = removals[count - 1] if count else None
        events.append(_event(case, moved, last, kind, methodology))
    events.reverse()
    return events


def voided(case_id: str, outcome_id: UUID, outcome_type: str, at: datetime) -> Event:
    """Say that an outcome no longer holds."""
    return Event(
        id=ids.outcome_id(case_id, 0, "voided", outcome_id, ids.instant(at)),
        time=at,
        source=SOURCE,
        case_id=case_id,
        data=ev.OutcomeVoided(outcome_id=outcome_id, outcome_type=outcome_type),
    )


def _kind(moved: Transition) -> type[ev.Outcome] | None:
    if moved.machine == "procedure" and moved.after == "CLOSED" and moved.detail == "moved":
        return ev.SpellMoved
    return _KINDS.get((moved.machine, moved.after))


def _event(
    case: Case,
    moved: Transition,
    last: Removal | None,
    kind: type[ev.Outcome],
    methodology: Methodology,
) -> Event:
    spell = case.spells[moved.spell - 1]
    lower, upper = _interval(spell, moved, last)
    data = kind(
        spell=spell.number,
        provider=spell.provider,
        category=case.category,
        methodology=methodology.id,
        methodology_digest=methodology.digest,
        caused_by=moved.cause,
        clock_started_at=spell.clock_started_at,
        deadline=spell.deadline,
        known_online_at=lower,
        first_gone_at=upper,
    )
    name = _name(case.case_id, moved.at, data)
    return Event(id=name, time=moved.at, source=SOURCE, case_id=case.case_id, data=data)


def _name(case_id: str, at: datetime, body: ev.Outcome) -> UUID:
    fields = [name for name in body.__struct_fields__ if name not in _NOT_STATED]
    # The id has the outcome's own instant where the body has its cause, which the id begins with.
    values = [at if name == "caused_by" else getattr(body, name) for name in fields]
    statement = [ids.instant(one) if isinstance(one, datetime) else one for one in values]
    kind = ev.TYPE_OF[type(body)]
    return ids.outcome_id(case_id, body.spell, kind, body.caused_by, *statement)


def _interval(
    spell: Spell, moved: Transition, last: Removal | None
) -> tuple[datetime | None, datetime | None]:
    """Give between which instants it went last, or when it was seen past the deadline."""
    if moved.after == "BREACHED":
        return spell.breached_at, None
    return (None, None) if last is None else (last.lower, last.upper)
