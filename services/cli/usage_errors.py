"""What a command says of a mistyped line: the nearest command, and never the URL that was typed."""

import re
from collections.abc import Sequence

import click

from schemas.near_names import nearest

_URL = re.compile(r"[^\s'\"]*(?:\w:/|\bwww\.|%3a%2f)[^\s'\"]*", re.I)
_NO_COMMAND = re.compile(r"No such command '([\w-]+)'")
_HINT = (
    "\nA URL is given on standard input, never on the command line: other users and the shell's "
    "history see that. `--help` says how."
)


def without_urls(text: str) -> str:
    """Write "(a URL)" in the place of every URL."""
    return _URL.sub("(a URL)", text)


def in_order(error: click.ClickException) -> click.ClickException:
    """Take URLs out of a usage error, and name the command that was probably meant."""
    message = without_urls(error.message)
    if message != error.message:
        message += _HINT
    words = message + _suggestion(message, _commands(error))
    error.message = words  # type: ignore[misc]  # click prints what stands in the instance
    return error


def _commands(error: click.ClickException) -> Sequence[str]:
    context = error.ctx if isinstance(error, click.UsageError) else None
    group = None if context is None else context.command
    return group.list_commands(context) if isinstance(group, click.Group) and context else ()


def _suggestion(message: str, commands: Sequence[str]) -> str:
    typed = _NO_COMMAND.search(message)
    near = None if typed is None else nearest(typed[1], commands)
    return "" if near is None else f" Did you mean '{near}'?"
