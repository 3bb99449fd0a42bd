"""Who opens a sealed URL, and which acts leave a row in the audit log, is what docs/operating/secure.md says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from schemas.sealing import Opening
from tests.unit.schemas.test_sealing import KEYS, URL

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/operating/secure.md").read_text("utf-8")
SECTION = PAGE.partition("## Who opens a URL")[2].partition("\n## ")[0]
ROW = re.compile(r"^\| `(?P<place>[^`]+)` \| `(?P<word>\w+)` \|", re.M)


def tables() -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Give the rows of both tables: who opens, and who leaves a row."""
    openers, _, acts = SECTION.partition("leaves a row first")
    return {*map(_pair, ROW.finditer(openers))}, {*map(_pair, ROW.finditer(acts))}


def _pair(row: re.Match[str]) -> tuple[str, str]:
    return row["place"], row["word"]


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Give every call of a method in the program, with its file and the method's name."""
    for folder in ("services", "consumers", "schemas"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    yield str(path.relative_to(ROOT)), node, node.func.attr


def test_every_opener_is_in_the_table() -> None:
    """A place that opens a sealed URL says for what, and stands in the table with what records it."""
    found = {
        (place, str(ast.literal_eval(word.value)))
        for place, call, name in calls()
        if name == "open"
        for word in call.keywords
        if word.arg == "purpose"
    }
    openers, _ = tables()
    assert found == openers
    assert {purpose for _, purpose in openers} == set(get_args(Opening))


def test_every_act_with_a_row_is_in_the_table() -> None:
    """What is written to the audit log is listed, with the word of its row."""
    found = {
        (place, str(ast.literal_eval(call.args[2])))
        for place, call, name in calls()
        if name == "record" and isinstance(call.func, ast.Attribute)
        if isinstance(call.func.value, ast.Name)
        if call.func.value.id == "audit"
    }
    assert found == tables()[1]


def test_nothing_else_decrypts() -> None:
    """The cipher of the seals is used in one module alone, so that there is no other way to open a URL."""
    found = {
        str(path.relative_to(ROOT))
        for folder in ("services", "consumers", "schemas")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\bAESGCM\b|\.decrypt\(|\bCipher\(", path.read_text("utf-8"))
    }
    # The other one plays a host that speaks TLS by itself, for the simulation.
    assert found == {"schemas/sealing.py", "services/simulation/renegotiation.py"}


def test_no_url_is_opened_without_a_purpose() -> None:
    """Nobody opens one for nothing, or for a purpose of his own."""
    sealed, case = KEYS.seal(URL), KEYS.case_id(URL)
    with pytest.raises(TypeError):
        KEYS.open(sealed, case)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="no purpose"):
        KEYS.open(sealed, case, purpose="curiosity")  # type: ignore[arg-type]
