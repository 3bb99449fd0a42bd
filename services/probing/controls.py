"""The random-sibling control: how a host answers a path that can't exist, asked once per host and day (G9)."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from msgspec import Struct

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl, canonical
from services.probing.exchange import target_of
from services.probing.redirects import registrable_domain

HostKey = tuple[str, str, int]

PARKING = frozenset(
    {
        *(
            "above.com",
            "bodis.com",
            "cashparking.com",
            "dan.com",
            "domainparking.ru",
            "fabulous.com",
        ),
        *("hugedomains.com", "internettraffic.com", "name-services-parking.com", "namedrive.com"),
        *("parking-page.net", "parkingcrew.net", "parklogic.com", "parktons.com", "rookdns.com"),
        *(
            "sedoparking.com",
            "smartname.com",
            "trafficz.com",
            "undeveloped.com",
            "uniregistrymarket.link",
        ),
    }
)
"""Registrable domains of the name servers and aliases of parked names; after the DeadlinkChecker's habit."""


class ControlProbe(Struct, frozen=True):
    """How a host answered a random sibling path (None: not at all), and whether its name is parked."""

    fingerprint: Fingerprint | None = None
    parked: bool = False


class Controls:
    """Remember the control of each host; concurrent looks at one host share the probe."""

    def __init__(self, interval_seconds: float, entries: int = 20_000) -> None:
        self._interval = interval_seconds
        self._most = entries
        self._known: OrderedDict[HostKey, tuple[float, asyncio.Future[ControlProbe]]] = (
            OrderedDict()
        )

    def __len__(self) -> int:
        return len(self._known)

    def known(self, url: CanonicalUrl, now: float) -> ControlProbe | None:
        """Give the control of a URL's host, if there is one that is not too old."""
        known = self._known.get((url.scheme, url.host, url.port))
        if known is None or now - known[0] >= self._interval or not known[1].done():
            return None
        return known[1].result()

    async def of(
        self, url: CanonicalUrl, now: float, ask: Callable[[], Awaitable[ControlProbe]]
    ) -> ControlProbe:
        """Give the control of a URL's host, asking if the last one is too old."""
        key = (url.scheme, url.host, url.port)
        known = self._known.get(key)
        if known is not None and now - known[0] < self._interval:
            return await asyncio.shield(known[1])
        place: asyncio.Future[ControlProbe] = asyncio.get_running_loop().create_future()
        self._known[key] = (now, place)
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return await self._fill(key, place, ask)

    async def _fill(
        self,
        key: HostKey,
        place: "asyncio.Future[ControlProbe]",
        ask: Callable[[], Awaitable[ControlProbe]],
    ) -> ControlProbe:
        """Let every waiter have the result; a probe that was not made is not remembered."""
        try:
            found = await ask()
        except BaseException:
            self._known.pop(key, None)
            place.set_result(ControlProbe())
            raise
        place.set_result(found)
        return found


def sibling(url: CanonicalUrl, token: str) -> CanonicalUrl:
    """Write a random path beside a URL's own, with the same extension, so that the same handler answers."""
    target = target_of(url)
    origin = url.href[: len(url.href) - len(target)]
    folder, _, name = target.partition("?")[0].rpartition("/")
    _, dot, extension = name.rpartition(".")
    ending = dot + extension if dot and len(extension) <= 5 else ""
    return canonical(f"{origin}{folder}/{token}{ending}")


def is_parked(names: Iterable[str]) -> bool:
    """Tell whether a name server or an alias belongs to a parking service."""
    return any(registrable_domain(name) in PARKING for name in names)
