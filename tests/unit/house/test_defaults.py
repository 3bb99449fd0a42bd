"""A default of a setting stands in the settings' model alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

from services.runtime.settings import catalogue

ROOT = Path(__file__).parents[3]
FIELDS = {setting.field for setting in catalogue()}
ASSEMBLY = ("services/runtime", "services/cli")
RECEIVERS = ("services", "consumers")


def trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def configured() -> dict[tuple[str, str], str]:
    """(callable, parameter) -> field of the setting that the argument is made of."""
    return {
        (name, keyword.arg): field
        for _, tree in trees(*ASSEMBLY)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for name in [ast.unparse(call.func).rpartition(".")[2]]
        for keyword in call.keywords
        for field in [setting_in(keyword.value)]
        if keyword.arg and field
    }


def setting_in(value: ast.expr) -> str | None:
    # `min(limit, setting)` passes on a limit that a setting may narrow: another thing.
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "min":
        return None
    attributes = [n.attr for n in ast.walk(value) if isinstance(n, ast.Attribute)]
    return next((name for name in attributes if name in FIELDS), None)


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
    """Tell a default from `None`, from an empty list and from a `field` that has none: they set nothing."""
    if isinstance(default, ast.Call) and ast.unparse(default.func) == "field":
        return any(
            keyword.arg == "default_factory"
            or (keyword.arg == "default" and is_stated(keyword.value))
            for keyword in default.keywords
        )
    return ast.unparse(default) not in ("None", "()")


def parameters(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[tuple[str, ast.expr]]:
    places = [*node.args.posonlyargs, *node.args.args]
    for place, value in zip(reversed(places), reversed(node.args.defaults), strict=False):
        yield place.arg, value
    for place, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if default is not None:
            yield place.arg, default


def second_defaults() -> Iterator[tuple[str, str]]:
    """(callable, parameter) for every default beside that of a setting."""
    pairs = configured()
    assert ("Exporter", "interval_seconds") in pairs
    for path, tree in trees(*RECEIVERS):
        if not path.startswith("services/runtime/settings/"):
            for name, parameter, value in defaults(tree):
                if (name, parameter) in pairs and is_stated(value):
                    yield name, parameter


def test_defaults_of_settings_are_stated_once() -> None:
    """What the program passes on from a setting has no second default where it is received."""
    repeated = {f"{name}({parameter})" for name, parameter in second_defaults()}
    assert repeated == set()
