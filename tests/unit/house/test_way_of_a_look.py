"""The way of a look, as ARCHITECTURE.md tells it, is the way of the imports."""

import ast
import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[3]
MOST_FILES = 15
MOST_LEVELS = 8
ITEM = re.compile(r"^(?P<indent> *)- `(?P<path>[^`]+)`: .+$", re.M)


def listed() -> list[tuple[int, str]]:
    """(level, path) of each line of the list."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    part = text.partition("<!-- way of a look -->")[2].partition("<!-- end -->")[0]
    return [(len(item["indent"]) // 2 + 1, item["path"]) for item in ITEM.finditer(part)]


def imported_files(path: str) -> set[str]:
    """Files of this repository that a file imports directly."""
    files: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            files |= {f"{name.replace('.', '/')}.py" for name in names}
    return files


def test_the_list_is_short() -> None:
    """A look passes at most 15 files on 8 levels."""
    way = listed()
    assert 1 <= len(way) <= MOST_FILES
    assert max(level for level, _ in way) <= MOST_LEVELS
    assert all(after <= before + 1 for (before, _), (after, _) in pairwise(way))


def test_every_file_of_the_list_exists_once() -> None:
    """No line of the list is out of date or repeated."""
    paths = [path for _, path in listed()]
    assert [path for path in paths if not (ROOT / path).is_file()] == []
    assert len(set(paths)) == len(paths)


def test_the_list_follows_the_imports() -> None:
    """Each file is imported by an earlier one of the list, or imports a later one."""
    paths = [path for _, path in listed()]
    imports = {path: imported_files(path) for path in paths}
    loose = [
        path
        for number, path in enumerate(paths)
        if not any(path in imports[earlier] for earlier in paths[:number])
        and imports[path].isdisjoint(paths[number + 1 :])
    ]
    assert loose == []
