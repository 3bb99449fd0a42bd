"""`takedown init`: the first settings file, with comments, checked before it stands there."""

import tomllib
from io import StringIO

import click
import pytest

from services.cli import init_command
from services.runtime.settings import catalogue, load

ANSWERS = (
    "--operator", "Hotline", "--contact", "abuse@hotline.example", "--legal-basis", 'Act 12 "b"',
    "--canary", "https://canary.hotline.example/", "--watch", "refuser, giant",
)  # fmt: skip


def test_the_file_that_is_written_can_be_used(run, tmp_path):
    """Answers become settings, public looks included; the next command is said, and check-config takes the file."""
    path, providers = tmp_path / "takedown.toml", tmp_path / "providers.toml"
    done = run("init", str(path), *ANSWERS, "--provider-map", str(providers))
    assert done.exit_code == 0, done.output
    assert f"next: TAKEDOWN_CONFIG={path} takedown up" in done.stdout
    settings = load({"TAKEDOWN_CONFIG": str(path)})
    assert settings.probe.mode == "public"
    assert settings.probe.legal_basis == 'Act 12 "b"'
    assert settings.exporter.watch_providers == ("refuser", "giant")
    assert "example-hosting" in providers.read_text()
    assert settings.provider_map == str(providers)
    checked = run("check-config", env={"TAKEDOWN_CONFIG": str(path)})
    assert checked.exit_code == 0, checked.output


def test_every_setting_stands_there_with_its_comment(run, tmp_path):
    """Whoever wants to change a setting finds it, what it means, and its default."""
    path = tmp_path / "takedown.toml"
    run("init", str(path), *ANSWERS)
    text = path.read_text()
    for setting in catalogue():
        assert f"({setting.variable})" in text.replace("\n# ", " "), setting.variable
    live = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line
        for line in text.splitlines()
        if line and not line.endswith("= ")
    )
    assert "looks_per_second = 1000.0" in live
    assert tomllib.loads(text)["probe"]["operator"] == "Hotline"


def test_without_the_four_answers_nothing_is_looked_at(run, tmp_path):
    """A file without operator, contact, legal basis and canary starts a monitor that looks at nothing, and says so."""
    path = tmp_path / "takedown.toml"
    done = run("init", str(path), "--operator", "Hotline")
    assert "nothing is looked at yet; missing: e-mail address" in done.stdout
    assert load({"TAKEDOWN_CONFIG": str(path)}).probe.mode == "off"


def test_a_wrong_answer_writes_nothing(run, tmp_path):
    """What check-config would refuse is refused before there is a file."""
    path = tmp_path / "takedown.toml"
    words = ("--canary", "no url", "--provider-map", str(tmp_path / "providers.toml"))
    refused = run("init", str(path), *ANSWERS, *words)
    assert refused.exit_code == 2
    assert "TAKEDOWN_CANARY_URL" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_written_over(run, tmp_path):
    """An existing file stays unless --force says otherwise."""
    path = tmp_path / "takedown.toml"
    path.write_text("mine")
    assert run("init", str(path), *ANSWERS).exit_code == 2
    assert path.read_text() == "mine"
    assert run("init", str(path), *ANSWERS, "--force").exit_code == 0


def test_on_a_terminal_it_asks(run, tmp_path, monkeypatch):
    """What no option says is asked, in the order of the file's importance; an empty answer leaves it out."""
    asked = []
    monkeypatch.setattr(init_command.sys, "stdin", type("Tty", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(
        click, "prompt", lambda question, **options: asked.append(question) or options["default"]
    )
    init_command.command.callback(
        tmp_path / "takedown.toml", force=False, TAKEDOWN_PROBE_OPERATOR="Hotline"
    )
    assert len(asked) == 6
    assert asked[0].startswith("E-mail address")
    assert load({"TAKEDOWN_CONFIG": str(tmp_path / "takedown.toml")}).methodology == "nl-24h"


def test_a_wrong_answer_is_asked_for_again(run, tmp_path, monkeypatch):
    """One mistake on a terminal costs no other answer: it is named, and the same question comes again."""
    answers = [
        "Hotline", "our desk", "abuse@hotline.example", "Act 12", "hotline", "https://hotline.example/up",
        "nl-24", "nl-24h", "/no/folder/providers.toml", "", "giant",
    ]  # fmt: skip
    stdin = StringIO("\n".join(answers) + "\n")
    stdin.isatty = lambda: True
    monkeypatch.setattr(init_command.sys, "stdin", stdin)
    path = tmp_path / "takedown.toml"
    init_command.command.callback(path, force=False)
    settings = load({"TAKEDOWN_CONFIG": str(path)})
    assert settings.probe.contact == "abuse@hotline.example"
    assert settings.probe.canary_url == "https://hotline.example/up"
    assert settings.exporter.watch_providers == ("giant",)


@pytest.mark.parametrize("name", ["operator", "contact", "legal-basis", "canary", "provider-map"])
def test_the_help_names_what_is_asked(run, name):
    """Each question can be answered by an option."""
    assert f"--{name}" in run("init", "--help").output
