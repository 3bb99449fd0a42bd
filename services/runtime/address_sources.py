"""Open the sources that say who answers for an address, each within its limits, as the settings name them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from services.attribution.attributor import AddressAttributor
from services.attribution.dns_sources import AbusixSource, CymruSource, TextResolver
from services.attribution.lookup import AddressSource
from services.attribution.provider_book import ProviderBook
from services.attribution.rdap.bootstrap import RdapBootstrap
from services.attribution.rdap_source import RdapSource, rdap_session
from services.attribution.source_guard import GuardedSource
from services.attribution.source_limits import SourceLimits
from services.exporter import metrics
from services.runtime.attributing import placeholder_list, provider_book
from services.runtime.settings import Settings, split_nameserver
from services.runtime.system_resolvers import system_resolvers

Clock = Callable[[], datetime]


class Attributing(NamedTuple):
    """What attributes addresses, and the sources of contacts in the order in which they are asked."""

    book: ProviderBook
    attributor: AddressAttributor
    contacts: tuple[GuardedSource, ...]


@asynccontextmanager
async def open_attribution(settings: Settings, clock: Clock) -> AsyncIterator[Attributing]:
    """Open the sources that are set, and close them at the end."""
    async with AsyncExitStack() as stack:
        guard = _guarding(settings, clock)
        sources, contacts = [], []
        if settings.attribution.cymru_zone is not None:
            sources.append(
                guard(CymruSource(_resolver(settings), settings.attribution.cymru_zone, clock))
            )
        if settings.attribution.abusix_zone is not None:
            contacts.append(guard(_abusix(settings, settings.attribution.abusix_zone, clock)))
        if settings.attribution.rdap_bootstrap is not None:
            registries = guard(await _registries(settings, clock, stack))
            sources.append(registries)
            contacts.append(registries)
        reach = timedelta(seconds=settings.attribution.reach_seconds)
        book = provider_book(settings)
        yield Attributing(
            book,
            AddressAttributor(book, sources, clock=clock, reach=reach),
            tuple(contacts),
        )


def _guarding(settings: Settings, clock: Clock) -> Callable[[AddressSource], GuardedSource]:
    section = settings.attribution
    limits = SourceLimits(
        per_second=section.queries_per_second,
        per_day=section.queries_per_day,
        failures=section.failures,
        pause_seconds=section.pause_seconds,
    )

    def guard(source: AddressSource) -> GuardedSource:
        return GuardedSource(
            source,
            limits,
            clock,
            keep=timedelta(seconds=section.cache_seconds),
            count=_count,
        )

    return guard


def _count(source: str, result: str) -> None:
    metrics.SOURCE_QUESTIONS.labels(source, result).inc()


def _resolver(settings: Settings) -> TextResolver:
    listed = [split_nameserver(text) for text in settings.attribution.nameservers]
    return TextResolver(
        listed or system_resolvers("set TAKEDOWN_ATTRIBUTION_NAMESERVERS"),
        timeout_seconds=settings.attribution.timeout_seconds,
    )


def _abusix(settings: Settings, zone: str, clock: Callable[[], datetime]) -> AbusixSource:
    return AbusixSource(_resolver(settings), zone, placeholder_list(settings), clock)


async def _registries(settings: Settings, clock: Clock, stack: AsyncExitStack) -> RdapSource:
    section = settings.attribution
    assert section.rdap_bootstrap is not None
    session = await stack.enter_async_context(rdap_session(section.timeout_seconds))
    return RdapSource(
        session,
        RdapBootstrap.load(Path(section.rdap_bootstrap)),
        placeholder_list(settings),
        clock,
        timeout_seconds=section.timeout_seconds,
    )
