"""HEAD, GET and the neutral agent: which answer decides (kinds A, D, Q)."""

import pytest

from schemas.events import Fingerprint
from services.probing.limits.gate import DEADLINE, Deferred
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

URL = "http://pics.example/img/a7f3.jpg"


def picture_alone(request: Request) -> Reply:
    """Serve one picture, and nothing else."""
    return picture(request) if request.url.href == URL else missing(request)


def serving(head: Host, get: Host = picture, absent: Host = missing) -> Host:
    """Make a host that serves one picture; `head` answers every HEAD."""

    def host(request: Request) -> Reply:
        if request.method == "HEAD":
            return head(request)
        return get(request) if request.url.href == URL else absent(request)

    return host


def test_what_is_gone_is_asked_for_by_get_alone() -> None:
    """Each look at a removed URL takes one request; put back, it is compared with what HEAD saw before."""
    script = Script(picture_alone)
    seen = script.look(URL).fingerprint
    script.host = missing
    first = script.look(URL, after=60.0, baseline=seen)
    later = [script.look(URL, after=60.0, baseline=seen) for _ in range(2)]
    assert (first.methods(URL), [look.methods(URL) for look in later]) == (
        ["HEAD", "GET", "GET"],
        [["GET"], ["GET"]],
    )
    script.host = picture_alone
    back = script.look(URL, after=60.0, baseline=seen)
    assert (back.said, back.methods(URL)) == (("online", "served"), ["GET", "HEAD"])
    assert script.look(URL, after=60.0, baseline=seen).methods(URL) == ["HEAD"]


@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        (404, "removed", "not_found"),
        (410, "removed", "gone"),
        (401, "undetermined", "blocked_unauthorized"),
        (403, "undetermined", "blocked_forbidden"),
        (421, "undetermined", "misdirected"),
        (429, "undetermined", "blocked_rate_limited"),
        (451, "undetermined", "blocked_legal"),
        (500, "undetermined", "server_error"),
        (502, "undetermined", "server_error"),
        (503, "undetermined", "blocked_unavailable"),
    ],
)
def test_each_status_has_its_verdict(status: int, verdict: str, reason: str) -> None:
    """What HEAD is answered with is asked for by GET, and what both say is gone by the neutral agent."""
    host = serving(lambda r: reply(r, status), get=lambda r: reply(r, status))
    look = Script(host).look(URL)
    assert look.said == (verdict, reason)
    assert look.methods(URL) == ["HEAD", "GET", "GET"][: 3 if verdict == "removed" else 2]
    assert look.fingerprint is not None
    assert look.fingerprint.status == status


def test_what_is_served_to_head_is_asked_once() -> None:
    """A plain 200 with a length needs no GET."""
    look = Script(picture_alone).look(URL)
    assert (look.said, look.methods(URL)) == (("online", "served"), ["HEAD"])


@pytest.mark.parametrize(
    "status",
    [204, 304, 400, 401, 402, 403, 404, 405, 409, 410, 411, 415, 418, 421, 429, 451, 500, 501, 503],
)
def test_a_refused_head_is_asked_by_get(status: int) -> None:
    """Whatever HEAD is refused with, the GET decides (A)."""
    assert Script(serving(lambda r: reply(r, status))).look(URL).said == ("online", "served")


@pytest.mark.parametrize("reason", ["disconnected", "response_timeout", "bad_response"])
def test_a_head_without_an_answer_is_asked_by_get(reason: str) -> None:
    """A server that closes or hangs upon HEAD serves all the same (A)."""
    assert Script(serving(lambda r: fault(r, reason))).look(URL).verdict == "online"


@pytest.mark.parametrize(
    "head",
    [
        lambda r: reply(r, 200, content_type="image/jpeg", content_length=0),
        lambda r: reply(r, 200, content_type="image/jpeg"),
        lambda r: reply(r, 200, content_type="text/html", content_length=1234),
        lambda r: sent(r, "/"),
        lambda r: sent(r, "/login"),
    ],
    ids=["empty", "without a length", "the same for all", "to the front page", "to a login"],
)
@pytest.mark.parametrize("served", [True, False])
def test_a_head_that_says_the_same_of_everything_says_nothing(head: Host, served: bool) -> None:
    """It makes neither a sighting of what GET does not have, nor a removal of what it has (A)."""
    look = Script(serving(head, get=picture if served else missing)).look(URL)
    assert look.said == (("online", "served") if served else ("removed", "not_found"))


def test_a_push_back_that_names_a_time_is_honoured() -> None:
    """GET is not asked where HEAD is told when to come again (G9)."""
    look = Script(serving(lambda r: reply(r, 503, retry_after="60"))).look(URL)
    assert look.reason == "blocked_unavailable"
    assert look.methods(URL) == ["HEAD"]


def test_what_a_head_is_worth_is_learnt_for_a_day() -> None:
    """GET is asked at once, and HEAD again after a day."""
    script = Script(serving(lambda r: reply(r, 405)))
    assert script.look(URL).methods(URL) == ["HEAD", "GET"]
    assert script.look(URL, after=3_600.0).methods(URL) == ["GET"]
    assert script.look(URL, after=86_400.0).methods(URL) == ["HEAD", "GET"]


def test_what_a_head_is_worth_is_learnt_for_one_shape() -> None:
    """GET is asked at once for every URL of the shape where HEAD said little, and for no other."""
    files, other = [f"http://pics.example/a/{n}.jpg" for n in (1, 2)], "http://pics.example/b"

    def host(request: Request) -> Reply:
        if request.url.href not in (*files, other):
            return missing(request)
        lies = request.method == "HEAD" and request.url.href != other
        return missing(request) if lies else picture(request)

    script = Script(host)
    looks = [script.look(url) for url in (*files, other)]
    assert {look.verdict for look in looks} == {"online"}
    methods = [look.methods(url) for look, url in zip(looks, (*files, other), strict=True)]
    assert methods == [["HEAD", "GET"], ["GET"], ["HEAD"]]


def test_a_baseline_by_head_is_compared_by_head() -> None:
    """A placeholder in the object's place is no sighting, though HEAD said little meanwhile (A, S)."""

    def host(head: Host, get: Host = picture) -> Host:
        return serving(lambda r: head(r) if r.url.href == URL else missing(r), get)

    def placeholder(request: Request) -> Reply:
        return picture(request, 1_777, content_type="image/png")

    script = Script(host(picture))
    baseline = script.look(URL).fingerprint
    script.host = host(lambda r: reply(r, 200, content_length=0))
    assert script.look(URL, after=3_600.0, known_online=True, baseline=baseline).verdict == "online"
    script.host = host(placeholder, placeholder)
    look = script.look(URL, after=3_600.0, known_online=True, baseline=baseline)
    assert look.reason == "suspected_replaced"


def test_a_baseline_by_head_is_compared_where_head_serves_siblings_too() -> None:
    """That siblings are served to HEAD by now takes nothing from what it says of a placeholder (A, S)."""
    state = {"head": picture, "siblings": missing}
    script = Script(
        serving(lambda r: state["head" if r.url.href == URL else "siblings"](r), picture)
    )
    baseline = script.look(URL).fingerprint
    state |= {"siblings": page, "head": lambda r: picture(r, 1_777, content_type="image/png")}
    look = script.look(URL, after=90_000.0, known_online=True, baseline=baseline)
    assert (look.reason, "HEAD" in look.methods(URL)) == ("suspected_replaced", True)


@pytest.mark.parametrize("length", [0, 48_211, 900])
def test_what_head_said_of_the_length_is_not_held_against_get(length: int) -> None:
    """A host that refuses HEAD one day goes on serving: another method's length is not compared with (A)."""
    baseline = Fingerprint(content_type="image/jpeg", content_length=length, method="HEAD")
    script = Script(
        serving(lambda r: reply(r, 405), lambda r: picture(r) if r.url.href == URL else missing(r))
    )
    look = script.look(URL, known_online=True, baseline=baseline)
    assert look.said == ("online", "served")


def test_a_sighting_at_the_deadline_is_served_to_get() -> None:
    """A cache that keeps what HEAD says makes no breach."""
    script = Script(serving(lambda r: picture(r) if r.url.href == URL else missing(r), get=missing))
    assert script.look(URL, priority=DEADLINE).verdict == "removed"


# -- nothing (D) -----------------------------------------------------------------------------------


def empty(request: Request) -> Reply:
    """Serve nothing as a picture."""
    return reply(request, 200, content_type="image/jpeg", content_length=0)


def test_nothing_that_nobody_saw_otherwise_is_no_content() -> None:
    """An empty 200 at a first look says neither."""
    assert Script(serving(empty, empty)).look(URL).said == ("undetermined", "no_content")


def test_nothing_where_something_was_is_gone() -> None:
    """An empty 200 where bytes were seen, while siblings are missing, is a removal."""
    script = Script(serving(empty, empty))
    assert script.look(URL, known_online=True).said == ("removed", "emptied")


def test_a_byte_of_nothing_that_is_forbidden_is_nothing() -> None:
    """A server that refuses a range past the end by 403 keeps nothing from us: what was there is emptied."""
    script = Script(serving(empty, get=lambda r: reply(r, 403, content_length=0, is_past_end=True)))
    assert script.look(URL, known_online=True).said == ("removed", "emptied")


def test_nothing_for_everybody_is_a_wall() -> None:
    """The naive mending takes an empty 200 for a removal: a host that gives every path nothing has removed none."""
    script = Script(serving(empty, empty, absent=empty))
    assert script.look(URL, known_online=True).said == ("undetermined", "no_content")


def test_nothing_for_our_agent_alone_is_no_removal() -> None:
    """What another agent is served is there."""
    script = Script(serving(empty, lambda r: picture(r) if r.neutral else empty(r)))
    assert script.look(URL, known_online=True).said == ("online", "served")


# -- agents (Q) ------------------------------------------------------------------------------------


def unwelcome(request: Request) -> Reply:
    """Serve everybody but our agent."""
    if not request.neutral:
        return missing(request)
    return picture(request) if request.url.href == URL else missing(request)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("confirming", [True, False])
def test_a_404_for_our_agent_alone_is_no_removal(known: bool, confirming: bool) -> None:
    """At no look, the first that dates a removal included, is a removal believed that the neutral agent is not told."""
    look = Script(unwelcome).look(URL, known_online=known, confirming=confirming)
    assert look.verdict == "online"
    assert "agent_matters" in look.rules
    (answer,) = look.evidence.answers
    assert (answer.neutral_agent, answer.method) == (True, "GET")


def test_siblings_are_asked_as_the_same_agent() -> None:
    """What the neutral agent is served is compared with what it is served elsewhere."""
    look = Script(unwelcome).look(URL)
    assert look.methods(URL) == ["HEAD", "GET", "GET"]
    assert {r.neutral for r in look.requests if r.url.href != URL} == {True}


def without_neutral(host: Host) -> Host:
    """Let politeness forbid what the neutral agent would ask."""

    def polite(request: Request) -> Reply:
        if request.neutral:
            raise Deferred(60.0)
        return host(request)

    return polite


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("confirming", [True, False])
@pytest.mark.parametrize("status", [404, 410])
def test_what_the_neutral_agent_was_not_asked_is_not_gone(
    known: bool, confirming: bool, status: int
) -> None:
    """Where politeness defers the neutral agent, a 404 may be for our agent alone, whoever saw it before."""
    script = Script(without_neutral(lambda r: reply(r, status)))
    look = script.look(URL, known_online=known, confirming=confirming)
    assert look.said == ("undetermined", "agent_unasked")


def test_a_soft_404_that_the_neutral_agent_was_not_asked_is_not_gone() -> None:
    """The naive mending looks at the status alone: a page that says so may be for our agent alone as well."""
    script = Script(serving(picture, picture, absent=page))
    baseline = script.look(URL).fingerprint
    script.host = without_neutral(page)
    look = script.look(URL, known_online=True, baseline=baseline, after=3_600.0)
    assert look.said == ("undetermined", "agent_unasked")
    script.host = page
    again = script.look(URL, known_online=True, baseline=baseline, after=60.0)
    assert again.said == ("removed", "soft_404_control")


def test_what_the_neutral_agent_said_holds_while_it_is_deferred() -> None:
    """It was told that it is gone since it was seen: a confirming look that can't ask it again is believed."""
    script = Script(missing)
    assert script.look(URL, known_online=True).said == ("removed", "not_found")
    script.host = without_neutral(missing)
    look = script.look(URL, known_online=True, confirming=True, after=300.0)
    assert look.said == ("removed", "not_found")


def test_a_removal_is_asked_of_the_neutral_agent_once() -> None:
    """What both agents were told is gone is asked again as the neutral one only before it confirms."""
    script = Script(missing)
    first = script.look(URL, known_online=True)
    again = script.look(URL, known_online=True, after=3_600.0)
    confirming = script.look(URL, known_online=True, confirming=True, after=300.0)
    neutral = [sum(r.neutral for r in look.requests) for look in (first, again, confirming)]
    assert neutral == [1, 0, 1]
    assert {first.reason, again.reason, confirming.reason} == {"not_found"}


def test_the_neutral_agent_has_siblings_of_its_own() -> None:
    """The naive mending takes the neutral agent's soft 404 for a sighting, because our siblings are a 404."""
    script = Script(lambda r: page(r) if r.neutral else missing(r))
    assert script.look(URL).said == ("undetermined", "never_seen_served")


def test_a_wall_for_the_neutral_agent_takes_nothing_from_ours() -> None:
    """A URL that was seen under our agent is gone if it is told so, though another one is blocked."""
    script = Script(lambda r: reply(r, 403) if r.neutral else missing(r))
    assert script.look(URL, known_online=True).said == ("removed", "not_found")
