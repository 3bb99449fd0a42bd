"""Servers that answer HEAD otherwise than GET: what they say to HEAD proves nothing."""

from functools import partial

import pytest

from tests.realservers.rules import by_rule
from tests.realservers.stage import Stage

REFUSED = {
    "nginx 405": "if ($request_method = HEAD) { return 405; }",
    "nginx 501": "if ($request_method = HEAD) { return 501; }",
    "nginx 403": "if ($request_method = HEAD) { return 403; }",
    "nginx 404": "if ($request_method = HEAD) { return 404; }",
    "nginx 400": "if ($request_method = HEAD) { return 400; }",
    "nginx 401": "if ($request_method = HEAD) { return 401; }",
    "nginx 410": "if ($request_method = HEAD) { return 410; }",
    "nginx 421": "if ($request_method = HEAD) { return 421; }",
    "nginx 429": "if ($request_method = HEAD) { return 429; }",
    "nginx 451": "if ($request_method = HEAD) { return 451; }",
    "nginx 500": "if ($request_method = HEAD) { return 500; }",
    "nginx 502": "if ($request_method = HEAD) { return 502; }",
    "nginx 503": "if ($request_method = HEAD) { return 503; }",
    "nginx 204": "if ($request_method = HEAD) { return 204; }",
    "nginx 304": "if ($request_method = HEAD) { return 304; }",
    "nginx closes": "if ($request_method = HEAD) { return 444; }",
    "apache2 405": "RewriteEngine on\nRewriteCond %{REQUEST_METHOD} =HEAD\nRewriteRule .* - [R=405]",
    "apache2 501": "RewriteEngine on\nRewriteCond %{REQUEST_METHOD} =HEAD\nRewriteRule .* - [R=501]",
    "apache2 403": "RewriteEngine on\nRewriteCond %{REQUEST_METHOD} =HEAD\nRewriteRule .* - [F]",
    "apache2 404": "RewriteEngine on\nRewriteCond %{REQUEST_METHOD} =HEAD\nRewriteRule .* - [R=404]",
    "lighttpd 403": '$HTTP["request-method"] == "HEAD" { url.access-deny = ( "" ) }',
    "caddy 405": "@head method HEAD\nrespond @head 405\nfile_server",
    "caddy 503": "@head method HEAD\nrespond @head 503\nfile_server",
}

MISTAKEN = {
    "nginx empty 200": 'if ($request_method = HEAD) { return 200 ""; }',
    "nginx text 200": 'if ($request_method = HEAD) { return 200 "ok"; }',
    "nginx front page": "if ($request_method = HEAD) { return 302 /; }",
    "nginx login": "if ($request_method = HEAD) { return 302 /login; }",
    "nginx page 404": "if ($request_method = HEAD) { return 302 /error/404.aspx; }",
    "nginx other domain": "if ($request_method = HEAD) { return 302 http://other.test/; }",
    "nginx loop": "if ($request_method = HEAD) { return 302 $request_uri; }",
    "apache2 front page": "RewriteEngine on\nRewriteCond %{REQUEST_METHOD} =HEAD\nRewriteRule .+ /index.html",
    "caddy empty 200": "@head method HEAD\nrespond @head 200\nfile_server",
}


@by_rule(REFUSED | MISTAKEN)
async def test_removed_where_only_get_is_answered(stage: Stage, kind: str, rule: str) -> None:
    """HEAD is answered alike for all, GET as it should be; the file goes in time: within."""
    origin = stage.server(kind, rule)
    await stage.plays(origin, {5.5: origin.remove}, gone=5.5, outcome="within")


@by_rule(REFUSED | MISTAKEN)
async def test_stays_where_only_get_is_answered(stage: Stage, kind: str, rule: str) -> None:
    """HEAD is answered alike for all, GET serves the file all the time: a breach."""
    origin = stage.server(kind, rule)
    await stage.plays(origin, outcome="breached")


@by_rule(REFUSED | MISTAKEN)
async def test_head_is_answered_so_from_one_day_on(stage: Stage, kind: str, rule: str) -> None:
    """What is said to HEAD changes at hour 5.5, and the file stays: a breach."""
    origin = stage.server(kind)
    await stage.plays(origin, {5.5: lambda: origin.configure(rule)}, outcome="breached")


@by_rule(REFUSED | MISTAKEN)
async def test_gone_before_the_notice_where_only_get_is_answered(
    stage: Stage, kind: str, rule: str
) -> None:
    """HEAD is answered alike for all; GET says 404 from the first look on: gone before the notice."""
    origin = stage.server(kind, rule)
    origin.remove()
    await stage.plays(origin, gone=-1, outcome="gone_before_notice")


HAPROXY = {
    "haproxy 405": "http-request deny deny_status 405 if METH_HEAD",
    "haproxy 200": "http-request return status 200 if METH_HEAD",
    "haproxy 200 typed": "http-request return status 200 content-type image/jpeg string ok if METH_HEAD",
    "haproxy silent": "http-request reject if METH_HEAD",
}


@pytest.mark.parametrize("gone", [True, False])
@by_rule(HAPROXY)
async def test_a_balancer_that_answers_head_itself(
    stage: Stage, kind: str, rule: str, gone: bool
) -> None:
    """The balancer answers HEAD for every path, or closes; the origin answers GET: within, or a breach."""
    origin = stage.server("nginx")
    rules = f"{rule}\ndefault_backend o\nbackend o\nserver o 127.0.0.1:{origin.port}"
    front = stage.server(kind, rules)
    acts = {5.5: origin.remove} if gone else {}
    outcome = "within" if gone else "breached"
    await stage.plays(front, acts, gone=5.5 if gone else None, outcome=outcome)


LENGTHS = {
    "nginx": "location = /a.jpg { if ($request_method = HEAD) { rewrite ^ /empty.jpg break; } }",
    "apache2": "RewriteEngine on\nRewriteCond %{REQUEST_METHOD} =HEAD\nRewriteRule ^/a\\.jpg$ /empty.jpg",
}


@by_rule(LENGTHS)
async def test_a_length_that_head_does_not_know(stage: Stage, kind: str, rule: str) -> None:
    """HEAD says a length of 0 and GET the true one; one day HEAD is refused; it is served all the time: a breach."""
    origin = stage.server(kind, rule)
    origin.put("empty.jpg", b"")
    refused = {
        "nginx": "if ($request_method = HEAD) { return 405; }",
        "apache2": "RewriteEngine on\nRewriteCond %{REQUEST_METHOD} =HEAD\nRewriteRule .* - [R=405]",
    }
    acts = {5.5: lambda: origin.configure(refused[kind])}
    await stage.plays(origin, acts, outcome="breached")


async def test_a_page_where_only_head_was_seen_before(stage: Stage) -> None:
    """Seen by HEAD, then HEAD is sent away, then GET is a page for every path, then the file goes: no breach."""
    away = "if ($request_method = HEAD) { return 302 /; }"
    origin = stage.server("nginx")
    origin.put("soon.html", b"<!doctype html><title>soon</title>" + b"m" * 1466)
    acts = {
        3.5: partial(origin.configure, away),
        11.5: partial(origin.configure, f"{away} rewrite ^ /soon.html break;"),
        13.5: origin.remove,
    }
    await stage.plays(origin, acts, gone=13.5)
