"""What all visits of one prober share: its parts, their limits, and what they learned."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl
from services.core.verdict import Redirect
from services.probing.dns.resolver import Resolver
from services.probing.guard.families import BOTH, Families
from services.probing.guard.guard import Guard
from services.probing.http.exchange import Exchanger, Reply
from services.probing.limits.backoff import BackOff
from services.probing.limits.gate import REST, Gate, Priority
from services.probing.look.controls import Controls, SharedTargets
from services.probing.look.darkness import Darkness, DarknessLimits

_LEARNED_HOSTS = 50_000
# Only until the watch entry says so itself.
_REMEMBERED_CASES = 20_000
_DARKNESS = DarknessLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookLimits:
    """How long a look may take, and how far it goes.

    `control_retry_seconds` is how long a sibling or a front page is left alone that gave no answer, met a block, or may
    be a wall of the moment.
    `families` are those that the vantage has a route for; addresses of another one are not asked where the name has
    some of these, so that a place without IPv6 can tell that something is gone.
    """

    total_seconds: float = 20.0
    exchange_seconds: float = 10.0
    connect_seconds: float = 5.0
    addresses_per_family: int = 8
    redirects: int = 3
    connections_per_host: int = 2
    keepalive_seconds: float = 30.0
    control_interval_seconds: float = 86_400.0
    front_interval_seconds: float = 3_600.0
    control_retry_seconds: float = 300.0
    darkness: DarknessLimits = _DARKNESS
    families: Families = BOTH


@dataclass(frozen=True, slots=True)
class Target:
    """What to look at, and what is known of it; `confirming` asks past every cache."""

    case_id: str
    url: CanonicalUrl
    confirming: bool = False
    known_online: bool = False
    baseline: Fingerprint | None = None
    host_dark: bool = False
    worth: Priority = REST


@dataclass(slots=True)
class Step:
    """One request of a look, for those who ask what it did: what it was for, of whom, and what came back."""

    what: str
    address: str
    reply: Reply
    redirect: Redirect | None = None


@dataclass(slots=True, kw_only=True)
class Kit:
    """What all visits of one prober share: its parts, and what they learned."""

    guard: Guard
    resolver: Resolver
    gate: Gate
    backoff: BackOff
    clock: Callable[[], datetime]
    limits: LookLimits
    exchanger: Exchanger
    controls: Controls
    fronts: Controls
    darkness: Darkness
    shared_targets: SharedTargets = field(default_factory=SharedTargets)
    get_hosts: set[str] = field(default_factory=set)
    served_cases: set[int] = field(default_factory=set)

    def learn_get(self, host: str) -> None:
        """Ask a host by GET from now on: it answers HEAD otherwise."""
        if len(self.get_hosts) >= _LEARNED_HOSTS:
            self.get_hosts.clear()
        self.get_hosts.add(host)

    def remember_served(self, case: int) -> None:
        """Remember that a case was seen served."""
        if len(self.served_cases) >= _REMEMBERED_CASES:
            self.served_cases.clear()
        self.served_cases.add(case)
