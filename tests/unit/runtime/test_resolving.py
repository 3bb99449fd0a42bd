"""How long a name server may keep a look waiting follows from how long a look may take."""

import pytest

from schemas.methodology import shipped
from services.runtime.prober_assembly import _resolving
from services.runtime.settings import Probe


@pytest.mark.parametrize(
    ("look", "one_try", "total"), [(20.0, 2.0, 6.0), (60.0, 2.0, 6.0), (2.0, 0.4, 1.2)]
)
def test_a_lost_datagram_does_not_end_a_look(look: float, one_try: float, total: float) -> None:
    """A try takes a fifth of a look at most, all of them three fifths, and never more than by default."""
    limits = _resolving(Probe(timeout_seconds=look), shipped()["nl-24h"])
    assert (limits.try_seconds, limits.total_seconds) == pytest.approx((one_try, total))


def test_a_family_is_given_up_when_a_removal_could_be_confirmed() -> None:
    """What gets lost at the look that is confirmed, and at the confirming one too, is not there."""
    assert _resolving(Probe(), shipped()["nl-24h"]).family_seconds == 300.0
    assert _resolving(Probe(), shipped()["terrorist-1h"]).family_seconds == 120.0
