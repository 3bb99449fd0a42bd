"""How old the evidence behind a look may be, so that its verdict counts."""

from datetime import timedelta

from schemas.events import LookMade, Verdict
from schemas.methodology import Methodology


def has_fresh_canary(look: LookMade, methodology: Methodology) -> bool:
    """Tell whether the vantage had seen its canary lately; a blind one can't see that a URL is gone."""
    return _is_fresh(look, methodology.canary_max_age)


def _is_fresh(look: LookMade, limit: timedelta | None) -> bool:
    return limit is None or (
        look.canary_at is not None and look.finished_at - look.canary_at <= limit
    )


def counted_verdict(look: LookMade, methodology: Methodology) -> Verdict:
    """Give the verdict as which a fold counts a look."""
    if look.verdict == "removed" and not has_fresh_canary(look, methodology):
        return "undetermined"
    return look.verdict
