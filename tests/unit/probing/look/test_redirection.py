"""Redirects: judged by their target, and never by their spelling (kinds C and P)."""

from zlib import crc32

import pytest

from services.probing.priority import DEADLINE
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

URL = "http://a.example/x"
FILE = "http://pics.example/img/a7f3.jpg"


def routes(**targets: str) -> dict[str, str]:
    """Name where paths are sent."""
    return {f"/{name}": target for name, target in targets.items()}


@pytest.mark.parametrize(
    ("location", "verdict", "reason"),
    [
        ("/", "undetermined", "redirect_to_root"),
        ("http://other.example/", "undetermined", "redirect_other_domain"),
        ("http://127.0.0.1/y", "undetermined", "redirect_other_domain"),
        ("http://169.254.169.254/latest", "undetermined", "redirect_other_domain"),
        ("http://[::1]/y", "undetermined", "redirect_other_domain"),
        ("http://inner.a.example/y", "undetermined", "redirect_refused"),
        ("http://user:pass@a.example/y", "undetermined", "redirect_refused"),
        ("ftp://a.example/y", "undetermined", "redirect_refused"),
        ("http://nowhere.a.example/y", "undetermined", "redirect_broken"),
        ("http://", "undetermined", "redirect_broken"),
        ("", "undetermined", "redirect_broken"),
        ("/x", "undetermined", "redirect_loop"),
        ("/r1", "undetermined", "redirect_too_many"),
        ("/" + "y" * 9000, "undetermined", "redirect_broken"),
        ("/y", "undetermined", "redirect_unproven"),
        ("/404.html", "undetermined", "redirect_unproven"),
        ("/login?next=/x", "undetermined", "blocked_login"),
        ("/gone", "removed", "not_found"),
        ("/errors/notfound?from=x", "removed", "not_found"),
        ("/d/x", "online", "served"),
        ("d/x", "online", "served"),
        ("//a.example/d/x", "online", "served"),
        ("http://www.a.example/x", "online", "served"),
    ],
)
def test_a_redirect_is_followed_only_where_it_may_be(
    location: str, verdict: str, reason: str
) -> None:
    """Within the domain the target decides, and a path that is spelled like an error is a page like others."""
    onward = routes(x=location, r1="/r2", r2="/r3", r3="/r4", r4="/y")

    def host(request: Request) -> Reply:
        if request.url.href in ("http://www.a.example/x", "http://a.example/d/x"):
            return picture(request)
        if request.target in onward:
            return sent(request, onward[request.target])
        served = ("/y", "/404.html", "/")
        return page(request) if request.target in served else missing(request)

    names = {"inner.a.example": ("169.254.169.254",), "nowhere.a.example": "nxdomain"}
    assert Script(host, names=names).look(URL).said == (verdict, reason)


@pytest.mark.parametrize(
    "target",
    [
        "https://pics.example/img/a7f3.jpg",
        "http://img3.pics.example/img/a7f3.jpg",
        "/files/a7f3/full.jpg",
        "/img/a7f3.jpg/",
    ],
)
def test_a_target_that_names_the_object_is_the_object(target: str) -> None:
    """An upgrade, a mirror, another folder and a slash lead to what was reported (C)."""

    def host(request: Request) -> Reply:
        if request.url.href == FILE:
            return sent(request, target)
        there = target if ":" in target else f"http://pics.example{target}"
        return picture(request) if request.url.href == there else missing(request)

    assert Script(host).look(FILE).said == ("online", "served")


def test_three_links_to_one_served_page_are_online() -> None:
    """The naive mending takes a shared target for a soft 404; what decoration was cut from is the page itself (C)."""

    def host(request: Request) -> Reply:
        path, mark, _ = request.target.partition("?")
        if path != "/gallery/7":
            return missing(request)
        return sent(request, path) if mark else picture(request)

    script = Script(host)
    for n in range(4):
        case = f"{n + 1:016x}" + "0" * 16
        look = script.look(f"http://pics.example/gallery/7?utm_source=s{n}", case=case)
        assert look.verdict == "online"


@pytest.mark.parametrize("placeholder", ["/removed.png", "/img/gone.jpg", "/404.html"])
def test_a_page_that_says_removed_is_no_sighting(placeholder: str) -> None:
    """At a first look a small thing that does not name the object may be anything (C)."""

    def host(request: Request) -> Reply:
        if request.url.href == FILE:
            return sent(request, placeholder)
        if request.target == placeholder:
            return reply(request, 200, content_type="image/png", content_length=503)
        return missing(request)

    assert Script(host).look(FILE).said == ("undetermined", "redirect_unproven")


def file_at(place: str, length: int = 4_096) -> Host:
    """Make a host that sends our picture to a file of its type, and says of all else that it is missing."""

    def host(request: Request) -> Reply:
        if request.url.href == FILE:
            return sent(request, place)
        return picture(request, length) if request.target == place else missing(request)

    return host


@pytest.mark.parametrize("place", ["/removed.jpg", "/img/404.jpg", "/store/5f/9a/11c0.jpg"])
@pytest.mark.parametrize("length", [4_096, 20_000])
def test_a_file_of_the_right_type_may_be_a_placeholder(place: str, length: int) -> None:
    """At a first look a small one proves nothing, where nothing that is not there is sent on (C)."""
    assert Script(file_at(place, length)).look(FILE).said == ("undetermined", "redirect_unproven")


def test_a_large_file_of_the_right_type_is_no_placeholder() -> None:
    """A link to a picture of the usual size is read, until another case is sent to the same one (C, I)."""
    script = Script(file_at("/real%20photo.jpg", 48_211))
    assert script.look(FILE).said == ("online", "served")
    one = script.host
    script.host = lambda r: sent(r, "/real%20photo.jpg") if r.target == "/img/2.jpg" else one(r)
    look = script.look("http://pics.example/img/2.jpg", case="f" * 32)
    assert look.said == ("undetermined", "redirect_unproven")


@pytest.mark.parametrize("length", [24_000, 48_211 * 3])
def test_another_file_in_another_place_is_no_new_encoding(length: int) -> None:
    """Seen served, and then sent to a file of about its size, it would have become the baseline if it stayed (U)."""
    script = Script(lambda r: picture(r) if r.url.href == FILE else missing(r))
    baseline = script.look(FILE).fingerprint
    script.host = file_at("/removed.jpg", length)
    look = script.look(FILE, after=3_600.0, known_online=True, baseline=baseline)
    assert look.said == ("undetermined", "suspected_replaced")


def beside(host: Host, siblings: Host) -> Host:
    """Let siblings of our picture be answered otherwise."""

    def both(request: Request) -> Reply:
        own = request.url.href == FILE or not request.target.startswith("/img/")
        return host(request) if own else siblings(request)

    return both


def test_where_each_path_has_a_place_of_its_own_so_has_the_url() -> None:
    """A host that sends every path to its own opaque place sent this one to the picture, and is asked once."""
    opaque = beside(
        file_at("/o/77ab.jpg"), lambda r: sent(r, f"/o/{crc32(r.target.encode()):x}.jpg")
    )
    script = Script(opaque)
    look = script.look(FILE)
    assert look.said == ("online", "served")
    assert "redirect_of_its_kind" in look.rules
    again = script.look(FILE, known_online=True, baseline=look.fingerprint, after=60.0)
    assert (again.verdict, {r.purpose for r in again.requests}) == ("online", {"url"})


@pytest.mark.parametrize(
    "siblings",
    [
        lambda r: sent(r, "/404.html"),
        lambda r: sent(r, f"/sorry?from={r.target}"),
        lambda r: sent(r, f"/mirror{r.target}"),
        lambda r: sent(r, f"/login?next={r.target}"),
        lambda r: sent(r, f"http://other.example{r.target}"),
        lambda r: fault(r, "response_timeout"),
        lambda r: reply(r, 302),
    ],
    ids=["error page", "sorry", "mirror", "login", "other domain", "fault", "no target"],
)
def test_siblings_that_are_sent_otherwise_prove_no_object(siblings: Host) -> None:
    """The naive mending takes any other redirect of a sibling as proof: an error page, and what names it, are none."""
    assert Script(beside(file_at("/removed.jpg"), siblings)).look(FILE).verdict == "undetermined"


# -- everybody is sent to one place ----------------------------------------------------------------


def gate(request: Request) -> Reply:
    """Send everybody to the front page."""
    return page(request) if request.target == "/" else sent(request, "/")


@pytest.mark.parametrize("known", [True, False])
def test_a_gate_is_no_removal(known: bool) -> None:
    """A host that sends every path to its front page is a wall until one URL was told apart (C, P)."""
    assert Script(gate).look(FILE, known_online=known).verdict == "undetermined"


@pytest.mark.parametrize("after", [60.0, 3_600.0, 80_000.0])
def test_a_gate_that_is_switched_on_is_no_removal(after: float) -> None:
    """The naive mending compares with a sibling of before, which was not sent there (P)."""
    script = Script(lambda r: picture(r) if r.url.href == FILE else missing(r))
    baseline = script.look(FILE).fingerprint
    script.host = gate
    look = script.look(FILE, after=after, known_online=True, baseline=baseline)
    assert look.verdict == "undetermined"


@pytest.mark.parametrize("known", [True, False])
def test_where_everybody_is_sent_nothing_is_told(known: bool) -> None:
    """Seen served by somebody else: how siblings were answered then is not on record."""
    look = Script(lambda r: sent(r, "/")).look(URL, known_online=known)
    assert look.said == ("undetermined", "redirect_shared")


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("/", "soft_404_root"),
        ("/sorry", "soft_404_redirect"),
        ("/sorry?from={}", "soft_404_redirect"),
    ],
)
def test_a_host_that_always_sent_the_missing_away_has_removed(where: str, reason: str) -> None:
    """Seen served while siblings were sent there, and sent there now: gone, the path in the query or not (C)."""

    def away(request: Request) -> Reply:
        if request.target.partition("?")[0] in ("/", "/sorry"):
            return page(request, 3_000)
        return sent(request, where.format(request.target))

    script = Script(lambda r: picture(r) if r.url.href == FILE else away(r))
    baseline = script.look(FILE).fingerprint
    script.host = away
    look = script.look(FILE, after=3_600.0, known_online=True, baseline=baseline)
    assert look.said == ("removed", reason)


@pytest.mark.parametrize("hops", [1, 2])
def test_maintenance_is_no_sighting_of_a_page(hops: int) -> None:
    """A page of about the length of the one that was seen, at the end of any hop, is asked of siblings anew."""
    url = "http://pics.example/p/4711.html"
    script = Script(lambda r: page(r, 1_417) if r.url.href == url else missing(r))
    baseline = script.look(url).fingerprint

    def host(request: Request) -> Reply:
        if hops == 2 and request.url.scheme == "http":
            return sent(request, "https" + request.url.href[4:])
        there = request.target == "/maintenance"
        return page(request, 2_000) if there else sent(request, "/maintenance")

    script.host = host
    look = script.look(url, after=3_600.0, known_online=True, baseline=baseline)
    assert look.verdict == "undetermined"


def test_media_behind_a_path_that_is_spelled_like_a_login_are_the_object() -> None:
    """The spelling of a path proves nothing: `/auth/...` may be where pictures lie (C)."""

    def host(request: Request) -> Reply:
        if request.url.href == FILE:
            return sent(request, "/auth/a7f3.jpg")
        return picture(request) if request.target == "/auth/a7f3.jpg" else missing(request)

    assert Script(host).look(FILE).said == ("online", "served")


def test_a_redirect_without_a_target_is_undetermined() -> None:
    """302 without a Location leads nowhere."""
    assert Script(lambda r: reply(r, 302)).look(URL).reason == "redirect_broken"


def test_a_loop_is_noticed_wherever_it_closes() -> None:
    """Two pages that lead to each other end a look."""
    onward = routes(x="/y", y="/x")

    def host(request: Request) -> Reply:
        target = onward.get(request.target)
        return missing(request) if target is None else sent(request, target)

    look = Script(host).look(URL)
    assert look.reason == "redirect_loop"
    assert (look.methods(URL), look.methods("http://a.example/y")) == (["HEAD", "GET"], ["GET"])


def test_a_redirect_of_everything_to_a_page_of_the_baselines_length_makes_no_breach() -> None:
    """Around a deadline the siblings are asked where they are sent now; before, those of before vouch for the page."""
    story = "http://pics.example/story/a7f3.html"

    def host(request: Request) -> Reply:
        if request.method == "HEAD":
            return reply(request, 405)
        if request.at > 1.0 and request.target != "/soon.html":
            return sent(request, "/soon.html")
        return (
            page(request)
            if request.target in ("/soon.html", "/story/a7f3.html")
            else missing(request)
        )

    script = Script(host)
    known = {"known_online": True, "baseline": script.look(story).fingerprint}
    assert script.look(story, after=60.0, **known).said == ("online", "served")
    look = script.look(story, after=60.0, priority=DEADLINE, **known)
    assert look.said == ("undetermined", "redirect_shared")
