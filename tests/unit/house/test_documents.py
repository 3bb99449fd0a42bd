"""The documents: short where they must be, and true where a machine can tell."""

import re
import tomllib
from pathlib import Path

import pytest

from services.cli.app import COMMANDS
from services.runtime.settings import CONFIG, catalogue

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<target>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
COMMAND = re.compile(r"(?:^\$ |`|&& )takedown (?P<name>[a-z][a-z-]*)", re.M)
PLACE = re.compile(r"`(?P<path>(?:services|consumers|schemas|tests|scripts|deploy)/[\w./-]*)`")
VARIABLE = re.compile(r"\bTAKEDOWN_[A-Z][A-Z_]*[A-Z]\b(?!\*)")


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_readme_is_short_and_points_to_every_page() -> None:
    """At most 80 lines, from which every page of docs/ is one link away."""
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 80
    linked = {found["target"] for found in LINK.finditer(text)}
    near = {name for name in linked if name.endswith(".md")}
    for name in sorted(near):
        page = ROOT / name
        linked |= {
            str((page.parent / found["target"]).resolve().relative_to(ROOT))
            for found in LINK.finditer(page.read_text())
            if found["target"]
        }
    docs = (*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "operating").glob("*.md"))
    pages = {str(page.relative_to(ROOT)) for page in docs}
    assert pages - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """No relative link of a page is broken, anchors included."""
    broken = []
    for found in LINK.finditer(page.read_text()):
        target = (page.parent / found["target"]) if found["target"] else page
        if not target.exists():
            broken.append(found["target"])
        elif found["anchor"] and found["anchor"] not in anchors(target):
            broken.append(f"{found['target']}#{found['anchor']}")
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_pages_name_exist(page: Path) -> None:
    """A page that names a file or folder of the repository names one that is there."""
    named = {found["path"] for found in PLACE.finditer(page.read_text())}
    named -= {path for path in named if path.startswith("deploy/secrets/")}  # made on the machine
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_commands_and_settings_of_the_pages_exist() -> None:
    """Every command and variable that a page names is one of the program."""
    variables = {setting.variable for setting in catalogue()} | {CONFIG}
    variables |= {f"{setting.variable}_FILE" for setting in catalogue() if setting.secret}
    variables |= {"TAKEDOWN_FAULTS", "TAKEDOWN_FAULTS_SEED"}  # of `make faults`
    variables |= {"TAKEDOWN_BENCH_BEFORE"}  # of `make bench`
    wrong = []
    for page in PAGES:
        text = page.read_text()
        wrong += [f"{page.name}: {name}" for name in COMMAND.findall(text) if name not in COMMANDS]
        if page.name != "CHANGELOG.md":
            names = set(VARIABLE.findall(text))
            wrong += [f"{page.name}: {name}" for name in sorted(names - variables)]
    assert wrong == []


def test_decisions_are_numbered_and_listed() -> None:
    """Each decision has its number, three parts, and a line in both lists."""
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))
    lists = [(ROOT / "ARCHITECTURE.md").read_text(), (ROOT / "docs/adr/README.md").read_text()]
    for number, path in enumerate(ADRS, start=1):
        text = path.read_text()
        title = text.splitlines()[0].removeprefix("# ")
        assert title.startswith(f"{number}. ")
        assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences"]
        assert all(f"[{title}](" in part and path.name in part for part in lists), path.name


def test_the_changelog_names_this_version() -> None:
    """[Unreleased] stands first, then the version of pyproject.toml with its date."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    heads = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert heads[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d", heads[1])
