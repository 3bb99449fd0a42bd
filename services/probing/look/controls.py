"""How a host answers what nobody reported: siblings of a URL that can't exist (G9), and its front page.

Pure: time is an argument, in seconds of one monotonic clock.
"""

from collections import OrderedDict
from collections.abc import Collection, Hashable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl, canonical
from services.core.fingerprints import is_one_answer, reason_of_status, sibling_class
from services.core.reasons import DARK_FAULTS
from services.probing.http.exchange import target_of
from services.probing.look.redirects import STATUSES, registrable_domain

_DARK = DARK_FAULTS | {"blocked_unavailable"}

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
    `parked`: its name is; `unnamed`: no name server said whether. `sent_to` is the digest of where it was sent;
    `opaque`: within the domain, where nothing names it any more.
    """

    fingerprint: Fingerprint | None = None
    parked: bool = False
    sent_to: str | None = None
    fault: str | None = None
    unnamed: bool = False
    opaque: bool = False

    @property
    def like_content(self) -> bool:
        """Tell whether what is gone may be answered so: served, or sent elsewhere."""
        status = None if self.fingerprint is None else self.fingerprint.status
        served = reason_of_status(status) == "served" or status in STATUSES
        return served and self.fault is None

    @property
    def says_missing(self) -> bool:
        """Tell whether it says plainly that there is nothing: 404 or 410."""
        return self.fingerprint is not None and self.fingerprint.status in (404, 410)

    @property
    def gives_nothing(self) -> bool:
        """Tell whether it is what a dark host gives."""
        status = None if self.fingerprint is None else self.fingerprint.status
        return self.fault in _DARK or (status is not None and reason_of_status(status) in _DARK)

    @property
    def kind(self) -> str:
        """Name what was answered, short enough to stand in a million baselines."""
        return sibling_class(self.fingerprint, self.sent_to)


class Patience(NamedTuple):
    """For how long to believe what may be of the moment, in seconds: for `first`, then twice as long each time."""

    first: float
    most: float

    def after(self, before: float) -> float:
        """Give what follows a time; 0: nothing came before."""
        return min(2 * before, self.most) if before else self.first


class HostControl:
    """What a host answered a sibling or its front page, and what looks made of it.

    `seconds` is how long it is believed. `novel`: the controls just before it met no fault or block of this kind.
    `answer` is the last one that a sibling gave, within a day.
    `steady`: a longer path was answered by the very same page, or sent to the very same place, so that it repeats
    nothing of what was asked for; None: not tried.
    What one look saw served while siblings were answered so (`tell_apart`) holds for later controls too that are
    answered alike, whatever came between.
    """

    __slots__ = (
        *("answer", "at", "kind", "novel", "result", "seconds", "steady"),
        *("_answer_at", "_faults", "_kinds", "_patience", "_proven", "_unproven"),
    )

    def __init__(
        self, at: float, result: ControlProbe, patience: Patience, before: "HostControl | None"
    ) -> None:
        if result.unnamed and before is not None:
            result = msgspec.structs.replace(result, parked=before.result.parked)
        self.at = at
        self.result: ControlProbe = result
        self.kind = result.kind
        self.answer: ControlProbe | None = result
        self._answer_at = at
        if result.fingerprint is None:
            self._keep_answer(patience, before)
        self.seconds = patience.most
        self.novel = False
        self.steady: bool | None = None
        if before is not None:
            same = is_one_answer(before.result.fingerprint, result.fingerprint)
            # What changed once may come to one length by chance.
            self.steady = before.steady if same or before.steady is False else None
        self._patience = patience
        self._faults = 0.0
        self._kinds: frozenset[bool] = frozenset()
        self._unproven: float = 0.0 if before is None else before._unproven
        self._proven: ControlProbe | None = None if before is None else before._proven
        if result.fault is not None or result.unnamed:
            self._faults = patience.after(0.0 if before is None else before._faults)
            self._note_fault(frozenset() if before is None else before._kinds)
            self.seconds = patience.first if self.novel else self._faults
        if self.told_apart:
            self._unproven = 0.0

    @property
    def plainly_missing(self) -> bool:
        """Tell whether it says of what can't exist that there is nothing, with no doubt about it."""
        return self.result.says_missing and not (self.novel or self.result.parked)

    @property
    def told_apart(self) -> bool:
        """Tell whether some URL of the handler was served while siblings were answered as this one is."""
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

    def _keep_answer(self, patience: Patience, before: "HostControl | None") -> None:
        """Keep what a sibling answered before this one, which gave no answer."""
        self.answer = None
        if before is not None and self.at - before._answer_at < patience.most:
            self.answer, self._answer_at = before.answer, before._answer_at

    def _note_fault(self, kinds: frozenset[bool]) -> None:
        """Note the kind of a fault: whoever changes its kinds is believed at the third control at the latest."""
        if self.result.fault is not None:
            kind = self.result.fingerprint is None
            self.novel = kind not in kinds
            self._kinds = kinds | {kind}


def _alike(one: ControlProbe, other: ControlProbe) -> bool:
    return one.sent_to == other.sent_to and is_one_answer(one.fingerprint, other.fingerprint)


class Controls:
    """Remember controls by their key; the least recently asked goes first.

    One that got no answer, such as that of a look whose time was up, or that met what may be a block, is asked again
    after `retry_seconds`; each time that it meets a fault again, whichever, it is believed for twice as long, so that
    hosts that forbid what they don't have are left alone as well. One that is in doubt likewise.
    """

    def __init__(
        self, interval_seconds: float, entries: int = 20_000, *, retry_seconds: float = 300.0
    ) -> None:
        self._patience = Patience(min(retry_seconds, interval_seconds), interval_seconds)
        self._most = entries
        self._controls: OrderedDict[Hashable, HostControl] = OrderedDict()

    def __len__(self) -> int:
        return len(self._controls)

    @property
    def retry_seconds(self) -> float:
        """How young a control has to be to count as asked just now."""
        return self._patience.first

    def get(self, key: Hashable, now: float, since: float | None = None) -> HostControl | None:
        """Give a control, if there is one that is not too old, nor from before `since`."""
        control = self._controls.get(key)
        if control is None or now - control.at >= control.seconds:
            return None
        return None if since is not None and control.at < since else control

    def settle(self, key: Hashable, at: float, result: ControlProbe) -> HostControl:
        """Remember what a host answered that was asked at an instant; gives the control that this makes."""
        control = HostControl(at, result, self._patience, self._controls.pop(key, None))
        self._controls[key] = control
        while len(self._controls) > self._most:
            self._controls.popitem(last=False)
        return control


def front_of(url: CanonicalUrl) -> CanonicalUrl:
    """Write the front page of a URL's host."""
    return canonical(url.href[: len(url.href) - len(target_of(url))] + "/")


def is_parked(names: Collection[str]) -> bool:
    """Tell whether a name server or an alias belongs to a parking service."""
    return bool(names) and any(registrable_domain(name) in PARKING for name in names)
