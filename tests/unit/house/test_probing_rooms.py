"""The rooms of `services.probing`: which may import which, and no circle of modules within or across them."""

import ast
from collections.abc import Iterator
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


def imports(path: Path) -> Iterator[str]:
    """Name what a module of probing imports of probing, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith(PREFIX))


def graph() -> dict[str, set[str]]:
    """Give each module of probing and the modules that it imports."""
    modules = {module_name(path): path for path in PROBING.rglob("*.py")}
    return {name: set(imports(path)) & set(modules) for name, path in modules.items()}


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
