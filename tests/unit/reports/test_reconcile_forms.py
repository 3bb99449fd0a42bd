"""A provider's ordinary list: columns by other names, its own dates, its own delimiter, kept for the next one."""

import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.cli.list_layouts import layout_of, store_layout, stored_layout
from services.core.time_spans import TimeSpan
from services.reports.reconcile import reconcile
from services.reports.reconcile_dates import BadDate, pattern, read_when
from services.reports.reconcile_list import BadList, ListLayout, read_list
from services.runtime.settings import Settings
from tests.unit.reports.test_reconcile import SCOPE, TOLERANCE, ours, statuses

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
OWN = ListLayout(columns={"notice_id": "Ticket No", "received_at": "Ontvangen"})


def listed(text: str, layout: ListLayout, zone: ZoneInfo | None = AMSTERDAM):
    return read_list(io.StringIO(text, newline=""), zone, layout)


def test_columns_by_other_names():
    """What the provider calls a column is read as ours; a name of ours that means something else gives way."""
    text = "Ticket No;notice_id;Ontvangen\nn1;theirs;2026-11-28T13:00:00\n"
    (claim,) = listed(text, OWN).claims
    assert (claim.notice_id, claim.received_at.earliest) == ("n1", NOON)


def test_a_column_that_is_not_there_is_said():
    """The names that the header has are repeated, where they are names."""
    with pytest.raises(BadList, match=r"no column 'Ticket No'; it has ticket, date"):
        listed("Ticket;Date;https://marker-host.example/x\nn1;;\n", OWN)
    with pytest.raises(BadList, match=r"has ticket, date: say which is which with --column"):
        listed("Ticket;Date\n", ListLayout())


@pytest.mark.parametrize(
    ("text", "form", "minutes"),
    [
        ("28-11-2026 13:00:00", "dd-mm-yyyy HH:MM:SS", 0),
        ("28-11-2026 13:00", "dd-mm-yyyy HH:MM", 1),
        ("28-11-2026 13:00", "%d-%m-%Y %H:%M", 1),
        ("46354.5416666667", "excel", 1),
        ("46354,5416666667", "excel", 1),
        ("28.11.2026 13:00 Uhr", "TT.MM.JJJJ HH:MM Uhr", 1),
        ("28/11/2026 à 13h00", "jj/mm/aaaa à HHhMM", 1),
        ("28.11.2026 13:00", "DD.MM.YYYY hh:mm", 1),
        ("11/28/26 1:00 PM", "m/d/yy h:mm AM/PM", 1),
        ("28.11.2026 13 Uhr", "TT.MM.JJJJ HH Uhr", 60),
        ("28-11-2026", "dd-mm-yyyy", 24 * 60),
        ("46354", "excel", 24 * 60),
    ],
)
def test_forms_of_dates(text, form, minutes):
    """Day first, patterns and a spreadsheet's numbers, in the zone of the list; what is left open is a span."""
    when = read_when(text, [pattern(form)], AMSTERDAM)
    assert when.latest - when.earliest == timedelta(minutes=minutes)
    midnight = datetime(2026, 11, 27, 23, tzinfo=UTC)
    assert when.earliest == (midnight if minutes > 60 else NOON)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-28T12:00:00Z", 0),
        ("2026-11-28T12:00Z", 60),
        ("2026-11-28 13:00", 60),
        ("2026-11-28 12:00 UTC", 60),
        ("2026-11-28T13:00+01:00", 60),
    ],
)
def test_an_instant_without_seconds_is_a_minute(text, seconds):
    """What is written without seconds means any of them, with an offset too."""
    assert read_when(text, [], AMSTERDAM) == TimeSpan(NOON, NOON + timedelta(seconds=seconds))


def test_the_hours_in_which_clocks_change():
    """The hour that comes twice means two instants, and the one that is left out is no time."""
    twice = read_when("25-10-2026 02:30:00", [pattern("dd-mm-yyyy HH:MM:SS")], AMSTERDAM)
    assert twice.latest - twice.earliest == timedelta(hours=1)
    with pytest.raises(BadDate, match="leave out in spring"):
        read_when("2026-03-29 02:30:00", [], AMSTERDAM)


def test_a_date_that_cannot_be_read_names_the_option():
    """A number says that it may be a spreadsheet's; other texts, how their form is named; neither is repeated."""
    with pytest.raises(BadDate, match="--date-format excel"):
        read_when("46354", [], AMSTERDAM)
    with pytest.raises(BadDate, match="--date-format 'dd-mm-yyyy HH:MM'") as error:
        read_when("28-11-2026", [], AMSTERDAM)
    assert "28-11" not in str(error.value)


@pytest.mark.parametrize("form", ["foo", "HH:MM", "%Q", "%M.%M.%Y", "TT.MM.MM"])
def test_a_form_that_is_none_is_said(form):
    """A form without a day, with the same part twice, or of other letters names what a form is written with."""
    with pytest.raises(BadDate, match="is no form of a date: write it with dd, mm, yyyy"):
        pattern(form)


@pytest.mark.parametrize(
    "text",
    [
        "notice_id|received_at\nn1|2026-11-28T12:00Z\n",
        "sep=;\r\nnotice_id;received_at\r\nn1;2026-11-28T12:00Z\r\n",
        '\ufeff"notice_id";"received_at"\n"n1";"2026-11-28T12:00Z"\n',
        "\n;;\nNotice-ID;Received at\nn1;2026-11-28 12:00 UTC;;\n",
        'notice_id;received_at\n="n1";="2026-11-28T12:00Z"\n',
        '"notice_id", "received_at"\n"n1", "2026-11-28T12:00Z"\n',
    ],
    ids=["pipe", "sep line", "mark and quotes", "empty lines and cells", "guarded cells", "blanks"],
)
def test_what_spreadsheets_add_is_no_content(text):
    """Their first lines, marks, guards and empty cells at the end change nothing."""
    read = listed(text, ListLayout())
    assert [(one.notice_id, one.received_at.earliest) for one in read.claims] == [("n1", NOON)]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28 13:00:00 +0100",
        "2026-11-28 13:00:00 +0100 CET",
        "2026-11-28 12:00:00 +0000 UTC",
        "2026-11-28T13:00:00+01:00[Europe/Amsterdam]",
        "2026-11-28 12:00:00 (UTC)",
        "2026-11-28t12:00:00z",
    ],
)
def test_an_instant_as_programs_write_it(text):
    """A name beside the offset says nothing more, and UTC may stand in brackets or small."""
    (claim,) = listed(f"notice_id;received_at\nn1;{text}\n", ListLayout()).claims
    assert claim.received_at.earliest == NOON


def test_a_case_id_with_the_dashes_of_a_database_is_one():
    """A column for UUIDs writes 32 hexadecimal digits with dashes."""
    (claim,) = listed("case_id\n01234567-89AB-cdef-0123-456789abcdef\n", ListLayout()).claims
    assert claim.case_id == "0123456789abcdef0123456789abcdef"


def test_a_sign_for_no_date_is_none():
    """A dash in a column of dates says that there is no date."""
    (claim,) = listed("notice_id;removed_at\nn1;-\n", ListLayout()).claims
    assert claim.removed_at is None


def test_lines_are_those_of_the_file():
    """What stands above the header counts."""
    (row,) = listed("sep=;\n\nnotice_id;removed_at\nn1;soon\n", ListLayout()).malformed
    assert row.line == 4


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("notice_id;Gelöscht\n".encode("cp1252"), "header is not UTF-8"),
        ("notice_id;removed_at\n".encode("utf-16"), "list is UTF-16"),
    ],
)
def test_another_encoding_is_said(raw, says):
    """What a spreadsheet saves in its own encoding is refused with the way out."""
    with pytest.raises(BadList, match=rf"{says}; save .* UTF-8"):
        listed(raw.decode("utf-8", "surrogateescape"), ListLayout())


def test_a_row_whose_date_fails_is_not_missing_too():
    """It is one unreadable row that names a notice of ours: counted once on each side."""
    theirs = listed("notice_id,received_at\nn1,28-11-2026\n", ListLayout())
    result = reconcile([ours(1)], theirs, SCOPE, TOLERANCE, str)
    assert statuses(result) == [("malformed", 2)]
    assert (result.ours, result.ours_unreadable, result.only_ours) == (1, 1, 0)
    assert not result.agrees


def test_a_form_is_kept_for_the_next_list(tmp_path):
    """What an operator said of a provider's list is read again, and what he says now goes before it."""
    settings = Settings(data_dir=str(tmp_path))
    first = layout_of(
        ListLayout(), ['notice_id=Ticket "No"'], ["dd-mm-yyyy"], "tab", "Europe/Amsterdam"
    )
    path = store_layout(settings, "giant/eu", first)
    assert path.parent == tmp_path / "reconcile"
    assert stored_layout(settings, "giant/eu") == first
    assert stored_layout(settings, "small") == ListLayout()
    then = layout_of(first, ["removed_at=Gone"], [], "comma", None)
    assert then.columns == {"notice_id": 'Ticket "No"', "removed_at": "Gone"}
    assert (then.date_formats, then.delimiter, then.zone) == (
        ("%d-%m-%Y",),
        ",",
        "Europe/Amsterdam",
    )
