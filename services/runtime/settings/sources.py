"""Where settings come from: values of the environment and of the TOML file, each with its place."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from schemas.near_names import nearest
from schemas.tomllines import line_of
from services.runtime.settings.inventory import PREFIX, Setting
from services.runtime.settings.wording import in_words

CONFIG = "TAKEDOWN_CONFIG"


class Value(Struct, frozen=True):
    """A value as it is written, and where."""

    setting: Setting
    raw: object
    where: str


class Sources(Struct):
    """All values by variable, and what could not be read; `complete` unless a file is missing from it."""

    values: dict[str, Value] = {}
    problems: list[str] = []
    complete: bool = True


def read_sources(environment: Mapping[str, str], catalogue: Sequence[Setting]) -> Sources:
    """Read the file and the environment; the environment wins."""
    sources = Sources()
    if path := environment.get(CONFIG):
        _read_file(sources, path, catalogue)
    _read_environment(sources, environment, catalogue)
    return sources


def converted_values(values: Iterable[Value]) -> tuple[dict[str, Any], list[tuple[Value, str]]]:
    """Convert values to nested tables; return them and the values that do not fit, with the reason."""
    tables: dict[str, Any] = {}
    faults: list[tuple[Value, str]] = []
    for value in values:
        setting = value.setting
        try:
            fit = msgspec.convert(value.raw, setting.type, strict=False)
        except msgspec.ValidationError as error:
            faults.append((value, f"{value.where}: {_reason(value, str(error))}"))
            continue
        place = tables.setdefault(setting.section, {}) if setting.section else tables
        place[setting.field] = fit
    return tables, faults


def nearest_name(name: str, names: Mapping[str, str]) -> str:
    """Suggest the nearest of some names; `names` gives how each is written."""
    near = nearest(name, names)
    return "" if near is None else f"; did you mean {names[near]}?"


def _reason(value: Value, message: str) -> str:
    choices = _choices(value.setting.type)
    if not choices or value.setting.secret:
        setting = value.setting
        return in_words(message, value.raw, field=setting.field, secret=setting.secret)
    hint = nearest_name(str(value.raw), {name: name for name in choices})
    return f"{str(value.raw)[:40]!r} is none of {', '.join(choices)}{hint}"


def _choices(kind: Any) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    parts = get_args(kind)[:1] if get_origin(kind) is Annotated else get_args(kind)
    return next((choices for part in parts if (choices := _choices(part))), ())


def _read_file(sources: Sources, path: str, catalogue: Sequence[Setting]) -> None:
    try:
        text = Path(path).read_text("utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        sources.problems.append(f"{CONFIG} names a file that can't be read ({error.strerror})")
        sources.complete = False
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        sources.problems.append(f"{CONFIG} names a file that is not TOML: {error}")
        sources.complete = False
        return
    by_place = {(setting.section, setting.field): setting for setting in catalogue}
    for section, field, raw in _fields(tables, {s.section for s in catalogue}):
        dotted = f"{section}.{field}".strip(".")
        where = f"{path}, line {line_of(text, dotted)}"
        if (section, field) in by_place:
            setting = by_place[section, field]
            sources.values[setting.variable] = Value(setting, raw, f"{where}: {dotted}")
        else:
            sources.problems.append(f"{where}: {_unknown_field(section, field, raw, by_place)}")


def _fields(tables: dict[str, Any], sections: set[str]) -> Iterator[tuple[str, str, object]]:
    for name, value in tables.items():
        if name in sections and isinstance(value, dict):
            for field, raw in value.items():
                yield name, field, raw
        else:
            yield "", name, value


def _unknown_field(
    section: str, field: str, raw: object, places: Mapping[tuple[str, str], Setting]
) -> str:
    if not section and field in {name for name, _ in places}:
        return f"{field} must be a table, [{field}]"
    if section:
        fields = {name: name for table, name in places if table == section}
        return (
            f"[{section}] has no {field}{nearest_name(field, fields) or '; see docs/settings.md'}"
        )
    tables = {table: f"[{table}]" for table, _ in places if table}
    names = tables if isinstance(raw, dict) else {n: n for table, n in places if not table} | tables
    kind = f"[{field}]" if isinstance(raw, dict) else field
    return f"{kind} is no setting{nearest_name(field, names) or '; see docs/settings.md'}"


def _read_environment(
    sources: Sources, environment: Mapping[str, str], catalogue: Sequence[Setting]
) -> None:
    by_variable = {setting.variable: setting for setting in catalogue}
    files = {f"{s.variable}_FILE": s for s in catalogue if s.secret}
    for variable in sorted(v for v in environment if v.startswith(PREFIX) and v != CONFIG):
        text = environment[variable]
        if variable not in by_variable and variable not in files:
            sources.problems.append(_unknown(variable, [*by_variable, *files, CONFIG]))
        elif text and variable in by_variable:
            setting = by_variable[variable]
            sources.values[variable] = Value(setting, _split(setting, text), variable)
        elif text and environment.get(files[variable].variable):
            both = f"both {files[variable].variable} and {variable} are set; keep one"
            sources.problems.append(both)
        elif text:
            _read_secret(sources, files[variable], variable, text)


def _unknown(variable: str, names: Sequence[str]) -> str:
    # Without the prefix that all share, or everything would be near to everything.
    short = {name.removeprefix(PREFIX): name for name in names}
    hint = nearest_name(variable.removeprefix(PREFIX), short) or "; docs/settings.md lists them all"
    return f"{variable} is no setting{hint}"


def _read_secret(sources: Sources, setting: Setting, variable: str, path: str) -> None:
    try:
        text = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        sources.problems.append(f"{variable} names a file that can't be read")
        return
    sources.values[setting.variable] = Value(setting, text, variable)


def _split(setting: Setting, text: str) -> object:
    kind = get_args(setting.type)[0] if get_origin(setting.type) is Annotated else setting.type
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
