"""A methodology: the named, versioned definition that turns evidence into figures.

A file is TOML. Its digest covers the meaning (the parsed values), not the layout, so a comment changes nothing.
Unknown fields, wrong values and contradictions are refused, with the field.
"""

import hashlib
import tomllib
from datetime import timedelta
from functools import cached_property
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.errors import ConfigError

_DURATION = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Duration = Annotated[str, Meta(pattern=r"^-?\d+(\.\d+)?[smhd]$")]
CanaryAge = Annotated[str, Meta(pattern=r"^(none|\d+(\.\d+)?[smhd])$")]


def seconds(text: str) -> float:
    """Read a duration such as `24h`, `15m` or `-15m` as seconds."""
    return float(text[:-1]) * _DURATION[text[-1]]


class Confirmation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a run of removal-class looks confirms a removal (law 3)."""

    looks: Annotated[int, Meta(ge=1)] = 3
    span: Duration = "45m"
    vantages: Annotated[int, Meta(ge=1)] = 1
    canary_max_age: CanaryAge = "15m"


class Step(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Look `every` so often until `until` after the start of the watch; the last step may have no end."""

    every: Duration
    until: Duration | None = None


class Cadence(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When to look; offsets from the start of the watch, the deadline, the suspicion, the removal."""

    steps: tuple[Step, ...]
    deadline: tuple[Duration, ...] = ()
    confirm: tuple[Duration, ...] = ()
    confirm_every: Duration = "1h"
    tail: tuple[Duration, ...] = ()
    jitter: Duration = "5m"


class Methodology(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """The parameters; every figure names `id`, `version` and `digest`."""

    id: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
    version: Annotated[int, Meta(ge=1)]
    title: str
    source: str = ""
    clock_start: Literal["notice_sent", "notice_delivered", "report"] = "notice_sent"
    norm: Duration = "24h"
    norms: dict[str, Duration] = {}
    return_before_deadline: Literal["reopens", "ignored"] = "reopens"
    exclude: tuple[
        Literal["gone_before_notice", "retracted", "not_measurable", "moved", "held"], ...
    ] = (
        "gone_before_notice",
        "retracted",
        "not_measurable",
        "moved",
    )
    minimum_n: Annotated[int, Meta(ge=1)] = 30
    confirmation: Confirmation = Confirmation()
    cadence: Cadence

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the parsed values, 64 hex digits."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def norm_for(self, category: str) -> timedelta:
        """The norm of a category."""
        return timedelta(seconds=seconds(self.norms.get(category, self.norm)))

    @cached_property
    def confirmation_span(self) -> timedelta:
        """The least time between the first and the last look of a confirming run."""
        return timedelta(seconds=seconds(self.confirmation.span))

    @cached_property
    def canary_max_age(self) -> timedelta | None:
        """How old the canary's last sighting may be at a look that counts; None: not asked for."""
        text = self.confirmation.canary_max_age
        return None if text == "none" else timedelta(seconds=seconds(text))


def parse(text: str, name: str) -> Methodology:
    """Read a methodology; `name` is said in errors."""
    try:
        method = msgspec.convert(tomllib.loads(text), Methodology)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"methodology {name}: not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"methodology {name}: {error}; see the shipped ones for the fields"
        ) from None
    _check(method, name)
    return method


def _check(method: Methodology, name: str) -> None:
    problems: list[str] = []
    for label, text in [
        ("norm", method.norm),
        *((f"norms.{k}", v) for k, v in method.norms.items()),
    ]:
        if seconds(text) <= 0:
            problems.append(f"{label} must be longer than nothing")
    untils = [seconds(s.until) for s in method.cadence.steps if s.until is not None]
    if untils != sorted(set(untils)) or any(s.until is None for s in method.cadence.steps[:-1]):
        problems.append("cadence.steps need growing `until`; only the last may have none")
    if not method.cadence.steps or any(seconds(s.every) <= 0 for s in method.cadence.steps):
        problems.append("cadence.steps need at least one step with `every` above nothing")
    if method.confirmation.looks == 1 and seconds(method.confirmation.span) > 0:
        problems.append("confirmation: one look has no span; set span = '0s' or more looks")
    if seconds(method.confirmation.span) < 0 or seconds(method.cadence.jitter) < 0:
        problems.append("confirmation.span and cadence.jitter can't be negative")
    if problems:
        raise ConfigError(f"methodology {name}: " + "; ".join(problems))


def shipped() -> dict[str, Methodology]:
    """Every methodology that comes with the program, by id."""
    folder = resources.files("schemas") / "methodologies"
    files: list[Any] = sorted(
        (f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name
    )
    found = [parse(f.read_text("utf-8"), f.name) for f in files]
    return {method.id: method for method in found}
