"""Exposure: for how long known material stayed online at a provider, as an interval.

A stretch online begins with a sighting and ends with a confirmed removal, between the last sighting before it (the
least that is possible) and the first look that found it gone (the most). A stretch that nothing has closed is counted
when it is read: with no new event nothing changes in a case (law 6).
"""

from datetime import datetime

from services.core.case import Removal, Spell


def exposure_bounds(spell: Spell, at: datetime) -> tuple[float, float]:
    """Give the seconds that known material stayed online at this provider until an instant: at least, at most."""
    lower, upper = spell.exposure_lower_seconds, spell.exposure_upper_seconds
    if spell.online_from is not None and spell.known_online_at is not None:
        lower += max(0.0, (spell.known_online_at - spell.online_from).total_seconds())
    if spell.online_from is not None and spell.maybe_online_from is not None:
        end = min(at, spell.closed_at or at)
        upper += max(0.0, (end - spell.maybe_online_from).total_seconds())
    return lower, upper


def open_stretch(spell: Spell, at: datetime) -> None:
    """Begin a stretch at a sighting, unless one is open."""
    spell.online_from = spell.online_from or at


def reopen_stretch(spell: Spell) -> None:
    """Begin the stretch of a return: it may have been back since the removal that it follows."""
    spell.maybe_online_from = spell.removals[-1].upper
    spell.online_from = None


def close_stretch(spell: Spell, removal: Removal) -> None:
    """End the open stretch with a removal, and add it to what was."""
    if spell.online_from is not None and removal.lower is not None:
        spell.exposure_lower_seconds += (removal.lower - spell.online_from).total_seconds()
        assert spell.maybe_online_from is not None
        spell.exposure_upper_seconds += (removal.upper - spell.maybe_online_from).total_seconds()
    spell.online_from = spell.maybe_online_from = None
