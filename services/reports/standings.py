"""Where spells stand under one methodology at one cut-off, and what each is counted as."""

from datetime import datetime, timedelta

from schemas.methodology import Methodology
from services.core.answering import basis_of, reseller_of, role_of, spell_at
from services.core.bounds import standing
from services.core.calendar import calendar_of
from services.core.case import Case, Spell
from services.core.exposure import exposure_bounds
from services.core.incidence import ending_of, state_at
from services.core.intervals import Interval, outward
from services.core.no_clock import why_no_clock
from services.core.removal import removal_time, resolution
from services.core.stock import still_online
from services.reports.tally import (
    HOUR,
    JUDGED,
    MICROHOUR,
    UNKNOWN_PROVIDER,
    SpellKind,
    SpellStanding,
)

_TIMED = frozenset({*JUDGED, "younger_than_norm"})
_AT_RISK = _TIMED | {"excluded:moved", "excluded:held"}
_NOT_AT_RISK = None, None
_NOTHING = 0, 0
# A named tuple's own way to be made costs three times as much, in the one loop over every case of a ledger.
_make = tuple.__new__
_OPEN: tuple[str, ...] = ()

States = tuple[str | None, tuple[str, ...] | None]
"""What certainly had become of a spell at the norm, and what may have; both None where the norm is not over."""


class Judge:
    """Judges spells; what the methodology says of all of them is looked up once."""

    def __init__(self, methodology: Methodology, cutoff: datetime) -> None:
        self._methodology = methodology
        self._cutoff = cutoff
        self._step = resolution(methodology)
        self._norms: dict[str, tuple[timedelta, float]] = {}

    def __repr__(self) -> str:
        return f"<Judge under {self._methodology.id} at {self._cutoff}>"

    def judge(self, case: Case, spell: Spell) -> SpellStanding:
        """Judge one spell."""
        stands = standing(case, spell, self._methodology, self._cutoff)
        interval: Interval | None = None
        states: States = _NOT_AT_RISK
        if stands in _AT_RISK:
            norm, seconds = self._norms.get(case.category) or self._norm_of(case.category)
            took = removal_time(spell, self._methodology, norm)
            if took is not None:
                interval = outward(took, self._step) if stands in _TIMED else None
                if self._norm_over(spell, norm):
                    states = state_at(ending_of(spell, self._methodology, norm, took), seconds)
        standing_of = (
            case,
            spell,
            spell.provider or UNKNOWN_PROVIDER,
            stands,
            self._kind(case, spell, stands, states),
            interval,
            _NOTHING if case.retracted else self._exposure(spell),
        )
        return _make(SpellStanding, standing_of)

    def _norm_of(self, category: str) -> tuple[timedelta, float]:
        norm = self._methodology.norm_for(category)
        self._norms[category] = norm, norm.total_seconds()
        return self._norms[category]

    def _norm_over(self, spell: Spell, norm: timedelta) -> bool:
        """Tell whether a norm lies between a clock's start and the cut-off: a hold is an ending of its own here."""
        over = spell.deadline
        if spell.clock_started_at is None:
            return False
        if spell.held:
            over = calendar_of(self._methodology).add(spell.clock_started_at, norm)
        return over is not None and over <= self._cutoff

    def _exposure(self, spell: Spell) -> tuple[int, int]:
        lower, upper = exposure_bounds(spell, self._cutoff)
        least = round(lower / HOUR * MICROHOUR) if lower else 0
        return least, round(upper / HOUR * MICROHOUR) if upper else 0

    def _kind(self, case: Case, spell: Spell, stands: str, states: States) -> SpellKind:
        no_clock = None
        if stands == "not_started":
            no_clock = why_no_clock(case, spell, self._methodology).key
        counts = not case.retracted
        kind = (
            stands,
            *states,
            no_clock,
            role_of(case, spell),
            basis_of(case, spell),
            reseller_of(case, spell) if case.address_facts else None,
            _rungs(case, spell) if case.escalations else _OPEN,
            counts and spell.gone_before_notice,
            still_online(case, spell),
            len(spell.returned_at) if counts else 0,
            counts and spell.closed_reason == "moved",
        )
        return _make(SpellKind, kind)


def _rungs(case: Case, spell: Spell) -> tuple[str, ...]:
    return tuple(one.to for one in case.escalations if spell_at(case, one.at) is spell)
