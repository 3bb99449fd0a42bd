"""Build a world: a pure function of scenario, seed, start, port and keyring."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from itertools import islice
from random import Random
from typing import TypeVar

from schemas.sealing import Keyring
from schemas.urls import canonical
from services.simulation.behaviours import Behaviour, HeadManner
from services.simulation.notice_plans import Form, NoticePlan, Postman, escalations
from services.simulation.plan import UrlPlan, rounded
from services.simulation.scenarios import (
    APART,
    IPV6_NETWORK,
    OWN_HOST,
    SOFT,
    TROUBLE,
    ProviderScript,
    Scenario,
    Story,
)
from services.simulation.stories import Place, StorySetting, tell
from services.simulation.url_shapes import FILE, MIDDLE, QUERY, UrlShape
from services.simulation.world import (
    CANARY_ADDRESS,
    CANARY_HOST,
    PARKING_HOST,
    HoldPlan,
    Host,
    SimulatedCase,
    World,
)

K = TypeVar("K")
IPV6 = str(IPv6Network(IPV6_NETWORK)[0])
_ALONE_IN_A_NETWORK = 200
_HEAD_MANNERS = tuple(HeadManner)
# Where the id of a URL stands: in the name of a file, in the query, or in a segment of the path.
_SHAPES = (FILE, FILE, FILE, QUERY)
_ID_SHAPES = (QUERY, MIDDLE)
REPORTERS = ("Meldpunt Voorbeeld", "Hotline Exempel", "Trusted Flagger Muster")


def build(
    scenario: Scenario, *, seed: int, start: datetime, port: int, keyring: Keyring | None = None
) -> World:
    """Build a world.

    Args:
        scenario: providers, shares, manners and time scale.
        seed: everything drawn is a function of it.
        start: offset 0; the first report comes after it.
        port: of all servers; it is part of every URL.
        keyring: names and seals the cases; without one, `case_id` is "" and no truth can be matched.

    """
    builder = _Builder(scenario, seed, port, keyring)
    cases = builder.cases()
    hosts = builder.finished_hosts()
    return World(scenario, seed, start, port, cases, hosts)


def apportion(total: int, weights: Mapping[K, float]) -> dict[K, int]:
    """Split a total by weights with the largest remainders, so that rare things happen in small worlds too."""
    whole = sum(weights.values())
    exact = {key: total * weight / whole for key, weight in weights.items()}
    counts = {key: int(value) for key, value in exact.items()}
    by_remainder = sorted(exact, key=lambda key: counts[key] - exact[key])
    for key in by_remainder[: total - sum(counts.values())]:
        counts[key] += 1
    return counts


def networks(script: ProviderScript) -> list[IPv4Network]:
    """Name the first /24 networks of a provider's prefixes."""
    prefixes = (IPv4Network(p) for p in script.prefixes if p != IPV6_NETWORK)
    return [net for p in prefixes for net in islice(p.subnets(new_prefix=24), 64)]


def pool(script: ProviderScript) -> list[str]:
    """Name a provider's addresses: a few in each of some networks."""
    return [
        str(net[1 + number])
        for net in networks(script)[: script.networks]
        for number in range(script.addresses_per_network)
    ]


@dataclass(slots=True)
class _Shop:
    """One provider while the world is built."""

    script: ProviderScript
    addresses: list[str]
    hosts: list[Host]
    scenario: Scenario
    troubled: int = 0
    refusing: int = 0
    alone: int = 0

    def trouble(self) -> str:
        """Give an address for a host in trouble: what it does to us must not touch the looks at others."""
        self.troubled += 1
        round_, number = divmod(self.troubled, self.scenario.trouble_addresses)
        return self._apart(100 + number, round_ % self.scenario.trouble_networks)

    def refusal(self) -> str:
        """Give an address that nobody else has."""
        self.refusing += 1
        return self._apart(200 + self.refusing)

    def own(self) -> str:
        """Give an address that nobody else has, to a host of which the whole address is in trouble."""
        network, number = divmod(self.alone, _ALONE_IN_A_NETWORK)
        self.alone += 1
        return self._apart(1 + number, self.scenario.trouble_networks + network)

    def place(self, story: Story, rng: Random) -> tuple[str, ...]:
        """Give the addresses of a host of its own name; of two families either may be the one that fails."""
        if story is Story.IPV6:
            return (IPV6,)
        if story is Story.DUAL:
            return tuple(rng.sample((IPV6, self.trouble()), 2))
        if story is Story.ODD:
            return (self.trouble(), self.trouble())
        return (self.trouble(),) if story in TROUBLE else (rng.choice(self.addresses),)

    def _apart(self, number: int, network: int = 0) -> str:
        nets = networks(self.script)
        return str(nets[min(self.script.networks + network, len(nets) - 1)][number])


@dataclass(slots=True)
class _Draft:
    """A case before its URL is known: provider, story, how many of its story came before, and report."""

    index: int
    shop: _Shop
    story: Story
    turn: int
    reported: float
    rng: Random

    @property
    def shape(self) -> UrlShape:
        """The shape of its URL."""
        if self.story is Story.SOFT_ID:
            return _ID_SHAPES[self.turn % len(_ID_SHAPES)]
        return _SHAPES[self.index % len(_SHAPES)]

    @property
    def head(self) -> HeadManner | None:
        """How its host answers HEAD, where that is odd."""
        if self.story is not Story.HEAD:
            return None
        return _HEAD_MANNERS[self.turn % len(_HEAD_MANNERS)]


@dataclass(slots=True)
class _Builder:
    scenario: Scenario
    seed: int
    port: int
    keyring: Keyring | None
    form: Form = field(init=False)
    shops: dict[str, _Shop] = field(init=False)
    own_hosts: list[Host] = field(init=False, default_factory=list)
    pages: dict[str, dict[str, SimulatedCase]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        window = self.scenario.seconds(self.scenario.form_window_hours)
        self.form = Form(self.scenario.form_addresses, window)
        self.shops = {script.id: self._shop(script) for script in self.scenario.providers}

    def rng(self, *about: object) -> Random:
        """Give the generator of one thing, independent of the order in which things are built."""
        return Random("|".join(map(str, (self.scenario.name, self.seed, *about))))  # noqa: S311

    # -- hosts ---------------------------------------------------------------------------------

    def _shop(self, script: ProviderScript) -> _Shop:
        addresses = pool(script)
        hosts = [self._shared(script, addresses, n) for n in range(script.hosts)]
        return _Shop(script, addresses, hosts, self.scenario)

    def _shared(self, script: ProviderScript, addresses: list[str], number: int) -> Host:
        """Make an image host; every fourth stands behind an alias, every fifth has two addresses."""
        name = f"i{number}.{script.id}pics{number % 7}.example"
        here = [addresses[number % len(addresses)]]
        if number % 5 == 4:
            here.append(addresses[(number + 1) % len(addresses)])
        alias = f"edge{number}.{script.id}-net.example" if number % 4 == 3 else None
        pages = self.pages.setdefault(name, {})
        return Host(name=name, addresses=tuple(dict.fromkeys(here)), alias=alias, pages=pages)

    def finished_hosts(self) -> dict[str, Host]:
        """Name every host, the canary and the parking page among them."""
        shared = [host for shop in self.shops.values() for host in shop.hosts]
        first = next(iter(self.shops.values())).addresses[:1]
        extra = [
            Host(name=CANARY_HOST, addresses=(CANARY_ADDRESS,), pages={}),
            Host(name=PARKING_HOST, addresses=tuple(first), pages={}),
        ]
        return {host.name: host for host in (*shared, *self.own_hosts, *extra)}

    # -- cases ---------------------------------------------------------------------------------

    def cases(self) -> tuple[SimulatedCase, ...]:
        """Make every case in the order of the reports, then give a few a turn of their own."""
        ordered = _Turns(self.scenario, [self._case(draft) for draft in self._drafts()]).taken()
        for case in ordered:
            self._place(case)
        return tuple(ordered)

    def _drafts(self) -> list[_Draft]:
        rng = self.rng("arrivals")
        pairs = [
            (shop, story)
            for shop, count in self._shares()
            for story, number in apportion(count, shop.script.mix).items()
            for _ in range(number)
        ]
        rng.shuffle(pairs)
        span = self.scenario.seconds(self.scenario.arrival_hours)
        arrivals = sorted(rounded(rng.uniform(0.5, 0.5 + span)) for _ in pairs)
        turns: Counter[Story] = Counter()
        drafts = []
        for index, ((shop, story), at) in enumerate(zip(pairs, arrivals, strict=True)):
            drafts.append(_Draft(index, shop, story, turns[story], at, self.rng("case", index)))
            turns[story] += 1
        return drafts

    def _shares(self) -> list[tuple[_Shop, int]]:
        weights = {script.id: script.share for script in self.scenario.providers}
        counts = apportion(self.scenario.cases, weights)
        return [(self.shops[name], count) for name, count in counts.items()]

    def _case(self, draft: _Draft) -> SimulatedCase:
        name = f"{self.scenario.name}-{self.seed}-{draft.index:05d}"
        first = rounded(draft.reported + self.scenario.seconds(draft.rng.uniform(0.5, 1.5)))
        script = draft.shop.script
        notices = self._postman(script, f"{name}-a", draft.rng).plan(first)
        if script.untold is not None and not any(notice.arrives for notice in notices):
            draft = replace(draft, story=script.untold)
        clock = next((n.sent for n in notices if n.arrives), notices[-1].sent)
        host, setting = self._setting(draft, clock)
        plan = tell(draft.story, setting, draft.rng)
        name_of_url = f"{draft.rng.getrandbits(40):010x}"
        fragment = draft.story is Story.FRAGMENT
        target = "/" if fragment else draft.shape.target(name_of_url)
        beyond = f"#!/gallery/{name_of_url}" if fragment else ""
        url = canonical(f"{self._origin(draft.story, host)}{target}{beyond}")
        return SimulatedCase(
            index=draft.index,
            url=url,
            target=target,
            case_id=self.keyring.case_id(url) if self.keyring else "",
            sealed_url=self._sealed(draft, self.keyring.seal(url)) if self.keyring else None,
            provider=script.id,
            story=draft.story,
            reporter=draft.rng.choice(REPORTERS),
            reported=draft.reported,
            notices=notices + self._second_notices(draft, setting, plan, name),
            plan=plan,
            head=draft.head,
            shape=draft.shape if draft.story is Story.SOFT_ID else None,
            escalations=escalations(notices, self.scenario, script),
        )

    def _origin(self, story: Story, host: str) -> str:
        return (
            f"https://{host}:{self.port + 1}"
            if story is Story.TLS
            else f"http://{host}:{self.port}"
        )

    def _sealed(self, draft: _Draft, sealed: str) -> str | None:
        return sealed if draft.rng.random() < self.scenario.sealed_share else None

    def _setting(self, draft: _Draft, clock: float) -> tuple[str, StorySetting]:
        shop = draft.shop
        host, home, can_refuse = self._home(draft)
        return host, StorySetting(
            scenario=self.scenario,
            reported=draft.reported,
            clock=clock,
            home=Place(provider=shop.script.id, addresses=home),
            elsewhere=self._other_place(draft),
            can_refuse=can_refuse,
            turn=draft.turn,
        )

    def _home(self, draft: _Draft) -> tuple[str, tuple[str, ...], bool]:
        shop = draft.shop
        if draft.story not in OWN_HOST:
            host = draft.rng.choice(shop.hosts)
            return host.name, host.addresses, False
        name = f"www.pics{draft.index}.example"
        if draft.story is Story.FLAPPING and shop.refusing < self.scenario.refusing_hosts:
            return name, (shop.refusal(),), True
        if draft.story in APART:
            return name, (shop.own(),), True
        return name, shop.place(draft.story, draft.rng), False

    def _other_place(self, draft: _Draft) -> Place:
        others = [
            s for s in self.shops.values() if s is not draft.shop and not s.script.refuses_mail
        ]
        other = draft.rng.choice(others or [draft.shop])
        return Place(provider=other.script.id, addresses=(draft.rng.choice(other.addresses),))

    def _second_notices(
        self, draft: _Draft, setting: StorySetting, plan: UrlPlan, name: str
    ) -> tuple[NoticePlan, ...]:
        """Tell the new provider four hours after a move."""
        new = setting.elsewhere.provider
        moved = next((phase.offset for phase in plan.phases if phase.provider == new), None)
        if moved is None or new == setting.home.provider:
            return ()
        at = rounded(moved + self.scenario.seconds(4))
        script = self.shops[new].script
        return self._postman(script, f"{name}-b", draft.rng).plan(at)

    def _postman(self, script: ProviderScript, name: str, rng: Random) -> Postman:
        return Postman(scenario=self.scenario, script=script, form=self.form, name=name, rng=rng)

    def _place(self, case: SimulatedCase) -> None:
        name = case.url.host
        if name in self.pages:
            self.pages[name][case.target] = case
            return
        phases = case.plan.phases
        # Whoever removes by a redirect, a page in 200 or a 403 answers so for whatever is missing.
        missing = phases[1].behaviour if case.story in SOFT else Behaviour.GONE_404
        if missing is Behaviour.PLACEHOLDER_FILE:
            missing = Behaviour.GONE_404
        host = Host(
            name=name,
            addresses=phases[0].addresses,
            pages={case.target: case},
            own=case,
            missing=missing,
        )
        self.own_hosts.append(host)


@dataclass(slots=True)
class _Turns:
    """Gives single cases a retraction, a hold, a late notice or a second report."""

    scenario: Scenario
    cases: list[SimulatedCase]
    used: set[int] = field(default_factory=set)

    def taken(self) -> list[SimulatedCase]:
        """Apply every turn."""
        for case in self._pick(Story.PROMPT, self.scenario.retractions):
            self._turn(case, retracted=self._after_clock(case, 2))
        for case in self._pick(Story.NEVER, self.scenario.holds):
            self._turn(case, hold=self._hold(case))
        for case in self._pick(Story.LATE, self.scenario.late_events):
            self._turn(case, late_notice=self._after_clock(case, 5))
        for case in self._pick(Story.PROMPT, self.scenario.second_reports):
            self._turn(case, second_report=rounded(case.reported + self.scenario.seconds(0.4)))
        return self.cases

    def _pick(self, story: Story, count: int) -> list[SimulatedCase]:
        """Take the first unused cases of a story whose first notice arrives."""
        fit = [
            case
            for case in self.cases
            if case.story is story and case.index not in self.used and case.notices[0].arrives
        ][:count]
        self.used.update(case.index for case in fit)
        return fit

    def _turn(self, case: SimulatedCase, **changes: object) -> None:
        self.cases[case.index] = replace(case, **changes)  # type: ignore[arg-type]

    def _after_clock(self, case: SimulatedCase, hours: float) -> float:
        return rounded(case.notices[0].sent + self.scenario.seconds(hours))

    def _hold(self, case: SimulatedCase) -> HoldPlan:
        placed, lifted, expires = (self._after_clock(case, hours) for hours in (3, 7, 12))
        return HoldPlan(placed=placed, lifted=lifted, expires=expires)
