"""Exposure: for how long known material stayed online at a provider, as an interval."""

from datetime import datetime

from services.core.case import Spell


def exposure_bounds(spell: Spell, at: datetime) -> tuple[float, float]:
    """Give the seconds that known material stayed online at this provider until an instant: at least, at most."""
    lower, upper = spell.exposure_lower_seconds, spell.exposure_upper_seconds
    if spell.online_from is not None and spell.known_online_at is not None:
        lower += max(0.0, (spell.known_online_at - spell.online_from).total_seconds())
    if spell.online_from is not None and spell.maybe_online_from is not None:
        end = min(at, spell.closed_at or at)
        upper += max(0.0, (end - spell.maybe_online_from).total_seconds())
    return lower, upper
