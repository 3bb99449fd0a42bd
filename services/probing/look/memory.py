"""What looks learn of hosts and cases, and the limits that bound a look. Pure: time is an argument."""

from dataclasses import dataclass, field

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl
from services.core.verdict import Redirect
from services.probing.guard.families import BOTH, Families
from services.probing.http.exchange import Reply
from services.probing.limits.gate import REST, Worth
from services.probing.look.controls import Controls, SharedTargets
from services.probing.look.darkness import Darkness, DarknessLimits

_GET_HOSTS = 50_000
# Only until the watch entry says so itself.
_SERVED_CASES = 20_000
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
    worth: Worth = REST

    @property
    def case_number(self) -> int:
        """The case as a number: the first 64 bits of its id."""
        return int(self.case_id[:16], 16)


@dataclass(slots=True)
class Step:
    """One request of a look, for people who ask what it did: its purpose, the address, and the reply."""

    purpose: str
    address: str
    reply: Reply
    redirect: Redirect | None = None


@dataclass(slots=True)
class Memory:
    """What looks learned: siblings, front pages, dark hosts, shared targets, hosts that need GET, cases that served."""

    controls: Controls
    fronts: Controls
    darkness: Darkness
    shared_targets: SharedTargets = field(default_factory=SharedTargets)
    get_hosts: set[str] = field(default_factory=set)
    served_cases: set[int] = field(default_factory=set)

    @classmethod
    def within(cls, limits: LookLimits) -> "Memory":
        """Make an empty memory that believes what it learns for as long as the limits say."""
        retry = limits.control_retry_seconds
        return cls(
            controls=Controls(limits.control_interval_seconds, retry_seconds=retry),
            fronts=Controls(limits.front_interval_seconds, retry_seconds=retry),
            darkness=Darkness(limits.darkness),
        )

    def learn_get(self, host: str) -> None:
        """Ask a host by GET from now on: it answers HEAD otherwise."""
        if len(self.get_hosts) >= _GET_HOSTS:
            self.get_hosts.clear()
        self.get_hosts.add(host)

    def remember_served(self, case: int) -> None:
        """Remember that a case was seen served."""
        if len(self.served_cases) >= _SERVED_CASES:
            self.served_cases.clear()
        self.served_cases.add(case)
