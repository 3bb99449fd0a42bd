"""Read and check all settings.

A setting comes from the environment (`TAKEDOWN_<SECTION>_<FIELD>`) or from the TOML file that
`TAKEDOWN_CONFIG` names (`[section] field = value`); the environment wins. An empty variable counts
as unset. A secret may come from a file instead: `TAKEDOWN_<NAME>_FILE`.
"""

import os
from collections.abc import Mapping

import msgspec

from services.runtime.settings.constraints import RULES, config_error
from services.runtime.settings.inventory import catalogue
from services.runtime.settings.model import Settings
from services.runtime.settings.sources import converted_values, read_sources


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
    """Read all settings; return those that can be used, and everything that is wrong."""
    sources = read_sources(environment, catalogue())
    tables, faults = converted_values(sources.values.values())
    settings = msgspec.convert(tables, Settings, strict=False)
    problems = [*sources.problems, *(reason for _, reason in faults)]
    # What a rule says of a value that could not be read, or of a file that is missing, would be a guess.
    unread = [value.setting.variable for value, _ in faults]
    broken = broken_rules(settings) if sources.complete else []
    problems += [p for p in broken if not any(variable in p for variable in unread)]
    return settings, problems


def broken_rules(settings: Settings) -> list[str]:
    """Apply every rule that joins settings."""
    return [problem for rule in RULES for problem in rule(settings)]
