"""A name server, sites and a looker on loopback: what every test of a look needs."""

import asyncio
import ssl
import time
from datetime import UTC, datetime
from typing import Any

from schemas.events import LookMade
from schemas.urls import canonical
from services.core.reasons import REASONS
from services.probing.dns.resolver import Resolver, ResolverLimits
from services.probing.guard.guard import Guard
from services.probing.look.looker import Looker, Target
from tests.as_configured import look_limits, looker_options, politeness_limits
from tests.integration.looksites import NameServer, Site

CASE = "0123456789abcdef0123456789abcdef"
SLACK = 1.5
FAST = look_limits(total_seconds=2.0, exchange_seconds=0.6, connect_seconds=0.4)
RUDE = politeness_limits(
    address_per_second=1e6,
    network_per_second=1e6,
    address_concurrency=100,
    network_concurrency=100,
    backoff_seconds=0.0,
)


class Lab:
    """A name server, sites and a looker, all on loopback."""

    def __init__(self, names: NameServer) -> None:
        self.names = names
        self.sites: list[Site] = []
        self.lookers: list[Looker] = []
        self.guard = Guard("simulated", None)
        self.resolvers: list[Resolver] = []

    async def site(
        self, *addresses: str, tls: ssl.SSLContext | None = None, port: int = 0, **paths: Any
    ) -> Site:
        site = Site({f"/{name}": script for name, script in paths.items()}, port=port)
        self.sites.append(await site.start(*addresses, tls=tls))
        return site

    def resolver(self, **limits: Any) -> Resolver:
        chosen = ResolverLimits(**{"try_seconds": 0.2, "tries": 2} | limits)
        made = Resolver([("127.0.0.1", self.names.port)], self.guard, chosen)
        self.resolvers.append(made)
        return made

    def looker(self, **options: Any) -> Looker:
        given = looker_options() | {
            "guard": self.guard,
            "resolver": self.resolver(),
            "vantage": "lab",
            "clock": lambda: datetime.now(UTC),
            "limits": FAST,
            "politeness": RUDE,
        }
        self.lookers.append(Looker(**given | options))
        return self.lookers[-1]

    async def look(self, url: str, looker: Looker | None = None, **target: Any) -> LookMade:
        looker = looker or (self.lookers[0] if self.lookers else self.looker())
        begun = time.monotonic()
        target = {"case_id": CASE} | target
        made = await looker.look(Target(url=canonical(url), **target), datetime.now(UTC))
        assert time.monotonic() - begun < FAST.total_seconds + SLACK
        assert made.reason in REASONS
        assert made.started_at <= made.finished_at
        return made

    async def close(self) -> None:
        for looker in self.lookers:
            await looker.close()
        for resolver in self.resolvers:
            await resolver.close()
        for site in self.sites:
            await site.stop()
        await self.names.stop()
        for _ in range(3):
            await asyncio.sleep(0)
