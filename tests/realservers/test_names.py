"""The name: deleted at its authority, filtered by a resolver, sent to a stop page, or without an answer for a while."""

from functools import partial

import pytest

from tests.realservers.daemons import Nsd, Unbound
from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

OWN = "pics A 127.0.0.1"
OTHERS = "other A 127.0.0.1\nstop A 127.0.0.2"


def resolving(stage: Stage, rules: str = "", **parts: str) -> tuple[Nsd, Unbound]:
    """Start an authority that knows the name, and a resolver that asks it."""
    authority = stage.server("nsd", f"{OWN}\n{OTHERS}")
    resolver = stage.server("unbound", rules, authority=str(authority.port), **parts)
    return authority, resolver


async def test_a_file_whose_name_is_resolved_by_unbound(stage: Stage) -> None:
    """The file is removed, the name stays: within."""
    origin = stage.server("nginx")
    _, resolver = resolving(stage)
    await stage.plays(
        origin, {5.5: origin.remove}, gone=5.5, outcome="within", resolvers=[resolver.port]
    )


async def test_a_name_that_is_deleted(stage: Stage) -> None:
    """The authority of the zone doesn't know the name any more (NXDOMAIN with its SOA): gone, and no breach."""
    origin = stage.server("nginx")
    authority, resolver = resolving(stage)
    acts = {5.5: partial(authority.configure, OTHERS)}
    await stage.plays(origin, acts, gone=5.5, resolvers=[resolver.port])


async def test_a_name_without_an_address(stage: Stage) -> None:
    """The name has a text, and no address any more: no breach."""
    origin = stage.server("nginx")
    authority, resolver = resolving(stage)
    acts = {5.5: partial(authority.configure, f'pics TXT "-"\n{OTHERS}')}
    await stage.plays(origin, acts, gone=5.5, resolvers=[resolver.port])


FILTERS = {
    "unbound always nxdomain": 'local-zone: "pics.example." always_nxdomain',
    "unbound static": 'local-zone: "pics.example." static',
    "unbound refuse": 'local-zone: "pics.example." refuse',
    "unbound deny by redirect": 'local-zone: "pics.example." redirect\n    local-data: "pics.example. A 127.0.0.2"',
    "unbound nodata": 'local-zone: "pics.example." always_nodata',
    "unbound null": 'local-zone: "pics.example." always_null',
    "unbound with errors": 'ede: yes\n    local-zone: "pics.example." always_nxdomain',
    "unbound with an SOA of its own": 'local-zone: "pics.example." static\n'
    '    local-data: "pics.example. 0 SOA localhost. nobody.invalid. 1 3600 1200 604800 10800"',
}


@pytest.mark.parametrize("start", [3.5, -1.0])
@by_rule(FILTERS)
async def test_a_resolver_that_filters_the_name(
    stage: Stage, kind: str, rule: str, start: float
) -> None:
    """Our own resolver filters the name, from hour 3.5 or all the time, and all others see the file: nothing false."""
    origin = stage.server("nginx")
    authority, resolver = resolving(stage, rule if start < 0 else "")
    assert kind == resolver.name
    acts = {}
    if start > 0:
        acts = {start: partial(resolver.configure, rule, authority=str(authority.port))}
    await stage.plays(origin, acts, resolvers=[resolver.port])


SPEAKS_FOR_THE_ZONE = (
    'local-zone: "example." static\n'
    '    local-data: "example. 0 SOA ns.example. nobody.example. 1 3600 1200 604800 10800"'
)


async def test_a_filter_that_speaks_for_the_zone(stage: Stage) -> None:
    """One resolver filters with an SOA of the zone, as its own would; the one of another operator does not."""
    origin = stage.server("nginx")
    _, resolver = resolving(stage, SPEAKS_FOR_THE_ZONE)
    _, other = resolving(stage)
    await stage.plays(origin, resolvers=[resolver.port, other.port])


POLICY = """
rpz:
    name: rpz.local
    zonefile: FOLDER/policy
    rpz-log: no
"""


@pytest.mark.parametrize("action", ["CNAME .", "CNAME *.", "A 127.0.0.2", "CNAME stop.example."])
async def test_a_resolver_with_a_policy_zone(stage: Stage, action: str) -> None:
    """A response policy zone denies the name, or sends it elsewhere, as of 3.5: nothing false."""
    origin = stage.server("nginx")
    authority, resolver = resolving(stage)
    zone = f"$ORIGIN rpz.local.\n@ 0 SOA a b 1 1 1 1 1\n@ 0 NS a\npics.example 0 {action}\n"
    (resolver.folder / "policy").write_text(zone)
    others = POLICY.replace("FOLDER", str(resolver.folder))
    acts = {
        3.5: lambda: resolver.configure("ede: yes", authority=str(authority.port), others=others)
    }
    await stage.plays(origin, acts, resolvers=[resolver.port])


@pytest.mark.parametrize("start", [3.5, -1.0])
async def test_a_stop_page(stage: Stage, start: float) -> None:
    """The resolver sends the name to a page that says the same to every path, of us alone: nothing false."""
    stop = stage.server("nginx")
    stop.put("stop.html", b"<!doctype html><title>blocked</title>" + b"s" * 1785)
    every = f"server {{ listen 127.0.0.2:PORT; root {stop.root}; location / {{ rewrite ^ /stop.html break; }} }}"
    stop.configure(http=every)
    authority, resolver = resolving(stage)
    sent = 'local-zone: "pics.example." redirect\n    local-data: "pics.example. A 127.0.0.2"'
    if start < 0:
        resolver.configure(sent, authority=str(authority.port))
    acts = (
        {start: lambda: resolver.configure(sent, authority=str(authority.port))}
        if start > 0
        else {}
    )
    await stage.plays(stop, acts, resolvers=[resolver.port])


async def test_a_zone_that_is_lame_for_some_hours(stage: Stage) -> None:
    """For five hours the authority refuses to answer for the zone; then all is as before: a breach."""
    origin = stage.server("nginx")
    authority, resolver = resolving(stage)
    whole = f"{OWN}\n{OTHERS}"
    acts = {
        3.5: partial(authority.configure, whole, zone="elsewhere"),
        8.6: partial(authority.configure, whole),
    }
    await stage.plays(origin, acts, outcome="breached", resolvers=[resolver.port])


@pytest.mark.parametrize("first", [True, False])
async def test_one_of_two_resolvers_filters_the_name(stage: Stage, first: bool) -> None:
    """One of our two resolvers says that the name doesn't exist, the other that it does: nothing false."""
    origin = stage.server("nginx")
    authority, honest = resolving(stage)
    rule = 'local-zone: "pics.example." always_nxdomain'
    other = stage.server("unbound", rule, authority=str(authority.port))
    ports = [other.port, honest.port] if first else [honest.port, other.port]
    await stage.plays(origin, {}, resolvers=ports)
