"""Redirect classes, sibling paths and what counts as parked."""

import pytest

from schemas.urls import canonical
from services.probing.look.controls import is_parked, sibling
from services.probing.look.redirects import hop, joined, kind_of, registrable_domain


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
        ("http://a.example/x", "/404", "not_found"),
        ("http://a.example/x", "/404.html?u=x", "not_found"),
        ("http://a.example/x", "/error/404/", "not_found"),
        ("http://a.example/x", "/page-not-found", "not_found"),
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
    assert hop(canonical(url), location).kind == kind


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
    assert hop(canonical("http://a.example/x"), location).fault == fault


def test_registrable_domain() -> None:
    """Domains are told apart by the public suffix list; an address is its own domain."""
    assert registrable_domain("a.b.example") == "b.example"
    assert registrable_domain("x.y.co.uk") == "y.co.uk"
    assert registrable_domain("192.0.2.1") == "192.0.2.1"
    assert registrable_domain("co.uk") == "co.uk"
    assert kind_of(canonical("http://a.example/"), canonical("http://a.example/z")) == "same_host"


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("http://a.example/d/x.jpg?q=1", "http://a.example/d/TOKEN.jpg"),
        ("http://a.example/x", "http://a.example/TOKEN"),
        ("http://a.example/d/", "http://a.example/d/TOKEN"),
        ("http://a.example:8080/v1.2/x.verylong", "http://a.example:8080/v1.2/TOKEN"),
    ],
)
def test_sibling(url: str, written: str) -> None:
    """A sibling lies in the same folder and has the same extension."""
    assert sibling(canonical(url), "TOKEN").href == written


def test_parked() -> None:
    """Parking services are known by the domains of their name servers."""
    assert is_parked(["ns1.sedoparking.com"])
    assert not is_parked(["ns1.hoster.example", "sedoparking.com.hoster.example"])
