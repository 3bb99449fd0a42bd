"""Options for actor and reason of commands whose act is recorded, and the check of these texts."""

import getpass
from collections.abc import Callable
from typing import Any

import click

from services.cli.typed_words import is_text
from services.runtime.redaction import redact

_MOST = 200


class Words(click.ParamType[str]):
    """A short text that is stored for good, and so must not name a place on the network."""

    name = "words"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a text; errors do not repeat it, because it may contain a URL."""
        text = " ".join(str(value).split())
        if not is_text(text):
            self.fail("must be text in UTF-8, without NUL", param, ctx)
        if not text:
            self.fail("must not be empty; it is kept in the record", param, ctx)
        if len(text) > _MOST:
            self.fail(f"at most {_MOST} characters", param, ctx)
        if redact(text) != text:
            self.fail(
                "must not contain a URL, host name or address: this text is stored unsealed",
                param,
                ctx,
            )
        return text


actor_option = click.option(
    "--actor",
    type=Words(),
    default=getpass.getuser,
    help="Actor of record. Default: the current user.",
)


def acting(purpose: str, about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--actor`, by default the current user, and `--<purpose>`, which is required."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        purpose_option = click.option(f"--{purpose}", type=Words(), required=True, help=about)
        return actor_option(purpose_option(function))

    return add
