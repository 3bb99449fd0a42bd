"""The settings: every one with a type, a default, its unit in the name and one sentence.

A setting comes from the environment (`TAKEDOWN_<SECTION>_<FIELD>`) or from the TOML file that
`TAKEDOWN_CONFIG` names (`[section] field = value`); the environment wins. An empty variable counts
as unset. A secret may come from a file instead: `TAKEDOWN_<NAME>_FILE`.
docs/settings.md is generated from here.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct

from schemas.errors import ConfigError
from services.runtime.settings_model import Section, Settings, is_secret
from services.runtime.settings_rules import RULES, config_error

__all__ = [
    "CONFIG",
    "Setting",
    "Settings",
    "catalogue",
    "check",
    "environment_of",
    "load",
    "sections",
]

PREFIX = "TAKEDOWN_"
CONFIG = "TAKEDOWN_CONFIG"
# Names that people expect, where section + field would read oddly.
_SPECIAL = {
    ("vantage", "name"): "TAKEDOWN_VANTAGE",
    ("topics", "partitions"): "TAKEDOWN_TOPIC_PARTITIONS",
    ("topics", "replication_factor"): "TAKEDOWN_TOPIC_REPLICATION_FACTOR",
    ("probe", "canary_url"): "TAKEDOWN_CANARY_URL",
    ("probe", "canary_interval_seconds"): "TAKEDOWN_CANARY_INTERVAL_SECONDS",
    ("exporter", "watch_providers"): "TAKEDOWN_WATCH_PROVIDERS",
}


class Setting(Struct, frozen=True):
    """One setting as data: where it stands and how it is written."""

    section: str
    field: str
    variable: str
    type: Any
    default: object
    about: str
    secret: bool


def sections() -> dict[str, type[Section]]:
    """Every section by name; the settings without a section stand under the empty name."""
    named = {f.name: f.type for f in msgspec.structs.fields(Settings) if isinstance(f.type, type)}
    return {"": Settings} | {n: t for n, t in named.items() if issubclass(t, Section)}


@cache
def catalogue() -> tuple[Setting, ...]:
    """Every setting, in the order of the reference."""
    return tuple(
        _setting(section, struct, field)
        for section, struct in sections().items()
        for field in msgspec.structs.fields(struct)
        if not (isinstance(field.type, type) and issubclass(field.type, Section))
    )


def _setting(section: str, struct: type[Section], field: msgspec.structs.FieldInfo) -> Setting:
    info = msgspec.inspect.type_info(field.type)
    assert isinstance(info, msgspec.inspect.Metadata), f"{section}.{field.name} is not described"
    about = str((info.extra_json_schema or {}).get("description", ""))
    parts = (section.upper(), field.name.upper()) if section else (field.name.upper(),)
    variable = _SPECIAL.get((section, field.name), PREFIX + "_".join(parts))
    secret = is_secret(struct, field.name)
    return Setting(section, field.name, variable, field.type, field.default, about, secret)


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check all settings.

    Raises:
        ConfigError: a setting is unknown, unreadable, of the wrong kind or contradicts another.
    """
    values = _from_file(environment.get(CONFIG))
    for setting, text in _from_environment(environment):
        place = values.setdefault(setting.section, {}) if setting.section else values
        if not isinstance(place, dict):
            raise config_error(f"[{setting.section}] in the file of {CONFIG} must be a table")
        place[setting.field] = _split(setting, text)
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise config_error(_name_of(str(error))) from None
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Apply every rule that joins settings; raises `ConfigError` with all that is wrong."""
    if problems := [problem for rule in RULES for problem in rule(settings)]:
        raise config_error("; ".join(problems))


def environment_of(settings: Settings) -> dict[str, str]:
    """Write settings as the variables that give them back: what a child process is started with."""
    found: dict[str, str] = {}
    for setting in catalogue():
        section = getattr(settings, setting.section) if setting.section else settings
        value = getattr(section, setting.field)
        if value != setting.default and value is not None:
            found[setting.variable] = _text(value)
    return found


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from_file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise config_error(f"{CONFIG} names a file that can't be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise config_error(f"{CONFIG} names a file that is not TOML: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[Setting, str]]:
    known = {setting.variable: setting for setting in catalogue()}
    files = {f"{s.variable}_FILE": s for s in known.values() if s.secret}
    for variable in sorted(v for v in environment if v.startswith(PREFIX) and v != CONFIG):
        if variable not in known and variable not in files:
            raise _unknown(variable, [*known, *files, CONFIG])
        text = environment[variable]
        if not text:
            continue
        if variable in known:
            yield known[variable], text
        elif environment.get(files[variable].variable):
            raise config_error(f"both {files[variable].variable} and {variable} are set; keep one")
        else:
            yield files[variable], _read_secret(variable, text)


def _unknown(variable: str, names: list[str]) -> ConfigError:
    # Without the prefix that all share, or everything would be near to everything.
    short = {name.removeprefix(PREFIX): name for name in names}
    near = get_close_matches(variable.removeprefix(PREFIX), short, n=1, cutoff=0.6)
    hint = f"; did you mean {short[near[0]]}?" if near else "; docs/settings.md lists them all"
    return config_error(f"{variable} is no setting{hint}")


def _read_secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise config_error(f"{variable} names a file that can't be read") from None


def _split(setting: Setting, text: str) -> object:
    kind = get_args(setting.type)[0] if get_origin(setting.type) is Annotated else setting.type
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _name_of(message: str) -> str:
    """Put the setting's variable where msgspec says a path such as `$.probe.mode`."""
    for setting in sorted(catalogue(), key=lambda s: -len(s.field)):
        path = f"$.{setting.section}.{setting.field}" if setting.section else f"$.{setting.field}"
        if f"`{path}`" in message or f"`{path}[" in message:
            return f"{setting.variable}: {message}"
    return message
