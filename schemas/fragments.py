"""Which fragments of a URL are part of the address, because a script in the browser reads there what to show.

A server never sees a fragment. Most name a section of a page, and the page is what a notice is about. But links of
file lockers hold the key of the file there, and pages that are programs hold the picture's number: two of those that
differ are two different things, and from outside it can't be told whether one of them is still shown.

A fragment is part of the address if, percent-decoded, it

1. is a route: begins with `!`, `/`, `?` or `&`, or with one or two letters and `!` (`#!id!key`, `#/album/1`,
   `#F!id!key`); or
2. holds `name=value`, and a name that is not one of those that viewers, advertisers and text links use (`#id=17`, but
   not `#page=2`, `#t=10`, `#:~:text=x`, `#utm_source=x`); or
3. looks like a key: at least 16 letters, digits, `-` and `_`, and nothing else, that change four times or more between
   small letters, capitals and digits. Words, also in CamelCase or with a number at one end, change nothing.

Where it is not sure, it is part of the address: the case is then counted apart and never measured, in place of a false
statement about another one.
"""

import re
from urllib.parse import unquote

_ROUTE = re.compile(r"[!/?&]|[A-Za-z]{1,2}!")
_PAIR = re.compile(r"(?:^|[&;])([^=&;]*)=")
# Media Fragments URI 1.0; RFC 8118 (PDF); the text directive of the URL fragment specification; campaign tags.
_VIEWER_NAMES = frozenset(
    {
        *("t", "track", "xywh"),
        *("collab", "comment", "fdf", "highlight", "nameddest", "navpanes", "page", "pagemode"),
        *("scrollbar", "search", "statusbar", "toolbar", "view", "viewrect", "zoom"),
        *("xtor", "fbclid", "gclid"),
    }
)
_CAMPAIGN = re.compile(r"utm_\w+")
_TEXT_DIRECTIVE = re.compile(r":~:.*", re.DOTALL)
_KEY = re.compile(r"[A-Za-z0-9_-]{16,}")
_WORDS = re.compile(r"[0-9]*(?:[A-Z]?[a-z]{2,}|[A-Z]{2,})(?:[A-Z][a-z]+)*[0-9]*")
_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_KEY_CHANGES = 4


def is_part_of_address(fragment: str) -> bool:
    """Tell whether a fragment, without its `#`, is part of the address."""
    if not fragment:
        return False
    # What a browser scrolls to is no part of what a script sees.
    text = _TEXT_DIRECTIVE.sub("", unquote(fragment))
    if _ROUTE.match(text) or (_KEY.fullmatch(text) and _changes(text) >= _KEY_CHANGES):
        return True
    return any(not _is_viewer_name(name) for name in _PAIR.findall(text))


def _is_viewer_name(name: str) -> bool:
    return name.lower() in _VIEWER_NAMES or _CAMPAIGN.fullmatch(name) is not None


def _changes(text: str) -> int:
    """Count the changes between small letters, capitals and digits in the parts that are no words."""
    parts = re.split("[-_]", text)
    return sum(len(_CHANGE.findall(part)) for part in parts if not _WORDS.fullmatch(part))
