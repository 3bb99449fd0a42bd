"""Debian's blackbox_exporter and our looks at the same scripted sites: one answer where the question is one."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from schemas.urls import canonical
from services.probing.dns.resolver import Resolver, ResolverLimits
from services.probing.guard.guard import Guard
from services.probing.look.looker import Looker, Target
from services.simulation.certificate import careless_context
from tests.as_configured import look_limits, looker_options
from tests.blackbox import GET_MODULE, VERIFYING_MODULE, Blackbox, blackbox, dns_module
from tests.integration.looksites import NameServer, Site
from tests.operations.blackbox_rows import PAGE, ROWS, Row, page, whole

LIMITS = look_limits(total_seconds=2.0, exchange_seconds=1.0, connect_seconds=1.0)
CASE = "0123456789abcdef0123456789abcdef"


class Said(Struct):
    """What each said of a row."""

    verdict: str
    reason: str
    up: bool


def modules() -> dict[str, dict]:
    """Give the exporter's modules: two for sites, one for each row about a name."""
    found = {"http": GET_MODULE, "tls": GET_MODULE, "verified": VERIFYING_MODULE}
    names = {name_of(number): number for number, row in enumerate(ROWS) if row.kind == "dns"}
    return found | {f"dns{number}": dns_module(name) for name, number in names.items()}


def name_of(number: int) -> str:
    return f"h{number}.example"


async def ask_both(number: int, exporter: Blackbox, tls: ssl.SSLContext) -> Said:
    """Serve a row's site under a name, and ask both about it."""
    row = ROWS[number]
    host, said = name_of(number), row.name
    names = await NameServer({host: list(said) if isinstance(said, tuple) else said}).start()
    async with _site(row, tls) as site, _looker(names) as looker:
        scheme = "https" if row.kind in ("tls", "verified") else "http"
        url = canonical(f"{scheme}://{host}:{site.port}/x")
        look = looker.look(Target(CASE, url), datetime.now(UTC))
        if row.kind == "dns":
            probe = exporter.probe(f"127.0.0.1:{names.port}", f"dns{number}")
        else:
            module = "http" if row.kind == "refused" else row.kind
            probe = exporter.probe(f"{scheme}://127.0.0.1:{site.port}/x", module)
        made, found = await asyncio.gather(look, probe)
    await names.stop()
    return Said(made.verdict, made.reason, found["probe_success"] == 1.0)


@contextlib.asynccontextmanager
async def _site(row: Row, tls: ssl.SSLContext) -> AsyncIterator[Site]:
    site = Site({"/x": row.at or whole(200), **row.also}, row.missing)
    encrypted = row.kind in ("tls", "verified")
    await site.start("127.0.0.1", "127.0.0.2", tls=tls if encrypted else None)
    if row.kind == "refused":
        await site.stop()
    try:
        yield site
    finally:
        await site.stop()


def _looker(names: NameServer) -> Looker:
    """Make a looker that knows nothing from another row."""
    guard = Guard("simulated", None)
    limits = ResolverLimits(try_seconds=0.5, total_seconds=1.5)
    return Looker(
        guard=guard,
        resolver=Resolver([("127.0.0.1", names.port)], guard, limits),
        vantage="beside",
        clock=lambda: datetime.now(UTC),
        **looker_options(limits=LIMITS),
    )


async def test_both_say_what_the_table_says(blackbox_binary: Path) -> None:
    """Each row's site gets its verdict from us and its up or down from the exporter."""
    tls = careless_context(lambda _: True)
    async with blackbox(modules()) as exporter:
        few = asyncio.Semaphore(8)

        async def ask(number: int) -> Said:
            async with few:
                return await ask_both(number, exporter, tls)

        found = await asyncio.gather(*(ask(number) for number in range(len(ROWS))))
    wrong = {
        row.what: (said, Said(row.verdict, row.reason, row.up))
        for row, said in zip(ROWS, found, strict=True)
        if said != Said(row.verdict, row.reason, row.up)
    }
    assert wrong == {}


def test_every_difference_has_its_reason() -> None:
    """Where the two differ the table says why, and only there; most rows agree."""
    assert [row.what for row in ROWS if (row.why is None) != row.agrees] == []
    assert sum(row.agrees for row in ROWS) > 30


def test_the_page_is_written_from_the_table() -> None:
    """docs/blackbox-differential.md says what the table says; `python -m tests.operations.blackbox_rows` writes it."""
    assert PAGE.read_text("utf-8") == page()
