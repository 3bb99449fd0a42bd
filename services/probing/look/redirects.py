"""Where a redirect leads, as a class; the target itself is kept nowhere (G3)."""

import hashlib
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from publicsuffixlist import PublicSuffixList

from schemas.errors import BadUrl
from schemas.urls import CanonicalUrl, canonical
from services.core.verdict import Redirect
from services.probing.http.exchange import target_of

STATUSES = frozenset({301, 302, 303, 307, 308})
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


class Trail(NamedTuple):
    """The URLs that a visit was sent through; `named`: each still names the object."""

    hrefs: tuple[str, ...]
    named: bool = True


@lru_cache(maxsize=65_536)
def registrable_domain(host: str) -> str:
    """Name the registrable domain of a host, by the public suffix list; an address is its own."""
    if host.startswith("[") or host.replace(".", "").isdigit():
        return host
    name = host.rstrip(".").lower()
    domain: str | None = _SUFFIXES.privatesuffix(name)
    return domain or name


def hop_of(url: CanonicalUrl, location: str | None) -> Hop:
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
    location = _BACKSLASHES.sub(lambda match: "/" * len(match[0]), location)
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
    if is_login(after) and not is_login(before):
        return "login"
    return "root" if after == "/" and before != "/" else None


def is_login(target: str) -> bool:
    """Tell whether a path asks who somebody is."""
    return _LOGIN.search(urlsplit(target).path) is not None


def target_digest(url: CanonicalUrl, target: CanonicalUrl) -> str:
    """Name where a redirect leads without keeping it: two URLs that are sent to one page have one digest.

    What a query repeats of the URL that was asked for (`/sorry?from=/a.jpg`) is left out.
    """
    place, mark, query = target.href.partition("?")
    own = target_of(url)
    path = own.partition("?")[0]
    for text in (own, path, path.rpartition("/")[2]):
        if len(text) > 1:
            query = query.replace(quote(text, safe=""), "*").replace(text, "*")
    return hashlib.blake2b((place + mark + query).encode(), digest_size=8).hexdigest()
