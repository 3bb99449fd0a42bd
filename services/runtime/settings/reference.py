"""The reference of all settings, docs/settings.md; `make artefacts` writes it."""

from typing import Annotated, Any, Literal, Union, get_args, get_origin

from services.runtime.settings.inventory import Setting, catalogue, sections, value_text
from services.runtime.settings.sources import CONFIG

_HEAD = f"""# Settings

Generated from `services/runtime/settings/model.py` by `make artefacts`; do not edit.

Every setting is an environment variable, or a field of the TOML file that `{CONFIG}` names.
The environment wins.
An empty variable counts as unset.
Lists are split by commas in the environment and are arrays in TOML.
A variable with the prefix `TAKEDOWN_` that is not listed here is an error.
Secrets are never printed.
They may come from a file: the variable with `_FILE` at its end holds the file's path.
`takedown check-config` reads and checks them all, and starts nothing.

| file | meaning |
| --- | --- |
| `{CONFIG}` | Path of the TOML file; there is none by default. |
"""


def settings_reference() -> str:
    """Write the reference as Markdown."""
    parts = [_HEAD]
    for section, struct in sections().items():
        title = f"[{section}]" if section else "General"
        text = (struct.__doc__ or "").strip() if section else "Settings of the whole program."
        rows = [_row(s) for s in catalogue() if s.section == section]
        head = "| variable | field | type | default | meaning |\n| --- | --- | --- | --- | --- |"
        parts.append("\n".join([f"## {title}\n\n{text}\n", head, *rows]) + "\n")
    return "\n".join(parts)


def _row(setting: Setting) -> str:
    name = f"`{setting.variable}`"
    if setting.secret:
        name += f"<br>`{setting.variable}_FILE`"
    default = "" if setting.default in (None, "", ()) else f"`{value_text(setting.default)}`"
    kind = type_text(setting.type).replace("|", "\\|")
    return f"| {name} | `{setting.field}` | {kind} | {default} | {setting.about} |"


def type_text(kind: Any) -> str:
    """Describe a type in words that an operator knows."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return type_text(arguments[0]) + _limits(arguments[1:])
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin is tuple:
        return f"list of {type_text(arguments[0])}"
    if origin is Union or arguments:
        return " or ".join(type_text(a) for a in arguments if a is not type(None))
    return {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}[kind]


def _limits(metas: tuple[Any, ...]) -> str:
    limits = []
    for meta in metas:
        limits += [f">= {meta.ge}"] if meta.ge is not None else []
        limits += [f"> {meta.gt}"] if meta.gt is not None else []
        limits += [f"<= {meta.le}"] if meta.le is not None else []
        limits += [f"matching `{meta.pattern}`"] if meta.pattern is not None else []
    return f" {', '.join(limits)}" if limits else ""
