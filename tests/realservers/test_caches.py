"""Caches that serve what their origin has lost, and nodes of which one still has it."""

import pytest

from tests.realservers.stage import Stage

KEEP = "sub vcl_backend_response { set beresp.ttl = 30d; set beresp.grace = 30d; }"


async def test_a_varnish_that_outlives_its_origin(stage: Stage) -> None:
    """The origin loses the file at 5.5, the cache goes on serving it until 9.5: within, gone at 9.5."""
    origin = stage.server("nginx")
    cache = stage.server("varnishd", KEEP, backend=str(origin.port))
    acts = {5.5: origin.remove, 9.5: lambda: cache.configure(KEEP, backend=str(origin.port))}
    await stage.plays(cache, acts, gone=9.5, outcome="within")


async def test_a_varnish_that_never_forgets(stage: Stage) -> None:
    """The origin loses the file at 5.5, and whoever asks the cache is served for good: a breach."""
    origin = stage.server("nginx")
    cache = stage.server("varnishd", KEEP, backend=str(origin.port))
    await stage.plays(cache, {5.5: origin.remove}, outcome="breached")


async def test_a_varnish_whose_origin_dies(stage: Stage) -> None:
    """The origin is switched off, what is cached is served on: a breach."""
    origin = stage.server("apache2")
    cache = stage.server("varnishd", KEEP, backend=str(origin.port))
    await stage.plays(cache, {5.5: origin.stop}, outcome="breached")


PASS = "sub vcl_recv { return (pass); }"


async def test_a_varnish_that_does_not_cache(stage: Stage) -> None:
    """The cache passes everything, HEAD as GET; the file goes: within."""
    origin = stage.server("nginx")
    cache = stage.server("varnishd", PASS, backend=str(origin.port))
    await stage.plays(cache, {5.5: origin.remove}, gone=5.5, outcome="within")


SYNTH = 'sub vcl_recv { if (req.url == "/a.jpg") { return (synth(404, "Gone")); } } ' + KEEP


async def test_a_varnish_that_is_told_to_say_gone(stage: Stage) -> None:
    """The cache itself is told to say 404 of the URL, whatever it and its origin hold: within."""
    origin = stage.server("nginx")
    cache = stage.server("varnishd", KEEP, backend=str(origin.port))
    acts = {5.5: lambda: cache.configure(SYNTH, backend=str(origin.port))}
    await stage.plays(cache, acts, gone=5.5, outcome="within")


CACHE = "proxy_cache_path FOLDER/cache levels=1 keys_zone=c:1m inactive=30d;"
PROXY = (
    "location / {{ proxy_pass http://127.0.0.1:{port}; proxy_set_header Host $http_host; proxy_cache c; "
    "proxy_ignore_headers Cache-Control Expires; proxy_cache_valid 200 206 30d; {more} }}"
)


async def test_an_nginx_cache_that_outlives_its_origin(stage: Stage) -> None:
    """The origin loses the file at 5.5, the cache at 9.5: within, gone at 9.5."""
    origin = stage.server("apache2")
    rules = PROXY.format(port=origin.port, more="")
    cache = stage.server("nginx", rules, http=CACHE)

    def empty() -> None:
        cache.folder.joinpath("cache").rename(cache.folder / "old")
        cache.configure(rules, http=CACHE)

    await stage.plays(cache, {5.5: origin.remove, 9.5: empty}, gone=9.5, outcome="within")


async def test_an_nginx_cache_that_serves_what_is_stale(stage: Stage) -> None:
    """The origin says 404, and the cache serves the stale copy instead, to everybody: a breach."""
    origin = stage.server("apache2")
    stale = "proxy_cache_valid 200 206 1s; proxy_cache_use_stale http_404 error timeout updating;"
    rules = PROXY.format(port=origin.port, more=stale)
    await stage.plays(
        stage.server("nginx", rules, http=CACHE), {5.5: origin.remove}, outcome="breached"
    )


# -- several nodes behind one address --------------------------------------------------------------


def balanced(*ports: int) -> str:
    """Write a balancer's rules that ask each port in turn."""
    servers = "\n".join(f"server n{port} 127.0.0.1:{port}" for port in ports)
    return f"default_backend nodes\nbackend nodes\nbalance roundrobin\n{servers}"


@pytest.mark.parametrize("kind", ["nginx", "apache2"])
@pytest.mark.parametrize("nodes", [2, 3, 5])
async def test_one_node_of_several_loses_it(stage: Stage, kind: str, nodes: int) -> None:
    """One of several nodes loses the file, the others serve it in turn: a breach."""
    behind = [stage.server(kind) for _ in range(nodes)]
    front = stage.server("haproxy", balanced(*(node.port for node in behind)))
    await stage.plays(front, {5.5: behind[0].remove}, outcome="breached", quiet=True)


@pytest.mark.parametrize("nodes", [2, 3, 5])
async def test_one_node_of_several_still_has_it(stage: Stage, nodes: int) -> None:
    """All nodes but one lose the file, and it is never removed from that one: nothing false."""
    behind = [stage.server("nginx") for _ in range(nodes)]
    front = stage.server("haproxy", balanced(*(node.port for node in behind)))

    def most() -> None:
        for node in behind[1:]:
            node.remove()

    await stage.plays(front, {5.5: most}, quiet=True)


async def test_the_nodes_lose_it_one_after_the_other(stage: Stage) -> None:
    """The nodes lose the file at 5.5 and at 10.5: within, gone at 10.5."""
    one, other = stage.server("nginx"), stage.server("nginx")
    front = stage.server("haproxy", balanced(one.port, other.port))
    acts = {5.5: one.remove, 10.5: other.remove}
    await stage.plays(front, acts, gone=10.5, outcome="within", quiet=True)


async def test_an_upstream_of_nginx_with_one_node_left(stage: Stage) -> None:
    """Nginx asks two nodes in turn, and one of them keeps the file: nothing false."""
    one, other = stage.server("apache2"), stage.server("lighttpd")
    nodes = f"upstream nodes {{ server 127.0.0.1:{one.port}; server 127.0.0.1:{other.port}; }}"
    rules = "location / { proxy_pass http://nodes; proxy_set_header Host $http_host; }"
    front = stage.server("nginx", rules, http=nodes)
    await stage.plays(front, {5.5: other.remove}, quiet=True)


async def test_a_balancer_that_tries_the_next_node(stage: Stage) -> None:
    """The balancer asks the next node where one says 404, so the file is served as long as one has it."""
    one, other = stage.server("nginx"), stage.server("nginx")
    rules = balanced(one.port, other.port) + "\nretry-on 404\nretries 3\noption redispatch 1"
    front = stage.server("haproxy", rules)
    acts = {5.5: one.remove, 10.5: other.remove}
    await stage.plays(front, acts, gone=10.5, outcome="within", quiet=True)
