"""What a look counts as: its verdict, unless what it rests on is too old or too little.

- `removed` needs a canary that was seen lately: a blind vantage can't see that a URL is gone.
- `removed` for a reason that is a comparison (a soft 404, a parking page) needs a sighting before: where nobody ever
  saw the URL, a wall, a page that serves every path and a stop page look just the same.
- `online` needs a resolution of the name that is not too old. Where the name servers are silent, the address that they
  once gave may serve what the name leads to no more: such a look says as little as one without an answer. It moves no
  L at all, rather than one up to some bound: what the last fresh look said stands.

All of these count as `undetermined`.
"""

from schemas.events import LookMade, Verdict
from schemas.methodology import Methodology

NEEDS_SIGHTING = frozenset(
    {
        *("soft_404_control", "soft_404_path", "soft_404_redirect", "soft_404_root"),
        *("emptied", "forbidden_as_missing", "parked"),
    }
)
"""Reasons of a removal that nobody can give who never saw the URL online. 404, 410 and a name that does not exist say
by themselves that there is nothing; a dark host has a longer rule of its own."""


def has_fresh_canary(look: LookMade, methodology: Methodology) -> bool:
    """Tell whether the vantage had seen its canary lately."""
    limit = methodology.canary_max_age
    return limit is None or (
        look.canary_at is not None and look.finished_at - look.canary_at <= limit
    )


def has_fresh_resolution(look: LookMade, methodology: Methodology) -> bool:
    """Tell whether the name had been resolved lately; an address, or a look that does not say, is as good."""
    age, limit = look.resolution_age_seconds, methodology.resolution_limit
    return age is None or limit is None or age <= limit.total_seconds()


def counted_verdict(look: LookMade, methodology: Methodology, *, seen_before: bool) -> Verdict:
    """Give the verdict as which a fold counts a look; `seen_before`: somebody saw the URL online before it."""
    if look.verdict == "removed":
        counts = seen_before or look.reason not in NEEDS_SIGHTING
        counts = counts and has_fresh_canary(look, methodology)
    else:
        counts = look.verdict != "online" or has_fresh_resolution(look, methodology)
    return look.verdict if counts else "undetermined"
