"""The settings as data: where each one stands, how its variable is called, what it is by default."""

from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from services.runtime.settings.model import Settings
from services.runtime.settings.section_base import Section, marked_secret

PREFIX = "TAKEDOWN_"

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
    """Return every section by name; the settings without a section stand under the empty name."""
    named = {f.name: f.type for f in msgspec.structs.fields(Settings) if isinstance(f.type, type)}
    return {"": Settings} | {n: t for n, t in named.items() if issubclass(t, Section)}


@cache
def catalogue() -> tuple[Setting, ...]:
    """Return every setting, in the order of the reference."""
    return tuple(
        _setting(section, field)
        for section, struct in sections().items()
        for field in msgspec.structs.fields(struct)
        if not (isinstance(field.type, type) and issubclass(field.type, Section))
    )


def _setting(section: str, field: msgspec.structs.FieldInfo) -> Setting:
    info = msgspec.inspect.type_info(field.type)
    assert isinstance(info, msgspec.inspect.Metadata), f"{section}.{field.name} is not described"
    about = str((info.extra_json_schema or {}).get("description", ""))
    parts = (section.upper(), field.name.upper()) if section else (field.name.upper(),)
    variable = _SPECIAL.get((section, field.name), PREFIX + "_".join(parts))
    return Setting(
        section, field.name, variable, field.type, field.default, about, marked_secret(info)
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """Write settings as the variables that give them back: what a child process is started with."""
    variables: dict[str, str] = {}
    for setting in catalogue():
        section = getattr(settings, setting.section) if setting.section else settings
        value = getattr(section, setting.field)
        if value != setting.default and value is not None:
            variables[setting.variable] = value_text(value)
    return variables


def value_text(value: object) -> str:
    """Write a value as a variable of the environment holds it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
