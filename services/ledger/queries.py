"""The named statements of `queries.sql`, and only those."""

from functools import cache

from schemas.sqlfiles import statements
from services.ledger.rows import TABLES
from services.ledger.table_columns import filled

_PACKAGE = "services.ledger"


def names() -> frozenset[str]:
    """Give the names of all statements."""
    return frozenset(statements(_PACKAGE))


@cache
def query(name: str) -> str:
    """Give a statement by name, with the columns of its tables filled in; raises `UnknownQuery`."""
    return filled(statements(_PACKAGE)[name], TABLES)
