"""The settings: every one with a type, a default, its unit in the name and one sentence.

A setting comes from the environment (`TAKEDOWN_<SECTION>_<FIELD>`) or from the TOML file that
`TAKEDOWN_CONFIG` names (`[section] field = value`); the environment wins. An empty variable counts
as unset. A secret may come from a file instead: `TAKEDOWN_<NAME>_FILE`.
docs/settings.md is generated from here.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from services.runtime.settings_given import CONFIG, PREFIX, converted, given
from services.runtime.settings_model import Section, Settings, is_secret
from services.runtime.settings_rules import RULES, config_error

__all__ = [
    "CONFIG",
    "PREFIX",
    "Setting",
    "Settings",
    "broken_rules",
    "catalogue",
    "environment_of",
    "examine",
    "load",
    "sections",
]

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
        ConfigError: settings are unknown, unreadable, of the wrong kind or contradict each other; it names all of them.
    """
    settings, problems = examine(environment)
    if problems:
        raise config_error(*problems)
    return settings


def examine(environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Read all settings; give those that can be used, and everything that is wrong."""
    found = given(environment, catalogue())
    tables, wrong = converted(found.values.values())
    settings = msgspec.convert(tables, Settings, strict=False)
    problems = [*found.problems, *(reason for _, reason in wrong)]
    # What a rule says of a value that could not be read, or of a file that is missing, would be a guess.
    named = [value.setting.variable for value, _ in wrong]
    broken = broken_rules(settings) if found.whole else []
    problems += [p for p in broken if not any(variable in p for variable in named)]
    return settings, problems


def broken_rules(settings: Settings) -> list[str]:
    """Apply every rule that joins settings."""
    return [problem for rule in RULES for problem in rule(settings)]


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
