"""The subcommand that need not be named."""

from typing import Any

import click


class DefaultGroup(click.Group):
    """A group one of whose commands is meant where none is named: `takedown evidence PROVIDER`.

    Where an argument is spelled like a command, name the command: `takedown evidence export verify`.
    """

    def __init__(self, *args: Any, default: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command first where no command stands there."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self._default, *args]
        return super().parse_args(ctx, args)
