"""The families of words and codes of `phrases.toml`, as patterns and causes."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple, cast

from schemas.events_of_notices import DeliveryReason, Fault


class Cause(NamedTuple):
    """Why a notice did not arrive, and whose fault that is; `strong`: it outweighs words."""

    reason: DeliveryReason
    fault: Fault
    strong: bool = False


class Family(NamedTuple):
    """Words that give one cause."""

    cause: Cause
    pattern: re.Pattern[str]


def words(name: str) -> str:
    """Give the alternatives of a sign, to be a part of a pattern."""
    return "|".join(_file()["signs"][name])


def sign(name: str, *, whole_line: bool = False) -> re.Pattern[str]:
    """Give the pattern of a sign; with `whole_line` it has a line to itself, but for what decorates one."""
    text = rf"^[-=_*>#+~.|:\t ]{{0,80}}(?:{words(name)})$" if whole_line else words(name)
    return re.compile(text, re.I | re.M)


def families(table: str, *, general: bool = False) -> Sequence[Family]:
    """Give the families of a table in their order; their patterns are for words in lower case."""
    return tuple(
        Family(Cause(one["reason"], one["fault"]), re.compile("|".join(one["words"])))
        for one in _file()[table]
        if one.get("general", False) is general
    )


def causes(table: str) -> Mapping[str, Cause]:
    """Give the causes of a table of codes."""
    return {code: _cause(text) for code, text in _file()[table].items()}


def _cause(text: str) -> Cause:
    reason, fault, *rest = text.split()
    return Cause(cast(DeliveryReason, reason), cast(Fault, fault), strong=bool(rest))


@cache
def _file() -> Mapping[str, Any]:
    text = resources.files("services.notices").joinpath("phrases.toml").read_text("utf-8")
    return tomllib.loads(text)
