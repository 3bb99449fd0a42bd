"""docs/glossary.md: the words of the domain, the states and the codes, each defined once."""

import re
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from schemas import topics
from schemas.events import TYPE_OF, TYPES, Layer, Verdict
from services.core.machines import Clock, Presence, Procedure
from services.exporter.metric_families import STANDINGS
from services.exporter.metrics import catalogue

ROOT = Path(__file__).parents[3]
GLOSSARY = ROOT / "docs" / "glossary.md"
# Tables about the program, not about the domain.
HOUSEKEEPING = {"consumer_offsets", "ledger_methodology", "schema_migrations"}
ROW = re.compile(r"^\| (?P<word>[^|]+) \| (?P<meaning>[^|]+) \|$", re.M)
# The words of the design's second section.
DESIGN = (
    "report",
    "case",
    "provider",
    "notice",
    "spell",
    "clock",
    "norm",
    "look",
    "verdict",
    "removal interval",
    "certain breach",
    "returned",
    "moved",
    "exposure",
    "methodology",
    "vantage",
    "canary",
    "`within`",
    "`undecided`",
)


def definitions() -> list[tuple[str, str]]:
    rows = [(row["word"], row["meaning"]) for row in ROW.finditer(GLOSSARY.read_text())]
    return [row for row in rows if row[0] not in ("word", "---")]


def section(title: str) -> set[str]:
    """The words in code style of one section."""
    text = GLOSSARY.read_text()
    body = re.split(rf"^#+ {re.escape(title)}$", text, flags=re.M)[1]
    rows = ROW.finditer(re.split(r"^#", body, flags=re.M)[0])
    return {found for row in rows for found in re.findall(r"`([^`]+)`", row["word"])}


def test_the_words_of_the_design_are_defined() -> None:
    """Every term of the design's second section stands there."""
    assert set(DESIGN) - {word for word, _ in definitions()} == set()


def test_each_word_has_one_definition_of_one_sentence() -> None:
    """No word is defined twice; a definition is a sentence."""
    counts = Counter(word for word, _ in definitions())
    assert [word for word, count in counts.items() if count > 1] == []
    assert [word for word, meaning in definitions() if not meaning.endswith(".")] == []


@pytest.mark.parametrize("machine", [Procedure, Presence, Clock])
def test_every_state_is_defined(machine: type[Clock]) -> None:
    """The states of a machine are the words of its section."""
    assert section(machine.__name__) == set(machine)


def test_events_and_tables_have_the_words_of_the_glossary() -> None:
    """What events are about and what tables hold are words of the page."""
    words = {word for word, _ in definitions()}
    subjects = {name.split(".")[1] for name in TYPES}
    migrations = "".join(path.read_text() for path in (ROOT / "schemas").rglob("*.sql"))
    tables = set(re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", migrations))
    nouns = {name.removesuffix("s").replace("_", " ") for name in tables - HOUSEKEEPING}
    assert (subjects | nouns) - words == set()


def test_every_code_is_defined() -> None:
    """Verdicts, layers, outcomes, standings and labels of metrics are those of the code."""
    assert section("Verdicts") == set(get_args(Verdict))
    assert section("Layers") == set(get_args(Layer))
    assert section("Outcomes") == {TYPE_OF[struct] for struct in topics.OUTCOMES.carries}
    assert section("Standings") == {standing.partition(":")[0] for standing in STANDINGS}
    assert section("Labels of metrics") == {label for info in catalogue() for label in info.labels}
