"""`takedown init`: ask for what only the operator knows, write a settings file with comments, and check it."""

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import click

from schemas.errors import ConfigError, TakedownError
from services.attribution.providermap import ProviderMap
from services.runtime.methods import methodology
from services.runtime.settings import Setting, catalogue, config_error, examine

# Asked in this order: the variable, the question, and whether public looks need an answer.
_QUESTIONS = (
    ("TAKEDOWN_PROBE_OPERATOR", "Organisation that is responsible for the looks", True),
    ("TAKEDOWN_PROBE_CONTACT", "E-mail address or web page for operators of hosts", True),
    ("TAKEDOWN_PROBE_LEGAL_BASIS", "Law or agreement that the looks are based on", True),
    ("TAKEDOWN_CANARY_URL", "Page of your own that is always online (canary)", True),
    ("TAKEDOWN_METHODOLOGY", "Methodology (`takedown method list`)", False),
    ("TAKEDOWN_PROVIDER_MAP", "Provider map, or where to write an example of one", False),
    ("TAKEDOWN_WATCH_PROVIDERS", "Providers to watch always, with commas between", False),
)
_DEFAULTS = {"TAKEDOWN_METHODOLOGY": "nl-24h"}
_WIDTH = 100
_MAP = """\
# Provider map: who answers for an address, as of an instant. docs/attribution.md has every field.
# Replace the example: until an address stands here, its looks have no provider.

[[provider]]
id = "example-hosting"                # the name in every figure: a to z, 0 to 9 and _.:/-
name = "Example Hosting B.V."
country = "NL"
  [[provider.prefix]]
  cidr = "192.0.2.0/24"               # documentation addresses: nobody's
"""

Answers = Mapping[str, str]


class SettingsThere(TakedownError):
    """There is a settings file already."""

    exit_code = 2


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), default="takedown.toml")
@click.option("--operator", "TAKEDOWN_PROBE_OPERATOR", help=_QUESTIONS[0][1] + ".")
@click.option("--contact", "TAKEDOWN_PROBE_CONTACT", help=_QUESTIONS[1][1] + ".")
@click.option("--legal-basis", "TAKEDOWN_PROBE_LEGAL_BASIS", help=_QUESTIONS[2][1] + ".")
@click.option("--canary", "TAKEDOWN_CANARY_URL", help=_QUESTIONS[3][1] + ".")
@click.option("--methodology", "TAKEDOWN_METHODOLOGY", help=_QUESTIONS[4][1] + ".")
@click.option("--provider-map", "TAKEDOWN_PROVIDER_MAP", help=_QUESTIONS[5][1] + ".")
@click.option("--watch", "TAKEDOWN_WATCH_PROVIDERS", help=_QUESTIONS[6][1] + ".")
@click.option("--force", is_flag=True, help="Write over an existing file.")
def command(path: Path, force: bool, **options: str | None) -> None:
    """Write a settings file at PATH (default: takedown.toml), with a comment on every setting, and check it.

    What no option answers is asked on a terminal; an empty answer leaves it out. Without operator, contact,
    legal basis and canary the monitor counts what others see, and looks at nothing itself.
    """
    if path.exists() and not force:
        raise SettingsThere(f"{path} is there already; name another file, or --force")
    answers = _ask(options)
    map_written = _have_map(answers.get("TAKEDOWN_PROVIDER_MAP"))
    text = "".join(_lines(answers))
    problems = check(path, text)
    if problems and map_written:
        Path(answers["TAKEDOWN_PROVIDER_MAP"]).unlink()
    if problems:
        raise config_error(*problems)
    path.write_text(text, "utf-8")
    _say(path, answers, map_written)


def _ask(options: Mapping[str, str | None]) -> dict[str, str]:
    answers = {}
    for variable, question, _ in _QUESTIONS:
        answer = options.get(variable)
        if answer is None and sys.stdin.isatty():
            default = _DEFAULTS.get(variable, "")
            answer = click.prompt(
                question,
                default=default,
                show_default=bool(default),
                value_proc=partial(_checked, variable),
                err=True,
            )
        if answer and answer.strip():
            answers[variable] = answer.strip()
    if place := answers.get("TAKEDOWN_PROVIDER_MAP"):
        answers["TAKEDOWN_PROVIDER_MAP"] = str(Path(place).expanduser().absolute())
    return answers


def _checked(variable: str, answer: str) -> str:
    """Give an answer that can be used; what is wrong with another one is said, and it is asked again."""
    try:
        problem = _wrong(variable, answer.strip()) if answer.strip() else None
    except TakedownError as error:
        problem = str(error)
    if problem is not None:
        raise click.UsageError(problem)
    return answer


def _wrong(variable: str, answer: str) -> str | None:
    """Say what is wrong with one answer; raises `ConfigError` where a file says it."""
    if variable == "TAKEDOWN_PROVIDER_MAP":
        _is_written(Path(answer).expanduser().absolute())
        return None
    if variable == "TAKEDOWN_METHODOLOGY":
        methodology(answer)
    _, problems = examine({variable: answer})
    return next((one for one in problems if one.startswith(variable)), None)


def _have_map(place: str | None) -> bool:
    """Write an example where no provider map is; read the one that is. Raises `ConfigError`."""
    if place is None or _is_written(Path(place)):
        return False
    Path(place).write_text(_MAP, "utf-8")
    return True


def _is_written(path: Path) -> bool:
    """Tell whether a provider map is there, and that it can be read, or could be written; raises `ConfigError`."""
    if path.exists():
        ProviderMap.load(path)
        return True
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is no folder; name a place for the provider map")
    return False


def looks(answers: Answers) -> bool:
    """Tell whether everything is answered that looks at public addresses need."""
    return all(variable in answers for variable, _, needed in _QUESTIONS if needed)


def check(path: Path, text: str) -> list[str]:
    """Check a settings file before it is written where it is to stand; return what is wrong."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(text, "utf-8")
    try:
        settings, problems = examine({"TAKEDOWN_CONFIG": str(scratch)})
        if not problems:
            methodology(settings.methodology)
    finally:
        scratch.unlink()
    return [problem.replace(str(scratch), str(path)) for problem in problems]


def _lines(answers: Answers) -> Iterator[str]:
    """Write every setting: those that were answered, the others as comments with their defaults."""
    yield "# Settings of takedown-monitor. A variable of the environment goes before what stands here.\n"
    yield "# Use it: TAKEDOWN_CONFIG=<this file> takedown up. Check it: takedown check-config.\n"
    section = ""
    for setting in catalogue():
        if setting.section != section:
            section = setting.section
            yield f"\n[{section}]\n"
        yield from _setting(setting, _value(setting, answers))


def _value(setting: Setting, answers: Answers) -> object:
    if setting.variable == "TAKEDOWN_PROBE_MODE":
        return "public" if looks(answers) else None
    text = answers.get(setting.variable)
    if text is not None and isinstance(setting.default, tuple):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _setting(setting: Setting, value: object) -> Iterator[str]:
    about = f"{setting.about} ({setting.variable})" if setting.about else setting.variable
    for line in textwrap.wrap(about, _WIDTH):
        yield f"# {line}\n"
    if setting.secret:
        yield f"# Secret: name a file of its own in {setting.variable}_FILE instead.\n"
    if value is not None:
        yield f"{setting.field} = {json.dumps(value, ensure_ascii=False)}\n"
    else:
        default = setting.default
        shown = "" if default is None else json.dumps(default)
        yield f"# {setting.field} = {shown}\n"


def _say(path: Path, answers: Answers, map_written: bool) -> None:
    click.echo(f"wrote {path}: checked, nothing is wrong with it")
    if map_written:
        click.echo(
            f"wrote an example to {answers['TAKEDOWN_PROVIDER_MAP']}: put your providers there"
        )
    if not looks(answers):
        missing = [q.lower() for v, q, needed in _QUESTIONS if needed and v not in answers]
        click.echo(f"note: nothing is looked at yet; missing: {'; '.join(missing)}")
    click.echo(f"next: TAKEDOWN_CONFIG={path} takedown up")
