"""A header block is read as browsers and curl read it, and no further than they do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.probing.http.exchange import _location, _reply
from services.probing.http.head import BadHead, begins_like_head, read_head, read_plain_head

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 777\r\n"


def test_a_plain_block_keeps_its_connection() -> None:
    """Status, kept fields by lower-case name, everything else let go."""
    head = read_head(OK + LENGTH + b"Content-Type: image/jpeg\r\nSet-Cookie: a=b\r\n\r\n")
    assert (head.status, head.length, head.reusable) == (200, 777, True)
    assert head.fields == {"content-length": "777", "content-type": "image/jpeg"}


@pytest.mark.parametrize(
    "line",
    [
        *(b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1  200  OK", b"HTTP/1.1\t200\tOK"),
        *(b"http/1.1 200 ok", b"HTTP/1.0 200 OK", b"HTTP/2 200", b"HTTP/2.0 200 OK", b"ICY 200 OK"),
        *(b"HTTP/1.1 200OK", b"HTTP/1.1 200 \xe9t\xe9"),
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_status_lines_that_browsers_take(line: bytes, end: bytes) -> None:
    """Without a reason, with any version and any blanks; a bare LF ends a line as well."""
    head = read_head(line + end + b"Content-Length: 777" + end + end)
    assert (head.status, head.length) == (200, 777)


@pytest.mark.parametrize(
    "block",
    [
        *(b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 20\r\n\r\n"),
        *(
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"SSH-2.0-x\r\n\r\n",
            b"\r\n\r\n",
        ),
        *(b"HTTP/1.1 200 O\0K\r\n\r\n", OK + b"X-A: a\0b\r\n\r\n", b"<html>\n\n"),
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        OK + b"Content-Length: 5, 6\r\n\r\n",
    ],
)
def test_what_browsers_refuse_is_refused(block: bytes) -> None:
    """No status line, a NUL byte, and lengths that differ are no answer."""
    with pytest.raises(BadHead):
        read_head(block)


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        (b"Content-Length: 777\r\nContent-Length: 777\r\n", 777),
        (b"Content-Length: 777, 777\r\n", 777),
        (b"Content-Length: 777,777\r\nContent-Length:777\r\n", 777),
        (b"Content-Length : 777\r\n", 777),
        (b"Content-Length:\r\n 777\r\n", 777),
        (b"Content-Length: 777\r\nTransfer-Encoding: chunked\r\n", None),
        (b"Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n", None),
        (b"Transfer-Encoding: gzip, chunked\r\n", None),
        (b"Content-Length: -5\r\n", None),
        (b"Content-Length: 99999999999999999999999\r\n", None),
        (b"Content-Length: \xd9\xa3\r\n", None),
        (b"no field at all\r\nContent-Length: 777\r\n", 777),
        (b" folded before any field\r\nContent-Length: 777\r\n", 777),
        (b"X-A: one\rtwo\r\nContent-Length: 777\r\n", 777),
    ],
)
def test_framing_that_browsers_take_is_read_once(fields: bytes, length: int | None) -> None:
    """The block is read; its connection, if a proxy might read it otherwise, is used for no second request."""
    head = read_head(OK + fields + b"\r\n")
    assert (head.status, head.length) == (200, length)
    assert head.reusable == (fields == b"Transfer-Encoding: gzip, chunked\r\n")


@pytest.mark.parametrize(
    ("line", "connection", "reusable"),
    [
        (b"HTTP/1.1 200 OK", None, True),
        (b"HTTP/1.1 200 OK", b"Close", False),
        (b"HTTP/1.1 200 OK", b"Upgrade, Keep-Alive", True),
        (b"HTTP/1.0 200 OK", None, False),
        (b"HTTP/1.0 200 OK", b"Keep-Alive", True),
        (b"HTTP/2.0 200 OK", b"keep-alive", False),
        (b"ICY 200 OK", None, False),
        (b"HTTP/1.1 101 Switching", b"Upgrade", False),
    ],
)
def test_when_a_connection_is_kept(line: bytes, connection: bytes | None, reusable: bool) -> None:
    """By version and `Connection`, as RFC 9112, 9.3 says; only HTTP/1 is kept."""
    field = b"" if connection is None else b"Connection: " + connection + b"\r\n"
    assert read_head(line + b"\r\n" + field + b"\r\n").reusable is reusable


def test_of_fields_that_stand_twice() -> None:
    """The last content type, no target where two differ, of everything else the first."""
    block = OK + b"Content-Type: text/html\r\nContent-Type: image/png\r\nContent-Type: junk\r\n"
    block += b"ETag: a\r\nETag: b\r\nLocation: /x\r\nLocation: /x\r\n"
    fields = read_head(block + b"\r\n").fields
    assert (fields["content-type"], fields["etag"]) == ("image/png", "a")
    assert fields["location"] == "/x"
    assert read_head(block + b"Location: /y\r\n\r\n").fields["location"] == ""


def test_the_length_of_one_byte_is_that_of_the_whole() -> None:
    """Of an answer to a range, `Content-Range` says how long the whole is, if it does."""
    part = b"HTTP/1.1 206 Partial\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/"
    assert read_head(part + b"777\r\n\r\n").length == 777
    assert read_head(part + b"*\r\n\r\n").length is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"416 Range Not Satisfiable\r\nContent-Range: bytes */0", (True, 0)),
        (b"403 Forbidden\r\nContent-Length: 26\r\nContent-Range: bytes */0", (True, 0)),
        (b"403 Forbidden\r\nContent-Length: 0", (False, 0)),
        (b"200 OK\r\nContent-Length: 7\r\nContent-Range: bytes */0", (False, 7)),
    ],
)
def test_a_range_past_the_end_has_the_length_of_the_whole(
    answer: bytes, expected: tuple[bool, int]
) -> None:
    """A refusal that says how long the whole is speaks of the range, whatever its status; a plain 403 does not."""
    block = read_head(b"HTTP/1.1 " + answer + b"\r\n\r\n")
    assert (block.is_past_end, block.length) == expected


def test_a_fingerprint_keeps_the_allow_list() -> None:
    """Of a header block only the allow-listed headers are kept, validators as digests (G2)."""
    block = (
        OK + b"Content-Type: image/jpeg; charset=x\r\nContent-Length: 4321\r\nSet-Cookie: id=1\r\n"
    )
    block += b'ETag: "secret"\r\nServer: nginx/1.2 (host7)\r\nAge: 17\r\n'
    kept = _reply("HEAD", read_head(block + b"\r\n"), {}).fingerprint(None)
    assert kept is not None
    assert (kept.status, kept.content_type, kept.content_length) == (200, "image/jpeg", 4321)
    assert (kept.cache_age, kept.server_class) == (17, "nginx")
    assert re.fullmatch("[0-9a-f]{16}", kept.etag_digest or "")
    assert "secret" not in repr(kept)


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        *((data, True) for data in (b"H", b"HTTP", b"http/1.1", b"IC", b"ICY 2")),
        *((data, False) for data in (b"<", b"HTML", b"SSH-", b"\x16", b"ICON ")),
    ],
)
def test_the_first_bytes_tell_what_is_no_answer(data: bytes, begins: bool) -> None:
    """What can't become a status line is refused at once, not at the timeout."""
    assert begins_like_head(data) is begins


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_no_block_ends_in_another_exception(block: bytes, field: bytes) -> None:
    """Whatever bytes come, they are read or refused."""
    for data in (block, OK + field + b"\r\n\r\n"):
        try:
            head = read_head(data)
        except BadHead:
            continue
        assert 100 <= head.status <= 999
        assert head.length is None or head.length >= 0


_LINES = st.sampled_from(
    [
        *(
            b"Content-Length: 777",
            b"content-length:0",
            b"Content-Length: 7, 7",
            b"Content-Length: x",
        ),
        *(b"Transfer-Encoding: chunked", b"Connection: close", b"CONNECTION:Keep-Alive  "),
        *(b"Content-Type: image/jpeg", b"content-type:text/html ", b'ETag: "a"', b"ETAG:\tb"),
        *(
            b"Location: /x",
            b"Location: /\xf8",
            b"Server : x",
            b" folded",
            b"no field",
            b"X-Other: 1",
        ),
        *(
            b"Retry-After:",
            b"Age: 5",
            b"Content-Range: bytes 0-0/777",
            b"A: b\rc",
            b"X-DataDome: 1",
        ),
    ]
)


@given(
    st.sampled_from(
        [b"HTTP/1.1 200 OK", b"HTTP/1.1 404", b"HTTP/1.0 200 OK", b"HTTP/1.1 103 Early"]
    ),
    st.lists(_LINES, max_size=6),
    st.sampled_from([b"\r\n", b"\r\n", b"\n"]),
)
def test_a_plain_block_is_read_as_any_other(line: bytes, fields: list[bytes], end: bytes) -> None:
    """The short way for plain blocks says what the long one says, or leaves the block to it."""
    block = end.join([line, *fields, b"", b""])
    head = read_plain_head(block)
    if head is not None:
        assert head == read_head(block)


def test_the_short_way_takes_what_servers_write() -> None:
    """A block of nginx's make is read at once; one that is not whole, or holds more, is not."""
    block = OK + b'Server: nginx\r\nETag: "5e-abc"\r\n' + LENGTH + b"\r\n"
    assert read_plain_head(block) == read_head(block)
    assert read_plain_head(block[:-2]) is None
    assert read_plain_head(block + b"x") is None


# -- redirect targets ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        (b"/real photo.jpg", "/real%20photo.jpg"),
        (b"/synspr\xf8ve.jpg", "/synspr%F8ve.jpg"),
        ("/synsprøve.jpg".encode(), "/synspr%C3%B8ve.jpg"),
        (b"/real\tphoto.jpg", "/realphoto.jpg"),
        (b"/a%20b c.jpg?q=d e", "/a%20b%20c.jpg?q=d%20e"),
        (b"  /x ", "/x"),
        (b"/\x1b[31m", "/%1B[31m"),
        ("http://bücher.example/x".encode(), "http://b%C3%BCcher.example/x"),
        (b"", ""),
    ],
)
def test_a_target_is_written_as_browsers_write_it(raw: bytes, written: str) -> None:
    """Blanks and raw bytes are percent-encoded as they came, tabs are dropped, escapes stay."""
    head = read_head(b"HTTP/1.1 302 Found\r\nLocation: " + raw + b"\r\n\r\n")
    assert _location(head.get("location")) == written
