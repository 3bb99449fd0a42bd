"""The named statements of a `.sql` file: the one loader for every package that talks to Postgres."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from schemas.errors import TakedownError

_HEAD = re.compile(r"^-- name: (\S+)$", re.M)


class UnknownQuery(TakedownError):
    """A name that a `.sql` file does not hold, or holds twice: a defect of this program."""


class Statements(Mapping[str, str]):
    """Statements by name, of one file or of several; an unknown name raises `UnknownQuery`."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._statements = MappingProxyType(parse(text))

    def __repr__(self) -> str:
        return f"<Statements {self._file}: {len(self._statements)}>"

    def __getitem__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            raise UnknownQuery(f"there is no query {name!r} in {self._file}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


def parse(text: str) -> dict[str, str]:
    """Split a file into its statements by `-- name:`; raises `UnknownQuery` for a name used twice."""
    parts = _HEAD.split(text)[1:]
    statements: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in statements or not re.fullmatch(r"[a-z][a-z_]*", name):
            raise UnknownQuery(f"query {name!r} is named twice or badly")
        lines = (line for line in body.strip().splitlines() if not line.startswith("--"))
        statements[name] = "\n".join(lines).rstrip(";")
    return statements


@cache
def statements(package: str, *files: str) -> Statements:
    """Read the statements of files that stand in a package, `queries.sql` where none is named."""
    names = files or ("queries.sql",)
    text = "\n".join((resources.files(package) / name).read_text("utf-8") for name in names)
    return Statements(", ".join(names), text)
