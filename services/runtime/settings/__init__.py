"""The settings: every one with a type, a default, its unit in the name and one sentence.

| module | what it holds |
| --- | --- |
| `model` | types, defaults and descriptions: the one place where a default is stated |
| `inventory` | the settings as data: variable, section, field, type, default |
| `sources` | values of the environment and of the TOML file, each with its place |
| `constraints` | what settings must satisfy together |
| `loading` | reading and checking all of it |
| `reference` | docs/settings.md, generated |
"""

from services.runtime.settings.constraints import (
    RULES,
    config_error,
    names_of_one_operator,
    operator_of,
    split_nameserver,
)
from services.runtime.settings.doctor_section import DoctorSection
from services.runtime.settings.inventory import (
    PREFIX,
    Setting,
    catalogue,
    environment_of,
    sections,
)
from services.runtime.settings.loading import broken_rules, examine, load
from services.runtime.settings.model import (
    Database,
    ExporterSection,
    Http,
    Kafka,
    Ledger,
    Log,
    Probe,
    RetentionSection,
    Settings,
    Topics,
    VantageSection,
)
from services.runtime.settings.notices_section import NoticesSection
from services.runtime.settings.reference import settings_reference
from services.runtime.settings.section_base import Section
from services.runtime.settings.sources import CONFIG

__all__ = [
    "CONFIG",
    "PREFIX",
    "RULES",
    "Database",
    "DoctorSection",
    "ExporterSection",
    "Http",
    "Kafka",
    "Ledger",
    "Log",
    "NoticesSection",
    "Probe",
    "RetentionSection",
    "Section",
    "Setting",
    "Settings",
    "Topics",
    "VantageSection",
    "broken_rules",
    "catalogue",
    "config_error",
    "environment_of",
    "examine",
    "load",
    "names_of_one_operator",
    "operator_of",
    "sections",
    "settings_reference",
    "split_nameserver",
]
