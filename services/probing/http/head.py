"""A header block as browsers and curl read it: pure, from bytes to a status and the few fields that are kept (G2).

Stricter than what shows the material a monitor may not be: whatever such a server sends would stay undecided for ever.
So the rules are those of the Fetch and MIME Sniffing standards and of RFC 9112's advice to lenient recipients, where
aiohttp's parser refuses. It is no danger, because framing decides nothing here: a body is never read, and a connection
whose block was not plain is used for no second request. What stays refused is what browsers refuse as well: no status
line, a NUL byte, lengths that differ.
"""

import re
from functools import lru_cache

from msgspec import Struct

_STATUS_LINE = re.compile(
    r"(?:HTTP/(?P<version>\d(?:\.\d)?)|ICY)[ \t]+(?P<status>[1-9]\d\d)(?!\d)(?P<reason>.*)",
    re.IGNORECASE,
)
_BEGINNINGS = (b"http/", b"icy ")
# A block as nearly all servers write it: such a one is read without looking at each line for what may be odd.
# Possessive, as nothing in it can be read in two ways: it takes a third less.
_PLAIN_BLOCK = re.compile(
    rb"HTTP/1\.1 ([2-5]\d\d)(?: [ -~]*+)?+\r\n(?:[!-9;-~]++:[\t -~]*+\r\n)*+\r\n"
)
_ALLOW_LIST = frozenset(
    {
        *("age", "connection", "content-length", "content-range", "content-type", "etag"),
        *("last-modified", "location", "retry-after", "server", "transfer-encoding"),
        *("cf-mitigated", "x-amzn-waf-action", "x-datadome", "x-sucuri-block"),
        "x-vercel-mitigated",
    }
)
_LISTS = frozenset({"connection", "content-length", "transfer-encoding"})
_LONGEST_NUMBER = 18
_BLANKS = " \t"
LINE_ENDS = b"\r\n"


class BadHead(ValueError):
    """A block that no browser takes for an answer."""


class HeaderBlock(Struct, frozen=True):
    """A status, the kept fields by lower-case name, and whether the connection may be used again."""

    status: int
    fields: dict[str, str]
    reusable: bool

    def get(self, name: str) -> str | None:
        """Give a field's value."""
        return self.fields.get(name)

    @property
    def is_past_end(self) -> bool:
        """Tell whether the range that was asked for lies past the end: 416, or another refusal that gives the length.

        restify 11.1.0 answers 403 with `Content-Range: bytes */0` for a byte of an empty file.
        """
        if not 400 <= self.status < 500:
            return False
        span = self.fields.get("content-range", "").lower()
        return self.status == 416 or span.startswith("bytes */")

    @property
    def length(self) -> int | None:
        """The length of the whole; of one byte of it, `Content-Range` knows. What no number says is unknown."""
        if self.status == 206 or self.is_past_end:
            return number_in(self.fields.get("content-range", "").rpartition("/")[2])
        # RFC 9112, 6.3: beside a transfer coding a length says nothing.
        if "transfer-encoding" in self.fields:
            return None
        return number_in(self.fields.get("content-length"))


def begins_like_head(data: bytes | bytearray) -> bool:
    """Tell whether bytes, few as they may be, can begin a header block."""
    begin = data[:5].lower()
    return any(one.startswith(begin) or begin.startswith(one) for one in _BEGINNINGS)


def read_head(block: bytes) -> HeaderBlock:
    """Read one header block; raises `BadHead`.

    Taken are: no reason, any version of HTTP, ICY, line ends without CR, blanks before a colon, folded lines, lines
    that are no field, equal lengths in a list or one by one, a length beside a transfer coding. Values keep their
    bytes (surrogates stand for what is no UTF-8). Source: RFC 9112, 2.2, 4, 5.1, 5.2 and 6.3; Fetch, 2.2.2.
    """
    text = block.decode("utf-8", "surrogateescape")
    if "\0" in text:
        raise BadHead("a NUL byte")
    text = text.replace("\r\n", "\n")
    # RFC 9112, 2.2: replace a bare CR with a blank.
    has_bare_cr = "\r" in text
    first, *lines = (text.replace("\r", " ") if has_bare_cr else text).split("\n")
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise BadHead("no status line")
    fields, is_plain = _read_fields(lines)
    is_plain &= _has_one_length(fields) and not has_bare_cr
    status, version = int(match["status"]), match["version"]
    reusable = is_plain and status != 101 and _is_kept_alive(version, fields.get("connection", ""))
    return HeaderBlock(status, fields, reusable)


def read_plain_head(data: bytes) -> HeaderBlock | None:
    """Read bytes that are one plain header block of a final answer, as `read_head` does; None for anything else.

    Most answers are: reading them so costs half.
    """
    match = _PLAIN_BLOCK.fullmatch(data)
    if match is None:
        return None
    fields: dict[str, str] = {}
    for line in data.decode("ascii").split("\r\n")[1:-2]:
        name, _, value = line.partition(":")
        field = _listed(name)
        if field is None:
            continue
        if field in fields:
            return None
        fields[field] = value.strip(_BLANKS)
    length = fields.get("content-length")
    if length is not None and ("transfer-encoding" in fields or number_in(length) is None):
        return None
    reusable = _is_kept_alive("1.1", fields.get("connection", ""))
    return HeaderBlock(int(match[1]), fields, reusable)


@lru_cache(maxsize=1024)
def _listed(name: str) -> str | None:
    """Give the lower-case name of a field that is kept; None for any other."""
    field = name.lower()
    return field if field in _ALLOW_LIST else None


def number_in(text: str | None) -> int | None:
    """Read a whole number of a length that fits; None for anything else."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        return None
    return int(text)


def _read_fields(lines: list[str]) -> tuple[dict[str, str], bool]:
    """Take the kept fields; tells whether every line was a plain field."""
    fields: dict[str, str] = {}
    is_plain, last = True, ""
    for line in lines:
        if not line:
            continue
        name, colon, value = line.partition(":")
        if line[0] in _BLANKS:
            # RFC 9112, 5.2: a folded line goes on with the value before; before the first field it is none.
            is_plain = False
            if last in fields:
                fields[last] = f"{fields[last]} {line.strip(_BLANKS)}".strip(_BLANKS)
            continue
        last = name.rstrip(_BLANKS).lower()
        is_plain &= bool(colon) and len(last) == len(name)
        if colon and last in _ALLOW_LIST:
            _add(fields, last, value.strip(_BLANKS))
    return fields, is_plain


def _add(fields: dict[str, str], name: str, value: str) -> None:
    """Take one field; of several with one name browsers take all of a list, the last type, and of others the first.

    Of targets that differ browsers take none.
    """
    before = fields.get(name)
    if before is None:
        fields[name] = value
    elif name in _LISTS:
        fields[name] = f"{before},{value}"
    elif name == "content-type" and "/" in value:
        fields[name] = value
    elif name == "location" and value != before:
        fields[name] = ""


def _has_one_length(fields: dict[str, str]) -> bool:
    """Put equal lengths together (Fetch, "extract a length"); tells whether there was one at most, written plainly."""
    text = fields.get("content-length")
    if text is None:
        return True
    lengths = {part.strip(_BLANKS) for part in text.split(",")}
    has_coding = "transfer-encoding" in fields
    if len(lengths) > 1 and not has_coding:
        raise BadHead("lengths that differ")
    fields["content-length"] = lengths.pop()
    return not has_coding and number_in(text) is not None


def _is_kept_alive(version: str | None, connection: str) -> bool:
    options = connection.lower() if connection else ""
    if version == "1.1":
        return "close" not in options
    return version == "1.0" and "keep-alive" in options
