"""The scripted sites that both monitors are asked about, what each says, and why they differ where they do.

`python -m tests.operations.blackbox_rows` writes docs/blackbox-differential.md from this table; test_blackbox.py runs
every row against both programs, so that neither the table nor the page can say what is not so.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from schemas.events import Verdict
from services.probing.http.header_handler import HEADER_BYTES, INTERIM_RESPONSES
from tests.integration.looksites import (
    Asked,
    Script,
    answer,
    dribble,
    head_of,
    raw,
    reset,
    silent,
)
from tests.servers import REPOSITORY

_PAUSE = 0.002  # the sites share a loop with what looks at them
PAGE = REPOSITORY / "docs" / "blackbox-differential.md"
Kind = Literal["http", "tls", "verified", "refused", "dns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One site or name; `up` is the exporter's `probe_success`. `why` is told where the two differ."""

    what: str
    verdict: Verdict
    reason: str
    up: bool
    kind: Kind = "http"
    at: Script | None = None
    also: dict[str, Script] = field(default_factory=dict)
    missing: Script | None = None
    name: object = ("127.0.0.1",)
    why: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether the two say the same: it is up exactly if it is online."""
        return self.up == (self.verdict == "online")


def whole(status: int, head: int | None = None, **headers: str) -> Script:
    """Answer as `answer` does, and send GET a body of the length that it says: the exporter reads it to its end."""
    start = answer(status, head, content_length="2", **headers)

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await start(asked, writer)
        if asked.method == "GET":
            writer.write(b"ok")
            await writer.drain()

    return script


def to(location: str) -> Script:
    return whole(302, location=location)


async def to_another_site(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Redirect to another address, at the port that was asked."""
    port = asked.headers["host"].rpartition(":")[2]
    await to(f"http://127.0.0.2:{port}/y")(asked, writer)


def after(head: bytes, body: bytes, *, again: bool) -> Script:
    """Answer HEAD with a head; to GET add a body, again and again if so."""

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while asked.method == "GET":
            writer.write(body)
            await writer.drain()
            if not again:
                break
            await asyncio.sleep(_PAUSE)
        if asked.method == "GET":
            writer.close()

    return script


# One interim answer, and one byte of headers, more than a look takes.
_INTERIM = b"HTTP/1.1 102 P\r\n\r\n" * (INTERIM_RESPONSES + 1)
_HEADERS = (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * HEADER_BYTES)[: HEADER_BYTES + 1]


_OK = head_of(200, {"content-type": "image/jpeg", "content-length": "90000", "etag": '"e"'})
_FRONT = head_of(200, {"content-type": "text/html", "content-length": "512"})
_STATUSES = (
    (401, "undetermined", "blocked_unauthorized"),
    (403, "undetermined", "blocked_forbidden"),
    (404, "removed", "not_found"),
    (407, "undetermined", "blocked_proxy_auth"),
    (410, "removed", "gone"),
    (418, "undetermined", "client_error"),
    (421, "undetermined", "misdirected"),
    (429, "undetermined", "blocked_rate_limited"),
    (451, "undetermined", "blocked_legal"),
    (500, "undetermined", "server_error"),
    (502, "undetermined", "server_error"),
    (503, "undetermined", "blocked_unavailable"),
    (999, "undetermined", "odd_status"),
)


def _answers() -> Iterator[Row]:
    for status in (200, 203, 206):
        yield Row(
            what=f"answers {status}",
            at=whole(status, content_type="image/jpeg"),
            verdict="online",
            reason="served",
            up=True,
        )
    for status, verdict, reason in _STATUSES:
        yield Row(
            what=f"answers {status}",
            at=whole(status),
            verdict=verdict,  # type: ignore[arg-type]
            reason=reason,
            up=False,
        )
    yield Row(
        what="answers 204",
        at=answer(204),
        verdict="undetermined",
        reason="no_content",
        up=True,
        why="2xx is success there; an answer without content does not show that the content is served.",
    )
    yield Row(
        what="405 to HEAD, 200 to GET",
        at=whole(200, head=405),
        verdict="online",
        reason="served",
        up=True,
    )
    yield Row(
        what="404 to HEAD, 200 to GET",
        at=whole(200, head=404),
        verdict="online",
        reason="served",
        up=True,
    )
    yield Row(
        what="403 with a challenge against machines",
        at=whole(403, cf_mitigated="challenge"),
        verdict="undetermined",
        reason="blocked_challenge",
        up=False,
    )
    yield Row(
        what="202 with a challenge against machines",
        at=whole(202, x_amzn_waf_action="challenge"),
        verdict="undetermined",
        reason="blocked_challenge",
        up=True,
        why="2xx is success there; a challenge says nothing about what lies behind it.",
    )
    yield Row(
        what="answers every path alike with 200",
        at=after(_FRONT, b"x" * 512, again=False),
        missing=after(_FRONT, b"x" * 512, again=False),
        verdict="undetermined",
        reason="never_seen_served",
        up=True,
        why="One URL is all it looks at; we ask for a path that can't exist, too, and nobody saw this one served.",
    )


def _redirects() -> Iterator[Row]:
    served = {"/y": whole(200)}
    yield Row(
        what="redirects to a place of the same host that names the object",
        at=to("/y/x"),
        also={"/y/x": whole(200)},
        verdict="online",
        reason="served",
        up=True,
    )
    yield Row(
        what="redirects to a page of the same host that does not name the object",
        at=to("/y"),
        also=served,
        verdict="undetermined",
        reason="redirect_unproven",
        up=True,
        why="It follows and takes the end for the whole; what is served there may say that the object was removed.",
    )
    yield Row(
        what="redirects to itself",
        at=to("/x"),
        verdict="undetermined",
        reason="redirect_loop",
        up=False,
    )
    yield Row(
        what="redirects without a Location",
        at=whole(302),
        verdict="undetermined",
        reason="redirect_broken",
        up=False,
    )
    yield Row(
        what="redirects to what answers 404",
        at=to("/y"),
        verdict="removed",
        reason="not_found",
        up=False,
    )
    yield Row(
        what="redirects four times on the same host",
        at=to("/r1"),
        also={"/r1": to("/r2"), "/r2": to("/r3"), "/r3": to("/y"), **served},
        verdict="undetermined",
        reason="redirect_too_many",
        up=True,
        why="It follows ten redirects, we follow three (G3).",
    )
    yield Row(
        what="redirects to a page that says 404, in 200",
        at=to("/404.html"),
        also={"/404.html": whole(200)},
        verdict="undetermined",
        reason="redirect_unproven",
        up=True,
        why="As above; the spelling of a path proves nothing either.",
    )
    yield Row(
        what="redirects to the front page",
        at=to("/"),
        also={"/": whole(200)},
        verdict="undetermined",
        reason="redirect_to_root",
        up=True,
        why="As above; without a sighting before it may be a wall, so it is no removal either.",
    )
    yield Row(
        what="redirects to a login",
        at=to("/login"),
        also={"/login": whole(200)},
        verdict="undetermined",
        reason="blocked_login",
        up=True,
        why="As above: a wall says nothing about what lies behind it (P2).",
    )
    yield Row(
        what="redirects to another site",
        at=to_another_site,
        also=served,
        verdict="undetermined",
        reason="redirect_other_domain",
        up=True,
        why="We never follow to another registrable domain: it is an unknown host (G3).",
    )


def _hostile() -> Iterator[Row]:
    broken = (
        ("resets the connection", reset, "blocked_reset"),
        ("closes without an answer", raw(b""), "disconnected"),
        ("stops in the middle of the headers", raw(b"HTTP/1.1 200 OK\r\nX-A"), "disconnected"),
        ("talks SSH", raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "bad_response"),
        ("sends a status that is no number", raw(b"HTTP/1.1 abc\r\n\r\n"), "bad_response"),
        ("says nothing", silent, "response_timeout"),
        ("drips headers until the timeout", dribble(b"X-A: b\r\n", 0.05), "blocked_tarpit"),
        ("sends one interim answer too many", raw(_INTERIM, close=False), "interim_flood"),
        ("sends one header byte too many", raw(_HEADERS, close=False), "header_flood"),
    )
    for what, script, reason in broken:
        yield Row(what=what, at=script, verdict="undetermined", reason=reason, up=False)
    yield Row(
        what="nobody listens",
        kind="refused",
        verdict="undetermined",
        reason="connect_refused",
        up=False,
    )
    yield Row(
        what="answers 200, with a body shorter than it says",
        at=after(_OK, b"x" * 100, again=False),
        verdict="online",
        reason="served",
        up=False,
        why="It reads the body and finds it short; we read none (G1), and the head says that it is there.",
    )
    yield Row(
        what="answers 200, with a body without end",
        at=after(
            head_of(200, {"content-type": "image/jpeg", "transfer-encoding": "chunked"}),
            b"1000\r\n" + b"x" * 4096 + b"\r\n",
            again=True,
        ),
        verdict="online",
        reason="served",
        up=False,
        why="It reads until its time is up; we read none (G1).",
    )


def _tls() -> Iterator[Row]:
    yield Row(
        what="TLS under an expired certificate of another name; verification off",
        kind="tls",
        at=whole(200),
        verdict="online",
        reason="served",
        up=True,
    )
    yield Row(
        what="the same; verification on, as it is by default",
        kind="verified",
        at=whole(200),
        verdict="online",
        reason="served",
        up=False,
        why="A certificate fault is no removal: the question is whether it is served, not whether it is safe.",
    )


def _names() -> Iterator[Row]:
    yield Row(
        what="the name has an address",
        kind="dns",
        at=whole(200),
        verdict="online",
        reason="served",
        up=True,
    )
    failing: tuple[tuple[str, str, Verdict, str], ...] = (
        ("the name does not exist", "nxdomain", "removed", "nxdomain"),
        ("the name server fails", "servfail", "undetermined", "dns_servfail"),
        ("the name server refuses", "refused", "undetermined", "dns_refused"),
        ("the name server is silent", "timeout", "undetermined", "dns_timeout"),
    )
    for what, said, verdict, reason in failing:
        yield Row(what=what, kind="dns", name=said, verdict=verdict, reason=reason, up=False)
    yield Row(
        what="the name exists and has no address",
        kind="dns",
        name=(),
        verdict="undetermined",
        reason="dns_nodata",
        up=True,
        why="Its DNS module asks for NOERROR; a URL at a name without an address is not served.",
    )


ROWS = (*_answers(), *_redirects(), *_hostile(), *_tls(), *_names())

_INTRODUCTION = """\
# Beside blackbox_exporter

Debian's blackbox_exporter 0.23 and takedown-monitor were asked about the same scripted sites.
Its question is whether something is up; ours is whether the material is still served, and *gone* is the claim that
needs evidence. Where the two questions are the same, the answers are: **up exactly if online**.
`tests/operations/test_blackbox.py` runs every row below against both, and fails if either says anything else.

Asked by GET, following redirects, without verifying certificates, with a timeout of two seconds;
names by its DNS module.
"""
_ELSEWHERE = """\
## What it has no answer to

- A URL is online if any address of any family serves it; it asks one address of one family.
- It says up or down. Of what is not online, we say why: `removed` needs a reason that a block, a fault or our own
  blindness can't give, everything else is `undetermined` and moves nothing.
- One failing probe is down there. A removal here needs a run of looks over a span, a canary, and a second vantage where
  one is configured.
- It verifies addresses nowhere: behind a name it asks whatever the name leads to, also inside your own network.
"""


def page() -> str:
    """Write the page."""
    same = [row for row in ROWS if row.agrees]
    differ = [row for row in ROWS if not row.agrees]
    lines = [_INTRODUCTION, f"## The same answer ({len(same)})\n", "| the site | it | we |"]
    lines += ["| --- | --- | --- |", *(f"| {r.what} | {_up(r)} | {_ours(r)} |" for r in same)]
    lines += [f"\n## Another answer ({len(differ)})\n", "| the site | it | we | because |"]
    lines += ["| --- | --- | --- | --- |"]
    lines += [f"| {r.what} | {_up(r)} | {_ours(r)} | {r.why} |" for r in differ]
    return "\n".join([*lines, "", _ELSEWHERE])


def _up(row: Row) -> str:
    return "up" if row.up else "down"


def _ours(row: Row) -> str:
    return f"{row.verdict}: `{row.reason}`"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
