"""Dated warnings of providers: what a later table is to be compared with.

[[warning]]
provider = "giant"
warned_at = 2020-07-01T00:00:00Z
grace = "60d"
"""

import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas.errors import ConfigError
from schemas.events import Slug
from schemas.methodology import Duration, seconds
from schemas.tomllines import line_of
from services.attribution.map_entries import Provider
from services.reports.figures import Warning

# The seventeen providers of 2020 had two months.
DEFAULT_GRACE = "60d"


class _Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    provider: Slug
    warned_at: Annotated[datetime, Meta(tz=True)]
    grace: Duration = DEFAULT_GRACE


class _WarningsFile(Struct, frozen=True, forbid_unknown_fields=True):
    warning: tuple[_Entry, ...] = ()


def load_warnings(path: Path) -> list[Warning]:
    """Read a file of warnings; raises `ConfigError` with the line."""
    try:
        text = path.read_text("utf-8")
        entries = msgspec.convert(tomllib.loads(text), _WarningsFile).warning
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"warnings {path.name}: {error}") from None
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        line = line_of(text, place.rstrip("`"))
        raise ConfigError(f"warnings {path.name}, line {line}: {problem}") from None
    return [_warning(entry.provider, entry.warned_at, entry.grace) for entry in entries]


def warning(text: str, grace: str) -> Warning:
    """Read PROVIDER=DATE; raises `ConfigError`."""
    provider, equals, day = text.rpartition("=")
    try:
        if not equals or not provider:
            raise ValueError
        warned_at = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
        return _warning(provider, warned_at, msgspec.convert(grace, Duration))
    except (ValueError, msgspec.ValidationError):
        raise ConfigError(
            f"warning {text!r}, grace {grace!r}: give PROVIDER=2020-07-01 and a grace such as 60d"
        ) from None


def tagged_warnings(providers: Iterable[Provider], at: datetime) -> list[Warning]:
    """Give the warnings that a provider map holds as tags, as far as these stand at an instant."""
    return [
        _warning(provider.id, tag.warned_on, tag.period or DEFAULT_GRACE)
        for provider in providers
        for tag in provider.tags_at(at)
        if tag.warned_on is not None
    ]


def _warning(provider: str, warned_at: datetime, grace: str) -> Warning:
    at = warned_at.astimezone(UTC)
    ends = at + timedelta(seconds=seconds(grace))
    if ends < at:
        raise ConfigError(f"warning of {provider}: the grace can't be negative")
    return Warning(provider=provider, warned_at=at, grace_ends=ends)
