"""Mails out of the places where they lie."""

import io
from pathlib import Path

import pytest

from services.notices.mail_sources import KEPT_BYTES, MOST_BYTES, mails_in, mails_of, mark_seen


def maildir(folder: Path, **files: bytes) -> Path:
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir()
    for name, raw in files.items():
        (folder / name.replace("__", "/").replace("_S", ":2,S")).write_bytes(raw)
    return folder


TWO = b"From a@b Sat Jan 31 13:00:00 2026\nSubject: 1\n\nx\n\nFrom c@d Sat Jan 31 13:00:00 2026\nSubject: 2\n\ny\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + TWO,
        b"\n\r\n" + TWO,
        TWO.replace(b"\n", b"\r\n"),
        TWO.replace(b"x\n\nFrom", b"x\nFrom"),
        TWO.replace(b"a@b", b"-"),
        TWO.replace(b"x\n", b"x\n\nFrom what we see it is gone.\n"),
        TWO.replace(b" Sat Jan 31 13:00:00 2026", b""),
    ],
    ids=["mark", "blank lines first", "CRLF", "no blank line", "dash", "a sentence", "no date"],
)
def test_an_mbox_of_any_program_gives_each_of_its_mails(raw: bytes) -> None:
    """None is lost in the one before, and a sentence that begins with `From` begins none."""
    mails = [mail.raw.partition(b"Subject: ")[2][:1] for mail in mails_of(io.BytesIO(raw))]
    assert mails == [b"1", b"2"]


def test_a_mark_or_a_blank_line_hides_no_receipt() -> None:
    """Receipts one a line are told behind a byte order mark and empty lines, and keep their numbers."""
    for above in (b"\xef\xbb\xbf", b"\n"):
        places = [mail.place for mail in mails_of(io.BytesIO(above + b'{"a": 1}\n{"b": 2}\n'))]
        assert places == (["line 1", "line 2"] if above != b"\n" else ["line 2", "line 3"])


def test_a_maildir_is_read_new_and_old(tmp_path: Path) -> None:
    """What lies in `new` and `cur` is read, what is still written to `tmp` is not."""
    maildir(tmp_path, new__1=b"one", cur__2_S=b"two", tmp__3=b"three")
    assert [mail.raw for mail in mails_in(tmp_path, unseen=False)] == [b"one", b"two"]
    assert [mail.raw for mail in mails_in(tmp_path, unseen=True)] == [b"one"]


def test_a_mail_that_was_used_is_marked_as_seen(tmp_path: Path) -> None:
    """It moves to `cur` with the flag S, its bytes untouched, and is passed over then."""
    maildir(tmp_path, new__1=b"one")
    (mail,) = mails_in(tmp_path, unseen=True)
    assert mail.file is not None
    mark_seen(mail.file)
    assert (tmp_path / "cur" / "1:2,S").read_bytes() == b"one"
    assert list(mails_in(tmp_path, unseen=True)) == []


def test_an_mbox_is_cut_at_its_from_lines() -> None:
    """Only after an empty line: `From ` within a paragraph begins no mail."""
    text = b"From a@b Sat\nSubject: 1\n\nx\nFrom here on\n\nFrom c@d Sat\nSubject: 2\n\ny\n"
    mails = list(mails_of(io.BytesIO(text)))
    assert [mail.place for mail in mails] == ["mail 1, line 1", "mail 2, line 7"]
    assert mails[1].raw == b"From c@d Sat\nSubject: 2\n\ny\n"


def test_receipts_stand_one_a_line() -> None:
    """JSON lines are receipts, empty lines are passed over."""
    mails = list(mails_of(io.BytesIO(b'{"a": 1}\n\n{"b": 2}\n')))
    assert [(mail.place, mail.raw) for mail in mails] == [
        ("line 1", b'{"a": 1}\n'),
        ("line 3", b'{"b": 2}\n'),
    ]


@pytest.mark.parametrize(("raw", "count"), [(b"", 0), (b"Subject: x\n\ny\n", 1)])
def test_one_mail_or_none(raw: bytes, count: int) -> None:
    """A stream that is neither is one mail; an empty one is none."""
    assert len(list(mails_of(io.BytesIO(raw)))) == count


def test_of_a_mail_the_head_is_read_and_all_of_it_kept(tmp_path: Path) -> None:
    """A mail that one dead letter holds is whole, a longer one is not; memory is bounded, whatever a mail returns."""
    head = b"Subject: x\n\n"
    for size, whole in ((KEPT_BYTES, True), (KEPT_BYTES + 1, False)):
        long = head + b"y\n" * ((size - len(head)) // 2) + b"\n" * ((size - len(head)) % 2)
        (tmp_path / "long.eml").write_bytes(long)
        for (mail,) in (mails_in(tmp_path, unseen=False), mails_of(io.BytesIO(long))):
            assert (mail.whole, len(mail.head)) == (whole, MOST_BYTES)
            assert len(mail.raw) <= KEPT_BYTES
            assert not whole or mail.raw == long
