"""Which notice a mail means: by our token, then by the Message-ID that came back, then by the recipient.

A recipient alone is no proof where two notices could be meant: then nothing is said of either. What came back as a
report of a mail server means no notice of ours at all.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from services.notices.fates import MailReading
from services.notices.tokens import token, tokens_in

By = Literal["token", "message_id", "recipient", "notice_id"]
Why = Literal["unknown_notice", "ambiguous", "bounce_of_a_report"]
# Five days is what mail servers try for; some try for longer.
RECENT = timedelta(days=14)

_TYPE = re.compile(r"^(?:mailto|smtp):")
_QUOTED = re.compile(r"^\"?([^\s\"\\@]+)\"@")


class SentNotice(Struct, frozen=True, kw_only=True):
    """One notice as it was sent, and the cases that it told of."""

    notice_id: str
    provider: str
    channel: str
    sent_at: datetime
    cases: tuple[str, ...]
    contact: str | None = None
    message_id: str | None = None


class Match(Struct, frozen=True):
    """The notice that a mail means, and by what that is known."""

    notice: SentNotice
    by: By


class Unmatched(Struct, frozen=True):
    """A mail that means no notice that is known here, or more than one."""

    why: Why
    candidates: int = 0


class NoticeRegister:
    """The notices that were sent, by everything that a mail can name them by."""

    def __init__(self, key: bytes, notices: Iterable[SentNotice]) -> None:
        self._by_id: dict[str, SentNotice] = {}
        self._by_token: dict[str, SentNotice] = {}
        self._by_message: dict[str, list[SentNotice]] = {}
        self._by_contact: dict[str, list[SentNotice]] = {}
        for notice in notices:
            self._add(key, notice)

    def __repr__(self) -> str:
        return f"<NoticeRegister of {len(self._by_id)} notices>"

    def match(self, reading: MailReading) -> Match | Unmatched:
        """Say which notice a mail means."""
        if reading.of_a_report:
            return Unmatched("bounce_of_a_report")
        for by, candidates in self._candidates(reading):
            distinct = {notice.notice_id: notice for notice in candidates}
            if len(distinct) == 1:
                return Match(next(iter(distinct.values())), by)
            if distinct:
                return Unmatched("ambiguous", len(distinct))
        return Unmatched("unknown_notice")

    def _candidates(self, reading: MailReading) -> Iterator[tuple[By, list[SentNotice]]]:
        """Yield what each way gives, the surest first; the first that gives anything decides."""
        if reading.notice_id is not None:
            yield "notice_id", _all_of(self._by_id.get, [reading.notice_id])
        for texts in (reading.addressed_to, reading.returned_from, reading.returned_ids):
            yield "token", _all_of(self._by_token.get, _tokens(texts))
        for name in reading.returned_ids:
            yield "message_id", self._by_message.get(name, [])
        yield "recipient", list(self._sent_to(reading))

    def _sent_to(self, reading: MailReading) -> Iterator[SentNotice]:
        names = {n for fate in reading.fates for n in (fate.address, fate.original) if n}
        for name in sorted({contact_key(name) for name in names}):
            for notice in self._by_contact.get(name, ()):
                if reading.at is None or _could_be(notice, reading.at):
                    yield notice

    def _add(self, key: bytes, notice: SentNotice) -> None:
        self._by_id[notice.notice_id] = notice
        self._by_token[token(key, notice.notice_id)] = notice
        if notice.message_id is not None:
            self._by_message.setdefault(notice.message_id, []).append(notice)
        if notice.contact is not None:
            self._by_contact.setdefault(contact_key(notice.contact), []).append(notice)


def contact_key(address: str) -> str:
    """Write an address in the form in which two are compared: no type, no needless quotes, no dot at its end."""
    plain = address.strip().strip("<>").lower().rstrip(".")
    return _QUOTED.sub(r"\1@", _TYPE.sub("", plain))


def _could_be(notice: SentNotice, at: datetime) -> bool:
    # Clocks differ by minutes, and a mail may be dated by a zone that its server has wrong.
    return notice.sent_at - timedelta(days=1) <= at <= notice.sent_at + RECENT


def _tokens(texts: Sequence[str]) -> list[str]:
    return [one for text in texts for one in tokens_in(text)]


def _all_of(find: Callable[[str], SentNotice | None], names: Iterable[str]) -> list[SentNotice]:
    return [notice for name in names if (notice := find(name)) is not None]
