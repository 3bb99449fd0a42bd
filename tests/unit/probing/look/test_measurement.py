"""What an answer is worth beside its baseline, and beside what else a host serves (kinds S, U, V)."""

from collections.abc import Callable

import pytest

from tests.unit.probing.look.script import (
    CASE,
    Host,
    Reply,
    Request,
    Script,
    missing,
    page,
    picture,
    reply,
)

URL = "http://pics.example/img/a7f3.jpg"
OTHER = "http://pics.example/img/b812.jpg"


def beside(absent: Host = missing) -> tuple[Script, Callable[[Host], None]]:
    """Make a host whose URL was seen served, and a way to change what it gives."""
    state: dict[str, Host] = {"url": picture}
    script = Script(lambda r: state["url"](r) if r.url.href == URL else absent(r))
    return script, lambda host: state.update(url=host)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (lambda r: picture(r, 1_503, content_type="image/png"), "suspected_replaced"),
        (lambda r: picture(r, 40_000), "suspected_reencoded"),
        (lambda r: picture(r, 4_000), "suspected_replaced"),
        (lambda r: reply(r, 200, content_type="image/jpeg"), "suspected_replaced"),
        (lambda r: reply(r, 200), "suspected_replaced"),
        (page, "suspected_replaced"),
    ],
    ids=["placeholder", "optimised", "thumbnail", "no length", "no header at all", "page"],
)
def test_what_is_not_what_was_seen_is_no_sighting(now: Host, reason: str) -> None:
    """A missing header is a difference too; another length of the same class has a reason of its own (S, U)."""
    script, change = beside()
    baseline = script.look(URL).fingerprint
    change(now)
    look = script.look(URL, after=3_600.0, known_online=True, baseline=baseline)
    assert look.said == ("undetermined", reason)


@pytest.mark.parametrize("validators", [{"etag_digest": "aa"}, {"last_modified": "today"}])
def test_what_nodes_differ_in_weighs_nothing(validators: dict[str, str]) -> None:
    """Validators that differ between the nodes of one honest site cost no sighting."""
    script, change = beside()
    baseline = script.look(URL).fingerprint
    change(lambda r: picture(r, **validators))
    assert script.look(URL, known_online=True, baseline=baseline).verdict == "online"


def test_an_empty_200_without_headers_is_asked_of_siblings_again() -> None:
    """The naive mending trusts a sibling of a day ago: a host that gives everybody nothing has removed nothing (S)."""
    script, _ = beside()
    baseline = script.look(URL).fingerprint
    script.host = lambda r: reply(r, 200)
    look = script.look(URL, after=80_000.0, known_online=True, baseline=baseline)
    assert look.verdict == "undetermined"


# -- a store that forbids what it does not have (V) ------------------------------------------------


def store(request: Request) -> Reply:
    """Answer as a store does that may not be listed: two objects, and 403 for all else."""
    return picture(request) if request.url.href in (URL, OTHER) else reply(request, 403)


def emptied(request: Request) -> Reply:
    """Answer as that store without the first object."""
    return reply(request, 403) if request.url.href == URL else store(request)


def fronted(host: Host) -> Host:
    """Give a host a front page."""
    return lambda r: page(r) if r.target == "/" else host(r)


def test_a_store_that_forbids_what_it_has_not_has_removed() -> None:
    """Siblings were 403 while the URL was served, and the front page is not: gone."""
    script = Script(fronted(store))
    baseline = script.look(URL).fingerprint
    script.host = fronted(emptied)
    look = script.look(URL, after=3_600.0, known_online=True, baseline=baseline)
    assert look.said == ("removed", "forbidden_as_missing")


def test_a_store_without_a_front_page_has_other_objects() -> None:
    """Where the front page is forbidden as well, another reported object that is served shows that it is no wall."""
    script = Script(store)
    baseline = script.look(URL).fingerprint
    script.look(OTHER, case="f" * 32)
    script.host = emptied
    look = script.look(URL, after=1_800.0, known_online=True, baseline=baseline)
    assert look.said == ("removed", "forbidden_as_missing")


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("after", [60.0, 1_800.0])
def test_a_wall_around_a_store_is_no_removal(front: bool, after: float) -> None:
    """The naive mending believes what the store served before the wall: it is asked now."""
    script = Script(fronted(store) if front else store)
    baseline = script.look(URL).fingerprint
    script.look(OTHER, case="f" * 32)
    script.look("http://pics.example/img/c0.jpg", case="e" * 32)
    script.host = lambda r: reply(r, 403)
    look = script.look(URL, after=after, known_online=True, baseline=baseline)
    assert look.said == ("undetermined", "blocked_forbidden")


def test_a_403_of_what_nobody_saw_is_a_block() -> None:
    """Without a sighting a store and a block look the same."""
    script = Script(fronted(emptied))
    assert script.look(URL, case=CASE).said == ("undetermined", "blocked_forbidden")


def test_a_host_whose_missing_was_404_blocks_by_403() -> None:
    """A 403 is a removal only where siblings had it while something was served."""
    script, _ = beside()
    baseline = script.look(URL).fingerprint
    script.host = fronted(lambda r: reply(r, 403))
    look = script.look(URL, after=3_600.0, known_online=True, baseline=baseline)
    assert look.said == ("undetermined", "blocked_forbidden")
