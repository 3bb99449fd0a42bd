"""A default of a setting stands in the settings' model alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

from services.runtime.settings import catalogue

ROOT = Path(__file__).parents[3]
FIELDS = {setting.field for setting in catalogue()}
ASSEMBLY = ("services/runtime", "services/cli")
RECEIVERS = ("services", "consumers")
# Callables that still state a default of their own; to be emptied, never to be added to.
REMAINING = {
    "DatabaseConnection",
    "FloodBrake",
    "Guard",
    "KafkaConnection",
    "LookLimits",
    "Looker",
    "LoopSettings",
    "PolitenessLimits",
    "Prober",
    "ProberSettings",
}


def trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def configured() -> set[tuple[str, str]]:
    """(callable, parameter) for every argument that is made of a setting."""
    return {
        (name, keyword.arg)
        for _, tree in trees(*ASSEMBLY)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for name in [ast.unparse(call.func).rpartition(".")[2]]
        for keyword in call.keywords
        if keyword.arg and reads_a_setting(keyword.value)
    }


def reads_a_setting(value: ast.expr) -> bool:
    # `min(limit, setting)` passes on a limit that a setting may narrow: another thing.
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "min":
        return False
    return any(isinstance(n, ast.Attribute) and n.attr in FIELDS for n in ast.walk(value))


def defaults(tree: ast.Module) -> Iterator[tuple[str, str, ast.expr]]:
    """(callable, parameter, default) for every default of a function, a method or a struct's field."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                    if part.value is not None:
                        yield node.name, part.target.id, part.value
                elif isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    yield from ((node.name, name, value) for name, value in parameters(part))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ((node.name, name, value) for name, value in parameters(node))


def is_stated(default: ast.expr) -> bool:
    """Tell a default from `None` and from a `field` that has none."""
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "field":
        return any(keyword.arg in ("default", "default_factory") for keyword in default.keywords)
    return not (isinstance(default, ast.Constant) and default.value is None)


def parameters(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[tuple[str, ast.expr]]:
    places = [*node.args.posonlyargs, *node.args.args]
    for place, value in zip(reversed(places), reversed(node.args.defaults), strict=False):
        yield place.arg, value
    for place, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None:
            yield place.arg, default


def test_defaults_of_settings_are_stated_once() -> None:
    """What the program passes on from a setting has no second default where it is received."""
    pairs = configured()
    assert ("Exporter", "interval_seconds") in pairs
    repeated: dict[str, list[str]] = {}
    for path, tree in trees(*RECEIVERS):
        if path.startswith("services/runtime/settings/"):
            continue
        for name, parameter, value in defaults(tree):
            if (name, parameter) in pairs and is_stated(value):
                repeated.setdefault(name, []).append(f"{path}: {parameter}={ast.unparse(value)}")
    assert {name: where for name, where in repeated.items() if name not in REMAINING} == {}
