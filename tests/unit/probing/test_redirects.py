"""Redirect classes, sibling paths and what counts as parked."""

import pytest

from schemas.urls import canonical
from services.probing.look.controls import is_parked
from services.probing.look.redirects import (
    hop_of,
    joined,
    kind_of,
    registrable_domain,
    target_digest,
)


@pytest.mark.parametrize(
    ("url", "location", "kind"),
    [
        ("http://a.example/x", "https://a.example/x", "https"),
        ("http://a.example/x", "/x/", "slash"),
        ("http://a.example/x", "/", "root"),
        ("http://a.example/x?id=1", "https://www.a.example/", "root"),
        ("http://a.example/", "https://a.example/", "https"),
        ("http://a.example/", "http://www.a.example/", "same_domain"),
        ("http://a.example/x", "/y", "same_host"),
        ("http://a.example/x", "http://img.a.example/x", "same_domain"),
        ("http://a.example/x", "http://b.example/x", "other_domain"),
        ("http://a.co.uk/x", "http://b.co.uk/x", "other_domain"),
        ("http://a.example/x", "/404", "same_host"),
        ("http://a.example/x", "/page-not-found", "same_host"),
        ("http://a.example/x", "/login?next=x", "login"),
        ("http://a.example/x", "/album/4041", "same_host"),
        ("http://a.example/404/x", "/404/y", "same_host"),
        ("http://127.0.0.1/x", "http://127.0.0.2/x", "other_domain"),
        ("http://a.example/x", "//b.example/y", "other_domain"),
        ("http://a.example/x", "\\\\b.example/y", "other_domain"),
        ("http://a.example/x", "/\\b.example/y", "other_domain"),
    ],
)
def test_class(url: str, location: str, kind: str) -> None:
    """Each redirect gets the most telling class."""
    assert hop_of(canonical(url), location).kind == kind


@pytest.mark.parametrize(
    ("location", "written"),
    [
        ("y", "http://a.example/d/y"),
        ("../y", "http://a.example/y"),
        ("?q=1", "http://a.example/d/x?q=1"),
        ("#top", "http://a.example/d/x?p=1"),
        ("/y?z=/1", "http://a.example/y?z=/1"),
        ("HTTPS://a.example/y", "https://a.example/y"),
    ],
)
def test_references_are_resolved(location: str, written: str) -> None:
    """A relative reference is read against the URL that sent it."""
    base = canonical("http://a.example/d/x?p=1")
    assert canonical(joined(base, location)).href == written


@pytest.mark.parametrize(
    ("location", "fault"),
    [
        (None, "redirect_broken"),
        ("", "redirect_broken"),
        ("http://", "redirect_broken"),
        ("http://ex ample/", "redirect_broken"),
        ("/a\r\nX: y", "redirect_broken"),
        ("http://u:p@a.example/", "redirect_refused"),
        ("javascript:alert(1)", "redirect_broken"),
        ("ftp://a.example/x", "redirect_refused"),
        ("http://abc.onion/", "redirect_refused"),
    ],
)
def test_what_is_not_followed(location: str | None, fault: str) -> None:
    """What is no web address, or carries credentials, is never followed."""
    assert hop_of(canonical("http://a.example/x"), location).fault == fault


def test_registrable_domain() -> None:
    """Domains are told apart by the public suffix list; an address is its own domain."""
    assert registrable_domain("a.b.example") == "b.example"
    assert registrable_domain("x.y.co.uk") == "y.co.uk"
    assert registrable_domain("192.0.2.1") == "192.0.2.1"
    assert registrable_domain("co.uk") == "co.uk"
    assert kind_of(canonical("http://a.example/"), canonical("http://a.example/z")) == "same_host"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/sorry?from=/a.jpg", "/sorry?from=/b.jpg", True),
        ("/sorry?from=%2Fa.jpg&x=1", "/sorry?from=%2Fb.jpg&x=1", True),
        ("/sorry", "/sorry", True),
        ("/sorry?x=1", "/sorry?x=2", False),
        ("/mirror/a.jpg", "/mirror/b.jpg", False),
    ],
)
def test_targets_are_named_without_what_was_asked_for(one: str, other: str, same: bool) -> None:
    """A page that repeats the asked path in its query is one page; a mirror that repeats it in its path is not."""
    base = "http://a.example"
    digests = [
        target_digest(canonical(base + asked), canonical(base + target))
        for asked, target in (("/a.jpg", one), ("/b.jpg", other))
    ]
    assert (digests[0] == digests[1]) is same


def test_parked() -> None:
    """Parking services are known by the domains of their name servers."""
    assert is_parked(["ns1.sedoparking.com"])
    assert not is_parked(["ns1.hoster.example", "sedoparking.com.hoster.example"])
