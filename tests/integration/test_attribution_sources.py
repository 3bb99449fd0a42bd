"""The sources against a scripted DNS and RDAP world on loopback: what they ask, and what they make of the answers."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from services.attribution.dns_sources import AbusixSource, CymruSource, TextResolver
from services.attribution.lookup import NoAnswer, SourceAnswer, SourceSilence
from services.attribution.mailboxes import Placeholders
from services.attribution.rdap.bootstrap import RdapBootstrap
from services.attribution.rdap_source import RdapSource, rdap_session
from services.attribution.source_guard import GuardedSource
from services.attribution.source_limits import SourceLimits
from tests.networkworld import CONTACT_ZONE, ORIGIN_ZONE, NetworkWorld

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
ADDRESS, SECOND, SIX = "192.0.2.1", "192.0.2.2", "2001:db8::1"


LIMITS: dict[str, Any] = {"per_second": 50, "per_day": 1000, "failures": 5, "pause_seconds": 60}


def now() -> datetime:
    return NOW


@pytest.fixture
async def world() -> AsyncIterator[NetworkWorld]:
    async with NetworkWorld() as running:
        yield running


def resolver(*nameservers: tuple[str, int]) -> TextResolver:
    return TextResolver(nameservers, timeout_seconds=0.4)


def cymru(world: NetworkWorld) -> CymruSource:
    return CymruSource(resolver(world.nameserver), ORIGIN_ZONE, now)


async def test_origins_of_both_families(world: NetworkWorld) -> None:
    """An address of either family is asked for, and all numbers of the answer are kept."""
    world.origins = {
        ADDRESS: ["64501 64500 | 192.0.2.0/24 | NL | x | y"],
        SIX: ["64502 | 2001:db8::/32 | DE"],
    }
    four = await cymru(world).look_up(ADDRESS)
    six = await cymru(world).look_up(SIX)
    assert four == SourceAnswer(
        prefix="192.0.2.0/24", as_numbers=(64500, 64501), country="NL", answered_at=NOW
    )
    assert six == SourceAnswer(
        prefix="2001:db8::/32", as_numbers=(64502,), country="DE", answered_at=NOW
    )


async def test_answer_over_tcp(world: NetworkWorld) -> None:
    """An answer that was cut over UDP is asked for over TCP."""
    world.origins = {ADDRESS: ["cut", "64500 | 192.0.2.0/24 | NL"]}
    assert isinstance(await cymru(world).look_up(ADDRESS), SourceAnswer)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("servfail", NoAnswer(failure="refused")),
        ("silent", NoAnswer(failure="timeout")),
        (["64500 | 198.51.100.0/24 | NL"], NoAnswer(failure="unreadable")),
        (None, SourceSilence(answered_at=NOW)),
    ],
)
async def test_no_origin(world: NetworkWorld, script: Any, expected: object) -> None:
    """A refusal, a silence and an answer about somebody else are no answer; that the name does not exist is one."""
    world.origins = {} if script is None else {ADDRESS: script}
    assert await cymru(world).look_up(ADDRESS) == expected


async def test_next_name_server(world: NetworkWorld) -> None:
    """A name server that fails leaves the question to the next one."""
    world.origins = {ADDRESS: ["64500 | 192.0.2.0/24 | NL"]}
    async with NetworkWorld(origins={ADDRESS: "servfail"}) as broken:
        source = CymruSource(resolver(broken.nameserver, world.nameserver), ORIGIN_ZONE, now)
        assert isinstance(await source.look_up(ADDRESS), SourceAnswer)


async def test_contact(world: NetworkWorld) -> None:
    """A contact over DNS holds for its one address."""
    world.contacts = {ADDRESS: ["abuse@h.example"]}
    source = AbusixSource(resolver(world.nameserver), CONTACT_ZONE, Placeholders(), now)
    answer = await source.look_up(ADDRESS)
    assert isinstance(answer, SourceAnswer)
    assert answer.prefix is None
    assert answer.contact is not None
    assert answer.contact.mailboxes == ("abuse@h.example",)
    assert await source.look_up(SECOND) == SourceSilence(answered_at=NOW)


async def _rdap(world: NetworkWorld, folder: Path, address: str, **options: Any) -> object:
    bootstrap = RdapBootstrap.load(world.bootstrap(folder, **options))
    async with rdap_session(0.4) as session:
        source = RdapSource(session, bootstrap, Placeholders(), now, timeout_seconds=0.4)
        return await source.look_up(address)


NETWORK = {
    "startAddress": "192.0.2.0",
    "endAddress": "192.0.3.127",
    "country": "NL",
    "arin_originas0_originautnums": [64500],
    "entities": [{"roles": ["abuse"], "vcardArray": ["vcard", [["email", {}, "text", "abuse@h.example"]]]}],
}  # fmt: skip


async def test_registry(world: NetworkWorld, tmp_path: Path) -> None:
    """A registry is asked for the address alone; of a range of several prefixes the one that holds it is named."""
    world.rdap = {"192.0.3.1": NETWORK}
    answer = await _rdap(world, tmp_path, "192.0.3.1")
    assert isinstance(answer, SourceAnswer)
    assert (answer.prefix, answer.as_numbers, answer.country) == ("192.0.3.0/25", (64500,), "NL")
    assert answer.contact is not None
    assert answer.contact.mailboxes == ("abuse@h.example",)
    assert world.paths == ["/rdap/ip/192.0.3.1"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (404, SourceSilence(answered_at=NOW)),
        ({"errorCode": 404}, SourceSilence(answered_at=NOW)),
        ({**NETWORK, "endAddress": "192.0.2.255", "status": ["reserved"]}, SourceSilence(answered_at=NOW)),
        ({"errorCode": 501}, NoAnswer(failure="refused")),
        (500, NoAnswer(failure="refused")),
        (429, NoAnswer(failure="limited")),
        (b"<html>", NoAnswer(failure="unreadable")),
        (NETWORK | {"startAddress": "198.51.100.0", "endAddress": "198.51.100.255"}, NoAnswer(failure="unreadable")),
        ("http://elsewhere.example/ip/192.0.2.1", NoAnswer(failure="refused")),
        ("/rdap/ip/192.0.2.1", NoAnswer(failure="refused")),
    ],
)  # fmt: skip
async def test_no_registration(
    world: NetworkWorld, tmp_path: Path, script: Any, expected: object
) -> None:
    """An error, a range of somebody else and a redirect out of the bootstrap or without end are no answer."""
    world.rdap = {ADDRESS: script}
    assert await _rdap(world, tmp_path, ADDRESS) == expected


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("wish", "seconds"),
    [("120", 120.0), (format_datetime(NOW + timedelta(minutes=5), usegmt=True), 300.0), ("later", None)],
)  # fmt: skip
async def test_a_registry_says_for_how_long(
    world: NetworkWorld, tmp_path: Path, status: int, wish: str, seconds: float | None
) -> None:
    """Seconds and dates are taken over; what is neither leaves the pause to our own limits."""
    world.rdap, world.retry_after = {ADDRESS: status}, wish
    answer = await _rdap(world, tmp_path, ADDRESS)
    assert answer == NoAnswer(failure="limited", wait_seconds=seconds)


async def test_redirect_within_the_bootstrap(world: NetworkWorld, tmp_path: Path) -> None:
    """A registry may send us on to another server that the bootstrap names."""
    world.rdap = {ADDRESS: "/other/ip/192.0.2.2", SECOND: NETWORK}
    assert isinstance(await _rdap(world, tmp_path, ADDRESS), SourceAnswer)


async def test_no_registry(world: NetworkWorld, tmp_path: Path) -> None:
    """An address that no registry of the bootstrap speaks for is asked for nowhere."""
    answer = await _rdap(world, tmp_path, ADDRESS, prefixes=("198.51.100.0/24",))
    assert (answer, world.paths) == (SourceSilence(answered_at=NOW), [])


async def test_registry_that_is_not_there(world: NetworkWorld, tmp_path: Path) -> None:
    """A server that takes no connection is no answer."""
    async with NetworkWorld() as gone:
        port = gone.rdap_port
    world.rdap_port = port
    assert await _rdap(world, tmp_path, ADDRESS) == NoAnswer(failure="refused")


class _Clock:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


def guarded(world: NetworkWorld, clock: _Clock, **limits: Any) -> GuardedSource:
    return GuardedSource(
        cymru(world), SourceLimits(**(LIMITS | limits)), clock, keep=timedelta(hours=6)
    )


async def test_second_address_of_a_prefix(world: NetworkWorld) -> None:
    """A second address of the prefix asks nobody, until the answer is old; one beyond the /24 asks anew."""
    beyond = "192.0.3.1"
    texts = ["64500 | 192.0.0.0/16 | NL"]
    world.origins = {ADDRESS: texts, SECOND: texts, beyond: texts}
    clock = _Clock()
    source = guarded(world, clock)
    for address in (ADDRESS, SECOND, ADDRESS):
        assert isinstance(await source.look_up(address), SourceAnswer)
    assert sum(world.queries.values()) == 1
    await source.look_up(beyond)
    assert sum(world.queries.values()) == 2
    clock.at += timedelta(hours=6)
    await source.look_up(SECOND)
    assert sum(world.queries.values()) == 3


async def test_failure_is_not_kept(world: NetworkWorld) -> None:
    """A failed look-up is asked again; that there is nothing is kept for the one address."""
    world.origins = {ADDRESS: "servfail"}
    source = guarded(world, _Clock())
    assert await source.look_up(ADDRESS) == NoAnswer(failure="refused")
    world.origins = {ADDRESS: ["64500 | 192.0.2.0/24 | NL"]}
    assert (
        await source.look_up(SECOND)
        == await source.look_up(SECOND)
        == SourceSilence(answered_at=NOW)
    )
    assert isinstance(await source.look_up(ADDRESS), SourceAnswer)
    assert world.queries["2.2.0.192.origin.asn.example"] == 1


async def test_outage(world: NetworkWorld) -> None:
    """After so many failures nobody is asked any more, and that is no answer."""
    world.origins = {f"192.0.2.{n}": "servfail" for n in range(1, 6)}
    source = guarded(world, _Clock(), failures=3)
    answers = [await source.look_up(address) for address in world.origins]
    assert answers == [NoAnswer(failure="refused")] * 3 + [NoAnswer(failure="outage")] * 2
    assert sum(world.queries.values()) == 3


async def test_budget(world: NetworkWorld) -> None:
    """A budget that is used up is no answer."""
    world.origins = {
        ADDRESS: ["64500 | 192.0.2.0/25 | NL"],
        "192.0.2.129": ["64500 | 192.0.2.128/25 | NL"],
    }
    source = guarded(world, _Clock(), per_day=1)
    assert isinstance(await source.look_up(ADDRESS), SourceAnswer)
    assert await source.look_up("192.0.2.129") == NoAnswer(failure="budget")


async def test_nothing_but_digits_leaves(world: NetworkWorld, tmp_path: Path) -> None:
    """All that services hear is the digits of an address."""
    world.rdap = {ADDRESS: NETWORK}
    await cymru(world).look_up(ADDRESS)
    await _rdap(world, tmp_path, ADDRESS)
    assert list(world.queries) == ["1.2.0.192.origin.asn.example"]
    assert json.dumps(world.paths) == '["/rdap/ip/192.0.2.1"]'
