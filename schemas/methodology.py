"""A methodology: the named, versioned definition that turns evidence into figures.

A file is TOML. Its digest covers the meaning (the parsed values), not the layout, so a comment changes nothing.
Unknown fields, wrong values and contradictions are refused, with the line of the file.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cached_property
from importlib import resources
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from schemas.errors import ConfigError
from schemas.events import is_slug
from schemas.tomllines import line_of

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]

_DURATION = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Duration = Annotated[str, Meta(pattern=r"^-?\d+(\.\d+)?[smhd]$")]
Age = Annotated[str, Meta(pattern=r"^(none|\d+(\.\d+)?[smhd])$")]


# A clock's deadline stays in the calendar's years, whatever the norm.
_LONGEST = 3660 * _DURATION["d"]
# Texts, and what is no duration; `business` holds times of day.
_NO_DURATIONS = (
    "id", "title", "source", "clock_start", "calendar", "time_zone", "business", "exclude",
    "return_before_deadline", "reported_sighting",
)  # fmt: skip


def seconds(text: str) -> float:
    """Read a duration such as `24h`, `15m` or `-15m` as seconds."""
    return float(text[:-1]) * _DURATION[text[-1]]


class Confirmation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a run of removal-class looks confirms a removal (law 3).

    A run that says no more than that the whole host is dark needs a longer span, and so many vantages.
    Where more than one vantage is asked for, `blocked_looks` in a row that meet a block at the first one call the
    others: one 429, 503 or reset passes by itself, two at the cadence's distance are a wall.
    The first look of a run dates the removal, if the vantages agree within `agreement_spans` times the span; else the
    look by which the last of them had lost it.
    Where served and gone alternate, each removal-class look that a sighting refuted within `alternation_window` makes
    the next run `alternation_looks` longer, up to `alternation_most` looks (docs/methodologies.md has the bound).
    """

    looks: Annotated[int, Meta(ge=1)] = 3
    span: Duration = "45m"
    vantages: Annotated[int, Meta(ge=1)] = 1
    canary_max_age: Age = "15m"
    host_dark_span: Duration = "48h"
    host_dark_vantages: Annotated[int, Meta(ge=1)] = 2
    blocked_looks: Annotated[int, Meta(ge=1)] = 2
    agreement_spans: Annotated[int, Meta(ge=0)] = 4
    alternation_looks: Annotated[int, Meta(ge=0)] = 6
    alternation_most: Annotated[int, Meta(ge=0)] = 60
    alternation_window: Duration = "30d"


class CadenceStep(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Look `every` so often until `until` after the start of the watch; the last step may have no end."""

    every: Duration
    until: Duration | None = None


class Cadence(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When to look; offsets from the start of the watch, the deadline, the suspicion, the removal.

    While a longer run is wanted, looks follow the last of `confirm` every `confirm_further`.
    """

    steps: tuple[CadenceStep, ...]
    deadline: tuple[Duration, ...] = ()
    confirm: tuple[Duration, ...] = ()
    confirm_every: Duration = "1h"
    confirm_further: Duration = "15m"
    tail: tuple[Duration, ...] = ()
    jitter: Duration = "5m"


class Business(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Working time, in the methodology's time zone; `closes` may be 24:00."""

    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
    opens: TimeOfDay = "09:00"
    closes: TimeOfDay = "17:00"
    holidays: tuple[date, ...] = ()


class Methodology(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """The parameters; every figure names `id`, `version` and `digest`.

    `calendar` says how the norm runs. `time_zone` is that of working hours and of the weekday-by-hour table.
    What nobody ever saw online is gone before the notice if its R is at most `gone_before_notice_within` after the
    clock's start. `reported_sighting` says whether a report's own sighting is one. A look through a resolution that is
    older than `resolution_max_age` is no sighting.
    """

    id: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
    version: Annotated[int, Meta(ge=1)]
    title: str
    source: str = ""
    clock_start: Literal["notice_sent", "notice_delivered", "report"] = "notice_sent"
    norm: Duration = "24h"
    norms: dict[str, Duration] = {}
    calendar: Literal["elapsed", "business"] = "elapsed"
    time_zone: str = "UTC"
    business: Business | None = None
    return_before_deadline: Literal["reopens", "ignored"] = "reopens"
    exclude: tuple[
        Literal["gone_before_notice", "retracted", "not_measurable", "moved", "held", "proxy"], ...
    ] = (
        "gone_before_notice",
        "retracted",
        "not_measurable",
        "moved",
    )
    minimum_n: Annotated[int, Meta(ge=1)] = 30
    gone_before_notice_within: Duration = "15m"
    reported_sighting: Literal["counts", "ignored"] = "counts"
    resolution_max_age: Age = "15m"
    confirmation: Confirmation = Confirmation()
    cadence: Cadence

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the parsed values, 64 hex digits; a default that is spelled out changes nothing."""
        return hashlib.sha256(self.meaning).hexdigest()

    @cached_property
    def meaning(self) -> bytes:
        """The bytes that the digest is over: JSON, sorted, without what equals its default."""
        return msgspec.json.encode(_meaning(self), order="sorted")

    def norm_for(self, category: str) -> timedelta:
        """The norm of a category."""
        norms, usual = self._norm_times
        return norms.get(category, usual)

    @cached_property
    def _norm_times(self) -> tuple[dict[str, timedelta], timedelta]:
        norms = {name: timedelta(seconds=seconds(text)) for name, text in self.norms.items()}
        return norms, timedelta(seconds=seconds(self.norm))

    @cached_property
    def confirmation_span(self) -> timedelta:
        """The least time between the first and the last look of a confirming run."""
        return timedelta(seconds=seconds(self.confirmation.span))

    @cached_property
    def host_dark_span(self) -> timedelta:
        """The least time between the first and the last look of a run that says that the host is dark."""
        return timedelta(seconds=seconds(self.confirmation.host_dark_span))

    @cached_property
    def alternation_window(self) -> timedelta:
        """For how long a sighting that refuted a run makes the next run longer."""
        return timedelta(seconds=seconds(self.confirmation.alternation_window))

    @cached_property
    def gone_before_notice_bound(self) -> timedelta:
        """How long after the clock's start what was never seen online may be gone, and count as gone before."""
        return timedelta(seconds=seconds(self.gone_before_notice_within))

    @cached_property
    def canary_max_age(self) -> timedelta | None:
        """How old the canary's last sighting may be at a look that counts; None: not asked for."""
        return _age(self.confirmation.canary_max_age)

    @cached_property
    def resolution_limit(self) -> timedelta | None:
        """How old the name's resolution may be at a look that counts as a sighting; None: not asked for."""
        return _age(self.resolution_max_age)


def _age(text: str) -> timedelta | None:
    return None if text == "none" else timedelta(seconds=seconds(text))


def _meaning(value: Any) -> Any:
    """Leave out what equals its default, so that a field added later changes no digest of before."""
    if isinstance(value, tuple):
        return [_meaning(item) for item in value]
    if not isinstance(value, Struct):
        return value
    fields = ((f, getattr(value, f.name)) for f in msgspec.structs.fields(value))
    return {f.name: _meaning(v) for f, v in fields if f.required or v != f.default}


def parse(text: str, name: str) -> Methodology:
    """Read a methodology; `name` is said in errors. Raises `ConfigError` with the line of the file."""
    try:
        method = msgspec.convert(tomllib.loads(text), Methodology)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"methodology {name}: not TOML: {error}") from None
    except msgspec.ValidationError as error:
        message, path = _located(str(error))
        raise ConfigError(
            f"methodology {name}{_line(text, path)}: {message}; see the shipped ones for the fields"
        ) from None
    problems = [f"{_line(text, path)}: {message}" for path, message in _contradictions(method)]
    if problems:
        raise ConfigError(f"methodology {name}" + "; ".join(problems).replace("; , ", "; "))
    return method


def _line(text: str, path: str) -> str:
    number = line_of(text, path)
    return "" if number is None else f", line {number}"


def _located(message: str) -> tuple[str, str]:
    """Split msgspec's message from its path; an unknown field is named behind the path of its table."""
    text, _, path = message.partition(" - at `$")
    path = path.rstrip("`").lstrip(".").replace("[...]", "")
    unknown = re.search(r"unknown field `([^`]*)`", text)
    if unknown:
        path = f"{path}.{unknown[1]}".lstrip(".")
    return f"{path}: {text}" if path else text, path


_Problem = tuple[str, str]


def _contradictions(method: Methodology) -> Iterator[_Problem]:
    yield from _too_long(method)
    yield from _bad_norms(method)
    yield from _bad_calendar(method)
    yield from _bad_confirmation(method)
    yield from _bad_cadence(method.cadence)
    if len(set(method.exclude)) < len(method.exclude):
        yield "exclude", "exclude names a reason twice"


def _too_long(method: Methodology) -> Iterator[_Problem]:
    """Refuse what no instant can be told from: a deadline has to lie within the calendar."""
    for path, value in _durations("", method):
        if value != "none" and abs(seconds(value)) > _LONGEST:
            yield path, f"{path} is longer than {_LONGEST // _DURATION['d']} days"


def _durations(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Find every duration of a definition, by its path."""
    if isinstance(value, Struct):
        names = [name for name in value.__struct_fields__ if name not in _NO_DURATIONS]
        for name in names:
            yield from _durations(f"{path}.{name}".lstrip("."), getattr(value, name))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _durations(f"{path}.{name}", inner)
    elif isinstance(value, tuple):
        for number, inner in enumerate(value):
            yield from _durations(f"{path}[{number}]", inner)
    elif isinstance(value, str):
        yield path, value


def _bad_norms(method: Methodology) -> Iterator[_Problem]:
    for category in method.norms:
        if not is_slug(category):
            yield "norms", f"norms: {category!r} is no category; one is a slug such as csam"
    norms = {"norm": method.norm} | {f"norms.{k}": v for k, v in method.norms.items()}
    for path, text in norms.items():
        if seconds(text) <= 0:
            yield path, f"{path} must be longer than nothing"
    if seconds(method.gone_before_notice_within) < 0:
        yield "gone_before_notice_within", "gone_before_notice_within can't be negative"


def _bad_calendar(method: Methodology) -> Iterator[_Problem]:
    try:
        ZoneInfo(method.time_zone)
    except (KeyError, ValueError, OSError):
        yield (
            "time_zone",
            "time_zone is none that this machine knows; write one such as Europe/Amsterdam",
        )
    business = method.business
    if (method.calendar == "business") is (business is None):
        yield (
            "calendar" if business is None else "business",
            'calendar = "business" and a table [business] go together; drop or add one',
        )
    if business is None:
        return
    if not business.days or len(set(business.days)) < len(business.days):
        yield "business.days", "business.days needs at least one day, and none twice"
    if business.opens >= business.closes:
        yield "business.opens", "business.closes must be later than business.opens"
    if len(set(business.holidays)) < len(business.holidays):
        yield "business.holidays", "business.holidays names a day twice"


def _bad_confirmation(method: Methodology) -> Iterator[_Problem]:
    rule = method.confirmation
    if rule.looks == 1 and seconds(rule.span) > 0:
        yield "confirmation.span", "one look has no span; set span = '0s' or more looks"
    if seconds(rule.span) < 0:
        yield "confirmation.span", "confirmation.span can't be negative"
    if seconds(rule.alternation_window) < 0:
        yield "confirmation.alternation_window", "confirmation.alternation_window can't be negative"
    if seconds(rule.host_dark_span) < seconds(rule.span):
        yield (
            "confirmation.host_dark_span",
            "confirmation.host_dark_span can't be shorter than span: a dark host says less than a 404",
        )
    if rule.vantages > rule.looks:
        yield (
            "confirmation.vantages",
            "more vantages than looks can't all have looked; ask for more looks",
        )


def _bad_cadence(cadence: Cadence) -> Iterator[_Problem]:
    untils = [seconds(s.until) for s in cadence.steps if s.until is not None]
    if untils != sorted(set(untils)) or any(s.until is None for s in cadence.steps[:-1]):
        yield "cadence.steps", "cadence.steps need growing `until`; only the last may have none"
    if not cadence.steps or any(seconds(s.every) <= 0 for s in cadence.steps):
        yield "cadence.steps", "cadence.steps need at least one step with `every` above nothing"
    if seconds(cadence.jitter) < 0:
        yield "cadence.jitter", "cadence.jitter can't be negative"
    for name in ("confirm_every", "confirm_further"):
        if seconds(getattr(cadence, name)) <= 0:
            yield f"cadence.{name}", f"cadence.{name} must be longer than nothing"
    for name, offsets in (("confirm", cadence.confirm), ("tail", cadence.tail)):
        if any(seconds(offset) <= 0 for offset in offsets):
            yield f"cadence.{name}", f"cadence.{name} holds offsets into the future: above nothing"


def shipped() -> dict[str, Methodology]:
    """Every methodology that comes with the program, by id."""
    folder = resources.files("schemas") / "methodologies"
    files: list[Any] = sorted(
        (f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name
    )
    methods = [parse(f.read_text("utf-8"), f.name) for f in files]
    return {method.id: method for method in methods}
