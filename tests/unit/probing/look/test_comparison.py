"""Siblings: what is answered as a path that can't exist (kinds B, E, O, P, S)."""

import re

import pytest

from services.probing.limits.gate import DEADLINE, REST
from services.probing.schedule.profiles import baseline_of, content_of
from tests.unit.probing.look.script import (
    Host,
    Reply,
    Request,
    Script,
    fault,
    missing,
    page,
    picture,
    reply,
    sent,
)

URL = "http://pics.example/view.php?id=4711"
FILE = "http://pics.example/img/a7f3.jpg"


def host_of(url: str, served: Host, absent: Host, foreign: Host = missing) -> Host:
    """Make a host whose program answers all values of a query, or all files of a folder, and nothing else."""
    place = url.partition("?")[0] if "?" in url else url.rpartition("/")[0] + "/"

    def host(request: Request) -> Reply:
        if request.url.href == url:
            return served(request)
        return absent(request) if request.url.href.startswith(place) else foreign(request)

    return host


def repeats(request: Request) -> Reply:
    """Say that there is nothing on a page that repeats what was asked for."""
    return page(request, 5_000 + 7 * len(request.target))


SOFT: list[Host] = [page, lambda r: page(r, None), repeats]


@pytest.mark.parametrize("soft", SOFT, ids=["fixed", "without a length", "repeats the path"])
@pytest.mark.parametrize("url", [URL, FILE, "http://pics.example/photo/4711/full"])
def test_never_seen_and_answered_as_a_sibling_says_nothing(url: str, soft: Host) -> None:
    """A soft 404 of a program is neither online nor removed, though the web server has a 404 (B, O)."""
    place = "http://pics.example/photo/"

    def host(request: Request) -> Reply:
        program = request.target.startswith(("/view.php", "/img/")) or (
            request.url.href.startswith(place) and request.target.endswith("/full")
        )
        return soft(request) if program else missing(request)

    look = Script(host).look(url)
    assert look.verdict == "undetermined"
    assert look.reason == "never_seen_served"


def test_every_look_at_a_soft_404_asks_a_sibling() -> None:
    """By HEAD the first one alone, and each time another name of the same make."""
    script = Script(lambda r: page(r, 512))
    looks = [script.look(FILE) for _ in range(3)]
    assert {look.reason for look in looks} == {"never_seen_served"}
    siblings = [r for look in looks for r in look.requests if r.url.href != FILE]
    assert [r.method for r in siblings] == ["HEAD", "GET", "GET", "GET"]
    assert all(re.fullmatch(r"/img/[0-9a-f]+\.jpg", r.target) for r in siblings)


def test_what_no_header_tells_apart_stays_open() -> None:
    """Seen served, and answered as its sibling by a page that names no length: anything."""
    look = Script(lambda r: page(r, None)).look(FILE, known_online=True)
    assert look.said == ("undetermined", "suspected_soft_404")


@pytest.mark.parametrize("soft", SOFT, ids=["fixed", "without a length", "repeats the path"])
def test_a_picture_beside_soft_404s_is_online(soft: Host) -> None:
    """What is of another kind than what is missing is served (B)."""
    assert Script(host_of(URL, picture, soft)).look(URL).said == ("online", "served")


def test_a_sibling_that_gets_lost_makes_no_sighting() -> None:
    """Answered as its sibling once, a URL that nobody saw served stays so while siblings give no answer (O)."""
    script = Script(page)
    assert script.look(FILE).reason == "never_seen_served"
    script.host = lambda r: page(r) if r.url.href == FILE else fault(r, "response_timeout")
    later = [script.look(FILE, after=4_000.0).reason for _ in range(4)]
    assert set(later) == {"never_seen_served"}


def test_what_a_sibling_said_long_ago_is_forgotten() -> None:
    """A host that answers no made-up path any more is not held to what it answered days before."""
    script = Script(picture)
    script.look(FILE)
    script.host = lambda r: picture(r) if r.url.href == FILE else fault(r, "response_timeout")
    assert script.look(FILE, after=90_000.0).reason == "suspected_unproven"
    assert script.look(FILE, after=90_000.0).said == ("online", "served")


@pytest.mark.parametrize(
    ("url", "given"),
    [
        (FILE, page),
        ("http://pics.example/view.php?id=4711", page),
        ("http://pics.example/view.php?id=4711", picture),
        (FILE, lambda r: picture(r, 1_503)),
        (FILE, lambda r: picture(r, content_type="image/png")),
    ],
    ids=["page for a file", "page", "no ending", "small", "another type"],
)
def test_where_siblings_give_no_answer_a_page_is_no_sighting(url: str, given: Host) -> None:
    """However often they get lost: under heavy loss a soft 404 that nobody saw otherwise was a breach (O)."""
    script = Script(host_of(url, given, lambda r: fault(r, "response_timeout")))
    for _ in range(6):
        look = script.look(url, after=3_600.0)
        assert look.said == ("undetermined", "suspected_unproven")


def test_where_siblings_give_no_answer_the_promised_file_is_a_sighting() -> None:
    """A picture of the usual size where one is promised is no soft 404: it is believed at the second look."""
    script = Script(host_of(FILE, picture, lambda r: fault(r, "response_timeout")))
    assert script.look(FILE).reason == "suspected_unproven"
    assert script.look(FILE, after=3_600.0).said == ("online", "served")


@pytest.mark.parametrize("redirect", ["https", "mirror"])
@pytest.mark.parametrize("soft", SOFT, ids=["fixed", "without a length", "repeats the path"])
def test_a_soft_404_behind_a_redirect_is_no_sighting(redirect: str, soft: Host) -> None:
    """How a URL was led to a page says nothing of the page: it is compared where it is (B, C)."""

    def host(request: Request) -> Reply:
        if redirect == "https" and request.url.scheme == "http":
            return sent(request, "https" + request.url.href[4:])
        if redirect == "mirror" and request.url.host == "pics.example":
            return sent(request, f"http://img3.pics.example{request.target}")
        return soft(request)

    assert Script(host).look(FILE).said == ("undetermined", "never_seen_served")


def test_a_soft_404_of_what_was_told_apart_is_gone() -> None:
    """Seen served while siblings were answered so, and answered so now: gone (B)."""
    script = Script(host_of(URL, picture, page))
    baseline = script.look(URL).fingerprint
    script.host = host_of(URL, page, page)
    look = script.look(URL, after=3_600.0, known_online=True, baseline=baseline)
    assert look.said == ("removed", "soft_404_control")


def test_a_prober_that_forgot_tells_it_by_the_baseline() -> None:
    """How siblings were answered stands in the baseline: a restart loses nothing."""
    baseline = Script(host_of(URL, picture, page)).look(URL).fingerprint
    look = Script(page).look(URL, known_online=True, baseline=baseline)
    assert look.said == ("removed", "soft_404_control")


@pytest.mark.parametrize(
    "wall",
    [lambda r: page(r, 2_222), lambda r: page(r, None), lambda r: reply(r, 200, content_length=0)],
    ids=["page", "without a length", "empty"],
)
@pytest.mark.parametrize("absent", [missing, page], ids=["404", "soft 404"])
@pytest.mark.parametrize("after", [60.0, 3_600.0, 90_000.0])
def test_a_wall_is_no_removal(wall: Host, absent: Host, after: float) -> None:
    """What everything is answered by from one day on takes nothing away (O, P)."""
    script = Script(host_of(FILE, picture, absent))
    baseline = script.look(FILE).fingerprint
    script.host = wall
    look = script.look(FILE, after=after, known_online=True, baseline=baseline)
    assert look.verdict == "undetermined"


@pytest.mark.parametrize("after", [400.0, 3_600.0, 80_000.0])
def test_a_first_sighting_rests_on_a_sibling_asked_now(after: float) -> None:
    """The naive mending keeps a sibling for a day: a wall that went up meanwhile is another page, and no sighting."""
    script = Script(page)
    assert script.look(FILE).reason == "never_seen_served"
    script.host = lambda r: page(r, 12_222)
    assert script.look(FILE, after=after).reason == "never_seen_served"


@pytest.mark.parametrize("length", [2_222, None])
def test_a_page_is_no_sighting_where_a_wall_is_of_its_length(length: int | None) -> None:
    """A page changes a little at each visit; what is not plainly the page that was seen is asked of siblings anew."""
    url = "http://pics.example/p/4711.html"
    script = Script(host_of(url, lambda r: page(r, 1_417), missing))
    baseline = script.look(url).fingerprint
    assert script.look(url, after=60.0, known_online=True, baseline=baseline).verdict == "online"
    script.host = lambda r: page(r, length)
    look = script.look(url, after=3_600.0, known_online=True, baseline=baseline)
    assert look.verdict == "undetermined"


def test_each_variable_part_has_its_sibling() -> None:
    """A gallery that is not there, and a picture that is not in it, are answered by other code: both are asked (B)."""

    def host(request: Request) -> Reply:
        gallery, _, name = request.target.removeprefix("/g/").partition("/")
        if gallery != "1234":
            return missing(request)
        return page(request) if name else missing(request)

    look = Script(host).look("http://pics.example/g/1234/5678.jpg")
    assert look.reason == "never_seen_served"
    assert (
        len({r.target for r in look.requests if r.purpose == "sibling" and r.method == "GET"}) == 2
    )


def test_a_stop_page_at_the_first_look_is_no_soft_404() -> None:
    """A filter's page for a whole name says nothing of the URL, and as little later (E, O)."""
    script = Script(lambda r: page(r, 1_900))
    assert script.look(FILE).reason == "never_seen_served"
    assert script.look(FILE, after=90_000.0).reason == "never_seen_served"


def test_a_hotlink_picture_is_no_removal() -> None:
    """A rule that gives every picture another one earns nobody a removal (P)."""
    script = Script(host_of(FILE, picture, missing))
    baseline = script.look(FILE).fingerprint
    script.host = lambda r: picture(r, 4_321, content_type="image/png")
    for after in (60.0, 3_600.0, 90_000.0):
        look = script.look(FILE, after=after, known_online=True, baseline=baseline)
        assert look.verdict == "undetermined"


def test_siblings_are_asked_once_for_all_urls_of_a_handler() -> None:
    """What is plainly what was seen before needs no sibling for a day."""
    script = Script(host_of(FILE, picture, missing))
    baseline = script.look(FILE).fingerprint
    for _ in range(20):
        look = script.look(FILE, after=3_600.0, known_online=True, baseline=baseline)
        assert [r.method for r in look.requests] == ["HEAD"]


def test_a_parked_name_is_not_online() -> None:
    """What a parking service serves is not the material."""
    script = Script(host_of(FILE, picture, missing), name_servers=("ns1.sedoparking.com",))
    assert script.look(FILE).reason == "parked"


@pytest.mark.parametrize("status", [408, 425, 500, 503])
def test_what_a_sibling_is_told_of_the_moment_tells_nothing_apart(status: int) -> None:
    """A soft 404 beside a sibling that was too slow once was a sighting: what nobody saw has not been seen now (O)."""
    script = Script(page)
    assert script.look(FILE).reason == "never_seen_served"
    script.host = lambda r: page(r) if r.url.href == FILE else reply(r, status)
    assert script.look(FILE, after=90_000.0).reason == "suspected_unproven"


@pytest.mark.parametrize("after", [60.0, 3_600.0, 90_000.0])
def test_a_page_that_changes_its_etag_is_the_same_page(after: float) -> None:
    """Between the URL and its sibling the ETag of the one page for all may change: that makes no sighting (O)."""
    script = Script(lambda r: page(r, etag_digest="weak"))
    assert script.look(FILE).reason == "never_seen_served"
    changed = script.now + after + 0.07
    script.host = lambda r: page(r, etag_digest="weak" if r.at < changed else "strong")
    for _ in range(3):
        look = script.look(FILE, after=after)
        assert look.verdict == "undetermined"


# -- a wall of the baseline's own length -----------------------------------------------------------

PAGE = "http://pics.example/story/a7f3.html"


def walled(since: float) -> Host:
    """Make a host of a page beside 404s, which answers everything with one of the same length from an instant on."""

    def host(request: Request) -> Reply:
        there = request.url.href == PAGE or request.at >= since
        return page(request) if there else missing(request)

    return host


def seen_before(script: Script) -> dict[str, object]:
    """Look once, and give what the watch entry says from then on."""
    look = script.look(PAGE)
    assert look.said == ("online", "served")
    baseline = baseline_of(content_of(look.fingerprint), look.fingerprint.content_length)
    return {"known_online": True, "baseline": baseline}


@pytest.mark.parametrize("after", [60.0, 3_600.0, 80_000.0])
def test_a_wall_of_the_baselines_length_makes_no_breach(after: float) -> None:
    """Around a deadline siblings are asked after the URL, however plainly it is what was seen before."""
    script = Script(walled(1.0))
    known = seen_before(script)
    look = script.look(PAGE, after=after, priority=DEADLINE, **known)
    assert look.said == ("undetermined", "suspected_wall")
    assert "siblings_asked_again" in look.rules


def test_a_wall_of_the_baselines_length_passes_for_the_page_for_a_day_at_most() -> None:
    """The bound: elsewhere siblings of before vouch for what is plainly the baseline, until they are a day old."""
    script = Script(walled(1.0))
    known = seen_before(script)
    day = [script.look(PAGE, after=7_200.0, **known).reason for _ in range(13)]
    assert (set(day[:11]), day[12]) == ({"served"}, "suspected_wall")


def test_a_wall_of_the_baselines_length_is_none_after_a_look_that_did_not_see_it() -> None:
    """Looks around a deadline said nothing: what comes hours later would be a breach, so siblings are asked at once."""
    script = Script(walled(3_600.0))
    known = seen_before(script)
    site, script.host = script.host, lambda request: fault(request, "response_timeout")
    assert script.look(PAGE, after=1_800.0, priority=DEADLINE, **known).verdict == "undetermined"
    script.host = site
    look = script.look(PAGE, after=7_200.0, **known)
    assert look.said == ("undetermined", "suspected_wall")


def test_what_stands_around_a_deadline_is_still_served() -> None:
    """The siblings that are asked once more are missing: one request for each, and the sighting counts."""
    script = Script(walled(1e9))
    known = seen_before(script)
    quiet, near = (script.look(PAGE, after=60.0, priority=p, **known) for p in (REST, DEADLINE))
    assert {quiet.said, near.said} == {("online", "served")}
    purposes = [request.purpose for request in near.requests]
    assert (len(quiet.requests), purposes) == (1, ["url", "sibling", "url"])
