"""Find the line of a TOML file that a field stands on, so that an error can name it.

`tomllib` keeps no positions. This reads headers and keys line by line, which is enough to point at a line:
a field inside an inline table is given the line of the table.
"""

import re

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=\s*(.*)$"
)
_PART = re.compile(r"[^.\[\]]+|\[\d+\]")


class TomlLines:
    """The lines (from 1) of a text that is read once and asked for many."""

    def __init__(self, text: str) -> None:
        self._numbers = _lines(text)

    def of(self, path: str) -> int | None:
        """Give the line of a path such as `cadence.steps[2].every`, or of the nearest parent that has one."""
        parts = _PART.findall(path)
        while parts:
            number = self._numbers.get(_join(parts))
            if number is not None:
                return number
            parts.pop()
        return None


def line_of(text: str, path: str) -> int | None:
    """Give the line (from 1) of one path, as `TomlLines.of` does."""
    return TomlLines(text).of(path)


def _join(parts: list[str]) -> str:
    return ".".join(parts).replace(".[", "[")


def _lines(text: str) -> dict[str, int]:
    numbers: dict[str, int] = {}
    counts: dict[str, int] = {}
    prefix, array, element = "", "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if array:
            if line.strip().startswith("]"):
                array = ""
            elif line.split("#")[0].strip():
                numbers.setdefault(f"{array}[{element}]", number)
                element += 1
        elif header := _HEADER.match(line):
            prefix = _within(_bare(header[2]), counts)
            if header[1] == "[[":
                counts[prefix] = counts.get(prefix, -1) + 1
                prefix = f"{prefix}[{counts[prefix]}]"
            numbers.setdefault(prefix, number)
        elif key := _KEY.match(line):
            name = _bare(key[1])
            path = f"{prefix}.{name}" if prefix else name
            numbers.setdefault(path, number)
            if key[2].split("#")[0].strip() == "[":
                array, element = path, 0
    return numbers


def _within(name: str, counts: dict[str, int]) -> str:
    """Name the last entry of each list of tables that a header stands in: `a.b` after `[[a]]` is `a[0].b`."""
    parts: list[str] = []
    for part in name.split(".")[:-1]:
        path = ".".join([*parts, part])
        parts.append(f"{part}[{counts[path]}]" if path in counts else part)
    return ".".join([*parts, name.rpartition(".")[2]])


def _bare(name: str) -> str:
    return re.sub(r"[\"'\s]", "", name)
