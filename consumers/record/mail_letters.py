"""Mails that could not be used, among the dead letters of the topic that takes unsealed URLs.

A mail may hold a URL, as a record of that topic may: it stands beside such records, read by the same few and deleted
with them. It has no place on a topic; it is known again by its bytes, so that a mailbox can be read as often as one
likes.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from hashlib import sha256

from msgspec import Struct

from consumers.client.connection import KafkaConnection
from consumers.client.producing import open_producer
from consumers.record.deadletter import MAIL, DeadLetter, mark_of, read_dead_letters
from schemas.codec import dead_letter_headers
from schemas.topics import REPORTS

_ACK_SECONDS = 30.0
_CONTENT_TYPE = ("content-type", b"message/rfc822")


class UnusableMail(Struct, frozen=True):
    """A whole mail, and why it can't be used. The bytes stay out of `repr`: they may hold a URL."""

    raw: bytes
    reason: str
    message: str

    def __repr__(self) -> str:
        return f"<UnusableMail {self.reason}, {len(self.raw)} bytes>"


async def keep_mails(
    kafka: KafkaConnection, mails: Sequence[UnusableMail], clock: Callable[[], datetime]
) -> int:
    """Send mails to the dead letters, each once, and return how many are new; the broker has them all then.

    Raises the client's error where the broker does not take them: some may stand there, and none twice the next time.
    """
    if not mails:
        return 0
    there = await read_dead_letters(kafka, source_topic=REPORTS.name, retried=True)
    before = {_digest(letter.value or b"") for letter in there if letter.is_mail}
    fresh = {_digest(mail.raw): mail for mail in mails}
    new = [mail for digest, mail in fresh.items() if digest not in before]
    await _send(kafka, [(mail.raw, _headers(mail, clock())) for mail in new])
    return len(new)


async def mark_mails(
    kafka: KafkaConnection, letters: Iterable[DeadLetter], clock: Callable[[], datetime]
) -> None:
    """Mark mails that could be used after all, once the broker has what they say."""
    async with open_producer(kafka.producer_options()) as producer:
        for letter in letters:
            await producer.send_and_wait(
                letter.topic,
                value=b"",
                partition=letter.partition,
                headers=mark_of(letter, clock()),
            )


def _digest(raw: bytes) -> bytes:
    return sha256(raw).digest()


def _headers(mail: UnusableMail, at: datetime) -> list[tuple[str, bytes]]:
    return dead_letter_headers(
        [_CONTENT_TYPE],
        reason=mail.reason,
        message=mail.message,
        topic=MAIL,
        partition=0,
        offset=-1,
        at=at,
    )


async def _send(
    kafka: KafkaConnection, letters: Sequence[tuple[bytes, list[tuple[str, bytes]]]]
) -> None:
    async with open_producer(kafka.producer_options()) as producer, asyncio.timeout(_ACK_SECONDS):
        sending = [
            await producer.send(REPORTS.dlq, value=raw, headers=headers) for raw, headers in letters
        ]
        await asyncio.gather(*sending)
