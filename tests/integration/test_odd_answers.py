"""Answers that hold odd bytes, and looks that politeness holds: each is what it is, and is recorded."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas import codec, ids
from schemas.events import Event, LookMade
from schemas.urls import canonical
from services.probing.look.darkness import DarknessLimits
from services.probing.look.memory import Target
from services.probing.look.selfcheck import SelfCheck, SelfCheckLimits
from tests.as_configured import look_limits
from tests.integration.lab import CASE, FAST, RUDE, Lab
from tests.integration.looksites import answer, raw


def recorded(look: LookMade) -> bytes:
    """Write a look as it goes to Kafka."""
    name = ids.look_id(CASE, look.vantage, look.tick, look.started_at)
    event = Event(id=name, time=look.finished_at, source="test", case_id=CASE, data=look)
    return codec.encode(event)[1]


@pytest.mark.parametrize("odd", [b"\xff", b"\xe9\xfe", b"\xc2\x9b31m", b"\x1b[31m", "é".encode()])
@pytest.mark.parametrize(
    "name", ["Content-Type", "ETag", "Last-Modified", "Server", "Retry-After", "Age", "X-Any"]
)
async def test_odd_bytes_in_a_header_change_no_verdict(lab: Lab, name: str, odd: bytes) -> None:
    """What is no ASCII, no text at all, or moves a terminal's cursor: still online, recorded, and harmless to print."""
    header = name.encode() + b': "a/' + odd + b'b"\r\n'
    site = await lab.site(
        x=raw(b"HTTP/1.1 200 OK\r\nContent-Length: 777\r\n" + header + b"\r\n", close=False)
    )
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert made.verdict == "online"
    assert recorded(made)
    kept = made.fingerprint
    assert kept is not None
    for text in (kept.content_type, kept.last_modified, kept.server_class):
        assert text is None or (text.isascii() and text.isprintable())


@pytest.mark.parametrize(
    ("odd", "target"),
    [
        (b"\xff", "/%FF"),
        (b"/\xff", "/%FF"),
        (b"/\x1b", "/%1B"),
        (b"http://\xff.example/", None),
        (b"//\xff/", None),
    ],
)
async def test_odd_bytes_in_a_redirect_end_in_a_reason(
    lab: Lab, odd: bytes, target: str | None
) -> None:
    """A Location that is no text is followed as browsers do, or broken; it never makes the look itself fail."""
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + odd + b"\r\n\r\n"
    site = await lab.site(x=raw(head, close=False))
    made = await lab.look(f"http://a.example:{site.port}/x")
    assert made.reason == ("redirect_broken" if target is None else "not_found")
    assert target is None or target in {asked.target for asked in site.asked}
    assert recorded(made)


async def test_what_politeness_takes_is_none_of_a_sites_time(lab: Lab) -> None:
    """A look that waited for its turn longer than a look may take still asks, and says what it saw."""
    site = await lab.site(x=answer(200), y=answer(200))
    slow = replace(RUDE, address_per_second=4.0, address_burst=1)
    limits = look_limits(total_seconds=0.6, exchange_seconds=0.4, connect_seconds=0.4)
    looker = lab.looker(politeness=slow, limits=limits)

    async def look(number: int) -> LookMade:
        url = canonical(f"http://a.example:{site.port}/{'xy'[number % 2]}")
        return await looker.look(Target(f"{number:032x}", url), datetime.now(UTC))

    made = await asyncio.gather(*(look(number) for number in range(8)))
    assert {one.reason for one in made} == {"served"}
    assert len(site.asked) == 9


async def test_what_a_blind_vantage_does_not_see_is_not_dark(lab: Lab) -> None:
    """An outage of our own adds nothing to the darkness of a host: it begins to count when we see again."""
    site = await lab.site()
    await site.stop()
    dark = replace(FAST, darkness=DarknessLimits(seconds=0.0, looks=4))
    # Two hosts suffice to void a window; one that answers gives sight back.
    check = SelfCheck(SelfCheckLimits(window_seconds=60, hosts=2, share=0.6))
    looker = lab.looker(limits=dark, selfcheck=check)
    lab.names.names |= {"b.example": ["127.0.0.3"], "c.example": ["127.0.0.4"]}
    await lab.look(f"http://b.example:{site.port}/x", looker)
    url = f"http://a.example:{site.port}/x"
    blind = [await lab.look(url, looker) for _ in range(6)]
    assert {look.reason for look in blind} == {"vantage_blind"}
    for host, address in (("b", "127.0.0.3"), ("c", "127.0.0.4")):
        other = await lab.site(address, x=answer(200))
        made = await lab.look(f"http://{host}.example:{other.port}/x", looker)
        assert made.verdict == "online"
    seen = [await lab.look(url, looker) for _ in range(4)]
    assert [look.reason for look in seen][:2] == ["connect_refused", "connect_refused"]
    assert seen[-1].reason == "host_dark"
