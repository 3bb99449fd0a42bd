"""The columns of a table, stated once: by the class of its rows.

Arrays, COPY and the texts of statements take names, types and order from there.
In a `.sql` file, `{spells.names}` stands for the names of the columns of `spells`, `{spells.arrays}` for one array
parameter per column, and `{spells.set_from_x}` for the assignments of an UPDATE from `x`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from schemas.sqlfiles import UnknownQuery

Row = tuple[Any, ...]
# A Python type that stands for several types of Postgres says which it is.
BigInt = Annotated[int, "bigint"]
Json = Annotated[str, "jsonb"]
Place = Annotated[Any, "tid"]

_TYPES: Mapping[Any, str] = {
    str: "text",
    int: "integer",
    float: "double precision",
    bool: "boolean",
    bytes: "bytea",
    datetime: "timestamptz",
    UUID: "uuid",
}
_PLACEHOLDER = re.compile(r"\{(\w+)\.(\w+)\}")
_SET_FROM = "set_from_"


class Columns:
    """The columns of one table, or of some of its rows' columns; `key` names those that no UPDATE sets."""

    def __init__(self, row: type[Row], key: Sequence[str] = ()) -> None:
        hints = get_type_hints(row, include_extras=True)
        self._types = {name: _sql_type(hint) for name, hint in hints.items()}
        self._key = frozenset(key)

    def __repr__(self) -> str:
        return f"<Columns {', '.join(self.names)}>"

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the rows."""
        return tuple(self._types)

    @property
    def types(self) -> Mapping[str, str]:
        """The type of each column in Postgres."""
        return self._types

    def arrays(self, rows: Sequence[Row]) -> list[Row]:
        """Turn rows into one array per column, as `unnest` takes them."""
        return list(zip(*rows, strict=True)) if rows else [()] * len(self._types)

    def text(self, part: str) -> str:
        """Write `names`, `arrays` or `set_from_<alias>` for a statement; raises `UnknownQuery`."""
        if part == "names":
            return ", ".join(self._types)
        if part == "arrays":
            return ", ".join(f"${i}::{t}[]" for i, t in enumerate(self._types.values(), 1))
        alias = part.removeprefix(_SET_FROM)
        if alias == part:
            raise UnknownQuery(f"a statement asks for {part!r} of the columns {self!r}")
        names = (name for name in self._types if name not in self._key)
        return ",\n    ".join(f"{name} = {alias}.{name}" for name in names)


def filled(text: str, tables: Mapping[str, Columns]) -> str:
    """Fill the columns of tables into a statement; raises `UnknownQuery` for a table that is not there."""
    return _PLACEHOLDER.sub(_filler(tables), text)


def _filler(tables: Mapping[str, Columns]) -> Callable[["re.Match[str]"], str]:
    def fill(match: "re.Match[str]") -> str:
        table = tables.get(match[1])
        if table is None:
            raise UnknownQuery(f"a statement asks for the columns of {match[1]}, which has no rows")
        return table.text(match[2])

    return fill


def _sql_type(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return str(get_args(hint)[1])
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (one for one in get_args(hint) if one is not type(None))
        return _sql_type(hint)
    return _TYPES[hint]
