"""The material stays, and we are kept from it: hotlink rules, gates, maintenance, blocks of our agent."""

from functools import partial

import pytest

from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

PAGE = b"<!doctype html><title>soon</title>" + b"m" * 1466

# What follows is for who comes without the site's own Referer, to nginx, Apache and lighttpd.
FOREIGN = r"location ~ \.jpg$ { valid_referers server_names; if ($invalid_referer) "
ABROAD = "RewriteEngine on\nRewriteCond %{HTTP_REFERER} !^http://pics.example\n"
ELSEWHERE = '$HTTP["referer"] !~ "^http://pics.example" '
HOTLINKS = {
    "nginx 403": FOREIGN + "{ return 403; } }",
    "nginx 302 front": FOREIGN + "{ return 302 /; } }",
    "nginx picture": FOREIGN + "{ rewrite ^ /hotlink.png last; } }",
    "apache2 403": ABROAD + "RewriteRule \\.jpg$ - [F]",
    "apache2 302 front": ABROAD + "RewriteRule \\.jpg$ / [R=302]",
    "apache2 picture": ABROAD + "RewriteRule \\.jpg$ /hotlink.png",
    "lighttpd 403": ELSEWHERE + '{ url.access-deny = ( ".jpg" ) }',
    "lighttpd 302 picture": ELSEWHERE + '{ url.redirect = ( "\\.jpg$" => "/hotlink.png" ) }',
    "caddy 302 front": "@hot {\npath *.jpg\nnot header Referer http://pics.example*\n}\nredir @hot / 302\nfile_server",
}


@pytest.mark.parametrize("start", [3.5, -1.0])
@by_rule(HOTLINKS)
async def test_hotlink_protection(stage: Stage, kind: str, rule: str, start: float) -> None:
    """Who comes without the site's own Referer is turned away, from hour 3.5 or all the time: nothing false."""
    origin = stage.server(kind, rule if start < 0 else "")
    origin.put("hotlink.png", bytes(777))
    acts = {} if start < 0 else {start: lambda: origin.configure(rule)}
    await stage.plays(origin, acts)


MAINTENANCE = {
    "nginx 503": "location / { return 503; }",
    "nginx 503 retry after": 'location / { add_header Retry-After 3600 always; return 503 "soon"; }',
    "nginx 200": "location / { rewrite ^ /soon.html break; }",
    "nginx 302": "location / { return 302 /soon.html; } location = /soon.html { }",
    "apache2 503": "RewriteEngine on\nRewriteRule .* - [R=503]",
    "apache2 200": "RewriteEngine on\nRewriteRule .* /soon.html",
    "lighttpd 200": 'url.rewrite-once = ( "" => "/soon.html" )',
    "caddy 503": 'respond "soon" 503',
    "caddy 200": "rewrite * /soon.html\nfile_server",
}


@by_rule(MAINTENANCE)
async def test_maintenance_for_some_hours(stage: Stage, kind: str, rule: str) -> None:
    """For five hours every path is the page of the maintenance; then all is as before: a breach."""
    origin = stage.server(kind)
    origin.put("soon.html", PAGE)
    acts = {3.5: lambda: origin.configure(rule), 8.6: origin.configure}
    await stage.plays(origin, acts, outcome="breached")


@by_rule(MAINTENANCE)
async def test_maintenance_without_end(stage: Stage, kind: str, rule: str) -> None:
    """Every path is the page of the maintenance, until after the deadline and beyond: nothing false."""
    origin = stage.server(kind)
    origin.put("soon.html", PAGE)
    await stage.plays(origin, {3.5: lambda: origin.configure(rule)})


@by_rule(MAINTENANCE)
async def test_maintenance_at_the_first_look(stage: Stage, kind: str, rule: str) -> None:
    """The first looks meet maintenance, then all is served for good: a breach of a clock that did not move."""
    origin = stage.server(kind, rule)
    origin.put("soon.html", PAGE)
    await stage.plays(origin, {6.5: origin.configure}, outcome="breached")


@by_rule(MAINTENANCE)
async def test_a_removal_under_maintenance(stage: Stage, kind: str, rule: str) -> None:
    """The file goes while maintenance hides everything, which ends before the deadline: within."""
    origin = stage.server(kind)
    origin.put("soon.html", PAGE)
    acts = {3.5: lambda: origin.configure(rule), 5.5: origin.remove, 8.6: origin.configure}
    await stage.plays(origin, acts, gone=5.5, outcome="within")


LIKE = {
    "nginx": "location / { rewrite ^ /soon.html break; }",
    "apache2": "RewriteEngine on\nRewriteRule .* /soon.html",
}


@pytest.mark.parametrize(("at", "outcome"), [(23.6, "undecided"), (24.1, "breached")])
@pytest.mark.parametrize("kind", sorted(LIKE))
async def test_a_page_for_everything_of_the_very_length_of_the_page_that_goes(
    stage: Stage, kind: str, at: float, outcome: str
) -> None:
    """Siblings were missing at hour 14: no breach where it went before the deadline, one where it was seen later."""
    origin = stage.server(kind)
    origin.put("a.html", PAGE)
    origin.put("soon.html", PAGE.replace(b"m", b"w"))

    def away() -> None:
        origin.remove("a.html")
        origin.configure(LIKE[kind])

    # A page that changes for two hours has its siblings asked again.
    changed, back = partial(origin.put, "a.html", PAGE * 2), partial(origin.put, "a.html", PAGE)
    acts = {12.5: changed, 14.5: back, at: away}
    await stage.plays(origin, acts, gone=at, outcome=outcome, path="/a.html")


YOUNG = "RewriteEngine on\nRewriteCond %{HTTP_COOKIE} !age=\n"
GATES = {
    "nginx 302 front": 'location / { if ($cookie_age = "") { return 302 /; } } location = / { }',
    "nginx 302 welcome": 'location / { if ($cookie_age = "") { return 302 /welcome; } }'
    " location = /welcome { rewrite ^ /soon.html break; }",
    "nginx 302 login": 'location / { if ($cookie_age = "") { return 302 /login?next=$uri; } }'
    " location = /login { rewrite ^ /soon.html break; }",
    "nginx 200": 'location / { if ($cookie_age = "") { rewrite ^ /soon.html last; } } location = /soon.html { }',
    "apache2 302 front": YOUNG + "RewriteCond %{REQUEST_URI} !^/$\nRewriteRule .* / [R=302,L]",
    "apache2 302 page": YOUNG + "RewriteCond %{REQUEST_URI} !soon\n"
    "RewriteRule .* /soon.html [R=302,L]",
    "apache2 401": YOUNG + "RewriteRule .* - [R=401]",
    "caddy 302 front": "@new {\nnot path /\nnot header Cookie *age=*\n}\nredir @new / 302\nfile_server",
    "lighttpd 302 front": '$HTTP["cookie"] !~ "age=" { $HTTP["url"] != "/" { url.redirect = ( "" => "/" ) } }',
}


@pytest.mark.parametrize("start", [3.5, -1.0])
@by_rule(GATES)
async def test_a_gate_around_the_site(stage: Stage, kind: str, rule: str, start: float) -> None:
    """Who has not said his age is sent to a page that asks, from hour 3.5 or all the time: nothing false."""
    origin = stage.server(kind, rule if start < 0 else "")
    origin.put("soon.html", PAGE)
    acts = {} if start < 0 else {start: lambda: origin.configure(rule)}
    await stage.plays(origin, acts)


@by_rule(GATES)
async def test_a_gate_that_is_taken_away(stage: Stage, kind: str, rule: str) -> None:
    """The gate of the first looks is taken away at hour 6.5, and the file stays: a breach."""
    origin = stage.server(kind, rule)
    origin.put("soon.html", PAGE)
    await stage.plays(origin, {6.5: origin.configure}, outcome="breached")


AGENTS = {
    "nginx return": "if ($http_user_agent ~* takedown) { return CODE; }",
    "apache2 rewrite": "RewriteEngine on\nRewriteCond %{HTTP_USER_AGENT} takedown [NC]\nRewriteRule .* - [R=CODE]",
    "caddy respond": "@us header User-Agent *takedown*\nrespond @us CODE\nfile_server",
}


@pytest.mark.parametrize("start", [3.5, -1.0])
@pytest.mark.parametrize("code", ["403", "404", "451", "429"])
@by_rule(AGENTS)
async def test_a_block_of_our_agent(
    stage: Stage, kind: str, rule: str, code: str, start: float
) -> None:
    """Whoever bears our name is told no, or not found; everybody else sees it: nothing false."""
    rule = rule.replace("CODE", code)
    origin = stage.server(kind, rule if start < 0 else "")
    acts = {} if start < 0 else {start: lambda: origin.configure(rule)}
    await stage.plays(origin, acts)


@pytest.mark.parametrize("kind", ["nginx", "apache2"])
async def test_three_days_of_403_and_then_404(stage: Stage, kind: str) -> None:
    """403 for all from the first look on, and 404 after the deadline: not gone before the notice, nor within."""
    rules = {
        "nginx": "location / { return 403; }",
        "apache2": "RewriteEngine on\nRewriteRule .* - [F]",
    }
    origin = stage.server(kind, rules[kind])

    def open_up() -> None:
        origin.remove()
        origin.configure()

    await stage.plays(origin, {30.5: open_up}, gone=30.5)


LEGAL = {
    "nginx 451": "location = /a.jpg { return 451; }",
    "apache2 451": "RewriteEngine on\nRewriteRule ^/a\\.jpg$ - [R=451]",
    "caddy 451": "respond /a.jpg 451\nfile_server",
}


@by_rule(LEGAL)
async def test_unavailable_for_legal_reasons(stage: Stage, kind: str, rule: str) -> None:
    """451 of the URL alone, to us and perhaps not to others abroad: nothing false."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: lambda: origin.configure(rule)})


PRIVATE = {
    "nginx 401": "location = /a.jpg { return 401; }",
    "nginx login": "location = /a.jpg { return 302 /login?next=/a.jpg; } location = /login { return 200 login; }",
    "apache2 403": "<Location /a.jpg>\nRequire all denied\n</Location>",
    "lighttpd 403": '$HTTP["url"] == "/a.jpg" { url.access-deny = ( "" ) }',
    "caddy 401": "respond /a.jpg 401\nfile_server",
}


@by_rule(PRIVATE)
async def test_a_picture_that_its_owner_makes_private(stage: Stage, kind: str, rule: str) -> None:
    """From 5.5 on the one picture is for those only who know a word: nothing false."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: lambda: origin.configure(rule)})
