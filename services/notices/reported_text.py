"""What a mail server wrote for people: where the returned mail begins, who is meant, and what was said of each."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from services.notices.phrases import sign, words

_ADDRESS = r"[^\s<>@,;:()\[\]\"'|\\/（）：，；、。「」]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9-]{1,63}){0,8})"
ADDRESS = re.compile(rf"(?<![^\s<>\"'(:;,*|\[（：，；、。「]){_ADDRESS}", re.I)
# A mail server says what it has to say at the beginning.
_MOST = 30_000
# Below such a line stands what was returned, and below such a field too.
_BELOW = sign("returned_below", whole_line=True)
_HEAD = re.compile(
    r"^[ \t>]{0,8}(?:received: +(?:from|by|\()|return-path: *<|x-originating-ip:|message-id: *<|dkim-signature: )",
    re.I | re.M,
)
# A line that names a recipient and nothing else, or a recipient and then a reason.
_NAMED = re.compile(
    r"^[ \t]*(?:[*>-]+[ \t]*)?"
    r"(?:(?:<<< )?[45]\d\d[ -](?:[45]\.\d{1,3}\.\d{1,3}[ \t]+)?"
    rf"|(?:{words('names_recipient')})[ \t]*[:=]?[ \t]*)?"
    rf"[<\"'(\[]*(?P<address>{_ADDRESS})[>\"')\]]*[ \t]*"
    r"(?:$|:|\(|\.\.\.|,|;|- |<mailto| on | failed|delivery|[.!][ \t]*$)",
    re.I | re.M,
)
_IN_SENTENCE = re.compile(
    rf"(?:{words('tells_recipient')})\b[^\n@]{{0,60}}?[:\s<(\"'\[]+(?P<address>{_ADDRESS})", re.I
)
_SOURCE = re.compile(
    rf"(?:{words('names_source')})[ \t]*:?[\s<]{{0,8}}(?P<address>{_ADDRESS})", re.I
)
_HELP = re.compile(rf"(?:{words('names_help')})[^\n@]{{0,40}}?<?{_ADDRESS}>?", re.I)


class Named(NamedTuple):
    """A recipient and what was said of it."""

    address: str
    words: str


def before_returned(text: str) -> tuple[str, str]:
    """Split a text where the returned mail begins: by the words of the server, or by the mail's own first fields."""
    places = [match for pattern in (_BELOW, _HEAD) if (match := pattern.search(text, 0, _MOST))]
    first = min((match.start() for match in places), default=len(text))
    return text[:first], text[first:]


def named_recipients(text: str) -> list[Named]:
    """Find who is meant: lines that begin with an address, each with the words up to the next such line."""
    marks = list(islice(_NAMED.finditer(text, 0, _MOST), 200))
    ends = [*(match.start() for match in marks[1:]), len(text)]
    named: dict[str, Named] = {}
    for mark, end in zip(marks, ends, strict=False):
        address, passage = mark["address"], text[mark.start() : end]
        before = named.get(address.lower())
        named[address.lower()] = Named(address, before.words + passage if before else passage)
    return list(named.values())


def mentioned(text: str) -> Iterator[str]:
    """Yield addresses that stand where a recipient does in a sentence, then every other."""
    sentences = _HELP.sub(" ", text[:_MOST])
    for match in _IN_SENTENCE.finditer(sentences):
        yield match["address"]
    for match in ADDRESS.finditer(sentences):
        yield match[0]


def forwarded_for(words: str) -> str | None:
    """Find the address that a recipient was generated from, in what was said of it."""
    match = _SOURCE.search(words[:2000])
    return match["address"] if match else None
