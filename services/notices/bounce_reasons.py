"""Why a notice did not arrive, from the words and codes of a mail server, and whose fault that is.

Words outweigh codes, but for a few: many servers write 5.0.0 or 5.7.1 into everything.
"""

import re
from collections.abc import Iterable, Sequence

from services.notices.phrases import Cause, Family, causes, families, sign

_MOST = 1_500
_LINK = re.compile(r"\b(?:https?|ftp)://\S*|\bwww\.\S+", re.I)
_LIST_LINK = re.compile(r"dnsbl|\brbl|black-?list|block-?list|/bl\b|spamhaus|delist|ipcheck", re.I)
_ADDRESS = re.compile(r"<?[^\s<>@,;:()\[\]\"']{1,64}@[a-z0-9.-]{1,250}>?", re.I)
_SPACE = re.compile(r"\s+")
# Each line of a reply repeats its numbers, in the middle of a sentence.
_NUMBER = re.compile(
    r"(?<![\d.])[245]\d\d[ -](?:#?[245]\.\d{1,3}\.\d{1,3}(?![.\d]))?"
    r"|(?<![\d.])#?[245]\.\d{1,3}\.\d{1,3}(?![.\d])"
)
# A gateway puts its own first word before what the other server said.
_WRAPPER = re.compile(r"\b\d\.\d\.\d - [a-z ]{4,40} error (?=\d{3}[- ])", re.I)
_CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -]|$)")

_SPECIAL, _GENERAL = families("reason"), families("reason", general=True)
_STAGES = families("stage")
_CODES, _REPLIES = causes("codes"), causes("replies")
_GIVEN_UP, _THEIR_LIST = sign("given_up"), sign("their_list")
_OTHER = Cause("other", "unclear")
_BY_THEM = Cause("blocked", "theirs")
_OF_AN_ADDRESS = (Cause("unknown_mailbox", "theirs"), Cause("network", "theirs"))


def cause_of(texts: Sequence[str], status: str | None) -> Cause:
    """Say why, and whose fault that is, from what servers said, the nearest first, and the status code beside it.

    A text that names a reason outweighs a nearer one that only refuses.
    """
    codes = [code for code in (status, *map(status_in, texts)) if code]
    coded = _first(map(_of_code, codes))
    if coded is not None and coded.strong:
        return coded
    plain = [plain_words(text) for text in texts]
    spoken = [_reasons_in(one, text) for one, text in zip(plain, texts, strict=True)]
    return (
        _first(_of_words(one, _SPECIAL) for one in spoken)
        or coded
        or _first(_of_words(one, _GENERAL) for one in spoken)
        or _first(_of_words(one, _SPECIAL) or _of_words(one, _STAGES) for one in plain)
        or _first(map(_of_reply, texts))
        or _OTHER
    )


def plain_words(text: str) -> str:
    """Reduce what a server said to words in lower case, without addresses and numbers of replies.

    Of a link stays that there is one: `weblink`, or `blocklist`.
    """
    head = _WRAPPER.sub(" ", _LINK.sub(_kind_of_link, text[: _MOST * 2]))
    return _SPACE.sub(" ", _NUMBER.sub(" ", _ADDRESS.sub(" ", head)))[:_MOST].lower()


def status_in(text: str) -> str | None:
    """Find an enhanced status code in what a server said; one that says something is taken first."""
    codes = [match[0] for match in _CODE.finditer(text[: _MOST * 2])]
    return next((code for code in codes if not code.endswith(".0.0")), codes[0] if codes else None)


def _kind_of_link(link: re.Match[str]) -> str:
    """Keep of a link whether it leads to a block list."""
    return " blocklist " if _LIST_LINK.search(link[0]) else " weblink "


def _reasons_in(plain: str, text: str) -> str:
    """Leave out that somebody gave up after so many days, where a reply says why it went on for days."""
    return _GIVEN_UP.sub(" ", plain) if _REPLY.search(text[:_MOST]) else plain


def _of_words(plain: str, table: Sequence[Family]) -> Cause | None:
    for cause, pattern in table:
        if pattern.search(plain):
            return _whose(cause, plain)
    return None


def _whose(cause: Cause, plain: str) -> Cause:
    """Correct a cause where the words say of whom they speak."""
    if cause in _OF_AN_ADDRESS and _STAGES[0].pattern.search(plain):
        # An address that is refused after MAIL FROM is ours.
        return _STAGES[0].cause
    if cause.reason == "blocked" and _THEIR_LIST.search(plain):
        return _BY_THEM
    return cause


def _of_code(code: str) -> Cause | None:
    match = _CODE.search(code)
    if match is None:
        return None
    subject, detail = str(int(match[2])), str(int(match[3]))
    own = "7.5xx" if subject == "7" and int(detail) >= 500 else subject
    return _CODES.get(f"{subject}.{detail}") or _CODES.get(own)


def _of_reply(text: str) -> Cause | None:
    reply = _REPLY.search(text)
    return _REPLIES.get(reply[1]) if reply else None


def _first(candidates: Iterable[Cause | None]) -> Cause | None:
    return next((cause for cause in candidates if cause is not None), None)
