"""The columns of a table, as the class of its rows states them."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import pytest

from schemas.methodology import shipped
from schemas.sqlfiles import UnknownQuery
from services.core.fold import fold
from services.ledger import rows
from services.ledger.queries import names, query
from services.ledger.shadow.schema import statement
from services.ledger.table_columns import BigInt, Columns, Json, filled
from tests.strategies import START, look


class Sample(NamedTuple):
    """One column of some types."""

    name: UUID
    at: datetime | None
    size: BigInt
    body: Json | None


SAMPLE = Columns(Sample, key=("name",))


def test_a_class_of_rows_gives_the_text_of_statements() -> None:
    """Names, typed arrays and assignments come from the fields, in their order; a key is not set."""
    assert SAMPLE.text("names") == "name, at, size, body"
    expected = "$1::uuid[], $2::timestamptz[], $3::bigint[], $4::jsonb[]"
    assert SAMPLE.text("arrays") == expected
    assert SAMPLE.text("set_from_x").split(",\n    ") == [
        "at = x.at",
        "size = x.size",
        "body = x.body",
    ]


def test_rows_become_one_array_per_column() -> None:
    """No rows give as many empty arrays as there are columns."""
    one, other = Sample(UUID(int=1), None, 1, "{}"), Sample(UUID(int=2), None, 2, None)
    assert SAMPLE.arrays([one, other]) == list(zip(one, other, strict=True))
    assert SAMPLE.arrays([]) == [(), (), (), ()]


@pytest.mark.parametrize("text", ["{samples.names}", "{sample.nothing}"])
def test_what_no_rows_have_is_refused(text: str) -> None:
    """A table without rows, and a part that columns don't have, are defects of a statement."""
    with pytest.raises(UnknownQuery):
        filled(text, {"sample": SAMPLE})


def test_statements_are_filled_before_they_are_sent() -> None:
    """No statement of the ledger, nor of a shadow's writes, keeps a placeholder of a table."""
    assert [name for name in names() if "{" in query(name)] == []
    assert "{" not in statement("insert_outcomes", live="public")


def test_a_spell_stands_in_the_columns_of_its_names() -> None:
    """Each column that is called like a part of a spell or a case holds that part."""
    case, _ = fold([look(START, "online"), look(START, "removed")], shipped()["nl-24h"])
    row = rows.spell_row(case, case.spell)._asdict()
    parts = {"spell": case.spell.number} | {
        name: getattr(owner, name)
        for owner in (case, case.spell)
        for name in row
        if hasattr(owner, name) and name != "spell"
    }
    assert len(parts) > 15
    assert parts == {name: row[name] for name in parts}
