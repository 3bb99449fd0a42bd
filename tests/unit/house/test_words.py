"""Plain words: no name twice, and no participle as a noun."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("services", "consumers", "schemas")
# Names that say that something happened to a thing, and not what the thing is.
PARTICIPLES = frozenset(
    {"found", "known", "asked", "told", "made", "said", "met", "given", "kept", "wanted"}
)


def modules(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def names(tree: ast.Module) -> Iterator[str]:
    """Every name that a module gives: variables, parameters, attributes, functions, classes."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.arg(arg=name) | ast.ClassDef(name=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case _:
                pass


def participles() -> list[str]:
    """`file: name` for every name that is a participle."""
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules(*PACKAGES)
        for name in [path.stem, *names(ast.parse(path.read_text()))]
        if name.strip("_").lower() in PARTICIPLES
    ]


def classes() -> Counter[str]:
    return Counter(
        node.name
        for path in modules(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )


def repeated(counts: Counter[str]) -> set[str]:
    return {name for name, count in counts.items() if count > 1}


def test_names_are_nouns_and_verbs() -> None:
    """No variable, parameter, attribute, function, class or module is called `found`, `known` or their like."""
    assert participles() == []


def test_a_class_name_stands_once() -> None:
    """Of two classes with one name somebody opens the wrong one."""
    assert repeated(classes()) == set()


def test_a_file_name_stands_once() -> None:
    """Services and consumers have no two modules of one name."""
    stems = Counter(path.name for path in modules("services", "consumers"))
    assert repeated(stems) - {"__init__.py", "__main__.py"} == set()
