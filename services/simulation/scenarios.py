"""Scenarios: which fictional providers there are, how large, and how they behave.

Shares and manners follow the article of October 2020: one provider with 94 % of all cases that removes most of them
in time, one that refuses mail and takes five addresses an hour, and small image hosts behind resellers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from schemas.errors import ConfigError
from services.simulation.behaviours import BLOCKS, FAULTS, HOSTILE, REMOVALS, WALLS, Behaviour
from services.simulation.weather import Block, Loss, Window

# Loopback has one address of that family: all hosts of a world share it.
IPV6_NETWORK = "::1/128"


class Story(StrEnum):
    """What happens to one URL after its report."""

    PROMPT = "prompt"
    CLOSE = "close"
    LATE = "late"
    NEVER = "never"
    GONE_BEFORE = "gone_before"
    SOFT_REDIRECT = "soft_redirect"
    SOFT_SAME = "soft_same"
    DOMAIN = "domain"
    FLAPPING = "flapping"
    BLOCKED = "blocked"
    RETURNED = "returned"
    RETURNED_LATE = "returned_late"
    MOVED = "moved"
    ODD = "odd"
    TLS = "tls"
    GEO = "geo"
    HUSHED = "hushed"
    DARK = "dark"
    OUTAGE = "outage"
    GONE_DARK = "gone_dark"
    IPV6 = "ipv6"
    DUAL = "dual"
    HEAD = "head"
    SOFT_ID = "soft_id"
    EMPTIED = "emptied"
    STORE = "store"
    GATED = "gated"
    REENCODED = "reencoded"
    NODES = "nodes"
    SILENCE = "silence"
    TWO = "two"
    UNSEEN = "unseen"
    GATED_FIRST = "gated_first"
    FRAGMENT = "fragment"


APART = frozenset({Story.TLS, Story.OUTAGE, Story.GONE_DARK})
"""What happens to a whole address, which nobody else has."""

TROUBLE = APART | {
    *(Story.FLAPPING, Story.BLOCKED, Story.ODD, Story.GEO, Story.HUSHED, Story.DARK),
    *(Story.IPV6, Story.DUAL, Story.HEAD, Story.GATED, Story.SILENCE, Story.TWO),
    Story.GATED_FIRST,
}
SOFT = frozenset({Story.SOFT_REDIRECT, Story.SOFT_SAME, Story.SOFT_ID, Story.STORE, Story.UNSEEN})
"""Removed by what the host always answered for whatever it does not have."""

OWN_HOST = (
    TROUBLE
    | SOFT
    | {
        *(Story.DOMAIN, Story.MOVED, Story.EMPTIED, Story.REENCODED, Story.NODES),
        Story.FRAGMENT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderScript:
    """One fictional provider: its place in the address space, its size and its manners.

    `share` is its part of all cases; `mix` weighs the stories of its URLs. `resellers` rent a prefix of it each.
    Of a provider that refuses mail, `untold` is the story of what no notice told it of (None: as any other), and of
    `police_every` cases that its form refused the police pass one on (0: none).
    """

    id: str
    name: str
    country: str
    prefixes: tuple[str, ...]
    share: float
    networks: int
    addresses_per_network: int
    hosts: int
    mix: Mapping[Story, float] = field(default_factory=dict)
    refuses_mail: bool = False
    role: Literal["hosting", "proxy"] = "hosting"
    resellers: tuple[tuple[str, str], ...] = ()
    untold: Story | None = None
    police_every: int = 0

    def leaving_out(self, stories: frozenset[Story]) -> "ProviderScript":
        """Give it without some stories; the others take their place."""
        return replace(self, mix={s: w for s, w in self.mix.items() if s not in stories})

    def map_lines(self) -> Iterator[str]:
        """Write it as the operator's provider map has it."""
        yield from ("[[provider]]", f'id = "{self.id}"', f'name = "{self.name}"')
        yield from (f'country = "{self.country}"', f'role = "{self.role}"')
        for prefix in self.prefixes:
            yield from ("[[provider.prefix]]", f'cidr = "{prefix}"')
            yield "valid_from = 2020-01-01T00:00:00Z"
        for reseller, prefix in self.resellers:
            yield from ("[[provider.reseller]]", f'id = "{reseller}"', f'cidr = ["{prefix}"]')
        yield ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A simulated stretch of time; every `*_hours` is scaled by `hour_seconds`.

    `form_addresses` and `form_window_hours` bound the web form of providers that refuse mail; it is tried `form_tries`
    times for one case.
    `blackouts` and `canary_downs` are (from, to) in seconds after the start, `losses` (from, to, share of the packets),
    `blocks` (from, to, the vantage that every host keeps out). `trouble_addresses` are those of hosts that misbehave,
    per network; `refusing_hosts` have an address of their own, which nobody listens on at times.
    `dark_hours` is how long a host must have been dark before that alone shows that it is gone.
    """

    name: str
    providers: tuple[ProviderScript, ...]
    cases: int = 400
    hour_seconds: float = 2.0
    norm_hours: float = 24.0
    arrival_hours: float = 8.0
    watch_hours: float = 47.0
    settle_hours: float = 6.5
    dark_hours: float = 60.0
    form_addresses: int = 5
    form_window_hours: float = 8.0
    form_tries: int = 4
    sealed_share: float = 0.5
    second_reports: int = 6
    duplicates: int = 8
    retractions: int = 1
    holds: int = 1
    late_events: int = 1
    poison: int = 1
    ttl_seconds: int = 1
    removals: tuple[Behaviour, ...] = REMOVALS
    faults: tuple[Behaviour, ...] = FAULTS
    walls: tuple[Behaviour, ...] = BLOCKS
    refusing_hosts: int = 2
    trouble_networks: int = 1
    trouble_addresses: int = 8
    blackouts: tuple[Window, ...] = ()
    canary_downs: tuple[Window, ...] = ()
    losses: tuple[Loss, ...] = ()
    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what can't be played."""
        if self.cases < 1 or self.hour_seconds <= 0:
            raise ConfigError("a scenario needs at least one case and an hour longer than nothing")
        if not 0.99 < sum(p.share for p in self.providers) < 1.01:
            raise ConfigError(f"scenario {self.name}: the providers' shares must add up to 1")

    def seconds(self, hours: float) -> float:
        """Scale hours of the article to seconds of the simulation."""
        return hours * self.hour_seconds


_GIANT_MIX = {
    Story.PROMPT: 0.705,
    Story.CLOSE: 0.010,
    Story.LATE: 0.070,
    Story.NEVER: 0.040,
    Story.GONE_BEFORE: 0.030,
    Story.SOFT_REDIRECT: 0.025,
    Story.SOFT_SAME: 0.010,
    Story.DOMAIN: 0.020,
    Story.FLAPPING: 0.030,
    Story.BLOCKED: 0.025,
    Story.RETURNED: 0.015,
    Story.RETURNED_LATE: 0.008,
    Story.MOVED: 0.012,
}
_REFUSER_MIX = {Story.LATE: 0.3, Story.NEVER: 0.5, Story.PROMPT: 0.2}
_RESELLER_MIX = {Story.PROMPT: 0.6, Story.LATE: 0.2, Story.SOFT_REDIRECT: 0.2}
_SMALL_MIX = {Story.PROMPT: 0.7, Story.NEVER: 0.1, Story.DOMAIN: 0.2}

PROVIDERS = (
    ProviderScript(
        id="giant",
        name="Grootnet Hosting",
        country="NL",
        prefixes=("127.16.0.0/16",),
        share=0.94,
        networks=16,
        addresses_per_network=2,
        hosts=54,
        mix=_GIANT_MIX,
    ),
    ProviderScript(
        id="refuser",
        name="Zwijgzaam Servers",
        country="NL",
        prefixes=("127.17.0.0/16",),
        share=0.03,
        networks=2,
        addresses_per_network=2,
        hosts=4,
        mix=_REFUSER_MIX,
        refuses_mail=True,
    ),
    ProviderScript(
        id="pixelnest",
        name="Pixelnest Images, reseller at Grootnet",
        country="NL",
        prefixes=("127.16.200.0/24", "127.16.201.0/24"),
        share=0.012,
        networks=2,
        addresses_per_network=2,
        hosts=2,
        mix=_RESELLER_MIX,
    ),
    ProviderScript(
        id="laagland",
        name="Laagland Cloud",
        country="NL",
        prefixes=("127.18.0.0/16",),
        share=0.009,
        networks=2,
        addresses_per_network=2,
        hosts=2,
        mix=_SMALL_MIX,
    ),
    ProviderScript(
        id="kustweb",
        name="Kustweb",
        country="BE",
        prefixes=("127.19.0.0/16",),
        share=0.009,
        networks=2,
        addresses_per_network=2,
        hosts=2,
        mix=_SMALL_MIX,
    ),
)


def demo(
    cases: int = 400, hour_seconds: float = 2.0, without: frozenset[Story] = frozenset()
) -> Scenario:
    """The demo: the article's skew; a norm of 48 s and a watch of 94 s with the defaults.

    `without` leaves stories out; the others of the same provider take their place.
    """
    providers = tuple(script.leaving_out(without) for script in PROVIDERS)
    return Scenario(name="demo", providers=providers, cases=cases, hour_seconds=hour_seconds)


_HARD_MIX = {
    Story.PROMPT: 0.08,
    Story.CLOSE: 0.01,
    Story.LATE: 0.04,
    Story.NEVER: 0.03,
    Story.GONE_BEFORE: 0.02,
    Story.SOFT_REDIRECT: 0.03,
    Story.SOFT_SAME: 0.03,
    Story.DOMAIN: 0.03,
    Story.FLAPPING: 0.16,
    Story.BLOCKED: 0.10,
    Story.RETURNED: 0.03,
    Story.RETURNED_LATE: 0.02,
    Story.MOVED: 0.03,
    Story.ODD: 0.10,
    Story.TLS: 0.05,
    Story.GEO: 0.05,
    Story.HUSHED: 0.05,
    Story.DARK: 0.03,
    Story.OUTAGE: 0.03,
    Story.GONE_DARK: 0.04,
    Story.IPV6: 0.03,
    Story.DUAL: 0.03,
    Story.HEAD: 0.08,
    Story.SOFT_ID: 0.03,
    Story.EMPTIED: 0.02,
    Story.STORE: 0.02,
    Story.GATED: 0.06,
    Story.REENCODED: 0.02,
    Story.NODES: 0.02,
    Story.SILENCE: 0.02,
    Story.TWO: 0.03,
    Story.UNSEEN: 0.02,
    Story.GATED_FIRST: 0.04,
    Story.FRAGMENT: 0.01,
}


def gauntlet(
    cases: int = 300, hour_seconds: float = 2.0, without: frozenset[Story] = frozenset()
) -> Scenario:
    """The gauntlet: the demo's providers on their worst day, with every behaviour that there is.

    A removal may wait for a canary or a vantage that is down for hours, so it has longer to be found.
    """
    hard = (_hardened(script) if script.id == "giant" else script for script in PROVIDERS)
    return Scenario(
        name="gauntlet",
        providers=tuple(script.leaving_out(without) for script in hard),
        cases=cases,
        hour_seconds=hour_seconds,
        settle_hours=12.0,
        dark_hours=12.0,
        faults=HOSTILE,
        walls=WALLS,
        refusing_hosts=8,
        trouble_networks=6,
        trouble_addresses=32,
    )


def _hardened(script: ProviderScript) -> ProviderScript:
    return replace(script, mix=_HARD_MIX, prefixes=(*script.prefixes, IPV6_NETWORK))
