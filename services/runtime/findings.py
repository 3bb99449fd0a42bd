"""What a check of `takedown doctor` comes to: a finding, a failure, or a note."""

from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct, field

from schemas.errors import TakedownError

State = Literal["ok", "failed", "note"]


class Finding(Struct, frozen=True, kw_only=True):
    """The result of one check."""

    check: str
    state: State
    message: str = field(name="said")


class CheckFailed(TakedownError):
    """A check failed; the message says what to do."""


class CheckNote(Exception):
    """Something that is no failure and that people should know."""


Check = Callable[[], Awaitable[str]]
