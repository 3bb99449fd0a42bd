"""Instants and durations on the command line: an instant always with a zone, for a missing one would be guessed."""

from datetime import UTC, date, datetime, timedelta

import click

from schemas.errors import ConfigError
from schemas.methodology import seconds

LONGEST = timedelta(days=36_500)
TOO_LONG = f"at most {LONGEST.days}d"
BEYOND = "the instant is no date of the calendar in UTC"


class Instant(click.ParamType[datetime]):
    """An RFC 3339 instant with its zone."""

    name = "instant"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read an instant; a missing zone is refused."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("give an instant such as 2025-01-31T12:00:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail(
                "the instant has no zone; write it as 2025-01-31T12:00:00Z, Z for UTC", param, ctx
            )
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.fail(BEYOND, param, ctx)


class Duration(click.ParamType[timedelta]):
    """A duration that is not negative, such as 15m."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read a duration."""
        length = value if isinstance(value, timedelta) else duration_of(str(value))
        if length is None:
            self.fail("give a duration such as 30s, 15m, 2h or 1d", param, ctx)
        if length < timedelta():
            self.fail("a duration must not be negative", param, ctx)
        if length > LONGEST:
            self.fail(TOO_LONG, param, ctx)
        return length


class Since(click.ParamType[timedelta | datetime]):
    """An instant, the first instant of a day, or a duration that ends now: a moving window."""

    name = "since"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | datetime:
        """Read what it is."""
        if isinstance(value, (timedelta, datetime)):
            return value
        try:
            since = duration_of(str(value)) or dated(str(value), "")
        except ConfigError:
            self.fail(
                "give a duration such as 24h, a date, or an instant with its zone", param, ctx
            )
        if isinstance(since, timedelta) and since > LONGEST:
            self.fail(TOO_LONG, param, ctx)
        return since


def duration_of(text: str) -> timedelta | None:
    """Read a duration; None where it is none."""
    try:
        return timedelta(seconds=seconds(text))
    except (ValueError, KeyError, IndexError, OverflowError):
        return None


def dated(text: str, where: str) -> datetime:
    """Read an instant, or a date as its first instant in UTC; `where` is what errors call it."""
    try:
        if len(text) == len("2025-01-31"):
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigError(
            f"{where}: give a date, or an instant with its zone: 2025-01-31T12:00:00Z"
        )
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ConfigError(f"{where}: {BEYOND}") from None
