"""Where a redirect leads, as a class; the target itself is kept nowhere (G3)."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from schemas.errors import BadUrl
from schemas.urls import CanonicalUrl, canonical
from services.core.verdict import Redirect
from services.probing.http.exchange import target_of

STATUSES = frozenset({301, 302, 303, 307, 308})
# After the Wikimedia dead-link checker: a final path with `/404.htm`, `/404/` or `notfound` is a soft 404.
_NOT_FOUND = re.compile(r"/(?:error[-_/]?)?404(?:[./_-]|$)|not[-_]?found|page[-_]?missing", re.I)
# Where a host asks who somebody is before it serves anything: a block, and no removal.
_LOGIN = re.compile(
    r"/(?:log[-_]?in|sign[-_]?in|auth|authenticate|sso|captcha|consent"
    r"|age[-_]?(?:gate|check|verification|verify)|verify[-_]?age)(?:[./_-]|$)",
    re.I,
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)
_BACKSLASHES = re.compile(r"^[/\\]+")  # WHATWG: a backslash is a slash in a special scheme
_SUFFIXES = PublicSuffixList()


class Hop(NamedTuple):
    """A redirect's target and its class; `fault` where it can't be followed."""

    url: CanonicalUrl | None
    kind: Redirect | None = None
    fault: str | None = None


@lru_cache(maxsize=65_536)
def registrable_domain(host: str) -> str:
    """Name the registrable domain of a host, by the public suffix list; an address is its own."""
    if host.startswith("[") or host.replace(".", "").isdigit():
        return host
    name = host.rstrip(".").lower()
    found: str | None = _SUFFIXES.privatesuffix(name)
    return found or name


def hop(url: CanonicalUrl, location: str | None) -> Hop:
    """Read a `Location` against the URL that sent it."""
    if not location:
        return Hop(None, fault="redirect_broken")
    try:
        target = canonical(joined(url, location))
    except BadUrl:
        return Hop(None, fault="redirect_broken")
    if target.not_measurable is not None:
        return Hop(None, fault="redirect_refused")
    return Hop(target, kind_of(url, target))


def joined(url: CanonicalUrl, location: str) -> str:
    """Write a reference out against its base; the one parser then takes it apart (Ada takes no base)."""
    location = location.strip()
    if _SCHEME.match(location):
        return location
    location = _BACKSLASHES.sub(lambda found: "/" * len(found[0]), location)
    if location.startswith("//"):
        return f"{url.scheme}:{location}"
    target = target_of(url)
    origin = url.href[: len(url.href) - len(target)]
    if location.startswith("/"):
        return origin + location
    path = target.partition("?")[0]
    if location.startswith(("?", "#")):
        return origin + (path if location[0] == "?" else target) + location
    return origin + path[: path.rfind("/") + 1] + location


def kind_of(url: CanonicalUrl, target: CanonicalUrl) -> Redirect:
    """Give a redirect its class, the most telling first."""
    same_host = url.host == target.host
    if not same_host and registrable_domain(url.host) != registrable_domain(target.host):
        return "other_domain"
    before, after = target_of(url), target_of(target)
    telling = None if before == after else _telling(before, after)
    if telling is not None:
        return telling
    if same_host and before.rstrip("/") == after.rstrip("/"):
        return "https" if before == after and url.scheme != target.scheme else "slash"
    return "same_host" if same_host else "same_domain"


def _telling(before: str, after: str) -> Redirect | None:
    """Name a class that a path alone tells."""
    if is_not_found(after) and not is_not_found(before):
        return "not_found"
    if is_login(after) and not is_login(before):
        return "login"
    return "root" if after == "/" and before != "/" else None


def is_not_found(target: str) -> bool:
    """Tell whether a path says of itself that nothing was found."""
    return _NOT_FOUND.search(urlsplit(target).path) is not None


def is_login(target: str) -> bool:
    """Tell whether a path asks who somebody is."""
    return _LOGIN.search(urlsplit(target).path) is not None


def digest_of(url: CanonicalUrl) -> int:
    """Name a redirect's target without keeping it; salted per process, like every hash of a string."""
    return hash(url.href)
