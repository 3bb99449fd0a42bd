"""How a host answers what nobody reported: a path that can't exist, asked once per host and day (G9), its front page.

And where it sends many URLs alike.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

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
    """How a host answered a path that nobody reported; without a fingerprint it gave nothing to compare with.

    `fault` is the reason to believe it for minutes only: it may have been a block or a fault, which passes.
    `parked`: its name is; `sent_to` is the digest of where it was sent.
    """

    fingerprint: Fingerprint | None = None
    parked: bool = False
    sent_to: int | None = None
    fault: str | None = None


class HostControl:
    """The control of one host, and what looks made of it.

    `told_apart`: some URL of the host was served in another way, so it is no wall around the whole host.
    `walled`: a URL that was served before was answered like it, and so was the front page.
    `seconds` is how long it is believed.
    """

    __slots__ = ("at", "probe", "seconds", "told_apart", "walled")

    def __init__(self, at: float, seconds: float, before: "HostControl | None") -> None:
        self.at = at
        self.seconds = seconds
        self.probe: asyncio.Future[ControlProbe] = asyncio.get_running_loop().create_future()
        self.told_apart = self.walled = False
        if before is not None and before.told_apart and not before.walled:
            self.probe.add_done_callback(partial(self._inherit, before))

    def _inherit(self, before: "HostControl", probe: "asyncio.Future[ControlProbe]") -> None:
        """Go on with what was told apart from the same answer before."""
        if probe.cancelled() or not before.probe.done():
            return
        old, new = before.probe.result(), probe.result()
        same = (old.fingerprint, old.sent_to) == (new.fingerprint, new.sent_to)
        self.told_apart = self.told_apart or (same and new.fingerprint is not None)

    def met(self, fault: str) -> bool:
        """Tell whether it met this block or fault."""
        return self.probe.done() and self.probe.result().fault == fault

    @property
    def result(self) -> ControlProbe:
        """The probe, once it is over."""
        return self.probe.result()


class Controls:
    """Remember the control of each host; concurrent looks at one host share the probe.

    One that got no answer, such as that of a look whose time was up, or that met what may be a block, is asked again
    after `retry_seconds`; each time that it meets the same again it is believed for twice as long, so that hosts that
    forbid what they don't have are left alone as well.
    """

    def __init__(
        self, interval_seconds: float, entries: int = 20_000, *, retry_seconds: float = 300.0
    ) -> None:
        self._interval = interval_seconds
        self._retry = min(retry_seconds, interval_seconds)
        self._most = entries
        self._known: OrderedDict[HostKey, HostControl] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def known(self, url: CanonicalUrl, now: float) -> HostControl | None:
        """Give the control of a URL's host, if there is one that is not too old."""
        known = self._known.get((url.scheme, url.host, url.port))
        if known is None or now - known.at >= known.seconds or not known.probe.done():
            return None
        return known

    async def of(
        self, url: CanonicalUrl, now: float, ask: Callable[[], Awaitable[ControlProbe]]
    ) -> HostControl:
        """Give the control of a URL's host, asking if the last one is too old."""
        key = (url.scheme, url.host, url.port)
        known = self._known.get(key)
        if known is not None and now - known.at < known.seconds:
            await asyncio.shield(known.probe)
            return known
        made = self._known[key] = HostControl(now, self._interval, known)
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        await self._fill(key, made, known, ask)
        return made

    async def _fill(
        self,
        key: HostKey,
        made: HostControl,
        before: HostControl | None,
        ask: Callable[[], Awaitable[ControlProbe]],
    ) -> None:
        """Let every waiter have the result; a probe that was not made is not remembered."""
        try:
            found = await ask()
        except BaseException:
            self._known.pop(key, None)
            made.probe.set_result(ControlProbe())
            raise
        if found.fault is not None:
            made.seconds = self._retry
            if before is not None and before.met(found.fault):
                made.seconds = min(2 * before.seconds, self._interval)
        made.probe.set_result(found)


class SharedTargets:
    """Count how many cases of one host are sent to the same place; a few are enough to say that it is shared."""

    def __init__(self, cases: int = 3, entries: int = 50_000) -> None:
        self._cases = cases
        self._most = entries
        self._met: OrderedDict[int, frozenset[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._met)

    def note(self, host: str, target: int, case: int) -> bool:
        """Note where a case of a host is sent; tell whether that many others are sent there too."""
        key = hash((host, target))
        met = self._met.pop(key, frozenset())
        if case not in met and len(met) < self._cases:
            met |= {case}
        self._met[key] = met
        while len(self._met) > self._most:
            self._met.popitem(last=False)
        return len(met) >= self._cases


def front_of(url: CanonicalUrl) -> CanonicalUrl:
    """Write the front page of a URL's host."""
    return canonical(url.href[: len(url.href) - len(target_of(url))] + "/")


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
