"""What is given: values of the environment and of the TOML file, each with the place that it stands in."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from schemas.tomllines import line_of

if TYPE_CHECKING:
    from services.runtime.settings import Setting

PREFIX = "TAKEDOWN_"
CONFIG = "TAKEDOWN_CONFIG"
_NEAR = 0.6


class Value(Struct, frozen=True):
    """A value as it was given, and where."""

    setting: "Setting"
    raw: object
    where: str


class Given(Struct):
    """All that is given, by variable, and what could not be read; `whole` unless a file is missing from it."""

    values: dict[str, Value] = {}
    problems: list[str] = []
    whole: bool = True


def given(environment: Mapping[str, str], catalogue: Sequence["Setting"]) -> Given:
    """Read what is given; the environment wins over the file."""
    found = Given()
    if path := environment.get(CONFIG):
        _read_file(found, path, catalogue)
    _read_environment(found, environment, catalogue)
    return found


def converted(values: Iterable[Value]) -> tuple[dict[str, Any], list[tuple[Value, str]]]:
    """Sort values into those that fit, as nested tables, and those that don't, with the reason."""
    tables: dict[str, Any] = {}
    wrong: list[tuple[Value, str]] = []
    for value in values:
        setting = value.setting
        try:
            fit = msgspec.convert(value.raw, setting.type, strict=False)
        except msgspec.ValidationError as error:
            wrong.append((value, f"{value.where}: {_reason(value, str(error))}"))
            continue
        place = tables.setdefault(setting.section, {}) if setting.section else tables
        place[setting.field] = fit
    return tables, wrong


def near(name: str, names: Mapping[str, str]) -> str:
    """Ask whether the nearest of some names was meant; `names` gives how each is written."""
    found = get_close_matches(name, names, n=1, cutoff=_NEAR)
    return f"; did you mean {names[found[0]]}?" if found else ""


def _reason(value: Value, message: str) -> str:
    choices = _choices(value.setting.type)
    if not choices or value.setting.secret:
        return message
    hint = near(str(value.raw), {name: name for name in choices})
    return f"{str(value.raw)[:40]!r} is none of {', '.join(choices)}{hint}"


def _choices(kind: Any) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    parts = get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind)
    return next((found for part in parts if (found := _choices(part))), ())


def _read_file(found: Given, path: str, catalogue: Sequence["Setting"]) -> None:
    try:
        text = Path(path).read_text("utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        found.problems.append(f"{CONFIG} names a file that can't be read ({error.strerror})")
        found.whole = False
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        found.problems.append(f"{CONFIG} names a file that is not TOML: {error}")
        found.whole = False
        return
    known = {(setting.section, setting.field): setting for setting in catalogue}
    for section, field, raw in _fields(tables, {s.section for s in catalogue}):
        dotted = f"{section}.{field}".strip(".")
        where = f"{path}, line {line_of(text, dotted)}"
        if (section, field) in known:
            setting = known[section, field]
            found.values[setting.variable] = Value(setting, raw, f"{where}: {dotted}")
        else:
            found.problems.append(f"{where}: {_unknown_field(section, field, raw, known)}")


def _fields(tables: dict[str, Any], sections: set[str]) -> Iterator[tuple[str, str, object]]:
    for name, value in tables.items():
        if name in sections and isinstance(value, dict):
            for field, raw in value.items():
                yield name, field, raw
        else:
            yield "", name, value


def _unknown_field(
    section: str, field: str, raw: object, known: Mapping[tuple[str, str], "Setting"]
) -> str:
    if not section and field in {name for name, _ in known}:
        return f"{field} must be a table, [{field}]"
    if section:
        fields = {name: name for table, name in known if table == section}
        return f"[{section}] has no {field}{near(field, fields) or '; see docs/settings.md'}"
    tables = {table: f"[{table}]" for table, _ in known if table}
    names = tables if isinstance(raw, dict) else {n: n for table, n in known if not table} | tables
    kind = f"[{field}]" if isinstance(raw, dict) else field
    return f"{kind} is no setting{near(field, names) or '; see docs/settings.md'}"


def _read_environment(
    found: Given, environment: Mapping[str, str], catalogue: Sequence["Setting"]
) -> None:
    known = {setting.variable: setting for setting in catalogue}
    files = {f"{s.variable}_FILE": s for s in known.values() if s.secret}
    for variable in sorted(v for v in environment if v.startswith(PREFIX) and v != CONFIG):
        text = environment[variable]
        if variable not in known and variable not in files:
            found.problems.append(_unknown(variable, [*known, *files, CONFIG]))
        elif text and variable in known:
            setting = known[variable]
            found.values[variable] = Value(setting, _split(setting, text), variable)
        elif text and environment.get(files[variable].variable):
            both = f"both {files[variable].variable} and {variable} are set; keep one"
            found.problems.append(both)
        elif text:
            _read_secret(found, files[variable], variable, text)


def _unknown(variable: str, names: Sequence[str]) -> str:
    # Without the prefix that all share, or everything would be near to everything.
    short = {name.removeprefix(PREFIX): name for name in names}
    hint = near(variable.removeprefix(PREFIX), short) or "; docs/settings.md lists them all"
    return f"{variable} is no setting{hint}"


def _read_secret(found: Given, setting: "Setting", variable: str, path: str) -> None:
    try:
        text = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        found.problems.append(f"{variable} names a file that can't be read")
        return
    found.values[setting.variable] = Value(setting, text, variable)


def _split(setting: "Setting", text: str) -> object:
    kind = get_args(setting.type)[0] if get_origin(setting.type) is Annotated else setting.type
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
