"""The reader of mails beside 420 labelled ones, a third of which was kept back while it was made."""

import time

import pytest

from services.notices.mail_reading import read_mail
from tests.mailcorpus import Labelled, Score, corpus, mutations, score

LEAST = {
    "found with a status": 0.995,
    "found without a status": 0.92,
    "recipients": 0.95,
    "outcome by action": 1.0,
    "outcome by words": 0.97,
    "reason": 0.85,
    "no invented failure": 1.0,
    "kind of the others": 0.95,
}


@pytest.fixture(scope="module")
def mails() -> list[Labelled]:
    return corpus()


@pytest.mark.parametrize("what", LEAST)
@pytest.mark.parametrize("kept_back", [False, True])
def test_the_reader_reaches_its_marks(mails: list[Labelled], what: str, kept_back: bool) -> None:
    """Each share reaches its mark, on the part that was looked at and on the part that was not."""
    made: Score = score([mail for mail in mails if mail.kept_back is kept_back], read_mail)
    wrong = [file for asked, file in made.wrong if asked == what]
    assert made.share(what) >= LEAST[what], wrong


def test_damaged_mails_raise_nothing_and_are_read_soon(mails: list[Labelled]) -> None:
    """No exception, and no mail takes half a second, whatever was cut, repeated, mixed or lost."""
    slowest = 0.0
    for raw in mutations(mails, 500, seed=12):
        before = time.process_time()
        read_mail(raw)
        slowest = max(slowest, time.process_time() - before)
    assert slowest < 0.5


@pytest.mark.parametrize(
    "unit",
    [b"a", b" ", b"<", b"user ", b"use only ", b"x@y.example ", b"550 ", b"Action: failed\n\n", b"\n--b", b"<style>"],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("kind", [b"text/plain", b"text/html", b'multipart/report; boundary="b"'])
def test_long_runs_of_one_thing_take_no_time(unit: bytes, kind: bytes) -> None:
    """Two hundred thousand bytes of one thing are read in less than a second."""
    head = b"From: MAILER-DAEMON@h.example\nSubject: failure notice\nContent-Type: " + kind
    before = time.process_time()
    read_mail(head + b"\n\n" + unit * (200_000 // len(unit)))
    assert time.process_time() - before < 1
