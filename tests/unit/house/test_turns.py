"""Whose turn it is at the processor, where tests share it."""

import functools
import os

import pytest

from tests import turns
from tests.servers import REPOSITORY
from tests.turns import LONG, PLAYS, PlaysInOneRow, turn, yield_to_plays

OTHER = "tests/unit/house/test_turns.py"


def test_every_play_is_a_file() -> None:
    """A play that was renamed still goes first: the lists name files that are there."""
    assert [name for name in sorted(PLAYS | LONG) if not (REPOSITORY / name).is_file()] == []


def test_one_worker_has_all_plays() -> None:
    """Plays are one piece of work, so that none runs beside another; every other file is one of its own."""
    row = object.__new__(PlaysInOneRow)
    assert {row._split_scope(f"{name}::test_it[a::b]") for name in PLAYS} == {"plays"}
    assert row._split_scope(f"{OTHER}::test_it") == OTHER


def test_plays_come_first() -> None:
    """Plays go before long tests, long tests before all others."""
    ways = ([OTHER], sorted(LONG), sorted(PLAYS))
    turns_of = [{turn(f"{name}::test_it") for name in names} for names in ways]
    assert turns_of == [{2}, {1}, {0}]


def test_others_yield_and_plays_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker lowers its priority once, before its first test that is no play; a run without workers never does."""
    lowered: list[int] = []
    monkeypatch.setattr(os, "nice", lowered.append)
    afresh = functools.cache(turns._lower_priority.__wrapped__)
    monkeypatch.setattr(turns, "_lower_priority", afresh)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    for name in PLAYS:
        yield_to_plays(f"{name}::test_it")
    assert lowered == []
    for _ in range(2):
        yield_to_plays(f"{OTHER}::test_it")
    assert len(lowered) == 1
    afresh.cache_clear()
    monkeypatch.delenv("PYTEST_XDIST_WORKER")
    yield_to_plays(f"{OTHER}::test_it")
    assert len(lowered) == 1
