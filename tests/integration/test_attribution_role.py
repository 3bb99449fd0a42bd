"""The role `attribution` on a real broker: what it states of looks, and what it leaves open until a source answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from consumers.attribution import open_addresses
from consumers.attribution.attribution_consumer import AttributionConsumer
from consumers.client.groups import ATTRIBUTION_GROUP
from schemas import codec
from schemas.events import AddressAttributed, Event, LookMade, Served
from schemas.topics import OBSERVATIONS, REPORTS
from services.attribution.attributor import AddressAttributor
from services.attribution.dns_sources import CymruSource, TextResolver
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.exporter.health import Health
from tests.attribution_kit import guarded
from tests.integration.ledger_kit import Lab, case_of, clock, event, report
from tests.networkworld import ORIGIN_ZONE, NetworkWorld
from tests.servers import eventually

MAP = """
[[provider]]
id = "giant"
name = "Giant"
asn = [64500]
[[provider.prefix]]
cidr = "192.0.2.0/24"
[[provider.prefix]]
cidr = "2001:db8::/32"
"""
START = clock() - timedelta(hours=1)
ABROAD = "198.51.100.1"


def look(number: int, minute: float, *addresses: str, served: bool = True) -> Event:
    at = START + timedelta(minutes=minute)
    data = LookMade(
        vantage="v1",
        tick=at,
        started_at=at,
        finished_at=at,
        verdict="online" if served else "removed",
        reason="test",
        served=tuple(Served(address=one, online=served, gone=not served) for one in addresses),
    )
    return event(case_of(number), at, data)


def attributor(world: NetworkWorld | None = None) -> AddressAttributor:
    sources = []
    if world is not None:
        resolver = TextResolver([world.nameserver], timeout_seconds=0.5)
        sources.append(CymruSource(resolver, ORIGIN_ZONE, clock))
    book = ProviderBook(ProviderMap.parse(MAP))
    return AddressAttributor(book, guarded(sources, clock), clock=clock)


def group_of(lab: Lab) -> str:
    """Name a group of this test alone: topics are new in each, and offsets outlive them."""
    return f"{ATTRIBUTION_GROUP}-{id(lab)}"


@asynccontextmanager
async def working(lab: Lab, world: NetworkWorld | None = None) -> AsyncIterator[None]:
    """Have a member of the role run; raises what it raised."""
    stop = asyncio.Event()
    role = AttributionConsumer(lab.kafka, attributor(world), Health(), group=group_of(lab))
    task = asyncio.create_task(role.run(stop))
    yield
    stop.set()
    await asyncio.wait_for(task, 20)


async def statements(lab: Lab) -> list[Event]:
    """Give what the role stated, duplicates included."""
    events = []
    for record in await lab.read(REPORTS.name):
        incoming = codec.decode(record.value, record.headers, REPORTS)
        if isinstance(incoming.data, AddressAttributed):
            assert incoming.id is not None
            case_id, data = str(incoming.subject), incoming.data
            events.append(
                Event(id=incoming.id, time=incoming.time, source=incoming.source, case_id=case_id, data=data)
            )  # fmt: skip
    return events


async def committed(lab: Lab) -> int:
    """Count the records that the group will not read again."""
    admin = AIOKafkaAdminClient(**lab.kafka.client_options())
    await admin.start()
    try:
        return sum(
            place.offset
            for place in (await admin.list_consumer_group_offsets(group_of(lab))).values()
        )
    finally:
        await admin.close()


def told(events: list[Event]) -> list[tuple[str, str | None, str, datetime]]:
    rows = []
    for one in events:
        assert isinstance(one.data, AddressAttributed)
        rows.append((one.data.address or "", one.data.provider, one.data.method, one.time))
    return sorted(rows)


async def test_every_address_that_served_once(ledger: Lab) -> None:
    """Both families are attributed as of their first look; what gave nothing, or is unknown to all, is not."""
    first = look(1, 0, "192.0.2.1", "2001:db8::1", ABROAD)
    gone = look(1, 1, "192.0.2.9", served=False)
    looks = [
        first,
        gone,
        *[look(1, n, "192.0.2.1") for n in range(2, 5)],
        look(2, 5, "192.0.2.1"),
    ]
    await ledger.produce(looks)
    await ledger.produce_raw([(OBSERVATIONS.name, b"key", b"no event", [])])
    async with working(ledger):

        async def done() -> bool:
            return len(await statements(ledger)) >= 3

        await eventually("statements", done)
    events = await statements(ledger)
    assert told(events) == [
        ("192.0.2.1", "giant", "map", START),
        ("192.0.2.1", "giant", "map", START + timedelta(minutes=5)),
        ("2001:db8::1", "giant", "map", START),
    ]
    assert {one.case_id for one in events} == {case_of(1), case_of(2)}
    assert await committed(ledger) == 7


async def test_source_that_comes_back(ledger: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address waits while its source is down, the commit before it, and its fold knows the provider afterwards."""
    monkeypatch.setattr(open_addresses, "_FIRST_SECONDS", 0.2)
    async with NetworkWorld(origins={ABROAD: "servfail"}) as world:
        await ledger.produce(
            [report(1, START), look(1, 1, "192.0.2.1"), look(1, 2, ABROAD), look(1, 3, ABROAD)]
        )
        async with working(ledger, world):

            async def down() -> bool:
                return sum(world.queries.values()) > 1

            await eventually("questions", down)
            assert [row[0] for row in told(await statements(ledger))] == ["192.0.2.1"]
            world.origins = {ABROAD: [f"64500 | {ABROAD.rpartition('.')[0]}.0/24 | NL"]}

            async def answered() -> bool:
                return len(await statements(ledger)) == 2

            await eventually("the answer", answered)
    stated = await statements(ledger)
    assert told(stated)[1] == (ABROAD, "giant", "cymru", START + timedelta(minutes=2))
    ledger.sent += len(stated)
    await ledger.take()
    spells = await ledger.pool.fetch("SELECT provider FROM spells")
    assert [row["provider"] for row in spells] == ["giant"]


async def test_second_process_asks_for_what_was_left_open(ledger: Lab) -> None:
    """What waited when a process ended is asked for by the next one; statements made again have the same names."""
    await ledger.produce([look(n, n, "192.0.2.1") for n in range(5)] + [look(9, 9, ABROAD)])
    async with NetworkWorld(origins={ABROAD: "servfail"}) as world:
        async with working(ledger, world):

            async def stated() -> bool:
                return len(await statements(ledger)) == 5 and sum(world.queries.values()) > 0

            await eventually("statements", stated)
        assert await committed(ledger) < 6
        world.origins = {ABROAD: ["64500 | 198.51.100.0/24 | NL"]}
        async with working(ledger, world):

            async def answered() -> bool:
                return any(row[0] == ABROAD for row in told(await statements(ledger)))

            await eventually("the answer", answered)
    names = [one.id for one in await statements(ledger)]
    assert len(set(names)) == 6
