"""What a look asks of the world: the operations that its protocol yields, and what each gives back.

The protocol (`visit`, `comparison`) decides; whoever drives it does the waiting. It reads no clock and opens no socket,
so a script of answers drives it as well as the internet does.
"""

from collections.abc import Callable, Generator, Hashable
from typing import Any, Literal, TypeVar

from msgspec import Struct

from schemas.urls import CanonicalUrl
from services.core.verdict import Redirect
from services.probing.http.exchange import Method, Reply

T = TypeVar("T")
Protocol = Generator["Operation", Any, T]
"""A part of a look: it yields operations, is sent their results, and returns what it found out."""

Purpose = Literal["url", "sibling", "front"]


class Now(Struct, frozen=True):
    """Read the monotonic clock that limits and memory run on: gives seconds."""


NOW = Now()


class Token(Struct, frozen=True):
    """Draw 16 random hexadecimal digits, for a path that can't exist."""


class TimeLeft(Struct, frozen=True):
    """Ask how many seconds of the look's time are left."""


class Resolve(Struct, frozen=True):
    """Resolve a name: gives a `Resolution`; `fresh` asks past the cache."""

    host: str
    fresh: bool


class Enter(Struct, frozen=True):
    """Wait for a place at an address; raises `Deferred` where politeness forbids it for too long."""

    address: str
    host: str


class Ask(Struct, frozen=True):
    """Make one request at an address that was entered: gives a `Reply`, whatever the far side does.

    `neutral`: under the agent that says nothing of us (G8).
    """

    purpose: Purpose
    method: Method
    url: CanonicalUrl
    address: str
    neutral: bool = False


class Leave(Struct, frozen=True):
    """Give the place at an address back.

    A host that pushed back in `reply` (429, 503) is put off, before the next in line is let in; any other answer makes
    that forgotten. None: what it said is no matter of the host's.
    """

    address: str
    host: str
    reply: Reply | None


class Note(Struct, frozen=True):
    """Put the class of a redirect beside the last request, for people who ask what the look did."""

    redirect: Redirect | None


class Explain(Struct, frozen=True):
    """Take down which rule was used, by its name in `services.core.rules`, for people who ask why."""

    rule: str


class ExtendTime(Struct, frozen=True):
    """See that the look has at least the time of one exchange left."""


class AskSibling(Struct, frozen=True):
    """Ask for a sibling, and beside it who the name servers of its domain are.

    Gives the control that `ask` made, and the name servers: none for an address, None where nobody answered.
    """

    ask: "Callable[[], Protocol[Any]]"
    host: str


class Share(Struct, frozen=True):
    """Run a part of a look for all looks that want its result now; only one of them asks.

    Gives the result and whether this look was the one that asked.
    """

    key: Hashable
    part: "Callable[[], Protocol[Any]]"


Operation = (
    Ask
    | AskSibling
    | Enter
    | Explain
    | ExtendTime
    | Leave
    | Note
    | Now
    | Resolve
    | Share
    | TimeLeft
    | Token
)
