"""Who answers for a spell: in which role, through which reseller, and on what that rests.

None of it moves anything; it says of a figure whom it charges, and of whom it knows too little to charge anybody.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from services.core.case import AddressFact, Case, Spell

ProviderRole = Literal["host", "edge", "origin", "unknown"]
Basis = Literal["looks", "notice", "unknown", "disputed"]
_CONTRADICTIONS = ("conflict", "refused")


def role_of(case: Case, spell: Spell) -> ProviderRole:
    """Say what the provider is for the URL: its host, an edge that passes it on, or the origin that an edge named."""
    if spell.provider is None:
        return "unknown"
    if spell.edge or not case.address_facts:
        return "edge" if spell.edge else "host"
    behind = any(
        fact.via is not None and fact.provider == spell.provider for fact in _facts(case, spell)
    )
    return "origin" if behind else "host"


def reseller_of(case: Case, spell: Spell) -> str | None:
    """Name who rents from the provider the address that the last source spoke of; None: nobody, or nobody knows."""
    for fact in _facts(case, spell):
        if fact.provider == spell.provider and fact.via is None and fact.provider is not None:
            return fact.reseller
    return None


def basis_of(case: Case, spell: Spell) -> Basis:
    """Say on what an attribution rests.

    `looks`: looks saw the provider serve it, or a person corrected who did. `notice`: a report or a notice names the
    provider, and no look. Where nobody is named, and so nobody charged: `disputed`, if sources contradict each other,
    `unknown`, if none names anybody.
    """
    if spell.provider is not None:
        return "looks" if spell.observed else "notice"
    last = next((fact for fact in _facts(case, spell) if fact.via is None), None)
    return "disputed" if last is not None and last.unknown in _CONTRADICTIONS else "unknown"


def _facts(case: Case, spell: Spell) -> Iterator[AddressFact]:
    """Give what sources said until the spell ended, the latest first."""
    end = spell.closed_at
    return (fact for fact in reversed(case.address_facts) if end is None or fact.at <= end)


def spell_at(case: Case, at: datetime) -> Spell:
    """Give the spell of an instant: the last one that had begun by then, or the first."""
    begun = (spell for spell in reversed(case.spells) if spell.opened_at <= at)
    return next(begun, case.spells[0])
