"""Instants on the command line: always with a zone, for a missing one would be guessed."""

from datetime import UTC, date, datetime

import click

from schemas.errors import ConfigError


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
            self.fail("the instant has no zone; write Z for UTC", param, ctx)
        return moment.astimezone(UTC)


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
    return moment.astimezone(UTC)
