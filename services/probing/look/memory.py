"""What looks learn of hosts and cases, and the limits that bound a look. Pure: time is an argument."""

from collections import OrderedDict
from dataclasses import dataclass, field

from msgspec import Struct

from schemas.events import Fingerprint
from schemas.urls import CanonicalUrl
from services.core.verdict import Redirect
from services.probing.guard.families import BOTH, Families
from services.probing.http.exchange import Reply
from services.probing.limits.gate import DEADLINE, REST, Priority
from services.probing.look.controls import Controls
from services.probing.look.darkness import Darkness, DarknessLimits
from services.probing.look.handlers import Handler

# Only until the watch entry says so itself.
_SERVED_CASES = 20_000
_SERVED_HOSTS = 20_000
EXCHANGE_SECONDS = 10.0
CONTROL_RETRY_SECONDS = 300.0
FRONT_INTERVAL_SECONDS = 3600.0
_DARKNESS = DarknessLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookLimits:
    """How long a look may take, and how far it goes.

    `control_retry_seconds` is how long a sibling or a front page is left alone that gave no answer, met a block, or may
    be a wall of the moment.
    `families` are those that the vantage has a route for; addresses of another one are not asked where the name has
    some of these, so that a place without IPv6 can tell that something is gone.
    """

    total_seconds: float
    exchange_seconds: float = EXCHANGE_SECONDS
    connect_seconds: float = 5.0
    addresses_per_family: int = 8
    redirects: int = 3
    connections_per_host: int
    keepalive_seconds: float = 30.0
    control_interval_seconds: float = 86_400.0
    front_interval_seconds: float = FRONT_INTERVAL_SECONDS
    control_retry_seconds: float = CONTROL_RETRY_SECONDS
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
    priority: Priority = REST
    case_number: int = field(init=False)
    """The case as a number: the first 64 bits of its id."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "case_number", int(self.case_id[:16], 16))

    @property
    def deciding(self) -> bool:
        """Tell whether a sighting may be a breach: then GET has to serve it as well."""
        return self.priority <= DEADLINE


@dataclass(slots=True)
class Step:
    """One request of a look, for people who ask what it did: its purpose, the address, and the reply.

    `neutral`: under the agent that says nothing of us.
    """

    purpose: str
    address: str
    reply: Reply
    redirect: Redirect | None = None
    neutral: bool = False


class HeadWorth:
    """Of which handlers HEAD says little, so that GET is asked at once; believed for a day. Time is an argument."""

    def __init__(self, seconds: float, most_handlers: int = 50_000) -> None:
        self._seconds = seconds
        self._most = most_handlers
        self._since: OrderedDict[Handler, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, handler: Handler) -> bool:
        return handler in self._since

    def age(self, handler: Handler, now: float) -> float | None:
        """Tell for how many seconds HEAD is known to say little here; None: it is worth asking."""
        since = self._since.get(handler)
        return None if since is None or now - since >= self._seconds else now - since

    def says_little(self, handler: Handler, now: float) -> None:
        """Note that GET said what HEAD did not."""
        if self.age(handler, now) is None:
            self._since[handler] = now
            self._since.move_to_end(handler)
        while len(self._since) > self._most:
            self._since.popitem(last=False)


class SharedAnswers:
    """Which cases of a host are answered by one thing: the target of a redirect, or another file in their place.

    A few are enough to say that it is none of theirs.
    """

    def __init__(self, cases: int = 2, entries: int = 50_000) -> None:
        self._cases = cases
        self._most = entries
        self._answered: OrderedDict[tuple[str, str], frozenset[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answered)

    def note(self, host: str, answer: str, case: int) -> bool:
        """Note how a case of a host is answered; tell whether that many cases are answered so."""
        cases = self._answered.pop((host, answer), frozenset())
        if len(cases) < self._cases:
            cases |= {case}
        self._answered[host, answer] = cases
        while len(self._answered) > self._most:
            self._answered.popitem(last=False)
        return len(cases) >= self._cases


class Sighting(Struct, frozen=True):
    """A case that was seen served, and when."""

    case: int
    url: CanonicalUrl
    at: float


@dataclass(slots=True)
class Memory:
    """What looks learned of hosts, handlers and cases; lost at a restart."""

    siblings: Controls
    fronts: Controls
    darkness: Darkness
    head: HeadWorth
    shared_targets: SharedAnswers = field(default_factory=SharedAnswers)
    replacements: SharedAnswers = field(default_factory=SharedAnswers)
    served_cases: set[int] = field(default_factory=set)
    gone_cases: set[int] = field(default_factory=set)
    unseen_cases: set[int] = field(default_factory=set)
    served_hosts: dict[str, tuple[Sighting, ...]] = field(default_factory=dict)

    @classmethod
    def within(cls, limits: LookLimits) -> "Memory":
        """Make an empty memory that believes what it learns for as long as the limits say."""
        retry = limits.control_retry_seconds
        return cls(
            siblings=Controls(limits.control_interval_seconds, retry_seconds=retry),
            fronts=Controls(limits.front_interval_seconds, retry_seconds=retry),
            darkness=Darkness(limits.darkness),
            head=HeadWorth(limits.control_interval_seconds),
        )

    def remember_served(self, case: int, url: CanonicalUrl, now: float) -> None:
        """Remember that a case was seen served, and what else its host served last."""
        if len(self.served_cases) >= _SERVED_CASES:
            self.served_cases.clear()
        if len(self.served_hosts) >= _SERVED_HOSTS:
            self.served_hosts.clear()
        self.served_cases.add(case)
        self.gone_cases.discard(case)
        self.unseen_cases.discard(case)
        sightings = self.served_hosts.get(url.host, ())
        if sightings and sightings[0].case != case:
            self.served_hosts[url.host] = (Sighting(case, url, now), sightings[0])
        else:
            self.served_hosts[url.host] = (Sighting(case, url, now), *sightings[1:])

    def remember_gone(self, case: int) -> None:
        """Remember that a case is gone for every agent."""
        if len(self.gone_cases) >= _SERVED_CASES:
            self.gone_cases.clear()
        self.gone_cases.add(case)

    def remember_unseen(self, case: int) -> None:
        """Remember that the last look at a case did not see it served."""
        if len(self.unseen_cases) >= _SERVED_CASES:
            self.unseen_cases.clear()
        self.unseen_cases.add(case)

    def another_served(
        self, case: int, host: str, now: float, seconds: float
    ) -> CanonicalUrl | None:
        """Give another case of a host that was seen served within so many seconds."""
        sightings = self.served_hosts.get(host, ())
        return next(
            (one.url for one in sightings if one.case != case and now - one.at <= seconds), None
        )
