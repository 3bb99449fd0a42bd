"""Ten thousand random lives of a URL at random hosts, against the truth: nothing false is said of any of them.

`TAKEDOWN_LIVES` is how many, `TAKEDOWN_LIVES_SEED` the first seed; a life is played again by its own.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import pytest

from tests.lives import draw, play

LIVES = int(os.environ.get("TAKEDOWN_LIVES", "10000"))
SEED = int(os.environ.get("TAKEDOWN_LIVES_SEED", "0"))
CHUNK = 250
MOST_UNDECIDED = 0.02
# A minute of CPU: many minutes where other things have the cores.
pytestmark = pytest.mark.timeout(900)


class Tally(NamedTuple):
    """What some lives came to: those with a false statement, told step by step, and how many stayed undecided."""

    false: tuple[str, ...]
    decidable: int
    undecided: tuple[int, ...]


def tally(first: int) -> Tally:
    """Play the lives of some seeds."""
    false, decidable, undecided = [], 0, []
    for seed in range(first, min(first + CHUNK, SEED + LIVES)):
        life = draw(seed)
        course = play(life)
        if course.false:
            false.append(course.told())
        if life.is_decidable:
            decidable += 1
            if course.standing == "undecided":
                undecided.append(seed)
    return Tally(tuple(false), decidable, tuple(undecided))


@pytest.fixture(scope="module")
def tallies() -> list[Tally]:
    """Play all lives, in two processes."""
    print(f"lives from seed {SEED}: {LIVES}")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(tally, range(SEED, SEED + LIVES, CHUNK)))


def test_no_false_statement(tallies: list[Tally]) -> None:
    """No sighting of what is gone, no removal of what is served, no false breach and no false silence."""
    false = [told for one in tallies for told in one.false]
    assert not false, f"{len(false)} lives from seed {SEED}; the first: {false[0]}"


def test_what_can_be_told_is_told(tallies: list[Tally]) -> None:
    """Of the lives whose truth shows plainly hardly any stays undecided."""
    decidable = sum(one.decidable for one in tallies)
    undecided = [seed for one in tallies for seed in one.undecided]
    assert decidable > LIVES / 10
    assert len(undecided) <= MOST_UNDECIDED * decidable, f"undecided: {undecided[:20]}"
