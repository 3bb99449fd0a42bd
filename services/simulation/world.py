"""A simulated world: cases, hosts and providers with a known truth. It answers as of an offset and keeps no state."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple

from schemas.urls import CanonicalUrl
from services.simulation.behaviours import (
    AT_HOME,
    DARK,
    NATURE,
    PARTIAL,
    SPARES_FRONT,
    TLS_TROUBLE,
    Behaviour,
    HeadManner,
    Shows,
)
from services.simulation.facts import SpellTruth, Stay, Truth
from services.simulation.notice_plans import EscalationPlan, NoticePlan
from services.simulation.plan import Phase, PlannedStay, UrlPlan
from services.simulation.scenarios import Scenario, Story
from services.simulation.url_shapes import UrlShape

NETWORK = "127.16.0.0/12"
CANARY_HOST = "canary.wachtpost.example"
CANARY_TARGET = "/canary"
CANARY_ADDRESS = "127.31.255.1"
PARKING_HOST = "www.parkeerplaats.example"
PARKING_ALIAS = (
    "parked.sedoparking.com"  # a parking service's name; only ever an answer of our own name server
)
FRONT_PAGES = frozenset({"/", "/404.html", "/login", CANARY_TARGET})
MIRROR, SPELLED_404, RAW_PLACE = "/mirror", "/404", "/my pictures"
REMOVED_PICTURE, REMOVED_FILE = "/removed.png", "/removed.jpg"
_CHAIN_LINKS = 12  # more than old resolvers follow
# Two nodes behind one address take turns, and one of them has lost it; in hours. Its turns are shorter than what a
# removal takes, those of the other longer than a look waits: chance alone confirms nothing.
NODE_HAS, NODE_LACKS = 1.2, 0.6
_OWN_ONLY = (
    *(*AT_HOME, Behaviour.PLACEHOLDER, Behaviour.PLACEHOLDER_302),
    *(Behaviour.SORRY_UNSEEN, Behaviour.NODES, Behaviour.BARE_200, Behaviour.PLACEHOLDER_FILE),
)
_PLACES = {
    Behaviour.OK_REDIRECT: MIRROR,
    Behaviour.OK_SPELLED_404: SPELLED_404,
    Behaviour.OK_RAW_LOCATION: RAW_PLACE.replace(" ", "%20"),
}
_DOORS = frozenset({Behaviour.REFUSE, *TLS_TROUBLE, Behaviour.OK_TLS_ASKS} - {Behaviour.TLS_CUT})


NameOutcome = Literal["found", "nxdomain", "nodata", "servfail", "silent", "filtered", "unproven"]


class Page(NamedTuple):
    """What a server says of one target; synthetic, a function of the case's number."""

    kind: Literal["image", "front"]
    length: int
    etag: str


FRONT = Page("front", 512, "front")


class PageAnswer(NamedTuple):
    """How a server answers one request; `head`: HEAD is answered in this manner, whatever GET says."""

    behaviour: Behaviour
    page: Page
    head: HeadManner | None = None


class NameAnswer(NamedTuple):
    """How the name server answers for one name: aliases first, then addresses."""

    outcome: NameOutcome
    chain: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlan:
    """A hold: placed and lifted at offsets, and when it would have expired."""

    placed: float
    lifted: float
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCase:
    """One reported URL. Offsets are seconds after the start; `case_id` is "" without a keyring.

    `head` is how its own host answers HEAD; `shape`: beside it, only URLs of this shape are not plainly missing.
    """

    index: int
    url: CanonicalUrl
    target: str
    case_id: str
    sealed_url: str | None
    provider: str
    story: Story
    reporter: str
    reported: float
    second_report: float | None = None
    notices: tuple[NoticePlan, ...]
    plan: UrlPlan
    retracted: float | None = None
    hold: HoldPlan | None = None
    late_notice: float | None = None
    head: HeadManner | None = None
    shape: UrlShape | None = None
    escalations: tuple[EscalationPlan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One name: its addresses, its alias, its pages; `own` where it exists for one case alone.

    `missing` is how it answers for what it never had.
    """

    name: str
    addresses: tuple[str, ...]
    alias: str | None = None
    pages: Mapping[str, SimulatedCase]
    own: SimulatedCase | None = None
    missing: Behaviour = Behaviour.GONE_404


@dataclass(frozen=True, slots=True)
class World:
    """The world of one (scenario, seed, start, port): whoever builds it again holds the same."""

    scenario: Scenario
    seed: int
    start: datetime
    port: int
    cases: tuple[SimulatedCase, ...]
    hosts: Mapping[str, Host]

    def __repr__(self) -> str:
        """Keep URLs out of logs."""
        return f"<World {self.scenario.name} seed={self.seed} cases={len(self.cases)}>"

    # -- time ----------------------------------------------------------------------------------

    def offset(self, now: datetime) -> float:
        """Give seconds after the start."""
        return (now - self.start).total_seconds()

    def instant(self, offset: float) -> datetime:
        """Give the instant of an offset."""
        return self.start + timedelta(seconds=offset)

    @property
    def end(self) -> datetime:
        """The end of the watch; nothing is planned later."""
        return self.instant(self.scenario.seconds(self.scenario.watch_hours))

    @property
    def settle(self) -> timedelta:
        """How long a removal must last before a check asks for it."""
        return timedelta(seconds=self.scenario.seconds(self.scenario.settle_hours))

    @property
    def norm(self) -> timedelta:
        """The norm that the truth is stated by."""
        return timedelta(seconds=self.scenario.seconds(self.scenario.norm_hours))

    # -- places --------------------------------------------------------------------------------

    @property
    def canary_url(self) -> str:
        """A URL that is always up."""
        return f"http://{CANARY_HOST}:{self.port}{CANARY_TARGET}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that a server of this world listens on, all inside `NETWORK` or `IPV6_NETWORK`."""
        addresses: set[str] = set()
        for host in self.hosts.values():
            addresses.update(host.addresses if host.own is None else host.own.plan.addresses())
        return tuple(sorted(addresses))

    @property
    def tls_port(self) -> int:
        """The port of every web server that speaks TLS."""
        return self.port + 1

    @property
    def tls_addresses(self) -> tuple[str, ...]:
        """Every address that a server listens on for TLS."""
        plans = [case.plan for case in self.cases if case.url.scheme == "https"]
        return tuple(sorted({address for plan in plans for address in plan.addresses()}))

    def provider_map_toml(self) -> str:
        """Write the providers as the operator's provider map."""
        return "\n".join(line for one in self.scenario.providers for line in one.map_lines())

    # -- answers -------------------------------------------------------------------------------

    def resolve(self, name: str, offset: float) -> NameAnswer:
        """Answer for a name; aliases resolve too."""
        host = self.hosts.get(name)
        if host is None:
            return NameAnswer("nxdomain")
        addresses = host.addresses
        if host.own is not None:
            phase = host.own.plan.at(offset)
            outcome = _DNS_OUTCOMES.get(phase.behaviour)
            if outcome is not None:
                return NameAnswer(outcome)
            addresses = phase.addresses
            if phase.behaviour is Behaviour.PARKED_CNAME:
                return NameAnswer("found", (PARKING_ALIAS,), addresses)
            if phase.behaviour is Behaviour.OK_LONG_CHAIN:
                links = tuple(f"link{n}.{name}" for n in range(_CHAIN_LINKS))
                return NameAnswer("found", links, addresses)
        return NameAnswer("found", (host.alias,) if host.alias else (), addresses)

    def answer(self, name: str, target: str, address: str, offset: float) -> PageAnswer:
        """Answer one request that reached an address."""
        host = self.hosts.get(name)
        if host is None:
            return PageAnswer(Behaviour.GONE_404, FRONT)
        if host.own is not None:
            answer = self._own_answer(host, host.own, target, address, offset)
            return answer if host.own.head is None else answer._replace(head=host.own.head)
        case = host.pages.get(target)
        if case is not None:
            return PageAnswer(case.plan.at(offset).behaviour, page_of(case))
        return _elsewhere(host, target)

    def _own_answer(
        self, host: Host, case: SimulatedCase, target: str, address: str, offset: float
    ) -> PageAnswer:
        """Answer for a host whose faults and blocks are those of the whole host."""
        phase = case.plan.at(offset)
        if address not in phase.addresses:
            # A stale name server's answer: whoever left this address is unknown there.
            return PageAnswer(Behaviour.GONE_404, FRONT)
        behaviour = _over_http(phase)
        if behaviour in PARTIAL and address == phase.addresses[0]:
            return PageAnswer(PARTIAL[behaviour], FRONT)
        if behaviour in _PLACES and target == _PLACES[behaviour] + case.target:
            return PageAnswer(Behaviour.OK, page_of(case))
        if target == case.target and behaviour is Behaviour.NODES:
            return PageAnswer(self._node(offset - phase.offset), page_of(case))
        whole = NATURE[behaviour].shows is Shows.HIDDEN and behaviour not in _OWN_ONLY
        spared = behaviour in SPARES_FRONT and target in FRONT_PAGES
        if target == case.target or (whole and not spared):
            return PageAnswer(behaviour, page_of(case))
        return _elsewhere(host, target)

    def _node(self, since: float) -> Behaviour:
        """Give what the node says whose turn it is."""
        turn = since % self.scenario.seconds(NODE_LACKS + NODE_HAS)
        return Behaviour.GONE_404 if turn < self.scenario.seconds(NODE_LACKS) else Behaviour.OK

    def handshakes(self, name: str, offset: float) -> bool:
        """Tell whether a TLS handshake for a name succeeds."""
        host = self.hosts.get(name)
        if host is None or host.own is None:
            return True
        return host.own.plan.at(offset).behaviour not in TLS_TROUBLE

    def doors(self, offset: float) -> dict[str, Behaviour]:
        """Name the addresses where something other than a usual server takes connections, or nothing does."""
        own = (h.own for h in self.hosts.values() if h.own is not None)
        phases = (case.plan.at(offset) for case in own)
        return {a: p.behaviour for p in phases if p.behaviour in _DOORS for a in p.addresses}

    def door_changes(self) -> list[float]:
        """Name every offset at which a door may change."""
        return sorted(
            after.offset
            for case in self.cases
            for before, after in pairwise(case.plan.phases)
            if not _DOORS.isdisjoint((before.behaviour, after.behaviour))
        )

    # -- truth ---------------------------------------------------------------------------------

    def truths(self) -> list[Truth]:
        """Give the truth of every case."""
        return [self.truth(index) for index in range(len(self.cases))]

    def truth(self, index: int) -> Truth:
        """Give the truth of one case."""
        case = self.cases[index]
        return Truth(
            index=index,
            case_id=case.case_id,
            story=case.story.value,
            reported_at=self.instant(case.reported),
            retracted_at=None if case.retracted is None else self.instant(case.retracted),
            measurable=case.url.not_measurable is None,
            spells=tuple(self._spells(case)),
        )

    def _spells(self, case: SimulatedCase) -> Iterator[SpellTruth]:
        groups = case.plan.by_provider() or [(case.plan.phases[0].provider, [])]
        for number, (provider, presences) in enumerate(groups):
            moved = groups[number + 1][1][0].since if number + 1 < len(groups) else None
            begun = presences[0].since if number else None
            clock = _clock(case, provider, begun, moved)
            ends = [p.until for p in presences if p.until is not None and p.until != moved]
            yield SpellTruth(
                provider=provider,
                stays=tuple(self._stay(presence) for presence in presences),
                removals=tuple(self.instant(end) for end in ends),
                shown=tuple(self._shown(case.plan, end) for end in ends),
                moved_at=None if moved is None else self.instant(moved),
                clock_started_at=None if clock is None else self.instant(clock),
                deadline=None if clock is None else self._deadline(case, clock),
            )

    def _shown(self, plan: UrlPlan, removed: float) -> datetime | None:
        """Find the instant from which a removal shows to whoever looks from outside."""
        dark_since, lasts = None, self.scenario.seconds(self.scenario.dark_hours)
        for phase in (p for p in plan.phases if p.offset >= removed):
            if dark_since is not None and phase.offset - dark_since >= lasts:
                break
            if phase.there:
                return None
            if NATURE[phase.behaviour].shows is Shows.ABSENT:
                return self.instant(phase.offset)
            dark = phase.behaviour in DARK
            dark_since = (phase.offset if dark_since is None else dark_since) if dark else None
        return None if dark_since is None else self.instant(dark_since + lasts)

    def _stay(self, presence: PlannedStay) -> Stay:
        until = None if presence.until is None else self.instant(presence.until)
        return Stay(self.instant(presence.since), until)

    def _deadline(self, case: SimulatedCase, clock: float) -> datetime:
        started = self.instant(clock)
        deadline, hold = started + self.norm, case.hold
        if hold is None or self.instant(hold.placed) >= deadline:
            return deadline
        paused = max(self.instant(hold.placed), started)
        released = self.instant(min(hold.lifted, hold.expires))
        return deadline + max(released - paused, timedelta())


_DNS_OUTCOMES: dict[Behaviour, NameOutcome] = {
    Behaviour.NXDOMAIN: "nxdomain",
    Behaviour.NODATA: "nodata",
    Behaviour.SERVFAIL: "servfail",
    Behaviour.DNS_SILENT: "silent",
    Behaviour.DNS_FILTERED: "filtered",
    Behaviour.DNS_UNPROVEN: "unproven",
    Behaviour.NAME_LOST: "silent",
}


def page_of(case: SimulatedCase) -> Page:
    """Describe the synthetic bytes of a case."""
    return Page("image", 6144 + case.index * 37 % 30000, f"{case.index:08x}")


def _elsewhere(host: Host, target: str) -> PageAnswer:
    if target in FRONT_PAGES:
        return PageAnswer(Behaviour.OK, FRONT)
    if target in (REMOVED_PICTURE, REMOVED_FILE):
        return PageAnswer(Behaviour.PLACEHOLDER, FRONT)
    shape = None if host.own is None else host.own.shape
    if shape is not None and not shape.covers(target):
        return PageAnswer(Behaviour.GONE_404, FRONT)
    return PageAnswer(host.missing, FRONT)


def _over_http(phase: Phase) -> Behaviour:
    """Translate what happens below HTTP to what a client meets that still holds the address."""
    layer = NATURE[phase.behaviour].layer
    if layer == "dns":
        served = phase.there or phase.behaviour is Behaviour.NAME_LOST
        return Behaviour.OK if served else Behaviour.GONE_404
    return Behaviour.RESET if layer == "tcp" else phase.behaviour


def _clock(
    case: SimulatedCase, provider: str, begun: float | None, moved: float | None
) -> float | None:
    """Find the first notice that arrived at the provider while it was the one answerable."""
    end = min((at for at in (moved, case.retracted) if at is not None), default=float("inf"))
    sent = [n.sent for n in case.notices if n.arrives and n.provider == provider]
    return min((at for at in sent if (begun is None or at >= begun) and at < end), default=None)
