"""Every reason code there is: its verdict, the layer that it speaks of, and the behaviour that it stands for.

docs/verdicts.md is generated from this table (`python -m services.core.verdict_reference`); a test compares.
"""

from msgspec import Struct

from schemas.events import Layer, Verdict


class Judgement(Struct, frozen=True):
    """A verdict, the layer that it speaks of, its reason code, and the rule that gave it, in one sentence."""

    verdict: Verdict
    layer: Layer | None
    reason: str
    about: str = ""


_Rows = dict[str, tuple[Layer | None, str]]

_ONLINE: _Rows = {
    "served": (
        "content",
        "200, 203 or 206 at some address, no sibling is answered so, and the baseline agrees; HEAD is believed only "
        "where it tells a sibling apart.",
    ),
}
_REMOVED: _Rows = {
    "not_found": (
        "content",
        "404 to GET, at every address; before it confirms, to the neutral agent too.",
    ),
    "gone": (
        "content",
        "410 to GET, at every address; before it confirms, to the neutral agent too.",
    ),
    "soft_404_root": (
        "content",
        "Seen served before, and sent to the front page now: as siblings always were while something was served, or "
        "while a sibling that was asked just now is not.",
    ),
    "soft_404_redirect": (
        "content",
        "Seen served before, and sent where siblings were sent already while something of the host was served.",
    ),
    "soft_404_control": (
        "content",
        "Seen served before, and answered now as siblings were already while something of the host was served.",
    ),
    "emptied": (
        "content",
        "Seen served with bytes before; to GET now 200 with a length of 0, and a sibling that was asked just now is "
        "answered otherwise.",
    ),
    "forbidden_as_missing": (
        "content",
        "Seen served before, and 403 now as siblings already were then, while the front page or another URL is not: "
        "how a store answers what it does not have.",
    ),
    "nxdomain": (
        "domain",
        "The name does not exist: the zone above it says so (SOA), for A and for AAAA, to the resolvers of every "
        "operator that the settings name, else to a second one where there is one.",
    ),
    "host_dark": (
        "host",
        "For hours the host served nothing: refused, timed out, 5xx, 421, or a TLS server "
        "that does not know the name, its front page too. "
        "Confirms only from several vantages over a longer span (`host_dark_span`).",
    ),
}
_UNDETERMINED: _Rows = {
    # Blocks (P2, P3): somebody is kept out, and it may be us alone.
    "blocked_unauthorized": ("content", "401."),
    "blocked_forbidden": ("content", "403, to GET too."),
    "blocked_proxy_auth": ("network", "407."),
    "blocked_rate_limited": ("host", "429; `Retry-After` is kept."),
    "blocked_legal": ("content", "451: restricted here, and perhaps visible elsewhere."),
    "blocked_unavailable": ("host", "503; `Retry-After` is kept."),
    "blocked_challenge": ("host", "The header of a known challenge against machines."),
    "blocked_login": (
        "content",
        "Sent to a path that asks for a login, an age, a consent or a proof of being human, and no media are there.",
    ),
    "blocked_reset": ("network", "The connection or the TLS handshake was reset."),
    "blocked_tarpit": ("host", "Header bytes that dribble until the timeout."),
    # Suspicions (P4): not online, and not evidence enough for gone.
    "never_seen_served": (
        "content",
        "Served, and so is a sibling, and nobody saw the URL served otherwise: a wall, a page that serves every path, "
        "a stop page and a soft 404 look so. Without a sighting nothing can have gone.",
    ),
    "suspected_soft_404": (
        "content",
        "Served, and so is a sibling, but no header tells the two apart.",
    ),
    "suspected_wall": (
        "content",
        "It was seen served; now it is answered as a sibling is, and the host was not seen to answer missing paths so "
        "while something was served: a wall, a maintenance page, or a soft 404.",
    ),
    "suspected_reencoded": (
        "content",
        "Another file of the same class in its place, of a length within a factor of four, while a sibling that was "
        "asked just now is missing: an optimiser may have been at it. If that stays, it is the new baseline.",
    ),
    "suspected_replaced": (
        "content",
        "Served, but not what the first looks saw: another class of content, another file of the same "
        "class, no length where a file had one, or a text of less than half or more than twice the length.",
    ),
    "suspected_unproven": (
        "content",
        "What is served may be something else, while a sibling has just met a fault or a block of a new kind: "
        "nothing to compare with, until it meets one again.",
    ),
    "redirect_shared": (
        "content",
        "Sent where a sibling is sent too, and the host was not seen to do so while something was served: a soft 404 "
        "or a wall.",
    ),
    "redirect_to_root": (
        "content",
        "Sent to the front page, but siblings are not, and nobody saw it served: may be a wall.",
    ),
    "redirect_unproven": (
        "content",
        "Sent to a page that is served and does not name the object any more, and there is no baseline that it "
        "could agree with: the material, or a picture that says that it was removed.",
    ),
    "redirect_other_domain": (
        "content",
        "Sent to another registrable domain, which is never followed (G3).",
    ),
    "redirect_loop": ("content", "Redirects that come back."),
    "redirect_too_many": ("content", "More redirects than a look follows (3)."),
    "redirect_refused": (
        "content",
        "Sent to an address that the guard refuses, to credentials, or to no web address.",
    ),
    "redirect_broken": (
        "content",
        "A redirect without Location, with one that does not parse, or to a name without addresses.",
    ),
    "parked": ("domain", "Served under the name servers or an alias of a parking service."),
    "agent_unasked": (
        "content",
        "Gone for our agent, and politeness kept us from asking as the neutral one, which was not told 404 or 410 "
        "since somebody saw it served: it may be gone for our agent alone.",
    ),
    # Answers that say neither.
    "no_content": (
        "content",
        "201, 202, 204 or 205; or a length of 0 to GET, where no bytes were seen before, or siblings are answered so.",
    ),
    "misdirected": (
        "host",
        "421 to GET: the server answers for other names, and not for this one.",
    ),
    "client_error": ("content", "Any other 4xx, 405 included (P5)."),
    "server_error": ("host", "Any other 5xx."),
    "odd_status": ("host", "A final 1xx, 300, 304, 6xx and more."),
    "bad_response": ("host", "Not HTTP."),
    "header_flood": ("host", "More header bytes than any honest server sends (32 kB)."),
    "interim_flood": ("host", "More interim (1xx) answers than any honest server sends (8)."),
    # Faults on the way (P1).
    "disconnected": ("network", "Closed without an answer."),
    "response_timeout": ("host", "Connected, and not one byte in time."),
    "connect_refused": ("host", "The connection was refused."),
    "connect_timeout": ("network", "No connection in time."),
    "connect_failed": ("network", "No connection, for another reason."),
    "unreachable": ("network", "No route to the address."),
    "tls_unrecognized_name": (
        "host",
        "The server says in the TLS handshake that it does not know the name (alert unrecognized_name).",
    ),
    "tls_failed": ("host", "The TLS handshake failed."),
    "tls_timeout": ("host", "The TLS handshake did not end in time."),
    "dns_nodata": ("domain", "The name exists and has no address."),
    "dns_servfail": ("domain", "The name servers fail."),
    "dns_timeout": ("network", "The name servers are silent."),
    "dns_refused": ("domain", "The name servers refuse to answer."),
    "dns_broken": ("domain", "A malformed answer, or a CNAME chain of more than 16 links."),
    "dns_filtered": (
        "network",
        "Our resolver keeps the name from us and says so (Extended DNS Error 4, 15, 16, 17 or 18).",
    ),
    "dns_unproven": (
        "domain",
        "Our resolver says that the name does not exist, without the statement of a zone (SOA): it may be a filter.",
    ),
    "dns_disagree": (
        "domain",
        "One answer says that the name does not exist, another that it does.",
    ),
    # Ours.
    "egress_failed": ("network", "The proxy that our requests leave by failed, or refused us."),
    "address_refused": ("network", "The guard refused every address."),
    "gone_on_some": (
        "content",
        "Gone at all addresses asked, while others were left out, for lack of time too, or not told (P10).",
    ),
    "not_measurable": (
        None,
        "Onion, no web scheme, credentials, or an address in the fragment, which no server sees: never probed (G17).",
    ),
    "vantage_blind": ("network", "The canary is down, or half of all hosts fail at once."),
}


def _rows(verdict: Verdict, rows: _Rows) -> dict[str, Judgement]:
    return {
        reason: Judgement(verdict, layer, reason, about) for reason, (layer, about) in rows.items()
    }


REASONS: dict[str, Judgement] = {
    **_rows("online", _ONLINE),
    **_rows("removed", _REMOVED),
    **_rows("undetermined", _UNDETERMINED),
}
"""Every reason code there is, with its verdict, layer and rule."""

BLOCKS = frozenset(reason for reason in REASONS if reason.startswith("blocked_"))
"""Reasons that keep one vantage out and may let another in (P2, P3)."""

NETWORK_FAULTS = frozenset(
    {
        *("dns_servfail", "dns_timeout", "dns_refused", "connect_refused", "connect_timeout"),
        *("connect_failed", "unreachable", "blocked_reset", "disconnected", "tls_timeout"),
        *("response_timeout", "egress_failed"),
    }
)
"""Reasons that a fault of our own network could also give: what the self-check counts."""

DARK_FAULTS = frozenset(
    {
        *("connect_refused", "connect_timeout", "unreachable", "response_timeout"),
        *("tls_timeout", "server_error", "misdirected", "tls_unrecognized_name"),
    }
)
"""Reasons of which a host is dark if it gives nothing else; a reset or a 503 may be meant for us alone."""

SILENT = DARK_FAULTS | {
    *("dns_nodata", "dns_servfail", "dns_timeout", "dns_refused", "dns_broken", "dns_disagree"),
    *("dns_filtered", "dns_unproven"),
    *("connect_failed", "egress_failed", "address_refused", "not_measurable", "vantage_blind"),
}
"""Reasons that show no answer of the host itself: what a dark one gives, trouble with its name, and faults of ours."""
