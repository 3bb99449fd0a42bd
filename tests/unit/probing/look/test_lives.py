"""A few hundred of the random lives that tests/acceptance plays by the thousand."""

from itertools import groupby

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
    assert standings.count("undecided") <= 0.02 * len(standings) + 1
    assert {"within", "certain_breaches", "excluded:gone_before_notice"} <= set(standings)


def test_lives_have_every_kind_of_trouble() -> None:
    """Nodes, a second vantage, what is hidden from the first, deferrals and changes of the name stand in some lives."""
    lives = [draw(seed) for seed in range(400)]
    for trouble in ("nodes", "hidden", "deferral", "names", "renumbered_at"):
        assert sum(bool(getattr(life, trouble)) for life in lives) > 10, trouble
    assert {life.vantages for life in lives} == {1, 2}
    assert "nxdomain" in {life.gone for life in lives}
    assert all(life.vantages == 2 for life in lives if life.hidden)


def test_a_node_lacks_it_for_less_than_a_removal_takes() -> None:
    """Else chance alone would confirm a removal of what the other node serves, and nobody could tell."""
    nodes = [life.nodes for seed in range(400) if (life := draw(seed)).nodes]
    for one in nodes:
        steps = [one.since + 60.0 * n for n in range(int((one.until - one.since) / 60))]
        runs = [len(list(run)) for lacks, run in groupby(steps, one.lack) if lacks]
        assert max(runs) < 45


def test_the_short_way_says_what_the_long_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is made at once is the one that comparing would have come to, look by look."""
    lives = [draw(seed) for seed in range(900, 960)]
    short = [play(life) for life in lives]
    monkeypatch.setattr(Measurement, "answer_at_once", lambda *_: None)
    assert [play(life) for life in lives] == short
