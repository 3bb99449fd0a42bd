"""What a host shows for a moment, between two requests of a look or of two looks, is no evidence for a day."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from schemas.events import Fingerprint
from schemas.urls import canonical
from services.core.fingerprints import sibling_class
from services.probing.look.looker import Deferred, Looker
from tests.integration.lab import FAST, RUDE, Lab
from tests.integration.looksites import Script, answer, head_of, reset, silent

HOUR = 3600.0


def page(length: int) -> Script:
    return answer(200, content_type="text/html", content_length=str(length))


def to(location: str) -> Script:
    return answer(302, location=location)


def ranged(length: int, *, head: int = 200) -> Script:
    """Answer HEAD with a status and GET with the first byte of so many."""
    whole = answer(head, content_type="text/html", content_length=str(length))

    async def script(asked, writer) -> None:
        if asked.method == "HEAD":
            await whole(asked, writer)
            return
        part = {"content-type": "text/html", "content-range": f"bytes 0-0/{length}"}
        writer.write(head_of(206, part | {"content-length": "1"}))
        await writer.drain()

    return script


REAL, SOFT, WALL = page(5000), page(4000), page(900)
BASELINE = Fingerprint(status=200, content_type="text/html", content_length=5000)
KNOWN = {"known_online": True, "baseline": BASELINE}
SOFT_THEN = sibling_class(Fingerprint(status=200, content_type="text/html", content_length=4000))
KNOWN_BESIDE_SOFT = {
    "known_online": True,
    "baseline": structs.replace(BASELINE, sibling=SOFT_THEN),
}
"""Known, and siblings were answered with the soft 404 when it was seen."""


def shifted(looker: Looker) -> Callable[[float], None]:
    """Let the looker's clock be moved to so many seconds after now."""
    begun, at = looker._gate.now, [0.0]
    looker._gate.now = lambda: begun() + at[0]
    return lambda seconds: at.__setitem__(0, seconds)


# -- no usable control -----------------------------------------------------------------------------


async def test_a_look_whose_sibling_has_to_wait_is_put_off(lab: Lab) -> None:
    """Without its sibling a soft 404 would be online: the look is made later, as politeness allows."""
    site = await lab.site(x=SOFT)
    site.missing = SOFT
    slow = replace(RUDE, address_per_second=0.2, address_burst=1, max_wait_seconds=0.1)
    with pytest.raises(Deferred):
        await lab.look(f"http://a.example:{site.port}/x", lab.looker(politeness=slow), **KNOWN)
    assert [asked.target for asked in site.asked] == ["/x"]


async def test_a_look_that_waits_for_anothers_sibling_asks_where_that_is_cancelled(
    lab: Lab,
) -> None:
    """The one is stopped while its sibling is asked; the other, of the same host, has its own and sees it gone."""
    site = await lab.site(x=SOFT, y=SOFT)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request, writer) -> None:
        asked.set()
        await go_on.wait()
        await SOFT(request, writer)

    site.missing = slow
    looker, url = lab.looker(), f"http://a.example:{site.port}"
    first = asyncio.create_task(lab.look(f"{url}/x", looker, **KNOWN_BESIDE_SOFT))
    await asked.wait()
    second = asyncio.create_task(
        lab.look(f"{url}/y", looker, case_id="d" * 32, **KNOWN_BESIDE_SOFT)
    )
    while not site.methods("/y"):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    first.cancel()
    go_on.set()
    assert (await second).reason == "soft_404_control"
    with pytest.raises(asyncio.CancelledError):
        await first


@pytest.mark.parametrize(
    "fault",
    [answer(403), answer(429), answer(500), answer(503), reset, silent],
    ids=["403", "429", "500", "503", "reset", "silent"],
)
async def test_a_fault_that_a_sibling_meets_once_makes_nothing_online(
    lab: Lab, fault: Script
) -> None:
    """A soft 404 that was served before is not served again because its sibling met a fault for a moment."""
    site = await lab.site(x=SOFT)
    site.missing = fault
    looker, url = lab.looker(), f"http://a.example:{site.port}/x"
    later = shifted(looker)
    made = await lab.look(url, looker, **KNOWN_BESIDE_SOFT)
    assert (made.verdict, made.reason) == ("undetermined", "suspected_unproven")
    site.missing = SOFT
    later(360.0)
    assert (await lab.look(url, looker, **KNOWN_BESIDE_SOFT)).reason == "soft_404_control"


async def test_a_fault_that_siblings_meet_again_is_how_the_host_answers(lab: Lab) -> None:
    """Hosts that forbid what they don't have can't keep what they serve from being seen, whichever way they forbid."""
    site = await lab.site(x=SOFT)
    looker, url = lab.looker(), f"http://a.example:{site.port}/x"
    later, seen = shifted(looker), []
    for minutes, block in ((0, 403), (6, 401), (12, 403), (40, 407), (400, 403)):
        later(60.0 * minutes)
        site.missing = answer(block)
        seen.append((await lab.look(url, looker, **KNOWN)).verdict)
    assert seen == ["undetermined", "online", "online", "online", "online"]


async def test_what_is_plainly_served_needs_no_sibling(lab: Lab) -> None:
    """The baseline's class and length prove it, and a first look has nothing to be measured by."""
    site = await lab.site(x=REAL, y=SOFT)
    site.missing = answer(403)
    url = f"http://a.example:{site.port}"
    assert (await lab.look(f"{url}/x", lab.looker(), **KNOWN)).verdict == "online"
    assert (await lab.look(f"{url}/y", lab.looker())).verdict == "online"
    bare = Fingerprint(status=200, content_type="text/html")
    made = await lab.look(f"{url}/x", lab.looker(), known_online=True, baseline=bare)
    assert made.reason == "suspected_unproven"


async def test_a_wish_that_a_sibling_hears_is_heeded(lab: Lab) -> None:
    """A 429 with Retry-After puts off the host, whichever of its URLs it was said of."""
    site = await lab.site(x=REAL, y=REAL)
    site.missing = answer(429, retry_after="600")
    looker, url = lab.looker(), f"http://a.example:{site.port}"
    for path, case in (("x", "c" * 32), ("y", "d" * 32)):
        with pytest.raises(Deferred) as put_off:
            await lab.look(f"{url}/{path}", looker, case_id=case)
        assert 590.0 < put_off.value.seconds <= 600.0
    assert (site.methods("/x"), site.methods("/y")) == (["HEAD"], [])


# -- walls of a moment -----------------------------------------------------------------------------


async def test_a_wall_at_the_sibling_is_believed_for_minutes(lab: Lab) -> None:
    """After a wall that everything met a soft 404 is seen as what it is, and not as served, for a day."""
    site = await lab.site()
    site.missing = WALL
    looker, url = lab.looker(), f"http://a.example:{site.port}/x"
    later = shifted(looker)
    assert (await lab.look(url, looker, **KNOWN_BESIDE_SOFT)).reason == "suspected_wall"
    site.missing = SOFT
    later(360.0)
    assert (await lab.look(url, looker, **KNOWN_BESIDE_SOFT)).reason == "soft_404_control"


async def test_content_between_two_walls_tells_nothing_apart(lab: Lab) -> None:
    """The wall that the sibling met was not there when the URL was served: it stays a wall when it comes again."""
    site = await lab.site(x=WALL, y=REAL)
    site.missing = WALL
    looker, url = lab.looker(), f"http://a.example:{site.port}"
    assert (await lab.look(f"{url}/x", looker)).reason == "never_seen_served"
    # Served while there is no wall: its sibling is asked anew, and is missing.
    site.missing = answer(404)
    assert (await lab.look(f"{url}/y", looker, case_id="d" * 32)).verdict == "online"
    site.scripts["/y"] = site.missing = WALL
    made = await lab.look(f"{url}/y", looker, case_id="d" * 32, **KNOWN)
    assert (made.verdict, made.reason) == ("undetermined", "suspected_wall")


async def test_a_wall_that_begins_between_a_url_and_its_sibling(lab: Lab) -> None:
    """GET asks once more after the sibling: what the URL does not serve any more is not told apart."""
    site = await lab.site(x=REAL)

    async def wall(asked, writer) -> None:
        site.missing = site.scripts["/x"] = WALL
        await WALL(asked, writer)

    site.missing = wall
    looker, url = lab.looker(), f"http://a.example:{site.port}/x"
    later = shifted(looker)
    for minutes in (0, 1, 6, 18):
        later(60.0 * minutes)
        assert (await lab.look(url, looker, **KNOWN)).reason == "suspected_wall"


async def test_a_wall_by_redirect_with_content_between(lab: Lab) -> None:
    """Where everything is sent, then nothing, then everything again, no URL is gone for it."""
    site = await lab.site(welcome=WALL, x=to("/welcome"), y=REAL)
    site.missing = to("/welcome")
    looker, url = lab.looker(), f"http://a.example:{site.port}"
    assert (await lab.look(f"{url}/x", looker, known_online=True)).reason == "redirect_shared"
    site.missing = answer(404)
    assert (await lab.look(f"{url}/y", looker, case_id="d" * 32)).verdict == "online"
    site.scripts["/y"] = site.missing = to("/welcome")
    made = await lab.look(f"{url}/y", looker, case_id="d" * 32, **KNOWN)
    assert (made.verdict, made.reason) == ("undetermined", "suspected_replaced")


@pytest.mark.parametrize("renewal", [None, answer(503)], ids=["plain", "503"])
async def test_a_soft_404_is_told_apart_for_longer_than_a_day(
    lab: Lab, renewal: Script | None
) -> None:
    """A host that answers everything alike, front page included, hides no removal at the renewal of its sibling."""
    site = await lab.site(x=REAL)
    site.missing = site.scripts["/"] = SOFT
    looker, url = lab.looker(), f"http://a.example:{site.port}/x"
    later = shifted(looker)
    assert (await lab.look(url, looker)).verdict == "online"
    site.scripts["/x"] = SOFT
    later(25 * HOUR)
    if renewal is not None:
        site.missing = renewal
        assert (await lab.look(url, looker, **KNOWN)).reason == "suspected_unproven"
        site.missing = SOFT
    for hours in (26, 50):
        later(hours * HOUR)
        assert (await lab.look(url, looker, **KNOWN)).reason == "soft_404_control"


@pytest.mark.parametrize(
    ("missing", "most"),
    [(SOFT, 7), (WALL, 5), (answer(404), 2)],
    ids=["page of about that length", "page", "404"],
)
async def test_what_it_costs_to_tell_apart(lab: Lab, missing: Script, most: int) -> None:
    """The first look asks by GET, and once more, where siblings are served; later ones without a baseline ask one."""
    site = await lab.site(x=REAL, y=REAL)
    site.missing = missing
    url = f"http://a.example:{site.port}"
    await lab.look(f"{url}/x")
    assert len(site.asked) == most
    await lab.look(f"{url}/x")
    await lab.look(f"{url}/y", case_id="d" * 32)
    assert len(site.asked) == most + 4


async def test_what_get_says_is_compared_with_what_get_said(lab: Lab) -> None:
    """A host that is asked by GET from now on does not serve a soft 404 because its sibling was asked by HEAD."""
    site = await lab.site(x=ranged(5000), y=ranged(7000, head=500))
    site.missing = site.scripts["/"] = ranged(4000)
    looker, url = lab.looker(), f"http://a.example:{site.port}"
    assert (await lab.look(f"{url}/x", looker)).verdict == "online"
    assert (await lab.look(f"{url}/y", looker, case_id="d" * 32)).verdict == "online"
    site.scripts["/x"] = ranged(4000)
    made = await lab.look(f"{url}/x", looker, **KNOWN)
    assert (made.verdict, made.reason) == ("removed", "soft_404_control")
    assert set(site.methods("/x")) == {"HEAD", "GET"}


# -- names -----------------------------------------------------------------------------------------


async def test_name_servers_that_were_silent_once_are_asked_again(lab: Lab) -> None:
    """A name is not taken as unparked for a day because one query got lost."""
    site = await lab.site(x=REAL)
    lab.names.name_servers["a.example"] = ["ns1.sedoparking.com"]
    lab.names.failing["a.example", "NS"] = "timeout"
    looker, url = lab.looker(), f"http://a.example:{site.port}/x"
    later = shifted(looker)
    assert (await lab.look(url, looker)).verdict == "online"
    lab.names.failing.clear()
    later(360.0)
    assert (await lab.look(url, looker, **KNOWN)).reason == "parked"
    lab.names.failing["a.example", "NS"] = "servfail"
    later(25 * HOUR)
    assert (await lab.look(url, looker, **KNOWN)).reason == "parked"


@pytest.mark.parametrize("outcome", ["timeout", "servfail"])
async def test_a_family_that_is_not_heard_is_not_gone(lab: Lab, outcome: str) -> None:
    """404 at its IPv4 address, and no name server says whether it has another: gone on all is what has to be shown."""
    site = await lab.site(x=answer(404))
    lab.names.failing["a.example", "AAAA"] = outcome
    url = f"http://a.example:{site.port}/x"
    resolver = lab.resolver(try_seconds=0.1, family_seconds=1e6)
    made = await lab.look(url, lab.looker(resolver=resolver), confirming=True)
    assert (made.verdict, made.reason) == ("undetermined", "gone_on_some")
    v4_alone = replace(FAST, families=frozenset({4}))
    looker = lab.looker(limits=v4_alone, resolver=resolver)
    assert (await lab.look(url, looker, confirming=True)).reason == "not_found"


async def test_a_family_that_answers_within_the_look_is_asked(lab: Lab) -> None:
    """A query that got lost for both its tries is made again before the look ends, so that it is not in vain."""
    site = await lab.site(x=answer(404))
    lab.names.failing["a.example", "AAAA"] = "servfail"

    async def heard(asked, writer) -> None:
        lab.names.failing.clear()
        await answer(404)(asked, writer)

    site.scripts["/x"] = heard
    url = f"http://a.example:{site.port}/x"
    assert (await lab.look(url, confirming=True)).reason == "not_found"
    lab.names.failing["a.example", "AAAA"] = "servfail"
    other = await lab.site("::1", port=site.port, x=REAL)
    lab.names.names["a.example"] = ["127.0.0.1", "::1"]
    made = await lab.look(url, lab.looker(), confirming=True)
    assert (made.verdict, other.methods("/x")) == ("online", ["GET"])


async def test_a_zone_that_never_answers_for_a_family_has_none(lab: Lab) -> None:
    """Some name servers answer for IPv4 alone: after some minutes that keeps no removal from being seen."""
    site = await lab.site(x=answer(404))
    lab.names.failing["a.example", "AAAA"] = "timeout"
    looker = lab.looker(resolver=lab.resolver(try_seconds=0.02, family_seconds=0.5))
    url = f"http://a.example:{site.port}/x"
    assert (await lab.look(url, looker, confirming=True)).reason == "gone_on_some"
    await asyncio.sleep(0.5)
    assert (await lab.look(url, looker, confirming=True)).reason == "not_found"


# -- the canary ------------------------------------------------------------------------------------


async def test_a_canary_that_pushes_back_is_asked_again(lab: Lab) -> None:
    """One 503 of the operator's own makes the vantage blind until the next look at it, and not for an hour."""
    site = await lab.site(c=answer(503, retry_after="3600"), x=answer(404))
    looker = lab.looker(
        canary=canonical(f"http://a.example:{site.port}/c"), canary_interval_seconds=0.0
    )
    await looker.canary.fresh()
    assert looker.canary.down
    site.scripts["/c"] = answer(200)
    await looker.canary.fresh()
    assert not looker.canary.down
    assert (await lab.look(f"http://a.example:{site.port}/x", looker)).reason == "not_found"
