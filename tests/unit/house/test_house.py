"""The house rules that a machine can hold: imports one way, a pure core, small functions, one distribution."""

import ast
import importlib.metadata
import random
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from schemas.methodology import shipped
from services.core.cadence import next_look
from services.core.fold import fold
from services.core.watch_entry import entry_of
from tests.strategies import START, look

ROOT = Path(__file__).parents[3]
PACKAGES = ("schemas", "services", "consumers")


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def test_imports_run_one_way() -> None:
    """import-linter finds every contract of pyproject.toml kept."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_core_asks_no_clock_and_no_dice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folding and planning work with every clock and source of randomness taken away."""

    def refuse(*_: object) -> None:
        raise AssertionError("the core asked for the time or for chance")

    events = [look(START, "online"), look(START, "removed")]
    for module, name in ((time, "time"), (time, "monotonic"), (random, "random")):
        monkeypatch.setattr(module, name, refuse)
    methodology = shipped()["nl-24h"]
    case, _ = fold(events, methodology)
    case.sealed_url = "s1.k.x"
    entry = entry_of(case, methodology)
    assert entry is not None
    assert next_look(entry, case.case_id, methodology, START) is not None


def test_the_distribution_owns_its_packages() -> None:
    """The flat packages belong to this distribution alone, and are regular packages."""
    owners = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, ["takedown-monitor"])) == {"takedown-monitor"}
        assert (ROOT / package / "__init__.py").exists()
    assert (
        importlib.metadata.distribution("takedown-monitor").metadata["Name"] == "takedown-monitor"
    )


def test_locks_hold_hashes_and_no_addresses() -> None:
    """Every locked package has a hash, and no lock file records where it came from."""
    for lock in (ROOT / "requirements").glob("*.lock"):
        text = lock.read_text()
        assert "://" not in text
        for block in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in block, block.splitlines()[0]


def test_what_is_declared_is_locked() -> None:
    """Every runtime dependency of pyproject.toml stands in the runtime lock."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    locked = (ROOT / "requirements" / "runtime.lock").read_text()
    names = {re.split(r"[<>=]", line)[0] for line in declared}
    assert {n for n in names if not re.search(rf"^{re.escape(n)}==", locked, re.M)} == set()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_and_modules_stay_small() -> None:
    """No module above 400 lines; functions have a median of at most 7 lines, a p90 of at most 20 and none above 80."""
    lengths: list[int] = []
    for path in modules():
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        for node in functions(ast.parse(text)):
            length = (node.end_lineno or 0) - node.lineno + 1
            lengths.append(length)
            assert length <= 80, f"{path}:{node.lineno} {node.name} has {length} lines"
    lengths.sort()
    assert lengths[len(lengths) // 2] <= 7
    assert lengths[int(len(lengths) * 0.9)] <= 20


_KEYWORDS = (
    "ALTER|ANALYZE|BEGIN|CALL|CLUSTER|COMMENT ON|COMMIT|COPY|CREATE|DECLARE|DELETE FROM|DO|DROP|EXECUTE|EXPLAIN|"
    "GRANT|INSERT INTO|LISTEN|LOCK|MERGE INTO|NOTIFY|PREPARE|REFRESH|REINDEX|RELEASE|RESET|REVOKE|ROLLBACK|"
    "SAVEPOINT|SELECT|SET|SHOW|START TRANSACTION|TRUNCATE|UNLISTEN|UPDATE|VACUUM|WITH"
)
# At the beginning of a text or after a semicolon, however much of the statement is put together elsewhere.
_STATEMENT = re.compile(rf"(?:\A|;)\s*(?:{_KEYWORDS})(?:\s|;|\Z)")
_INNER_STATEMENT = re.compile(
    r"\b(?:SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", re.DOTALL
)
_SESSION_METHODS = frozenset(
    {"execute", "executemany", "fetch", "fetchmany", "fetchrow", "fetchval", "prepare", "cursor"}
)


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Give every text of a module but its docstrings."""
    spoken = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in spoken
        ):
            yield node


def literal_statements(tree: ast.AST) -> Iterator[ast.Call]:
    """Give every call of a session's method whose statement is written on the spot, in whatever case."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _SESSION_METHODS
            and node.args
            and (
                isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
                or (isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str))
            )
        ):
            yield node


def statements_in(source: str) -> list[int]:
    """Give the lines of a module that hold SQL."""
    tree = ast.parse(source)
    lines = [
        node.lineno
        for node in texts(tree)
        if _STATEMENT.search(node.value) or _INNER_STATEMENT.search(node.value)
    ]
    return sorted({*lines, *(node.lineno for node in literal_statements(tree))})


def test_sql_stands_in_sql_files() -> None:
    """No Python module holds a statement of any kind; statements are named in .sql files."""
    guilty = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules()
        for line in statements_in(path.read_text())
    ]
    assert guilty == []


@pytest.mark.parametrize(
    "source",
    [
        'run(f"ALTER TABLE {name} SET LOGGED")',
        'LIMITS = "SET LOCAL statement_timeout = 0"',
        'run("x; DROP SCHEMA old CASCADE")',
        'text = "CREATE UNLOGGED TABLE " + name',
        'session.execute("select 1")',
        'pool.fetchval(f"show {name}")',
        'run("TRUNCATE events")',
        'run("COPY events TO STDOUT")',
        'run("LOCK TABLE cases")',
        'run("LISTEN outbox")',
        'run("COMMIT")',
        'WORD = "SELECT case_id FROM cases"',
    ],
)
def test_the_search_for_sql_sees_every_kind_of_statement(source: str) -> None:
    """Statements that define, set, lock or copy are seen as well as queries, whole or in part."""
    assert statements_in(source) == [1]


def test_the_search_for_sql_leaves_words_alone() -> None:
    """Docstrings, and texts that merely hold a keyword, are no statements."""
    assert (
        statements_in('"""SELECT x FROM y."""\nlog("the prober may not SET it", "DELETED")') == []
    )


_COMPOSED = re.compile(r'f"([a-z_]*)\{\w+\}([a-z_]*)"')


def unused_statements(names: Iterable[str], source: str) -> list[str]:
    """Name the statements that no module asks for, neither by their name nor by the part of it that stands fast."""
    ends = [ends for ends in _COMPOSED.findall(source) if any(ends)]
    return [
        name
        for name in names
        if f'"{name}"' not in source
        and not any(name.startswith(first) and name.endswith(last) for first, last in ends)
    ]


def test_every_statement_is_asked_for() -> None:
    """No .sql file holds a statement that no module runs."""
    source = "\n".join(path.read_text() for path in modules())
    files = [
        path for folder in ("services", "consumers") for path in (ROOT / folder).rglob("*.sql")
    ]
    names = [
        name for path in files for name in re.findall(r"^-- name: (\w+)", path.read_text(), re.M)
    ]
    assert len(names) > 50
    assert unused_statements(names, source) == []
    assert unused_statements(["seen", "case_seen", "odd"], 'run("seen"); run(f"case_{x}")') == [
        "odd"
    ]


def test_every_test_says_what_it_holds() -> None:
    """Each test has a docstring of one line that states the behaviour."""
    silent = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in functions(ast.parse(path.read_text())):
            if node.name.startswith("test_"):
                doc = ast.get_docstring(node)
                if not doc or len(doc.strip().splitlines()) != 1:
                    silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert silent == []


def test_no_registry_host_and_no_machine_path() -> None:
    """No tracked text names a package registry's host or a path of the machine it was written on."""
    hosts = [
        "pypi" + ".org",
        "python" + "hosted",
        "repo1" + ".maven",
        "repo.maven" + ".apache",
        "registry.npm" + "js",
    ]
    places = ["/wo" + "rk/", "/ro" + "ot/"]
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    guilty = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".gz", ".png") or not path.is_file():
            continue
        text = path.read_text("utf-8", errors="replace")
        guilty += [f"{name}: {word}" for word in hosts + places if word in text]
    assert guilty == []
