"""A mail as a tree of parts, from any bytes: lenient by design, because half of all bounces break some rule.

The text stays as it came (each byte one character) until a part is asked for its words, so that a wrong charset
costs that part's words alone. Nothing here raises on any input; depth and number of parts are bounded.
"""

import binascii
import re
from codecs import BOM_UTF8
from collections.abc import Iterator

from msgspec import Struct

_MOST_DEPTH = 6
_MOST_PARTS = 60
_MOST_HEADERS = 400
# A returned message may be large; what a mail server itself says stands before it.
_MOST_CHARACTERS = 400_000
_MOST_HTML = 100_000

_FIELD = re.compile(r"^([!-9;-~]{1,76})[ \t]*:[ \t]*(.*(?:\n[ \t]+.*)*)", re.M)
_LINE_END = re.compile(r"\r{1,3}\n")
_FOLD = re.compile(r"\n[ \t]+")
_PARAMETER = re.compile(
    r";\s*([a-z0-9*-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.){0,300})\"|([^\s;]{1,300}))", re.I
)
# A boundary that no header names: a line of dashes, followed by a field about content.
_ORPHAN = re.compile(
    r"^[ \t]?--(\S[^\n]{0,120}?)[ \t]*\n(?=content-[a-z-]{3,25}[ \t]*:)", re.M | re.I
)
_WORD = re.compile(r"=\?([^?\s]{1,40})\?([bq])\?([^?\s]*)\?=(?:\s+(?==\?))?", re.I)
_TAG = re.compile(r"<[^<>]{0,2000}>", re.I)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/h\d|/li)\b[^>]{0,200}>", re.I)
_ENTITIES = (
    ("&nbsp;", " "),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", '"'),
    ("&#39;", "'"),
    ("&amp;", "&"),
)


class MailPart(Struct, frozen=True):
    """One part: its header fields by lower-case name, first to last, and what stands below them."""

    headers: dict[str, list[str]]
    kind: str
    body: str
    parts: "tuple[MailPart, ...]" = ()

    def first(self, name: str) -> str:
        """Give the first field of a name, or nothing."""
        return self.headers.get(name, ("",))[0]

    def leaves(self) -> Iterator["MailPart"]:
        """Yield the parts that hold no others, in order."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()

    def words(self) -> str:
        """Decode the body into text; HTML loses its tags."""
        raw = self.transferred()
        text = decoded(raw, parameter(self.first("content-type"), "charset"))
        return without_tags(text) if self.kind == "text/html" else text

    def transferred(self) -> bytes:
        """Undo the transfer encoding; what is broken stays as it came."""
        encoding = self.first("content-transfer-encoding").strip().lower()
        raw = self.body.encode("latin-1", "replace")
        if encoding == "quoted-printable":
            return binascii.a2b_qp(raw)
        return _base64(raw) if encoding == "base64" else raw


def parse(raw: bytes) -> MailPart:
    """Read a mail; whatever the bytes are, something comes of them."""
    marked = raw[:_MOST_CHARACTERS].removeprefix(BOM_UTF8)
    text = _with_plain_ends(marked.decode("latin-1"))
    if text.startswith(("From ", ">From ")):
        text = text.partition("\n")[2]
    return _part(text.lstrip("\n"), _MOST_DEPTH)


def _with_plain_ends(text: str) -> str:
    """Write each line end as one LF: tools that copy mails double the CR, or leave it alone."""
    return _LINE_END.sub("\n", text) if "\n" in text else text.replace("\r", "\n")


def header_fields(text: str) -> tuple[dict[str, list[str]], str]:
    """Split a text at its first empty line into header fields and the rest."""
    head, _, body = text.partition("\n\n")
    return fields(head), body


def fields(block: str) -> dict[str, list[str]]:
    """Read the fields of one block, folded lines joined."""
    by_name: dict[str, list[str]] = {}
    for number, match in enumerate(_FIELD.finditer(block)):
        if number >= _MOST_HEADERS:
            break
        by_name.setdefault(match[1].lower(), []).append(_FOLD.sub(" ", match[2]).strip())
    return by_name


def parameter(value: str, name: str) -> str:
    """Give a parameter of a field such as Content-Type, or nothing."""
    for match in _PARAMETER.finditer(value[:2000]):
        if match[1].lower() == name:
            return match[3] or re.sub(r"\\(.)", r"\1", match[2] or "")
    return ""


def decoded_words(value: str) -> str:
    """Decode the encoded words of a field (RFC 2047), or the bytes of a field that has none (RFC 6532)."""
    if "=?" in value:
        return _WORD.sub(_word, value)
    return value if value.isascii() else decoded(value.encode("latin-1", "replace"), "utf-8")


def decoded(raw: bytes, charset: str) -> str:
    """Decode text by its charset, or by UTF-8, or byte by byte."""
    for name in (charset.strip("'\" "), "utf-8"):
        try:
            return raw.decode(name)
        except (LookupError, ValueError):
            continue
    return raw.decode("latin-1")


def without_tags(text: str) -> str:
    """Take the tags out of HTML; what ended a block ends a line."""
    shown = _without(_without(text[:_MOST_HTML], "style"), "script")
    shown = _TAG.sub("", _BREAK.sub("\n", shown))
    for entity, character in _ENTITIES:
        shown = shown.replace(entity, character)
    return shown


def _without(text: str, tag: str) -> str:
    """Take an element out that nobody reads."""
    low, pieces, place = text.lower(), [], 0
    while (start := low.find(f"<{tag}", place)) >= 0 and (end := low.find(f"</{tag}", start)) >= 0:
        pieces.append(text[place:start])
        place = end
    return "".join([*pieces, text[place:]])


def _part(text: str, depth: int) -> MailPart:
    headers, body = header_fields(text)
    kind = (headers.get("content-type") or [""])[0].partition(";")[0].strip().lower()
    inner = _inner(headers, kind, body, depth) if depth else ()
    return MailPart(
        headers, kind or ("text/plain" if not inner else "multipart/mixed"), body, inner
    )


def _inner(headers: dict[str, list[str]], kind: str, body: str, depth: int) -> tuple[MailPart, ...]:
    if kind and not kind.startswith("multipart/"):
        return ()
    boundary = parameter((headers.get("content-type") or [""])[0], "boundary")
    pieces = _pieces(body, boundary) if boundary else []
    if not pieces and (kind or "\n--" in body) and (orphan := _ORPHAN.search(body)):
        pieces = _pieces(body, orphan[1])
    return tuple(_part(piece, depth - 1) for piece in pieces)


def _pieces(body: str, boundary: str) -> list[str]:
    """Cut a body at its boundary; a preamble with words of its own is a piece too."""
    line = re.compile(rf"^[ \t]?--{re.escape(boundary.rstrip())}(--)?[ \t]*$\n?", re.M)
    marks = list(line.finditer(body))[:_MOST_PARTS]
    if not marks:
        return []
    ends = [mark.start() for mark in marks[1:]] + [len(body)]
    pieces = [body[mark.end() : end] for mark, end in zip(marks, ends, strict=True) if not mark[1]]
    preamble = body[: marks[0].start()].strip()
    return ["\n" + preamble, *pieces] if len(preamble) > 200 else pieces


def _base64(raw: bytes) -> bytes:
    digits = re.sub(rb"[^A-Za-z0-9+/]", b"", raw)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    try:
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
    except binascii.Error:
        return raw


def _word(match: re.Match[str]) -> str:
    raw = match[3].encode("latin-1", "replace")
    if match[2] in "bB":
        return decoded(_base64(raw), match[1])
    return decoded(binascii.a2b_qp(raw, header=True), match[1])
