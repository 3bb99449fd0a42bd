"""docs/rules.md: every rule that is cited stands there, and it knows which are not cited."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = ("services", "consumers", "schemas", "tests", "deploy", "docs", "scripts")
SUFFIXES = {".py", ".md", ".sql", ".toml", ".yaml", ".yml", ".mako", ".sh"}
ENTRY = re.compile(r"^- \*\*(?P<name>[^*]+)\*\* (?P<text>.+)$", re.M)
MARK = " *not cited*"
PAGE = ROOT / "docs" / "rules.md"
# The scheduler numbers laws of its own, at the head of its module.
OTHER_LAWS = ("services/probing/schedule/", "tests/unit/probing/")
CITATION = re.compile(
    r"(?<![\w.])(?:(?P<rule>G(?:1[0-8]|[1-9])|P(?:2[0-5]|1[0-9]|[1-9]))(?: to (?P<last>[GP]\d+))?(?![\w.:-]*\d)\b"
    r"|(?P<document>design|engineering)(?:\.md)?,? section (?P<section>\d+)"
    r"|\b[Ll]aw (?P<law>\d+))"
)


def entries() -> dict[str, str]:
    return {found["name"]: found["text"] for found in ENTRY.finditer(PAGE.read_text())}


def texts() -> Iterator[tuple[str, str]]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
    for path in [*paths, *sorted(ROOT.glob("*.md"))]:
        name = str(path.relative_to(ROOT))
        other = path not in (PAGE, Path(__file__)) and not name.startswith("tests/data/")
        if path.suffix in SUFFIXES and other:
            yield name, path.read_text()


def names(found: re.Match[str]) -> list[str]:
    if found["document"]:
        return [f"{found['document']} section {found['section']}"]
    if found["law"]:
        return [f"law {found['law']}"]
    rule, last = found["rule"], found["last"] or found["rule"]
    return [f"{rule[0]}{number}" for number in range(int(rule[1:]), int(last[1:]) + 1)]


def citations() -> dict[str, list[str]]:
    """Rule -> files that cite it."""
    cited: dict[str, list[str]] = {}
    for path, text in texts():
        for found in CITATION.finditer(text):
            if found["law"] and path.startswith(OTHER_LAWS):
                continue
            for name in names(found):
                cited.setdefault(name, []).append(path)
    return cited


def test_every_cited_rule_is_explained() -> None:
    """No citation of a rule, a law or a section of the design leads nowhere."""
    unknown = {name: paths for name, paths in citations().items() if name not in entries()}
    assert unknown == {}


def test_every_rule_is_cited_or_marked() -> None:
    """A rule that nothing cites says so, and one that is cited doesn't."""
    cited = citations()
    marks = {name: text.endswith(MARK) for name, text in entries().items()}
    assert marks == {name: name not in cited for name in marks}


def test_every_guardrail_and_pitfall_stands_there() -> None:
    """G1 to G18, P1 to P25 and the eight laws, each with one sentence."""
    expected = [f"G{n}" for n in range(1, 19)] + [f"P{n}" for n in range(1, 26)]
    expected += [f"law {n}" for n in range(1, 9)]
    assert set(expected) <= entries().keys()
    assert all(text.removesuffix(MARK).endswith(".") for text in entries().values())
