"""The rooms of `services.probing`: which may import which, and no circle of modules within or across them."""

import ast
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROBING = ROOT / "services" / "probing"
PREFIX = "services.probing."

MAY_IMPORT = {
    "look": {"dns", "http", "limits", "guard", "priority"},
    "dns": {"guard"},
    "http": {"guard"},
    "limits": {"priority"},
    "guard": set(),
    "schedule": {"priority"},
    "priority": set(),
}


def module_name(path: Path) -> str:
    """Write a file's path as the name that others import."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, modules: Collection[str]) -> Iterator[str]:
    """Name the modules of probing that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                # A module that is taken from its package, or something that is defined in a module.
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def graph() -> dict[str, set[str]]:
    """Give each module of probing and the modules of probing that it imports."""
    modules = {module_name(path): path for path in PROBING.rglob("*.py")}
    return {name: set(imports(path, modules)) & set(modules) for name, path in modules.items()}


def room_of(module: str) -> str:
    """Name the room that a module stands in."""
    return module.removeprefix(PREFIX).partition(".")[0]


def test_every_import_between_rooms_is_allowed() -> None:
    """Each room imports the rooms that it needs, and no other."""
    crossings = {
        (room_of(name), room_of(target))
        for name, targets in graph().items()
        for target in targets
        if name.startswith(PREFIX) and room_of(name) != room_of(target)
    }
    assert crossings <= {(room, other) for room, others in MAY_IMPORT.items() for other in others}
    assert {room_of(name) for name in graph() if name.startswith(PREFIX)} == set(MAY_IMPORT)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Every module of probing can be read after the ones that it imports."""
    order = list(TopologicalSorter(graph()).static_order())
    assert len(order) == len(graph())


def test_a_circle_would_be_noticed() -> None:
    """The check above fails where two modules import each other."""
    with pytest.raises(CycleError):
        list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
