"""A few hundred of the random lives that tests/acceptance plays by the thousand."""

import pytest

from services.probing.look.measurement import Measurement
from tests.lives import draw, play


def test_no_false_statement() -> None:
    """Nothing is said of a URL that is not true."""
    for seed in range(150):
        course = play(draw(seed))
        assert not course.false, course.told()


def test_the_truth_is_told() -> None:
    """Lives whose truth shows plainly are decided, as breaches and within the norm alike."""
    lives = [life for seed in range(600, 900) if (life := draw(seed)).is_decidable]
    standings = [play(life).standing for life in lives]
    assert standings.count("undecided") <= 0.02 * len(standings)
    assert {"within", "certain_breaches", "excluded:gone_before_notice"} <= set(standings)


def test_the_short_way_says_what_the_long_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is made at once is the one that comparing would have come to, look by look."""
    lives = [draw(seed) for seed in range(900, 960)]
    short = [play(life) for life in lives]
    monkeypatch.setattr(Measurement, "answer_at_once", lambda *_: None)
    assert [play(life) for life in lives] == short
