"""A dump of URLhaus in every form in which it is published, and what is no dump."""

import json
import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Event, LookMade, NoticeSent, ReportFiled
from schemas.urls import canonical
from services.reports import urlhaus
from services.reports.urlhaus import RefusedRow, csvdump, jsondump
from tests.unit.reports.urlhaus_kit import (
    COLUMNS,
    DATED,
    KEYS,
    ROWS,
    as_json,
    banner,
    box,
    gzipped,
    header,
    line,
    published,
    record,
    row,
    saved,
    zipped,
)

CUTOFF = datetime(2026, 3, 9, 9, 28, 18, tzinfo=UTC)
LINKLESS = tuple(name for name in COLUMNS if name != "urlhaus_link")
SHUFFLED = ("reporter", "url", "tags", "last_online", "dateadded", "id", "threat", "url_status")


def read(path: Path) -> list[Event]:
    """Read a dump in which every row can be used."""
    assert refused(path) == []
    return list(urlhaus.events(path, KEYS, dumped=CUTOFF))


def refused(path: Path) -> list[RefusedRow]:
    """Give the rows that can't be used."""
    return [one for one in urlhaus.rows(path, KEYS) if isinstance(one, RefusedRow)]


def expected(tmp_path: Path) -> list[Event]:
    """Give the events of the dump as it is published."""
    return read(saved(tmp_path, published(), "expected"))


def test_the_published_form_is_read(tmp_path: Path) -> None:
    """Boxed banner, commented header, link, CRLF: each row is a report, a notice and what was seen."""
    path = saved(tmp_path, published())
    kinds = Counter(type(event.data) for event in read(path))
    assert kinds == {ReportFiled: 5, NoticeSent: 5, LookMade: 11}
    assert urlhaus.cutoff(path) == CUTOFF


VARIANTS: dict[str, Callable[[], str | bytes]] = {
    "gzip": lambda: gzipped(published()),
    "zip with csv.txt": lambda: zipped(published()),
    "zip with a folder": lambda: zipped(published(), "dump/", "dump/csv.txt"),
    "gzip of the JSON dump": lambda: gzipped(as_json()),
    "zip of the JSON dump": lambda: zipped(as_json(), "urlhaus_full.json"),
    "JSON": as_json,
    "JSON on one line": lambda: json.dumps(json.loads(as_json())),
    "JSON with a space before it": lambda: "\r\n " + as_json(),
    "JSON, one record instead of a list": lambda: json.dumps(
        {number: records[0] for number, records in json.loads(as_json()).items()}
    ),
    "JSON array of records": lambda: json.dumps(
        [one[0] | {"id": int(number)} for number, one in json.loads(as_json()).items()]
    ),
    "JSON as the lookup interface answers": lambda: json.dumps(
        {
            "query_status": "ok",
            "urls": [
                {"id": number, "date_added": one[0].pop("dateadded"), **one[0]}
                for number, one in json.loads(as_json()).items()
            ],
        }
    ),
    "JSON as the lookup interface answers about a host": lambda: json.dumps(
        {
            "query_status": "ok",
            "host": "h5.example",
            "blacklists": {"surbl": "not listed"},
            "urls": [one[0] | {"id": number} for number, one in json.loads(as_json()).items()],
        }
    ),
    "JSON as the lookup interface answers about a URL": lambda: json.dumps(
        {
            "query_status": "ok",
            "id": "1",
            **record(ROWS[4]),
            "payloads": [{"firstseen": "2026-03-08", "filename": None}],
        }
    ),
    "blanks behind the commas": lambda: published().replace('","', '", "'),
    "what old tools put at the end": lambda: published() + "\x1a\0\0",
    "LF": lambda: published().replace("\r\n", "\n"),
    "no line end at the end": lambda: published().rstrip(),
    "byte order mark": lambda: "\ufeff" + published(),
    "blank lines": lambda: published().replace("\r\n", "\r\n\r\n"),
    "header in the box": lambda: published().replace(header(), box(header()[2:])),
    "header without a comment": lambda: published().replace(header(), header()[2:]),
    "header in quotes and capitals": lambda: published().replace(
        header(), ",".join(f'"{name.upper()}"' for name in COLUMNS)
    ),
    "header with the zone in its names": lambda: published().replace(
        "dateadded,url", "Dateadded (UTC),URL"
    ),
    "no urlhaus_link": lambda: published(columns=LINKLESS),
    "another order": lambda: published(columns=SHUFFLED),
    "more columns": lambda: published(
        [{**cells, "host": "a,b", "asn": "64496"} for cells in ROWS], ("asn", *COLUMNS, "host")
    ),
    "no id, but a link": lambda: published(columns=COLUMNS[1:]),
    "no threat and no tags": lambda: published(
        columns=[name for name in COLUMNS if name not in ("threat", "tags")]
    ),
    "None for nothing": lambda: published([{k: v or "None" for k, v in r.items()} for r in ROWS]),
    "cells without quotes": lambda: published([ROWS[4]]).replace(
        '"1","2026-03-08 12:00:00"', "1,2026-03-08 12:00:00"
    ),
    "comments among the rows": lambda: published() + "# number of rows: 5\r\n",
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_form_says_the_same(tmp_path: Path, name: str) -> None:
    """Columns go by their names, the form by the first bytes; the events are those of the published form."""
    found = read(saved(tmp_path, VARIANTS[name](), "any-name.bin"))
    wanted = expected(tmp_path)
    assert found == (wanted if len(found) != 5 else wanted[-5:])


def test_the_form_of_before_is_read(tmp_path: Path) -> None:
    """The altered sample has comment lines without a box and no link."""
    body = [line(cells, LINKLESS) for cells in ROWS]
    old = [f"# Last updated: {DATED} (UTC)", f"# {','.join(LINKLESS)}", *body]
    path = saved(tmp_path, "\n".join(old))
    assert read(path) == expected(tmp_path)
    assert urlhaus.cutoff(path) == CUTOFF


@pytest.mark.parametrize("dump", [as_json(), published(dated=None)])
def test_a_dump_without_a_date_has_that_of_its_latest_instant(tmp_path: Path, dump: str) -> None:
    """The JSON dump names no date of its own, and a banner may be cut off."""
    assert urlhaus.cutoff(saved(tmp_path, dump)) == CUTOFF


GOOD = row(9)
BAD: dict[str, tuple[str, str]] = {
    "too few columns": ('"8","2026-03-08 12:00:00"', "columns"),
    "too many columns": (line(row(8)) + ',"x"', "columns"),
    "a comma in a cell without quotes": (line(row(8)).replace('"http:', "http:,"), "columns"),
    "no date": (line(row(8, dateadded="yesterday")), "time"),
    "a date without a time": (line(row(8, dateadded="2026-03-08")), "time"),
    "a day that is none": (line(row(8, dateadded="2026-02-30 12:00:00")), "time"),
    "no date at all": (line(row(8, dateadded="")), "time"),
    "another zone": (line(row(8, last_online="2026-03-08 13:00:00 CET")), "time"),
    "a date too far": (line(row(8, last_online="9999-12-31 23:59:59")), "text"),
    "another status": (line(row(8, url_status="maybe")), "status"),
    "no URL": (line(row(8, url="")), "url"),
    "no absolute URL": (line(row(8, url="marker.example/path")), "bad_url"),
    "a space in the URL": (line(row(8, url="http://marker.example/a b")), "bad_url"),
    "a port too high": (line(row(8, url="http://marker.example:99999/")), "bad_url"),
    "a host that is none": (line(row(8, url="http://marker.example%/x")), "bad_url"),
    "a URL far too long": (line(row(8, url="http://marker.example/" + "a" * 9000)), "bad_url"),
    "a line far too long": (line(row(8, tags="a" * 70_000)), "quoting"),
    "a reporter far too long": (line(row(8, reporter="a" * 201)), "text"),
    "a URL that is no UTF-8": (line(row(8, url="http://marker.example/\udcff")), "bad_url"),
    "a quote that never closes": (line(row(8)).replace(',"online', ',online"')[:-1], "quoting"),
    "a quote inside a cell": (line(row(8)).replace("/bin.sh", '/marker"bin.sh'), "quoting"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_row_is_refused_alone(tmp_path: Path, name: str) -> None:
    """The rows around it are used; the refusal has the line and the reason, and repeats no URL."""
    bad, reason = BAD[name]
    lines = [*banner(), header(), line(ROWS[4]), bad, line(GOOD), ""]
    path = saved(tmp_path, "\r\n".join(lines))
    [one] = refused(path)
    assert (one.line, one.reason) == (10, reason)
    assert "marker" not in one.message
    assert ".example" not in one.message
    used = saved(tmp_path, published([ROWS[4], GOOD]), "used")
    assert list(urlhaus.events(path, KEYS)) == read(used)


def test_a_row_from_the_future_is_refused(tmp_path: Path) -> None:
    """With the time at hand, a row of next week is a mistake."""
    path = saved(tmp_path, published([row(1, last_online="2026-03-20 00:00:00"), row(2)]))
    now = datetime(2026, 3, 10, tzinfo=UTC)
    found = list(urlhaus.rows(path, KEYS, now=now))
    assert isinstance(found[0], RefusedRow)
    assert "future" in found[0].message
    assert not isinstance(found[1], RefusedRow)


def test_quotes_that_pair_are_no_fault(tmp_path: Path) -> None:
    """A URL that ends in a backslash, doubled quotes and a cell over three lines, one like a comment, are read."""
    odd = [
        row(3, tags='a,"b",c'),
        row(2, reporter="first\r\n# second\r\nthird"),
        row(1, url="http://h1.example/a\\"),
    ]
    path = saved(tmp_path, published(odd))
    reports = [event.data for event in read(path) if isinstance(event.data, ReportFiled)]
    assert [one.reference for one in reports] == ["3", "2", "1"]
    assert reports[1].reporter == "first\r\n# second\r\nthird"
    assert KEYS.open(
        reports[2].sealed_url or "", KEYS.case_id(canonical(odd[2]["url"])), purpose="look"
    )


def test_lines_are_counted_in_the_file(tmp_path: Path) -> None:
    """A cell over several lines moves the numbers of those after it, as an editor shows them."""
    odd = [row(3, tags="a\r\nb"), row(2, dateadded="?"), row(1)]
    assert [one.line for one in refused(saved(tmp_path, published(odd)))] == [11]


JSON_BAD: dict[str, tuple[object, str]] = {
    "a text instead of a record": (["http://marker.example/"], "record"),
    "an empty list": ([], "record"),
    "nothing": (None, "record"),
    "no URL": ([{"dateadded": f"{DATED} UTC"}], "columns"),
    "a URL of another kind": ([{"dateadded": DATED, "url": ["http://marker.example/"]}], "url"),
    "a number as a date": ([{"dateadded": 1773048498, "url": "http://marker.example/"}], "time"),
}


@pytest.mark.parametrize("name", JSON_BAD)
def test_a_record_is_refused_alone(tmp_path: Path, name: str) -> None:
    """In the JSON dump too the others are used, and the line is that of the file."""
    value, reason = JSON_BAD[name]
    whole = {"8": value} | json.loads(as_json())
    path = saved(tmp_path, json.dumps(whole, indent=4))
    [one] = refused(path)
    assert (one.line, one.reason) == (2, reason)
    assert "marker" not in one.message
    assert list(urlhaus.events(path, KEYS)) == expected(tmp_path)


@pytest.mark.parametrize("cut", [3, 40, 120])
@pytest.mark.parametrize("form", [published, as_json])
def test_what_stands_before_a_break_is_used(
    tmp_path: Path, form: Callable[[], str], cut: int
) -> None:
    """A download that broke off costs its end: one refusal says so, and no row is made up."""
    text = form().rstrip()
    path = saved(tmp_path, text[:-cut])
    whole = list(urlhaus.events(path, KEYS, dumped=CUTOFF))
    assert len(refused(path)) == 1
    assert whole == expected(tmp_path)[: len(whole)]
    assert len(whole) > 15


def test_a_broken_gzip_gives_the_rows_before_the_break(tmp_path: Path) -> None:
    """A compressed file that ends too early is read up to there."""
    many = published([row(number, tags=os.urandom(8).hex()) for number in range(3000, 0, -1)])
    path = saved(tmp_path, gzipped(many)[:-2000])
    [one] = refused(path)
    assert one.reason in ("damaged", "quoting")
    assert len(list(urlhaus.events(path, KEYS))) > 4 * 2000


NO_DUMPS: dict[str, bytes] = {
    "nothing": b"",
    "a web page": b"<!DOCTYPE html>\n<html><a href='https://urlhaus.example/url/'>sign in</a></html>\n",
    "an answer without a key": b'{"query_status": "unknown_auth_key"}',
    "another JSON": b'{"1": [{"ioc": "http://marker.example/"}], "2": []}',
    "another CSV": b"notice_id,received_at\nn1,2026-03-08T12:00:00Z\n",
    "a list of URLs": b"# abuse.ch URLhaus plain-text URL list\nhttp://marker.example/x\n",
    "rows without a header": line(row(1)).encode(),
    "no JSON": b"{]",
    "noise": bytes(range(256)) * 40,
    "records one a line": "\n".join(json.dumps(record(one)) for one in ROWS).encode(),
    "a zip of nothing": zipped("", "empty/"),
    "a zip of two": zipped(published(), "csv.txt", "README.txt"),
    "half a zip": zipped(published())[:200],
    "half a gzip header": gzipped(published())[:6],
}


@pytest.mark.parametrize("name", NO_DUMPS)
def test_what_is_no_dump_is_refused_with_one_message(tmp_path: Path, name: str) -> None:
    """The message names the file, says what is expected, and repeats nothing of it."""
    path = saved(tmp_path, NO_DUMPS[name], "given.bin")
    with pytest.raises(urlhaus.BadDump, match=r"given\.bin") as caught:
        list(urlhaus.rows(path, KEYS))
    assert "marker" not in str(caught.value)


def test_a_dump_without_rows_is_one(tmp_path: Path) -> None:
    """Nothing online is no fault: the banner dates it."""
    path = saved(tmp_path, published([]))
    assert read(path) == []
    assert urlhaus.cutoff(path) == CUTOFF


@pytest.mark.parametrize("form", [published, as_json])
def test_a_dump_of_which_no_row_can_be_used_is_still_one(
    tmp_path: Path, form: Callable[..., str]
) -> None:
    """Its rows are refused one by one; where they alone could have dated it, nothing does."""
    path = saved(tmp_path, form([row(2, dateadded="?"), row(1, url_status="?")]))
    assert [one.reason for one in refused(path)] == ["time", "status"]
    assert list(urlhaus.events(path, KEYS)) == []
    assert urlhaus.dated(path) == (CUTOFF if form is published else None)


def test_nothing_dates_an_empty_dump_without_its_banner(tmp_path: Path) -> None:
    """There is no cut-off to report as of."""
    with pytest.raises(urlhaus.BadDump, match="Last updated"):
        urlhaus.cutoff(saved(tmp_path, published([], dated=None)))


@pytest.mark.parametrize("form", [csvdump, jsondump])
def test_rows_are_read_as_they_come(tmp_path: Path, form: object) -> None:
    """The first row is there long before the file is read: memory does not grow with it."""
    many = [row(number) for number in range(4000, 0, -1)]
    text = published(many) if form is csvdump else as_json(many)
    with saved(tmp_path, text).open(newline="\n") as file:
        next(form.cells(file))  # type: ignore[attr-defined]
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) < len(text) / 2


DAMAGED = {
    "csv": published().encode(),
    "json": as_json().encode(),
    "gzip": gzipped(published()),
    "zip": zipped(as_json()),
}


@given(
    form=st.sampled_from(sorted(DAMAGED)),
    places=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), max_size=4),
    end=st.floats(0.3, 1.0),
)
def test_no_damage_ends_in_anything_but_a_message(
    tmp_path_factory: pytest.TempPathFactory,
    form: str,
    places: list[tuple[float, bytes]],
    end: float,
) -> None:
    """Bytes that were changed, lost or put in between cost rows or the file, with words that hold no URL."""
    dump = bytearray(DAMAGED[form])
    for place, change in places:
        at = int(place * len(dump))
        dump[at : at + 1] = change
    path = saved(tmp_path_factory.mktemp("damaged"), bytes(dump[: int(end * len(dump)) or 1]))
    try:
        messages = [one.message for one in refused(path)]
    except urlhaus.BadDump as error:
        messages = [str(error)]
    assert not [message for message in messages if ".example" in message or "bin.sh" in message]
