"""Idempotency keys: the same key with the same body has the same answer, with another body it is refused.

They are remembered in this process alone, and so many. That is enough: an event's name is a function of what it says,
so that a repetition after a restart is the same event, which the ledger takes once.
"""

import hashlib
from collections import OrderedDict

from msgspec import Struct


class _Answered(Struct, frozen=True):
    digest: bytes
    answer: bytes


class RememberedKeys:
    """The last so many keys with what was sent and answered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answered: OrderedDict[tuple[str, str, str], _Answered] = OrderedDict()

    def answer(self, place: tuple[str, str, str], body: bytes) -> bytes | None:
        """Give the answer to a repetition; None for a new key. Raises `KeyError` for another body.

        `place` is reporter, path and key.
        """
        earlier = self._answered.get(place)
        if earlier is None:
            return None
        if earlier.digest != _digest(body):
            raise KeyError("another body")
        return earlier.answer

    def keep(self, place: tuple[str, str, str], body: bytes, answer: bytes) -> None:
        """Remember an answer."""
        self._answered[place] = _Answered(_digest(body), answer)
        while len(self._answered) > self._most:
            self._answered.popitem(last=False)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
