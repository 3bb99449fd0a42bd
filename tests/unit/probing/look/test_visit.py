"""Names, addresses and providers of one visit (kinds G and P10), and hosts that give nothing."""

import pytest

from services.probing.dns.resolution import Resolution
from services.probing.guard.guard import Guard
from services.probing.limits.gate import Deferred
from services.probing.look.look_event import deciding_answer
from tests.as_configured import look_limits
from tests.unit.probing.look.script import Host, Reply, Request, Script, fault, missing, picture

URL = "http://pics.example/img/a7f3.jpg"
TWO = {"pics.example": ("127.0.0.1", "127.0.0.3")}


def nodes(**by_address: Host) -> Host:
    """Make a name whose addresses answer differently; `a1` is 127.0.0.1. Siblings are missing."""

    def host(request: Request) -> Reply:
        own = by_address["a" + request.address.rpartition(".")[2]]
        return own(request) if request.url.href == URL else missing(request)

    return host


def refused(request: Request) -> Reply:
    """Refuse the connection."""
    return fault(request, "connect_refused")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (refused, picture, ("online", "served")),
        (missing, picture, ("online", "served")),
        (missing, missing, ("removed", "not_found")),
        (missing, refused, ("undetermined", "connect_refused")),
        (refused, refused, ("undetermined", "connect_refused")),
    ],
)
def test_all_addresses_together(first: Host, second: Host, said: tuple[str, str]) -> None:
    """Online if any serves it, gone only if gone on all."""
    script = Script(nodes(a1=first, a3=second), names=TWO)
    assert script.look(URL).said == said


def test_each_address_says_what_it_says() -> None:
    """The address that does not serve is on record beside the one that does; each is asked in full."""
    look = Script(nodes(a1=refused, a3=picture), names=TWO).look(URL)
    assert look.verdicts == {"127.0.0.1": "undetermined", "127.0.0.3": "online"}
    look = Script(nodes(a1=missing, a3=missing), names=TWO).look(URL)
    second = [r.method for r in look.requests if r.address == "127.0.0.3" and r.url.href == URL]
    assert (second, look.verdicts) == (
        ["HEAD", "GET", "GET"],
        {"127.0.0.1": "removed", "127.0.0.3": "removed"},
    )


def test_one_address_of_each_provider_is_asked() -> None:
    """That one provider serves it says nothing of the other one."""
    script = Script(
        nodes(a1=picture, a3=missing),
        names=TWO,
        provider_of={"127.0.0.1": "a", "127.0.0.3": "b"}.get,
    )
    look = script.look(URL)
    assert look.verdicts == {"127.0.0.1": "online", "127.0.0.3": "removed"}
    assert look.verdict == "online"


def test_a_second_address_of_one_provider_is_not_asked() -> None:
    """What serves once need not be asked again."""
    script = Script(nodes(a1=picture, a3=missing), names=TWO, provider_of=lambda _: "a")
    assert set(script.look(URL).verdicts) == {"127.0.0.1"}


def test_addresses_beyond_the_cap_keep_it_undetermined() -> None:
    """Gone on the addresses that were asked is not gone while others were left out."""
    names = {"pics.example": tuple(f"127.0.1.{n}" for n in range(1, 7))}
    script = Script(missing, names=names, limits=look_limits(addresses_per_family=4))
    look = script.look(URL)
    assert (look.reason, len(look.verdicts)) == ("gone_on_some", 4)


def test_a_family_without_a_route_is_not_asked() -> None:
    """A vantage without IPv6 can tell that a URL is gone; it asks IPv6 only where there is nothing else."""
    names = {"pics.example": ("127.0.0.1", "::1"), "six.example": ("::1",)}

    def host(request: Request) -> Reply:
        return (refused if ":" in request.address else missing)(request)

    script = Script(host, names=names, limits=look_limits(families=frozenset({4})))
    look = script.look(URL)
    assert (look.verdict, set(look.verdicts)) == ("removed", {"127.0.0.1"})
    look = script.look("http://six.example/x")
    assert (look.reason, set(look.verdicts)) == ("connect_refused", {"::1"})


def test_refused_addresses_keep_nothing_online() -> None:
    """What the guard refuses is not asked; the good ones are."""
    script = Script(missing, names={"pics.example": ("10.0.0.1", "127.0.0.1")})
    look = script.look(URL)
    assert (look.verdict, set(look.verdicts)) == ("removed", {"127.0.0.1"})
    for addresses in (("10.0.0.1", "169.254.169.254"), ("192.0.2.1",)):
        script.names["pics.example"] = addresses
        look = script.look(URL)
        assert (look.said, look.requests) == (("undetermined", "address_refused"), ())


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "pics.example"])
def test_a_live_vantage_asks_nothing_on_loopback(host: str) -> None:
    """No address of loopback, and no name for it, is asked under the public guard."""
    script = Script(picture, guard=Guard("public", {80}))
    look = script.look(f"http://{host}/x")
    assert (look.reason, look.requests) == ("address_refused", ())


def test_an_own_listener_is_never_asked() -> None:
    """A simulated URL can't reach the operator's own services."""
    guard = Guard("simulated", None, own_listeners=[("127.0.0.1", 80)])
    look = Script(picture, guard=guard).look(URL)
    assert (look.reason, look.requests) == ("address_refused", ())


@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        ("nxdomain", "removed", "nxdomain"),
        ("servfail", "undetermined", "dns_servfail"),
        ("refused", "undetermined", "dns_refused"),
        ("timeout", "undetermined", "dns_timeout"),
        ("nodata", "undetermined", "dns_nodata"),
        ("broken", "undetermined", "dns_broken"),
        ("disagree", "undetermined", "dns_disagree"),
    ],
)
def test_each_outcome_of_a_name_keeps_its_name(status: str, verdict: str, reason: str) -> None:
    """A name that leads nowhere says why."""
    look = Script(picture, names={"pics.example": status}).look(URL)
    assert (look.said, look.requests) == ((verdict, reason), ())
    assert deciding_answer(look.evidence) is None
    assert look.verdicts == {}


def test_an_alias_into_a_parking_service_is_not_online() -> None:
    """Whatever is served there."""
    parked = Resolution(
        status="addresses", addresses=("127.0.0.1",), chain=("landing.sedoparking.com",)
    )
    script = Script(nodes(a1=picture), names={"pics.example": parked})
    assert script.look(URL).reason == "parked"


@pytest.mark.parametrize("url", ["http://x.onion/", "ftp://a.example/x", "http://u:p@a.example/x"])
def test_what_is_not_measurable_is_never_asked(url: str) -> None:
    """Onion services, other schemes and credentials are counted only (G17)."""
    script = Script(picture)
    look = script.look(url)
    assert (look.reason, look.requests, script.resolved) == ("not_measurable", (), [])


def test_a_dark_host_counts_after_hours() -> None:
    """An outage of minutes is no removal; that of a whole host, front page and all, is removal-class in the end."""
    script = Script(lambda r: fault(r, "connect_refused"))
    looks = [script.look(URL, after=3 * 3_600.0).said for _ in range(4)]
    assert looks[0] == ("undetermined", "connect_refused")
    assert looks[-1] == ("removed", "host_dark")


HOUR = 3_600.0
SIX = tuple(f"127.0.1.{n}" for n in range(1, 7))


def silent(alive: dict[str, float], names: tuple[str, ...] = SIX) -> Script:
    """Make a host of which each address takes five seconds to give nothing, but those that live from an instant on."""

    def host(request: Request) -> Reply:
        if request.at >= alive.get(request.address, 1e9):
            return (picture if request.url.href == URL else missing)(request)
        script.now += 5.0
        return fault(request, "connect_timeout")

    script = Script(host, names={"pics.example": names})
    return script


def test_dead_addresses_that_outlast_a_look_become_dark() -> None:
    """A look has time for four of six: it goes on where the last one stopped, and the others count as they were."""
    script = silent({})
    looks = [script.look(URL, after=2 * HOUR) for _ in range(6)]
    assert [len(look.verdicts) for look in looks] == [4] * 6
    assert set(looks[1].verdicts) >= set(SIX) - set(looks[0].verdicts)
    assert {look.reason for look in looks[:4]} == {"connect_timeout"}
    assert looks[5].said == ("removed", "host_dark")


def test_an_address_that_lives_is_found_behind_dead_ones() -> None:
    """Those that gave nothing last time are asked after all others, so that the next look meets the one that serves."""
    script = silent({SIX[5]: 0.0})
    first, second = (script.look(URL, after=2 * HOUR) for _ in range(2))
    assert first.said == ("undetermined", "connect_timeout")
    assert (second.said, next(iter(second.verdicts))) == (("online", "served"), SIX[4])


def test_an_address_that_comes_back_ends_the_dark() -> None:
    """The one that was asked longest ago is asked first: no two looks go by without it."""
    script = silent({SIX[0]: 15 * HOUR})
    looks = [script.look(URL, after=2 * HOUR) for _ in range(10)]
    assert "host_dark" in {look.reason for look in looks[:7]}
    assert "online" in {look.verdict for look in looks[7:9]}


def test_what_is_known_of_a_dead_address_grows_old() -> None:
    """Looks that are two days apart don't vouch for the addresses that the last one asked."""
    script = silent({})
    assert {script.look(URL, after=49 * HOUR).reason for _ in range(6)} == {"connect_timeout"}


def test_addresses_beyond_the_cap_take_their_turn() -> None:
    """Of twelve addresses a look asks eight at most, and four that take all of its time: dark in the end too."""
    names = tuple(f"127.0.1.{n}" for n in range(1, 13))
    script = silent({}, names)
    looks = [script.look(URL, after=2 * HOUR) for _ in range(7)]
    assert {address for look in looks[:3] for address in look.verdicts} == set(names)
    assert looks[-1].said == ("removed", "host_dark")


def test_politeness_ends_a_look() -> None:
    """Without siblings nothing can be said of an answer: the look is put off."""

    def host(request: Request) -> Reply:
        if request.purpose == "sibling":
            raise Deferred(60.0)
        return picture(request)

    with pytest.raises(Deferred):
        Script(host).look(URL)
