"""Refusals of the intake, as problem details (RFC 9457): what is wrong, and what to do."""

from typing import Literal

import msgspec
from msgspec import Struct

from schemas.errors import TakedownError

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:takedown:problem:"

Word = Literal[
    "not_found", "method", "unauthorised", "rate", "media_type", "encoding", "too_large", "too_slow",
    "bad_request", "bad_json", "bad_field", "content", "unusable", "key_reused", "busy",
    "not_recorded", "failed",
]  # fmt: skip

KINDS: dict[Word, tuple[int, str]] = {
    "not_found": (404, "There is no such resource"),
    "method": (405, "The resource does not take this method"),
    "unauthorised": (401, "The reporter is not known"),
    "rate": (429, "Too many requests"),
    "media_type": (415, "The body is not JSON"),
    "encoding": (415, "The body is compressed"),
    "too_large": (413, "The body is too large"),
    "too_slow": (408, "The request did not arrive in time"),
    "bad_request": (400, "The request is not HTTP as this service reads it"),
    "bad_json": (400, "The body is not JSON in UTF-8"),
    "bad_field": (422, "A field is missing, unknown or not of its form"),
    "content": (422, "Content of any kind is refused"),
    "unusable": (422, "The statement can't be used"),
    "key_reused": (422, "The idempotency key stands for another body"),
    "busy": (503, "Too many requests are in hand"),
    "not_recorded": (503, "The statement could not be recorded in time"),
    "failed": (500, "The service failed"),
}
"""Status and title of each kind of refusal."""
# A request that ends so leaves the connection in a state that nobody should build on.
_CLOSING = ("too_large", "too_slow", "bad_request", "media_type", "encoding", "failed")


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of a refusal."""

    type: str
    title: str
    status: int
    detail: str


class DoorRefusal(TakedownError):
    """A request that is refused; `detail` tells the way out and never repeats what was sent."""

    def __init__(
        self,
        word: Word,
        detail: str,
        *,
        retry_after: float | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.word = word
        self.status, self._title = KINDS[word]
        self._retry_after = retry_after
        self._allow = allow

    @property
    def closes(self) -> bool:
        """Tell whether the connection ends with this answer."""
        return self.word in _CLOSING

    def body(self) -> bytes:
        """Write the problem as JSON."""
        problem = Problem(
            type=f"{PREFIX}{self.word}", title=self._title, status=self.status, detail=str(self)
        )
        return msgspec.json.encode(problem)

    def headers(self) -> dict[str, str]:
        """Give the headers that go with it."""
        headers = {"Content-Type": MEDIA_TYPE}
        if self._retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self._retry_after)))
        if self._allow:
            headers["Allow"] = ", ".join(self._allow)
        if self.word == "unauthorised":
            headers["WWW-Authenticate"] = 'Bearer realm="takedown-monitor"'
        return headers
