"""The named statements of `queries.sql`, and only those."""

from schemas.sqlfiles import statements

_PACKAGE = "services.ledger"


def names() -> frozenset[str]:
    """Give the names of all statements."""
    return frozenset(statements(_PACKAGE))


def query(name: str) -> str:
    """Give a statement by name; raises `UnknownQuery`."""
    return statements(_PACKAGE)[name]
