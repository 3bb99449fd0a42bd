"""How a host answers what nobody reported: a path that can't exist, asked once per host and day (G9), its front page.

And where it sends many URLs alike.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl, canonical
from services.core.verdict import compare, reason_of_status
from services.probing.http.exchange import Method, target_of
from services.probing.look.redirects import STATUSES, registrable_domain

HostKey = tuple[str, str, int, Method]

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
    `parked`: its name is; `unnamed`: no name server said whether. `sent_to` is the digest of where it was sent.
    """

    fingerprint: Fingerprint | None = None
    parked: bool = False
    sent_to: int | None = None
    fault: str | None = None
    unnamed: bool = False

    @property
    def like_content(self) -> bool:
        """Tell whether what is gone may be answered so: served, or sent elsewhere."""
        status = None if self.fingerprint is None else self.fingerprint.status
        served = reason_of_status(status) == "served" or status in STATUSES
        return served and self.fault is None


class Patience(NamedTuple):
    """For how long to believe what may be of the moment, in seconds: for `first`, then twice as long each time."""

    first: float
    most: float

    def after(self, before: float) -> float:
        """Give what follows a time; 0: nothing came before."""
        return min(2 * before, self.most) if before else self.first


class HostControl:
    """The control of one host, and what looks made of it; `seconds` is how long it is believed.

    `novel`: a fault or block of this kind was not met by the controls just before it.
    What one look saw served while siblings were answered so (`tell_apart`) holds for later controls too that are
    answered alike, whatever came between.
    """

    __slots__ = (
        *("at", "novel", "probe", "seconds"),
        *("_faults", "_kinds", "_patience", "_proven", "_unproven"),
    )

    def __init__(self, at: float, patience: Patience, before: "HostControl | None") -> None:
        self.at = at
        self.seconds = patience.most
        self.probe: asyncio.Future[ControlProbe] = asyncio.get_running_loop().create_future()
        self.novel = False
        self._patience = patience
        self._faults = 0.0
        self._kinds: frozenset[bool] = frozenset()
        self._unproven: float = 0.0 if before is None else before._unproven
        self._proven: ControlProbe | None = None if before is None else before._proven

    @property
    def result(self) -> ControlProbe:
        """The probe, once it is over."""
        return self.probe.result()

    @property
    def parked(self) -> bool:
        """Tell whether the name was found parked; not while the probe is under way."""
        return self.probe.done() and not self.probe.cancelled() and self.result.parked

    @property
    def told_apart(self) -> bool:
        """Tell whether some URL of the host was served while siblings were answered as this one is."""
        return self._proven is not None and _alike(self._proven, self.result)

    def tell_apart(self) -> None:
        """Note that a URL was served before and after the sibling was answered so: it is no wall around the host."""
        self._proven = self.result
        self._unproven = 0.0
        self.seconds = self._faults or self._patience.most

    def doubt(self) -> None:
        """Believe it for minutes only, unless something was told apart from it: it may be a wall of the moment."""
        if self.seconds >= self._patience.most and not self.told_apart:
            self._unproven = self.seconds = self._patience.after(self._unproven)

    def settle(self, found: ControlProbe, before: "HostControl | None") -> None:
        """Take what was found, and let those who wait for it go on."""
        if found.unnamed and before is not None:
            found = msgspec.structs.replace(found, parked=before.parked)
        if found.fault is not None or found.unnamed:
            self._faults = self._patience.after(0.0 if before is None else before._faults)
            self._meet(found, frozenset() if before is None else before._kinds)
            self.seconds = self._patience.first if self.novel else self._faults
        self.probe.set_result(found)
        if self.told_apart:
            self._unproven = 0.0

    def _meet(self, found: ControlProbe, known: frozenset[bool]) -> None:
        """Note the kind of a fault: whoever changes its kinds is believed at the third control at the latest."""
        if found.fault is not None:
            kind = found.fingerprint is None
            self.novel = kind not in known
            self._kinds = known | {kind}


def _alike(one: ControlProbe, other: ControlProbe) -> bool:
    like = compare(one.fingerprint, other.fingerprint)
    return like in ("same", "alike") and one.sent_to == other.sent_to


class Controls:
    """Remember the control of each host, by method; concurrent looks at one host share the probe.

    One that got no answer, such as that of a look whose time was up, or that met what may be a block, is asked again
    after `retry_seconds`; each time that it meets a fault again, whichever, it is believed for twice as long, so that
    hosts that forbid what they don't have are left alone as well. One that is in doubt likewise.
    """

    def __init__(
        self, interval_seconds: float, entries: int = 20_000, *, retry_seconds: float = 300.0
    ) -> None:
        self._patience = Patience(min(retry_seconds, interval_seconds), interval_seconds)
        self._most = entries
        self._known: OrderedDict[HostKey, HostControl] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def known(
        self, url: CanonicalUrl, method: Method, now: float, since: float | None = None
    ) -> HostControl | None:
        """Give the control of a URL's host, if there is one that is not too old, nor from before `since`."""
        known = self._held((url.scheme, url.host, url.port, method), now, since)
        return known if known is not None and known.probe.done() else None

    async def of(
        self,
        url: CanonicalUrl,
        method: Method,
        now: float,
        ask: Callable[[], Awaitable[ControlProbe]],
        since: float | None = None,
    ) -> HostControl:
        """Give the control of a URL's host, asking if the last one is too old.

        Who waits for another's probe that is given up asks in its place; what `ask` raises is the asker's own.
        """
        key = (url.scheme, url.host, url.port, method)
        while (known := self._held(key, now, since)) is not None:
            await asyncio.wait([known.probe])
            if not known.probe.cancelled():
                return known
        before = self._known.get(key)
        made = self._known[key] = HostControl(now, self._patience, before)
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        await self._fill(key, made, before, ask)
        return made

    def _held(self, key: HostKey, now: float, since: float | None) -> HostControl | None:
        """Give the control that is not too old, also one whose probe is under way."""
        known = self._known.get(key)
        if known is None or now - known.at >= known.seconds:
            return None
        return None if since is not None and known.at < since else known

    async def _fill(
        self,
        key: HostKey,
        made: HostControl,
        before: HostControl | None,
        ask: Callable[[], Awaitable[ControlProbe]],
    ) -> None:
        """Let every waiter have the result; in place of a probe that was not made the last one is kept."""
        try:
            found = await ask()
        except BaseException:
            if self._known.get(key) is made:
                del self._known[key]
                if before is not None and not before.probe.cancelled():
                    self._known[key] = before
            made.probe.cancel()
            raise
        made.settle(found, before)


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
