"""Answers by the prefix that they name: a second address of the prefix asks nobody.

An answer is stored only if its prefix holds the address that was asked for. It is used for that prefix, but not beyond
the /24 (or /48) around the address: routes of the public table end there, and an answer about a /16 says nothing of a
/24 inside that another network announces. What names no prefix holds for its one address.
"""

import ipaddress
from collections import OrderedDict
from datetime import datetime, timedelta

from services.attribution.lookup import SourceAnswer, SourceSilence

_WIDEST = {4: 24, 6: 48}
Remembered = SourceAnswer | SourceSilence
_Key = tuple[int, int, int]


class PrefixCache:
    """The answers of one source, for a time; the ones that were used last stay."""

    def __init__(self, keep: timedelta, *, most: int = 100_000) -> None:
        self._keep = keep
        self._most = most
        self._answers: OrderedDict[_Key, tuple[datetime, Remembered]] = OrderedDict()
        self._lengths: dict[int, dict[int, int]] = {4: {}, 6: {}}

    def __repr__(self) -> str:
        return f"<PrefixCache {len(self._answers)} answers>"

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, address: str, now: datetime) -> Remembered | None:
        """Give the answer of the longest prefix that holds an address."""
        parsed = ipaddress.ip_address(address)
        value, bits = int(parsed), parsed.max_prefixlen
        for length in sorted(self._lengths[parsed.version], reverse=True):
            key = parsed.version, length, value >> (bits - length)
            entry = self._answers.get(key)
            if entry is None:
                continue
            if now - entry[0] < self._keep:
                self._answers.move_to_end(key)
                return entry[1]
            self._drop(key)
        return None

    def keep(self, address: str, answer: Remembered, now: datetime) -> bool:
        """Keep an answer to a question for an address; tells whether it was fit to be stored."""
        parsed = ipaddress.ip_address(address)
        length: int = parsed.max_prefixlen
        prefix = answer.prefix if isinstance(answer, SourceAnswer) else None
        if prefix is not None:
            network = ipaddress.ip_network(prefix)
            if parsed not in network:
                return False
            length = max(network.prefixlen, _WIDEST[parsed.version])
        key = parsed.version, length, int(parsed) >> (parsed.max_prefixlen - length)
        if key not in self._answers:
            lengths = self._lengths[parsed.version]
            lengths[length] = lengths.get(length, 0) + 1
        self._answers[key] = now, answer
        self._answers.move_to_end(key)
        if len(self._answers) > self._most:
            self._drop(next(iter(self._answers)))
        return True

    def _drop(self, key: _Key) -> None:
        version, length, _ = key
        del self._answers[key]
        lengths = self._lengths[version]
        lengths[length] -= 1
        if not lengths[length]:
            del lengths[length]
