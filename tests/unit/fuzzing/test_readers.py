"""The readers that `make fuzz` fuzzes: each takes its first inputs, and damaged copies of them."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.import_dsa import records_of
from tests.fuzzing import targets
from tests.fuzzing.seeds import SEEDS
from tests.fuzzing.targets import TARGETS, Shown
from tests.fuzzing.with_postgres import WITH_POSTGRES

_CUTS = (
    b"",
    b"\n",
    b"\r\n",
    b'"',
    b"\\",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"{",
    b"9" * 20,
    b"e9",
)


def damaged(name: str, count: int) -> Iterator[bytes]:
    """Copy first inputs, each with a piece cut out and something odd in its place."""
    numbers = random.Random(name)
    seeds = sorted(SEEDS[name](), key=len)[:8]
    for _ in range(count):
        seed = numbers.choice(seeds)
        at, length = numbers.randrange(len(seed)), numbers.choice((0, 1, 4, 30))
        yield seed[:at] + numbers.choice(_CUTS) + seed[at + length :]


@pytest.mark.parametrize("name", TARGETS)
def test_readers_take_their_seeds_and_damaged_ones(name: str) -> None:
    """Nothing but the refusals that a reader names comes out of it."""
    for raw in SEEDS[name]():
        TARGETS[name](raw)
    for raw in damaged(name, 40):
        TARGETS[name](raw)


def test_every_reader_has_seeds() -> None:
    """A reader without a first input would be fuzzed with noise alone."""
    assert SEEDS.keys() == TARGETS.keys() | WITH_POSTGRES.keys()
    assert all(any(True for _ in seeds()) for seeds in SEEDS.values())


def test_a_message_that_repeats_a_url_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The readers look at what is said to people, not only at what is raised."""

    def telling(_: str) -> None:
        raise targets.BadUrl("https://host.example/ is no URL")

    monkeypatch.setattr(targets, "canonical", telling)
    with pytest.raises(Shown):
        TARGETS["urls"](b"x")


def test_a_cell_beyond_the_limit_is_one_broken_row(tmp_path: Path) -> None:
    """A row of a dump that the csv module refuses costs that row alone."""
    path = tmp_path / "dump.csv"
    path.write_text(f"puid,url\np-1,{'x' * 131_073}\np-2,y\n")
    assert [row and row["puid"] for _, row in records_of(path)()] == [None, "p-2"]
