"""The addresses that a source has to be asked for, and the looks that wait for each; what failed is tried again."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from aiokafka import TopicPartition

_FIRST_SECONDS, _LONGEST_SECONDS = 5.0, 300.0


class WaitingLook(NamedTuple):
    """A look that an address served, and where its record stands."""

    case_id: str
    at: datetime
    place: TopicPartition
    offset: int


class _OpenAddress:
    __slots__ = ("delay", "looks")

    def __init__(self) -> None:
        self.delay = _FIRST_SECONDS
        self.looks: list[WaitingLook] = []


class OpenAddresses:
    """A queue of addresses, each once, of bounded size; what does not fit waits for the next look of its case."""

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._open: dict[str, _OpenAddress] = {}
        self._due: asyncio.Queue[str] = asyncio.Queue()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._looks = 0

    def __repr__(self) -> str:
        return f"<OpenAddresses {len(self._open)}, {self._looks} looks>"

    def __len__(self) -> int:
        return len(self._open)

    def add(self, address: str, look: WaitingLook) -> bool:
        """Let a look wait for an address; tells whether there was room."""
        if self._looks >= self._most:
            return False
        self._looks += 1
        if address not in self._open:
            self._open[address] = _OpenAddress()
            self._due.put_nowait(address)
        self._open[address].looks.append(look)
        return True

    async def next(self) -> tuple[str, datetime]:
        """Give the next address that is due, and an instant of which to ask."""
        address = await self._due.get()
        return address, self._open[address].looks[0].at

    def settle(self, address: str) -> list[WaitingLook]:
        """Take an address out that was answered; give the looks that waited for it."""
        looks = self._open.pop(address).looks
        self._looks -= len(looks)
        return looks

    def postpone(self, address: str) -> None:
        """Try an address again after a while, which grows each time."""
        entry = self._open[address]
        loop = asyncio.get_running_loop()
        self._timers[address] = loop.call_later(entry.delay, self._wake, address)
        entry.delay = min(entry.delay * 2, _LONGEST_SECONDS)

    def _wake(self, address: str) -> None:
        del self._timers[address]
        self._due.put_nowait(address)

    def first_offsets(self) -> dict[TopicPartition, int]:
        """Give the first offset of each partition that a look waits at: no commit may pass it."""
        first: dict[TopicPartition, int] = {}
        for look in self._waiting():
            first[look.place] = min(look.offset, first.get(look.place, look.offset))
        return first

    def _waiting(self) -> Iterator[WaitingLook]:
        return (look for entry in self._open.values() for look in entry.looks)

    def close(self) -> None:
        """Let every wait end."""
        for timer in self._timers.values():
            timer.cancel()
