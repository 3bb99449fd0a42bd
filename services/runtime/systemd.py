"""Report the state of this process to systemd: started, alive while its loops turn, stopping (sd_notify(3))."""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol, Self


class Live(Protocol):
    """Source of whether the loops turn (`services.exporter.health.Health`)."""

    def live(self, now: float | None = None) -> tuple[bool, object]:
        """Tell whether every loop turned within its limit, and the details."""
        ...


class Systemd:
    """The service manager at the other end of a datagram socket; without one, everything is said to nobody.

    `watchdog_seconds` is how long it waits for a sign of life before it starts us anew; None: it does not.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        self._address = address
        self._interval = None if watchdog_seconds is None else watchdog_seconds / 3

    def __repr__(self) -> str:
        return f"<Systemd listening={self._address is not None} interval={self._interval}>"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read what systemd set; a watchdog that was meant for another process is not ours."""
        address = environment.get("NOTIFY_SOCKET") or None
        ours = environment.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
        microseconds = environment.get("WATCHDOG_USEC", "") if address and ours else ""
        watched = int(microseconds) / 1e6 if microseconds.isdigit() else 0.0
        return cls(address, watched or None)

    def ready(self) -> None:
        """Report that every role has started."""
        self._tell("READY=1")

    def beat(self, health: Live) -> None:
        """Send a sign of life, but only while the loops turn: a stuck process is to be restarted."""
        if health.live()[0]:
            self._tell("WATCHDOG=1")

    async def follow(self, health: Live, stop: asyncio.Event) -> None:
        """Send signs of life until cancelled, and report the stop."""
        await asyncio.gather(self._feed(health), self._announce(stop))

    async def _feed(self, health: Live) -> None:
        while self._interval is not None:
            self.beat(health)
            await asyncio.sleep(self._interval)

    async def _announce(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        if self._address is None:
            return
        # "@" stands for the zero byte of an abstract socket. Nobody there is no reason to fail.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address)
