"""Let a library say the same thing once in a while: with a broker away its client writes ten lines a second."""

import logging
import time
from collections.abc import Callable

_LIBRARIES = ("aiokafka",)
_SECONDS = 10.0


class Throttle(logging.Filter):
    """Passes a line of a library once in ten seconds, whatever it names; every line of ours passes."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._last: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is written."""
        if record.name.partition(".")[0] not in _LIBRARIES:
            return True
        # The place in the code: of those there are few, whatever is filled in.
        key, now = (record.name, record.lineno, record.pathname), self._monotonic()
        if now - self._last.get(key, -_SECONDS) < _SECONDS:
            return False
        self._last[key] = now
        return True
