"""Which code of a host answers a URL, told from the URL's shape, and siblings that the same code answers.

A random path proves something only if the code that decides about the URL answers it too. So each variable part is
varied in turn: a value of the query, a segment that holds an id, the name of a file. What was learnt of the siblings
holds for every URL of the same shape. Pure: random digits are an argument.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from schemas.urls import CanonicalUrl, canonical
from services.probing.http.exchange import target_of

MOST_PARTS = 3
"""How many parts of one URL are varied at most; the most telling first."""

# What campaigns, sessions and layouts add: it says nothing of which object is meant.
_DECORATION = re.compile(
    r"utm_\w+|fbclid|gclid|dclid|msclkid|igshid|mc_[ce]id|_ga|_gl|yclid|referrer|referer|campaign"
    r"|sid|sessionid|session|phpsessid|jsessionid|signature|expires|hmac|x-amz-\w+|cachebust|nocache"
    r"|lang|hl|locale|l10n|theme|skin|width|height|size|quality|dpr|fit|crop",
    re.I,
)
# What is mostly an addition, and on some hosts chooses the object.
_AMBIGUOUS = re.compile(
    r"ref|source|src_?site|token|sig|v|ver|version|rev|cb|ts|timestamp|rnd|rand|_|format|fmt|w|h|s|q|auto|download|dl|t",
    re.I,
)
# Names of values that choose an object, and those that do so even beside the name of a file.
_CHOICE = re.compile(
    r"\w*id|id\w*|files?|filename|im(?:g|age)|pic(?:ture)?|photo|key|hash|url|path|name|no|num|item|album|gallery"
    r"|post|page|thread|topic|doc|view|show|video|clip|media|code|slug|uuid|guid|obj(?:ect)?|viewkey|[fiupnkcdabx]",
    re.I,
)
_FIRM_CHOICE = re.compile(
    r"\w*id|id\w*|files?|filename|im(?:g|age)|pic(?:ture)?|photo|key|hash|url|path|item|doc|uuid|guid|obj(?:ect)?|viewkey",
    re.I,
)
_SCRIPT = re.compile(r"\.(?:php\d?|phtml|aspx?|ashx|jspx?|do|action|cgi|pl|cfm|fcgi|dll)$", re.I)
_FILE = re.compile(
    r"\.(?:html?|xhtml|txt|jpe?g|png|gif|webp|avif|bmp|tiff?|heic|svg|mp4|m4v|webm|mov|avi|mkv|wmv|flv|mpe?g|ts|m3u8"
    r"|mp3|m4a|ogg|wav|zip|rar|7z|tar|gz|pdf|torrent)$",
    re.I,
)
_DIGITS = frozenset("0123456789")
_MOST_EXTENSION = 5
_MOST_SEGMENTS = 12


class Part(NamedTuple):
    """One variable part of a URL: a segment of the path or a value of the query, and where it stands."""

    place: str
    position: int
    text: str

    @property
    def label(self) -> str:
        """Name the part by its place."""
        return f"{self.place}{self.position}"


class Handler(NamedTuple):
    """The code of a host that answers a URL, as far as its shape tells; `parts` names those that can be varied."""

    scheme: str
    host: str
    port: int
    shape: str
    parts: tuple[str, ...]


def handler_of(url: CanonicalUrl) -> Handler:
    """Name the handler of a URL: its host, and its path and query with the variable parts left out."""
    # Of the name of a file only the ending counts: all files of a folder have one handler.
    folder, slash, name = url.href.rpartition("/")
    key = (folder, slash + _ending(name)) if name and "?" not in url.href else (url.href, "")
    handler = _handlers.get(key)
    if handler is None:
        if len(_handlers) >= _REMEMBERED:
            _handlers.clear()
        handler = _handlers[key] = _handler_of(url)
    return handler


_REMEMBERED = 4096
_handlers: dict[tuple[str, str], Handler] = {}


def _handler_of(url: CanonicalUrl) -> Handler:
    target = _Target.of(url)
    parts = target.parts()
    varied = [part.position for part in parts if part.place == "path"]
    segments = [
        _blank(text) if n in varied or is_variable(_stem(text)) else text
        for n, text in enumerate(target.segments)
    ]
    shape = "/".join(segments)
    names = {n for n, _ in target.pairs if n and not _DECORATION.fullmatch(n)}
    if names:
        shape += "?" + "&".join(sorted(names))
    return Handler(url.scheme, url.host, url.port, shape, tuple([part.label for part in parts]))


def sibling_of(url: CanonicalUrl, number: int, token: str, more: int = 0) -> CanonicalUrl:
    """Write a URL that can't exist beside a reported one: with another text in the part of that number.

    A front page has no parts: its sibling is a path beside it. `token` is at least 16 random hexadecimal digits.
    `more` makes the text longer by so many characters, so that a page that repeats it is longer too.
    """
    target = _Target.of(url)
    parts = target.parts()
    if not parts:
        return canonical(f"{target.origin}/{token}")
    part = parts[number]
    return canonical(target.varied(part, _other(part.text, token, more)))


def keeps_id(url: CanonicalUrl, target: CanonicalUrl) -> bool:
    """Tell whether a redirect's target still names the object: every part that chooses it stands in its path or query.

    In the path it has to be a whole segment, but for a file's ending: `/found-marker.jpg` is not `/marker.jpg`. What
    only stands in a query of another name (`/login?next=...`) does not count.
    """
    before, after = _Target.of(url), _Target.of(target)
    parts = before.parts()
    names = {unquote(name) for segment in after.segments for name in (segment, _stem(segment))}
    values = dict(after.pairs)
    stands = [_is_kept(part, before, names, values) for part in parts]
    return bool(stands) and all(stands)


def _is_kept(part: Part, before: "_Target", names: set[str], values: dict[str, str]) -> bool:
    text = unquote(_stem(part.text))
    if not text:
        return False
    if part.place == "query" and values.get(before.name_of(part)) == part.text:
        return True
    return text in names


class _Target(NamedTuple):
    """Path and query of a URL, taken apart; a value without a name has an empty one."""

    origin: str
    segments: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    has_query: bool

    @classmethod
    def of(cls, url: CanonicalUrl) -> "_Target":
        target = target_of(url)
        path, mark, query = target.partition("?")
        origin = url.href[: len(url.href) - len(target)]
        return cls(origin, tuple(path.split("/")), _pairs(query) if mark else (), bool(mark))

    def parts(self) -> tuple[Part, ...]:
        """Give the parts that choose the object, the most telling first."""
        parts = self._query_parts() if self.pairs else []
        last = self._last()
        if last is not None and not (parts and _is_program(last.text)):
            parts.append(last)
        for n in range(min(len(self.segments), _MOST_SEGMENTS) - 1, -1, -1):
            text = self.segments[n]
            if is_variable(text) and (last is None or n != last.position):
                parts.append(Part("path", n, text))
        return tuple(parts[:MOST_PARTS])

    def _last(self) -> Part | None:
        """Give the last segment that is not empty."""
        for n in range(len(self.segments) - 1, -1, -1):
            if self.segments[n]:
                return Part("path", n, self.segments[n])
        return None

    def _query_parts(self) -> list[Part]:
        """Give the values that choose an object: by their name or their look; else those that are no decoration."""
        free = [p for p in self._values() if not _DECORATION.fullmatch(self.name_of(p))]
        firm = [p for p in free if not _AMBIGUOUS.fullmatch(self.name_of(p))]
        if _FILE.search(self.segments[-1]):
            chosen = [p for p in firm if _FIRM_CHOICE.fullmatch(self.name_of(p))]
        else:
            chosen = [p for p in firm if self._chooses(p)]
            named = is_variable(_stem(self.segments[-1]))
            chosen = chosen or ([] if named else firm or free)
        return sorted(chosen, key=lambda part: not is_variable(part.text))[:2]

    def _values(self) -> Iterator[Part]:
        for n, (_, value) in enumerate(self.pairs):
            if value:
                yield Part("query", n, value)

    def _chooses(self, part: Part) -> bool:
        name = self.name_of(part)
        return not name or _CHOICE.fullmatch(name) is not None or is_variable(part.text)

    def name_of(self, part: Part) -> str:
        """Give the name of a value of the query."""
        return self.pairs[part.position][0]

    def varied(self, part: Part, text: str) -> str:
        """Write the URL with another text in the place of one part."""
        segments, pairs = list(self.segments), list(self.pairs)
        if part.place == "path":
            segments[part.position] = text
        else:
            pairs[part.position] = (self.name_of(part), text)
        query = "&".join(f"{name}={value}" if name else value for name, value in pairs)
        return self.origin + "/".join(segments) + (f"?{query}" if self.has_query else "")


def _pairs(query: str) -> tuple[tuple[str, str], ...]:
    pieces = (piece.partition("=") for piece in query.split("&"))
    return tuple((name, value) if sign else ("", name) for name, sign, value in pieces)


def is_variable(text: str) -> bool:
    """Tell whether a text looks like an id: a digit, capitals within, or a long row without a word's breaks."""
    if len(text) >= 24 or not _DIGITS.isdisjoint(text):
        return True
    inner = text[1:]
    return inner != inner.lower() and not text.isupper()


def _is_program(segment: str) -> bool:
    """Tell whether a segment names the program that reads the query, and no object."""
    if _SCRIPT.search(segment):
        return True
    return not _FILE.search(segment) and not is_variable(segment)


def _stem(segment: str) -> str:
    return segment[: len(segment) - len(_ending(segment))]


def _ending(segment: str) -> str:
    _, dot, extension = segment.rpartition(".")
    return dot + extension if dot and len(extension) <= _MOST_EXTENSION else ""


def _blank(segment: str) -> str:
    return "{}" + _ending(segment)


def _other(text: str, token: str, more: int = 0) -> str:
    """Write another text of the same make, so that the same route takes it: digits for digits, as many letters.

    It is longer by `more` characters, but for a UUID, which has one length alone.
    """
    stem, ending = _stem(text), _ending(text)
    digits = _digits(token, text)
    if stem.isascii() and stem.isdigit():
        return _number(max(len(stem), 10) + more, digits) + ending
    if re.fullmatch(r"[0-9a-f]{8,}", stem):
        return _spell(_HEX, len(stem) + more, digits) + ending
    if re.fullmatch(r"[0-9A-F]{8,}", stem):
        return _spell(_HEX, len(stem) + more, digits).upper() + ending
    if _is_uuid(stem):
        row = _spell(_HEX, 32, digits)
        return "-".join((row[:8], row[8:12], "4" + row[13:16], "a" + row[17:20], row[20:])) + ending
    if re.fullmatch(r"[0-9A-Za-z_-]{5,}", stem) and is_variable(stem):
        return _spell(_letters(stem), max(len(stem), 8) + more, digits) + ending
    return token[:16] + token[:more] + ending


_HEX = "0123456789abcdef"
_LOWER = "abcdefghijklmnopqrstuvwxyz"


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is not None


def _letters(stem: str) -> str:
    """Give the alphabet that a stem is written in."""
    letters = "0123456789" if any(c.isdigit() for c in stem) else ""
    if any(c.islower() for c in stem):
        letters += _LOWER
    if any(c.isupper() for c in stem):
        letters += _LOWER.upper()
    return letters


def _number(length: int, digits: int) -> str:
    """Write a number that a 32-bit column holds and hardly any row has; a longer one keeps its length."""
    if length <= 10:
        return str(1_500_000_000 + digits % 647_000_000)
    return str(10 ** (length - 1) + digits % (9 * 10 ** (length - 1)))


def _digits(token: str, text: str) -> int:
    """Draw a large number from the token, another one for each text."""
    return int.from_bytes(hashlib.blake2b(f"{token}/{len(text)}".encode(), digest_size=48).digest())


def _spell(letters: str, length: int, digits: int) -> str:
    row = []
    for _ in range(length):
        digits, rest = divmod(digits, len(letters))
        row.append(letters[rest])
    return "".join(row)
