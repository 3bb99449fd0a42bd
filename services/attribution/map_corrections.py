"""What a changed map makes of the history of a case, as statements that go into the record.

The looks whose addresses the two maps attribute differently are attributed anew and the case is folded again. Where
its spells come out otherwise, statements of who answered from which instant on (`takedown.case.attributed.v1`) say so.
That they have this effect and no other is checked by folding the history with them; what they can't express, such as
that nobody is known to have answered, only a replay under the new map shows.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct, structs

from schemas.codec import stated
from schemas.events import CaseAttributed, Event, LookMade
from schemas.methodology import Methodology
from services.attribution.history import reattributed
from services.attribution.providermap import ProviderMap
from services.core.case import Case, Spell
from services.core.fold import fold

METHOD = "map"
SOURCE = "takedown:providers"


class Act(Struct, frozen=True, kw_only=True):
    """A change of the map that a person accepted: who, why, and when."""

    actor: str
    reason: str
    at: datetime


class Corrected(NamedTuple):
    """What a change does to a case: statements that go into the record; `exact`: they have the whole effect."""

    case_id: str
    statements: list[Event]
    exact: bool


class MapChange:
    """Two maps, and what the step from one to the other means for a case."""

    def __init__(self, before: ProviderMap, after: ProviderMap, methodology: Methodology) -> None:
        self._before = before
        self._after = after
        self._methodology = methodology

    def __repr__(self) -> str:
        return f"<MapChange {self._before!r} to {self._after!r}>"

    def corrected(self, events: Sequence[Event], act: Act) -> Corrected | None:
        """Say what the change does to a case with these events; None where its spells stay as they are."""
        again = [self.restated(event) for event in events]
        if all(one is other for one, other in zip(events, again, strict=True)):
            return None
        here, there = self._fold(events), self._fold(again)
        if _essence(here) == _essence(there):
            return None
        for since in _beginnings(here, there, again, events):
            statements = list(_statements(there, since, act))
            if _essence(self._fold([*events, *statements])) == _essence(there):
                return Corrected(here.case_id, statements, exact=True)
        return Corrected(here.case_id, [], exact=False)

    def restated(self, event: Event) -> Event:
        """Attribute anew what the maps say different things of; the rest stays as it was recorded."""
        before, after = reattributed(event, self._before), reattributed(event, self._after)
        if before.data == after.data:
            return event
        look, here, there = event.data, before.data, after.data
        if not (
            isinstance(look, LookMade)
            and isinstance(here, LookMade)
            and isinstance(there, LookMade)
        ):
            return after
        served = tuple(
            one if other == new else new
            for one, other, new in zip(look.served, here.served, there.served, strict=True)
        )
        left_out = look.providers_left_out and None
        data = structs.replace(look, served=served, providers_left_out=left_out)
        return structs.replace(event, data=data)

    def _fold(self, events: Iterable[Event]) -> Case:
        return fold(events, self._methodology)[0]


def _essence(case: Case) -> list[tuple[object, ...]]:
    """Give what figures are made of, spell by spell."""
    return [_essence_of(spell) for spell in case.spells]


def _essence_of(spell: Spell) -> tuple[object, ...]:
    """Leave out when it was closed: a move ends a spell with the look that showed it, a statement at its instant."""
    return (
        spell.provider,
        spell.opened_at,
        spell.closed_reason,
        spell.clock,
        spell.presence,
        spell.clock_started_at,
        spell.deadline,
        spell.gone_before_notice,
        spell.first_online_at,
        spell.last_seen_at,
        spell.breached_at,
        spell.removals,
        spell.returned_at,
    )


def _beginnings(
    here: Case, there: Case, again: Sequence[Event], events: Sequence[Event]
) -> list[datetime]:
    """Name instants from which statements may have the effect: where spells differ, where looks do, the first."""
    same = 0
    for one, other in zip(here.spells, there.spells, strict=False):
        if (one.provider, one.opened_at) != (other.provider, other.opened_at):
            break
        same += 1
    opened = [spell.opened_at for spell in (*here.spells[same:], *there.spells[same:])]
    looks = [
        one.data.started_at
        for one, other in zip(again, events, strict=True)
        if one is not other and isinstance(one.data, LookMade)
    ]
    return list(
        dict.fromkeys([*([min(opened)] if opened else []), min(looks), there.spells[0].opened_at])
    )


def _statements(there: Case, since: datetime, act: Act) -> Iterator[Event]:
    """Say who answered from an instant on, and at each later beginning of a spell."""
    in_force = [spell for spell in there.spells if spell.opened_at <= since] or there.spells[:1]
    later = [spell for spell in there.spells if spell.opened_at > since]
    for at, spell in ((since, in_force[-1]), *((one.opened_at, one) for one in later)):
        if spell.provider is not None and at < act.at:
            data = CaseAttributed(
                provider=spell.provider,
                method=METHOD,
                actor=act.actor,
                reason=act.reason,
                effective_from=at,
            )
            yield stated(there.case_id, data, act.at, SOURCE)
