"""The house rules that a machine can hold: imports one way, a pure core, small functions, one distribution."""

import ast
import importlib.metadata
import random
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
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
    """No module above 400 lines; functions have a p90 of at most 30 lines and none above 80."""
    lengths: list[int] = []
    for path in modules():
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        for node in functions(ast.parse(text)):
            length = (node.end_lineno or 0) - node.lineno + 1
            lengths.append(length)
            assert length <= 80, f"{path}:{node.lineno} {node.name} has {length} lines"
    lengths.sort()
    assert lengths[int(len(lengths) * 0.9)] <= 30


def test_sql_stands_in_sql_files() -> None:
    """No Python module holds a statement; queries are named in .sql files."""
    statement = re.compile(r"\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", re.S)
    guilty = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and statement.search(node.value)
            ):
                guilty.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert guilty == []


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
        if path.suffix in (".gz", ".png") or not path.exists():
            continue
        text = path.read_text("utf-8", errors="replace")
        guilty += [f"{name}: {word}" for word in hosts + places if word in text]
    assert guilty == []
