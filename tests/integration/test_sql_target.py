"""The fuzzer of the ledger's statements: a real PostgreSQL takes its first inputs, and damaged copies of them."""

import random
from collections.abc import Iterator

import pytest

from services.ledger import rows
from services.ledger.transaction import Batch
from tests.fuzzing import ledger_target
from tests.fuzzing.ledger_target import DATABASE, Differs, LedgerTarget
from tests.fuzzing.mutations import mutated
from tests.fuzzing.records import BETWEEN
from tests.fuzzing.seeds import SEEDS
from tests.fuzzing.stories import CASE, gone, look, notice, report
from tests.fuzzing.with_postgres import WITH_POSTGRES, postgres

MOST_BYTES = 8_192
REMOVED = BETWEEN.join([report(), notice(), look(1, "online"), *gone(3)])


@pytest.fixture
def target(postgres_dsn: str) -> Iterator[LedgerTarget]:
    made = LedgerTarget(postgres_dsn)
    yield made
    made.close()


def test_the_database_takes_the_seeds_and_changed_ones(target: LedgerTarget) -> None:
    """Whatever admission accepts of them is written, read back, and folded as by a clean fold."""
    seeds = list(SEEDS["sql"]())
    concluded = [target.take(raw) for raw in seeds]
    assert max(concluded) >= 3
    draw = random.Random(1)
    for number in range(600):
        changed = mutated(draw.choice(seeds), MOST_BYTES, number)
        assert len(changed) <= MOST_BYTES
        target.take(mutated(changed, MOST_BYTES, number + 1))


def test_nothing_of_an_input_stays(target: LedgerTarget) -> None:
    """The same input gives the same again."""
    assert [target.take(REMOVED) for _ in range(2)] == [1, 1]


def test_what_the_database_refuses_is_a_fault(
    target: LedgerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that passes admission and is none for PostgreSQL comes out of the target, and the next input works."""
    monkeypatch.setattr("consumers.record.admission.check_instants", lambda _: None)
    held = b'{"type":"takedown.hold.placed.v1","source":"test","time":"2026-03-01T02:00:00Z"'
    held += b',"subject":"%s","data":{"actor":"a","reason":"b","expires_at":"2026-03-02T00:00:00+23:59"}}'
    with pytest.raises(Exception, match="time zone displacement"):
        target.take(REMOVED + BETWEEN + held % CASE.encode())
    assert target.take(REMOVED) == 1


def test_rows_that_read_back_otherwise_are_a_fault(
    target: LedgerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log and an outcome that are not what was said are found."""
    right = rows.event_row
    monkeypatch.setattr(rows, "event_row", lambda event: right(event)._replace(source="other"))
    with pytest.raises(Differs, match="otherwise"):
        target.take(REMOVED)
    monkeypatch.setattr(rows, "event_row", right)

    async def forget(*_: object) -> None:
        pass

    monkeypatch.setattr(Batch, "_record", forget)
    with pytest.raises(Differs, match="outcomes"):
        target.take(REMOVED)


def test_the_command_starts_and_stops_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target finds its database by the environment, and its server is gone afterwards."""
    with postgres() as environment:
        monkeypatch.setenv(DATABASE, environment[DATABASE])
        WITH_POSTGRES["sql"](REMOVED)
        ledger_target._target().close()
    ledger_target._target.cache_clear()
    with pytest.raises(OSError, match=r"No such file|refused"):
        WITH_POSTGRES["sql"](REMOVED)
