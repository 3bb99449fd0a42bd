"""The fields of a delivery status (RFC 3464, 6533), from their own part or from wherever a server wrote them.

Field names in any case, folded, with comments, with tabs: the RFC takes the rules of mail headers. The outcome is the
`Action`, never the first digit of `Status`: Exim writes 5.0.0 into every bounce, and `failed` with 4.x is final.
"""

import re
from collections.abc import Iterator

from services.notices.fates import Outcome

_START = re.compile(r"^[ \t]{0,8}(?:original-recipient|final-recipient|action)[ \t]*:", re.I | re.M)
_EMPTY = re.compile(r"\n[ \t]*\n+")
_COMMENT = re.compile(r"\([^()]{0,300}\)")
_TYPED = re.compile(r"^\s*[a-z0-9-]{1,20}\s*;\s*", re.I)
_ESCAPED = re.compile(r"\\x\{(0?[0-9a-f]{2}|[1-9a-f][0-9a-f]{2,4})\}", re.I)
_BRACKETED = re.compile(r"<([^<>\s]{1,320})>")
_ACTIONS: dict[str, Outcome] = {
    "failed": "failed",
    "failure": "failed",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "delivered",
    "expanded": "delivered",
}
Group = dict[str, list[str]]


def groups(text: str) -> Iterator[Group]:
    """Yield the groups of fields that are about a recipient; the one about the message is none."""
    for block in _EMPTY.split(_unindented(text)):
        if _START.search(block):
            yield from _recipients(block)


def has_groups(text: str) -> bool:
    """Tell whether a text holds fields of a delivery status, outside their own part."""
    return len({match[0].strip(" \t:").lower() for match in _START.finditer(text)}) > 1


def action_of(group: Group) -> Outcome | None:
    """Read the action, by its first word."""
    word = re.match(r"[a-z]+", _COMMENT.sub("", first_of(group, "action")).strip().lower())
    return _ACTIONS.get(word[0]) if word else None


def status_of(group: Group) -> str | None:
    """Read the status code."""
    match = re.search(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])", first_of(group, "status"))
    return match[0] if match else None


def diagnostic_of(group: Group) -> str:
    """Give what the remote server said, without its type; what a status has in brackets counts too."""
    words = [_TYPED.sub("", text) for text in group.get("diagnostic-code", ())]
    words += re.findall(r"\(([^()]{4,300})\)", first_of(group, "status"))
    return " ".join(words)


def address_of(group: Group, name: str) -> str | None:
    """Read an address field: typed or not, in brackets or not, with comments or not."""
    value = _ESCAPED.sub(lambda m: chr(int(m[1], 16)), _TYPED.sub("", first_of(group, name)))
    bracketed = _BRACKETED.search(value)
    plain = bracketed[1] if bracketed else _COMMENT.sub("", value).strip().strip("<>\"'").strip()
    return plain if "@" in plain and not re.search(r"[\s|]", plain) else None


def _recipients(block: str) -> Iterator[Group]:
    """Split a block in which a server forgot the empty lines: a field that comes again begins anew."""
    group: Group = {}
    for name, values in _in_order(block):
        if name in group and name in ("final-recipient", "original-recipient", "action"):
            yield group
            group = {}
        group.setdefault(name, []).append(values)
    yield group


def _in_order(block: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"^([!-9;-~]{1,76})[ \t]*:[ \t]*(.*(?:\n[ \t]+.*)*)", block, re.M):
        yield match[1].lower(), re.sub(r"\s*\n\s+", " ", match[2]).strip()


def _unindented(text: str) -> str:
    """Undo an indentation of all fields alike."""
    indent = re.search(r"^([ \t]{1,8})(?:final-recipient|action)[ \t]*:", text, re.I | re.M)
    return re.sub(rf"^{indent[1]}", "", text, flags=re.M) if indent else text


def first_of(group: Group, name: str) -> str:
    """Give the first field of a name, or nothing."""
    return group.get(name, ("",))[0]
