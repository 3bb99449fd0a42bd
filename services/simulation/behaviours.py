"""What a host can do to a look, as data: more than eighty behaviours and what each says about the material.

`shows` is the truth's side of a behaviour: ABSENT means that the material is gone, PRESENT that it is served, and
HIDDEN that nobody can tell from outside; the plan of the case says what is true meanwhile.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Shows(StrEnum):
    """What a behaviour reveals about the material."""

    PRESENT = "present"
    ABSENT = "absent"
    HIDDEN = "hidden"


Layer = Literal["http", "tcp", "dns"]


class Behaviour(StrEnum):
    """One way in which a name, an address and a server answer."""

    OK = "ok"
    OK_CLOSE = "ok_close"
    OK_SLOW = "ok_slow"
    OK_NO_HEAD = "ok_no_head"
    OK_HEAD_501 = "ok_head_501"
    OK_HEAD_404 = "ok_head_404"
    OK_HEAD_401 = "ok_head_401"
    OK_HEAD_429 = "ok_head_429"
    OK_HEAD_451 = "ok_head_451"
    OK_HEAD_503 = "ok_head_503"
    OK_HEAD_REDIRECT = "ok_head_redirect"
    OK_HEAD_EMPTY = "ok_head_empty"
    OK_HEAD_BARE = "ok_head_bare"
    OK_HEAD_CLOSED = "ok_head_closed"
    OK_AGENT_404 = "ok_agent_404"
    OK_HINTS = "ok_hints"
    OK_REDIRECT = "ok_redirect"
    OK_ONE_GONE = "ok_one_gone"
    OK_ONE_RESET = "ok_one_reset"
    OK_TLS = "ok_tls"
    OK_TLS_ASKS = "ok_tls_asks"
    OK_SPELLED_404 = "ok_spelled_404"
    OK_REENCODED = "ok_reencoded"
    OK_RAW_LOCATION = "ok_raw_location"
    OK_TWO_LENGTHS = "ok_two_lengths"
    OK_LONG_CHAIN = "ok_long_chain"
    GONE_404 = "gone_404"
    GONE_410 = "gone_410"
    GONE_403 = "gone_403"
    GONE_EMPTIED = "gone_emptied"
    SOFT_ROOT = "soft_root"
    SOFT_PATH = "soft_path"
    SOFT_SAME = "soft_same"
    PARKED_302 = "parked_302"
    PARKED_CNAME = "parked_cname"
    PLACEHOLDER = "placeholder"
    PLACEHOLDER_302 = "placeholder_302"
    PLACEHOLDER_FILE = "placeholder_file"
    BARE_200 = "bare_200"
    SORRY_UNSEEN = "sorry_unseen"
    NODES = "nodes"
    GEO_404 = "geo_404"
    GEO_403 = "geo_403"
    GEO_451 = "geo_451"
    WALLED_404 = "walled_404"
    WALL_200 = "wall_200"
    WALL_PAGE = "wall_page"
    WALL_ROOT = "wall_root"
    WALL_EMPTY = "wall_empty"
    WALL_PICTURE = "wall_picture"
    WALL_BARE = "wall_bare"
    LOGIN_302 = "login_302"
    LOGIN_401 = "login_401"
    BLOCK_403 = "block_403"
    PROXY_407 = "proxy_407"
    BLOCK_429 = "block_429"
    LEGAL_451 = "legal_451"
    CHALLENGE_503 = "challenge_503"
    BUSY_503 = "busy_503"
    ERROR_500 = "error_500"
    GATEWAY_502 = "gateway_502"
    GATEWAY_504 = "gateway_504"
    ROUTE_503 = "route_503"
    PROXY_530 = "proxy_530"
    MISDIRECTED_421 = "misdirected_421"
    REDIRECT_LOOP = "redirect_loop"
    GARBAGE = "garbage"
    DRIP = "drip"
    FLOOD_100 = "flood_100"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    RESET = "reset"
    TARPIT = "tarpit"
    TLS_CUT = "tls_cut"
    TLS_STALL = "tls_stall"
    TLS_RENEGOTIATE = "tls_renegotiate"
    TLS_UNKNOWN = "tls_unknown"
    REFUSE = "refuse"
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    SERVFAIL = "servfail"
    DNS_SILENT = "dns_silent"
    DNS_FILTERED = "dns_filtered"
    DNS_UNPROVEN = "dns_unproven"
    NAME_LOST = "name_lost"


class HeadManner(StrEnum):
    """How a host answers HEAD, whatever it is asked for; what GET says is the behaviour's."""

    LENGTH_0 = "length_0"
    NO_LENGTH = "no_length"
    ALWAYS_200 = "always_200"
    TO_FRONT = "to_front"
    STATUS_204 = "status_204"
    STATUS_304 = "status_304"
    STATUS_401 = "status_401"
    STATUS_421 = "status_421"
    STATUS_429 = "status_429"
    STATUS_451 = "status_451"
    STATUS_503 = "status_503"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Nature:
    """Where a behaviour happens and what it shows."""

    layer: Layer
    shows: Shows


def _nature(behaviour: Behaviour) -> Nature:
    name = behaviour.value
    if behaviour in _DNS:
        return Nature("dns", Shows.ABSENT if behaviour is Behaviour.NXDOMAIN else Shows.HIDDEN)
    if behaviour in _TCP:
        return Nature("tcp", Shows.HIDDEN)
    if name.startswith("ok"):
        return Nature("http", Shows.PRESENT)
    absent = name.startswith(("gone", "soft"))
    return Nature("http", Shows.ABSENT if absent else Shows.HIDDEN)


_DNS = frozenset(
    {
        *(Behaviour.NXDOMAIN, Behaviour.NODATA, Behaviour.SERVFAIL),
        *(Behaviour.DNS_SILENT, Behaviour.DNS_FILTERED, Behaviour.DNS_UNPROVEN),
        Behaviour.NAME_LOST,
    }
)
_TCP = frozenset(
    {
        *(Behaviour.REFUSE, Behaviour.TLS_CUT, Behaviour.TLS_STALL, Behaviour.TLS_RENEGOTIATE),
        Behaviour.TLS_UNKNOWN,
    }
)
NATURE: dict[Behaviour, Nature] = {behaviour: _nature(behaviour) for behaviour in Behaviour}

REMOVALS = (Behaviour.GONE_404, Behaviour.GONE_404, Behaviour.GONE_404, Behaviour.GONE_410)
BLOCKS = (
    Behaviour.BLOCK_403,
    Behaviour.BLOCK_429,
    Behaviour.CHALLENGE_503,
    Behaviour.TARPIT,
    Behaviour.LOGIN_401,
    Behaviour.LEGAL_451,
)
FAULTS = (
    Behaviour.ERROR_500,
    Behaviour.RESET,
    Behaviour.REFUSE,
    Behaviour.SERVFAIL,
    Behaviour.BUSY_503,
    Behaviour.DNS_SILENT,
    Behaviour.GATEWAY_502,
)

# -- what the gauntlet adds --------------------------------------------------------------------------

ODD = (
    Behaviour.OK_CLOSE,
    Behaviour.OK_SLOW,
    Behaviour.OK_NO_HEAD,
    Behaviour.OK_HEAD_501,
    Behaviour.OK_HEAD_404,
    Behaviour.OK_HEAD_401,
    Behaviour.OK_HEAD_429,
    Behaviour.OK_HEAD_451,
    Behaviour.OK_HEAD_503,
    Behaviour.OK_HEAD_REDIRECT,
    Behaviour.OK_HEAD_EMPTY,
    Behaviour.OK_HEAD_BARE,
    Behaviour.OK_HEAD_CLOSED,
    Behaviour.OK_AGENT_404,
    Behaviour.OK_HINTS,
    Behaviour.OK_REDIRECT,
    Behaviour.OK_ONE_GONE,
    Behaviour.OK_ONE_RESET,
    Behaviour.OK_SPELLED_404,
    Behaviour.OK_RAW_LOCATION,
    Behaviour.OK_TWO_LENGTHS,
    Behaviour.OK_LONG_CHAIN,
)
"""Ways to serve the material that a hasty look takes for something else."""

HOSTILE = (
    *FAULTS,
    Behaviour.NODATA,
    Behaviour.GATEWAY_504,
    Behaviour.REDIRECT_LOOP,
    Behaviour.GARBAGE,
    Behaviour.DRIP,
    Behaviour.FLOOD_100,
    Behaviour.TRUNCATED,
    Behaviour.EMPTY,
    Behaviour.TARPIT,
)
"""Every fault there is, to no end but to be taken for a removal or to hold up other looks."""

WALLS = (
    *(*BLOCKS, Behaviour.PROXY_407, Behaviour.LOGIN_302),
    *(Behaviour.WALL_200, Behaviour.WALL_ROOT, Behaviour.WALL_EMPTY),
)
"""Every way to keep us out: by a status, and by one page, the front page or nothing in the place of everything."""

GATES = (
    Behaviour.WALL_ROOT,
    Behaviour.WALL_PAGE,
    Behaviour.DNS_FILTERED,
    Behaviour.WALL_200,
    Behaviour.WALL_EMPTY,
    Behaviour.WALL_PICTURE,
    Behaviour.WALL_BARE,
    Behaviour.DNS_UNPROVEN,
    Behaviour.OK_AGENT_404,
)
"""What everything of a host is answered with for some hours, in a way that looks like a removal."""

FIRST_GATES = (
    Behaviour.BLOCK_403,
    Behaviour.WALL_200,
    Behaviour.WALL_ROOT,
    Behaviour.WALL_PICTURE,
    Behaviour.LOGIN_302,
    Behaviour.WALL_BARE,
)
"""What everything of a host is answered with at the first look and for hours."""

SPARES_FRONT = frozenset({Behaviour.WALL_PAGE, Behaviour.WALL_PICTURE})
"""Walls around all but the front page."""

GEO = {
    Behaviour.GEO_404: Behaviour.GONE_404,
    Behaviour.GEO_403: Behaviour.BLOCK_403,
    Behaviour.GEO_451: Behaviour.LEGAL_451,
}
"""Served to whoever looks from abroad; at home, this."""

AT_HOME = GEO | {Behaviour.WALLED_404: Behaviour.LEGAL_451}
ABROAD_TOO = dict.fromkeys(GEO, Behaviour.OK) | {Behaviour.WALLED_404: Behaviour.GONE_404}
"""What depends on who looks: a wall at home, and abroad what is behind it."""

TLS_TROUBLE = (
    *(Behaviour.TLS_CUT, Behaviour.TLS_STALL, Behaviour.TLS_RENEGOTIATE),
    Behaviour.TLS_UNKNOWN,
)
"""Handshakes that lead nowhere."""

TLS_ENDS = (Behaviour.TLS_STALL, Behaviour.TLS_UNKNOWN)
"""Those of a server that has lost a name for good."""

NIGHTS = (
    Behaviour.REFUSE,
    Behaviour.TARPIT,
    Behaviour.ERROR_500,
    Behaviour.GATEWAY_502,
    Behaviour.GATEWAY_504,
    Behaviour.PROXY_530,
    Behaviour.MISDIRECTED_421,
)
"""A whole host that gives nothing of its own."""

DARKNESS = (
    *(Behaviour.TARPIT, Behaviour.GATEWAY_502, Behaviour.DNS_SILENT, Behaviour.RESET),
    *(Behaviour.EMPTY, Behaviour.ROUTE_503),
)
"""Likewise, and partly in a way that proves nothing for however long."""

# At the one address of the family others wait behind whoever is slow.
QUICK_FAULTS = (Behaviour.ERROR_500, Behaviour.RESET, Behaviour.EMPTY, Behaviour.TRUNCATED)

DARK = frozenset({*NIGHTS, *TLS_ENDS})
"""Nothing at all comes from the host: a removal once it has lasted for very long, and from two vantages."""

PARTIAL = {Behaviour.OK_ONE_GONE: Behaviour.GONE_404, Behaviour.OK_ONE_RESET: Behaviour.RESET}
"""Served by all addresses but the first, which does this."""

HUSHED = (
    Behaviour.PARKED_302,
    Behaviour.PARKED_CNAME,
    Behaviour.PLACEHOLDER,
    Behaviour.PLACEHOLDER_302,
    Behaviour.WALLED_404,
    Behaviour.BARE_200,
    Behaviour.WALL_PAGE,
    Behaviour.PLACEHOLDER_FILE,
)
"""Removed in a way that proves nothing to whoever looks from outside."""

UNSEEN = (
    Behaviour.SORRY_UNSEEN,
    Behaviour.PLACEHOLDER_FILE,
    Behaviour.PARKED_302,
    Behaviour.PARKED_CNAME,
)
"""Removed before anybody looks, and answered with something that is served."""
