"""Build the prober: guard, resolver, looker, work list."""

import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from consumers.prober.options import DRAIN_SECONDS, ProberSettings
from consumers.prober.prober_consumer import Prober
from schemas.errors import ConfigError
from schemas.methodology import Methodology, seconds, shipped
from schemas.urls import canonical
from services.attribution.provider_book import ProviderBook
from services.exporter.health import Health
from services.exporter.metrics import prepare_vantage
from services.probing.dns.resolver import Resolver, ResolverLimits
from services.probing.guard.families import BOTH, Families, routed_families
from services.probing.guard.guard import WEB_PORTS, Guard
from services.probing.http.egress import Egress, proxy_of
from services.probing.limits.rates import TOTAL_BURST, PolitenessLimits
from services.probing.look.darkness import DarknessLimits
from services.probing.look.identity import NEUTRAL_AGENT, identified_agent, require_identity
from services.probing.look.looker import Looker
from services.probing.look.memory import (
    CONTROL_RETRY_SECONDS,
    EXCHANGE_SECONDS,
    FRONT_INTERVAL_SECONDS,
    LookLimits,
)
from services.probing.look.selfcheck import SelfCheck, SelfCheckLimits
from services.runtime.attributing import provider_book
from services.runtime.book_watch import following_files
from services.runtime.endpoints import read_endpoints
from services.runtime.kafka_login import kafka_connection
from services.runtime.keyfile import load_keyring
from services.runtime.methods import methodology
from services.runtime.settings import Probe, Settings, operator_of, split_nameserver
from services.runtime.system_resolvers import system_resolvers

_FRONTS_IN_THE_DARK = 6


@asynccontextmanager
async def open_prober(
    settings: Settings, health: Health, clock: Callable[[], datetime]
) -> AsyncIterator[Prober]:
    """Build a prober and close what it holds at the end."""
    prepare_vantage(settings.vantage.name)
    book = provider_book(settings)
    async with (
        build_looker(settings, clock, book) as looker,
        following_files(settings, book, health),
    ):
        yield Prober(
            kafka_connection(settings, f"takedown-prober-{settings.vantage.name}"),
            looker,
            load_keyring(settings),
            methodologies=_methodologies(settings),
            vantage=settings.vantage.name,
            health=health,
            clock=clock,
            role=settings.vantage.role,
            settings=_prober_settings(settings),
        )


def build_looker(
    settings: Settings, clock: Callable[[], datetime], book: ProviderBook | None = None
) -> Looker:
    """Build the looker; raises `ConfigError` if nobody is named as responsible for public probing.

    `book`: what attributes addresses; by default what the settings name.
    """
    probe = settings.probe
    guard = _guard(settings)
    method = methodology(settings.methodology)
    canary = None if probe.canary_url is None else canonical(probe.canary_url)
    return Looker(
        guard=guard,
        resolver=Resolver(
            _nameservers(probe),
            guard,
            _resolving(probe, method),
            operators=tuple(operator_of(text) for text in probe.nameservers),
        ),
        vantage=settings.vantage.name,
        clock=clock,
        providers=book or provider_book(settings),
        canary=canary,
        canary_interval_seconds=probe.canary_interval_seconds,
        agent=_agent(probe),
        agent_kind=probe.agent,
        limits=_limits(probe, method),
        politeness=_politeness(probe),
        selfcheck=SelfCheck(SelfCheckLimits.within(method.host_dark_span)),
        egress=_egress(probe),
    )


def _guard(settings: Settings) -> Guard:
    probe = settings.probe
    if probe.mode == "off":
        raise ConfigError("TAKEDOWN_PROBE_MODE is off; set simulated or public")
    if probe.mode == "public":
        require_identity(probe.operator, probe.contact, probe.legal_basis)
    simulated = probe.mode == "simulated"
    default = None if simulated else WEB_PORTS
    return Guard(
        "simulated" if simulated else "public",
        frozenset(probe.ports) or default,
        own_listeners=_own_listeners(settings),
        extra_denied=probe.denied_networks,
    )


def _own_listeners(settings: Settings) -> list[tuple[str, int]]:
    """List the monitor's own listeners: no look may ever reach them."""
    endpoints = read_endpoints(settings.data_path)
    addresses = [f"{settings.http.host}:{settings.http.port}"]
    addresses += (settings.kafka.bootstrap_servers or "").split(",")
    addresses += list(endpoints.http.values()) if endpoints is not None else []
    if settings.probe.egress_proxy is not None:
        proxy = proxy_of(settings.probe.egress_proxy)
        addresses.append(f"{proxy.host}:{proxy.port}")
    split = [address.strip().rpartition(":") for address in addresses if address]
    listeners = [(_anywhere(host.strip("[]"), int(port)), int(port)) for host, _, port in split]
    return listeners + (_nameservers(settings.probe) if settings.probe.nameservers else [])


def _anywhere(host: str, port: int) -> str:
    """Keep a listener's address; one that has a name is refused wherever that may lead, but for the web's ports."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host if port in WEB_PORTS else ""


def _nameservers(probe: Probe) -> list[tuple[str, int]]:
    if probe.nameservers:
        return [split_nameserver(text) for text in probe.nameservers]
    return system_resolvers("set TAKEDOWN_PROBE_NAMESERVERS to your own")


def _agent(probe: Probe) -> str:
    if probe.user_agent is not None:
        return probe.user_agent
    if probe.agent == "neutral":
        return NEUTRAL_AGENT
    return identified_agent(probe.operator, probe.contact)


def _resolving(probe: Probe, method: Methodology) -> ResolverLimits:
    """Let a silent name server take no more than a part of a look's time: a lost datagram must not end the look."""
    most = ResolverLimits()
    return ResolverLimits(
        try_seconds=min(most.try_seconds, probe.timeout_seconds / 5),
        total_seconds=min(most.total_seconds, probe.timeout_seconds * 0.6),
        family_seconds=_retry(method),
    )


def _limits(probe: Probe, method: Methodology) -> LookLimits:
    darkness = DarknessLimits.within(method.host_dark_span)
    return LookLimits(
        total_seconds=probe.timeout_seconds,
        exchange_seconds=min(EXCHANGE_SECONDS, probe.timeout_seconds),
        connect_seconds=min(probe.connect_seconds, probe.timeout_seconds),
        # A request that the rate limits admit must not wait again for a connection, and time out there.
        connections_per_host=_share(probe, probe.address_concurrency),
        darkness=darkness,
        front_interval_seconds=_front_interval(darkness),
        control_retry_seconds=_retry(method),
        families=families_of(probe),
    )


def _front_interval(darkness: DarknessLimits) -> float:
    """Believe a front page for so short a time that one that lived before its host went dark does not hide that."""
    return min(FRONT_INTERVAL_SECONDS, darkness.seconds / _FRONTS_IN_THE_DARK)


def _retry(method: Methodology) -> float:
    """Let the first look that confirms ask again for what got lost at the look that it confirms."""
    first = [seconds(text) for text in method.cadence.confirm[:1]]
    return min(first, default=CONTROL_RETRY_SECONDS)


def families_of(probe: Probe, routed: Callable[[], Families] = routed_families) -> Families:
    """Return the address families that requests can use: the bound address's, or those with a route."""
    if probe.bind_address is not None:
        return frozenset({6 if ":" in probe.bind_address else 4})
    # What a proxy reaches is not ours to know, and loopback has no route of its own.
    straight = probe.mode == "public" and probe.egress_proxy is None
    return routed() if straight else BOTH


def _egress(probe: Probe) -> Egress:
    proxy = None if probe.egress_proxy is None else proxy_of(probe.egress_proxy)
    return Egress(proxy, probe.bind_address)


def _politeness(probe: Probe) -> PolitenessLimits:
    """Return one process's share of the rate limits of an address, a network and all together.

    Partitions are by case, so that every process of a vantage meets the same hosts.
    """
    processes = probe.processes
    return PolitenessLimits(
        address_per_second=probe.address_per_second / processes,
        address_burst=_share(probe, probe.address_burst),
        address_concurrency=_share(probe, probe.address_concurrency),
        network_per_second=probe.network_per_second / processes,
        network_burst=_share(probe, probe.network_burst),
        network_concurrency=_share(probe, probe.network_concurrency),
        max_wait_seconds=probe.max_wait_seconds,
        backoff_ceiling_seconds=probe.backoff_ceiling_seconds,
        total_per_second=probe.requests_per_second / processes,
        total_burst=_share(probe, TOTAL_BURST),
        # A simulation may pack weeks into a day.
        looks_per_day=probe.looks_per_day if probe.mode == "public" else None,
    )


def _share(probe: Probe, whole: int) -> int:
    """Return one process's share of a count: at least one."""
    return max(whole // probe.processes, 1)


def _methodologies(settings: Settings) -> dict[str, Methodology]:
    """Return all methodologies, the configured one first: its cadence serves entries that name an unknown one."""
    first = methodology(settings.methodology)
    return {first.id: first} | {m.id: m for m in shipped().values() if m.id != first.id}


def _prober_settings(settings: Settings) -> ProberSettings:
    return ProberSettings(
        concurrency=settings.probe.concurrency,
        looks_per_second=settings.probe.looks_per_second / settings.probe.processes,
        resolution=settings.probe.resolution_seconds,
        drain_seconds=min(DRAIN_SECONDS, settings.stop_seconds / 2),
    )
