"""Dates of a provider's list: RFC 3339, any other form that is named, or the numbers of a spreadsheet.

A date alone is an interval of a day (domain: P16), a time without seconds one of a minute. A time without a zone is
taken in the zone of the whole list.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from schemas.errors import TakedownError
from services.core.time_spans import (
    EXACT,
    HOUR,
    MINUTE,
    TimeSpan,
    day_of,
    on_wall_clock,
    width_of,
)

EXCEL = "excel"
# Day 1 was 1900-01-01 and the program counts a 29 February 1900; beyond 1900 this epoch is right.
_EXCEL_EPOCH = date(1899, 12, 30)
_EXCEL_DAYS = (60.0, 80_000.0)
_TIMES = ("%H", "%I", "%c", "%X")
_SECONDS, _MINUTES = ("%S", "%c", "%X"), ("%M",)
_DAYS = ("%d", "%j", "%c", "%x", "%D", "%F")
_WORDS = {
    "yyyy": "%Y",
    "jjjj": "%Y",
    "aaaa": "%Y",
    "yy": "%y",
    "dd": "%d",
    "tt": "%d",
    "d": "%d",
    "m": "%m",
    "hh": "%H",
    "h": "%H",
    "ss": "%S",
    "am/pm": "%p",
}
_WORD = re.compile(
    r"yyyy|jjjj|aaaa|yy|jj|dd|tt|mm|hh|ss|am/pm|(?<![a-z%])(?:d|m|h)(?![a-z])", re.IGNORECASE
)
_ZONE_NAME = re.compile(r"(?: ?(?:UTC|GMT)| ?\((?:UTC|GMT)\)|(?<=\d)z)$", re.IGNORECASE)
# Go and Java name the zone once more behind its offset.
_NAME_OF_OFFSET = re.compile(r"(?: [A-Z]{3,5}|\[[\w/+-]{1,40}\])$")
_OFFSET = re.compile(r"[+-]\d\d:?\d\d$")
# What a spreadsheet's user writes where there is no date.
_NO_DATE = ("", "-", "–", "—", "n/a", "null", "none")


class BadDate(TakedownError):
    """A date that can't be read; the message never repeats it."""


def pattern(text: str) -> str:
    """Give the pattern of a form: `dd-mm-yyyy HH:MM` and `%d-%m-%Y %H:%M` mean the same; raises `BadDate`.

    Letters count in capitals or not, and in German, Dutch and French too: `TT.MM.JJJJ`, `jj/mm/aaaa`.
    """
    if text.lower() == EXCEL:
        return EXCEL
    form = text if "%" in text else _of_words(text)
    try:
        datetime.strptime(datetime(2025, 11, 28, 15, 7, 9, tzinfo=UTC).strftime(form), form)  # noqa: DTZ007
    except (ValueError, re.error):
        form = ""
    if not any(day in form for day in _DAYS):
        raise BadDate(
            f"{text!r} is no form of a date: write it with dd, mm, yyyy, HH, MM and SS, such as "
            "'dd-mm-yyyy HH:MM', as a pattern of strptime, or as `excel`"
        )
    return form


def _of_words(text: str) -> str:
    """Translate the letters; `mm` are minutes behind hours, and months elsewhere."""
    parts, before = [], ""
    words = [match[0].lower() for match in _WORD.finditer(text)]
    for word in words:
        if word == "jj":
            directive = "%d" if "aaaa" in words else "%y"
        elif word == "mm":
            directive = "%M" if before in ("%H", "%I") else "%m"
        else:
            directive = _WORDS[word]
        before = "%I" if directive == "%H" and "am/pm" in words else directive
        parts.append(before)
    directives = iter(parts)
    return _WORD.sub(lambda _: next(directives), text)


def states_a_date(text: str) -> bool:
    """Tell whether a cell has more in it than a sign that there is no date."""
    return text.lower() not in _NO_DATE


def read_when(text: str, formats: Sequence[str], zone: tzinfo | None) -> TimeSpan:
    """Read a date by RFC 3339 or by one of the forms; raises `BadDate`."""
    for form in formats:
        try:
            return _excel(text, zone) if form == EXCEL else _formed(text, form, zone)
        except (ValueError, OverflowError):
            continue
    try:
        if len(text) == len("2025-01-31"):
            return day_of(date.fromisoformat(text), _zone(zone))
        return _span(datetime.fromisoformat(_with_plain_zone(text)), width_of(text), zone)
    except (ValueError, OverflowError):
        raise BadDate(_hint(text, formats)) from None


def _with_plain_zone(text: str) -> str:
    """Write the zone of an instant as its offset alone."""
    named = _NAME_OF_OFFSET.search(text)
    if named and _OFFSET.search(text[: named.start()]):
        return text[: named.start()]
    return _ZONE_NAME.sub("+00:00", text)


def _hint(text: str, formats: Sequence[str]) -> str:
    if formats:
        return "is a date of none of the forms that were named, nor one such as 2025-01-31"
    if text.replace(",", ".").replace(".", "", 1).isdigit():
        return "is a number and no date; if it comes from a spreadsheet, give --date-format excel"
    return (
        "is no instant such as 2025-01-31T12:00:00Z, and no date; name its form: "
        "--date-format 'dd-mm-yyyy HH:MM'"
    )


def _formed(text: str, form: str, zone: tzinfo | None) -> TimeSpan:
    moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the list's, just below
    if not any(directive in form for directive in _TIMES):
        return day_of(moment.date(), _zone(zone))
    return _span(moment, _width_of_form(form), zone)


def _width_of_form(form: str) -> timedelta:
    if any(directive in form for directive in _SECONDS):
        return EXACT
    return MINUTE if any(directive in form for directive in _MINUTES) else HOUR


def _excel(text: str, zone: tzinfo | None) -> TimeSpan:
    days = float(text.replace(",", "."))
    if not _EXCEL_DAYS[0] <= days <= _EXCEL_DAYS[1]:
        raise ValueError("no day of a spreadsheet")
    day = _EXCEL_EPOCH + timedelta(days=int(days))
    if days == int(days):
        return day_of(day, _zone(zone))
    seconds = round((days - int(days)) * 86_400)
    # The number is the same whether the cell shows seconds or not.
    width = EXACT if seconds % 60 else MINUTE
    return _span(datetime.combine(day, time()) + timedelta(seconds=seconds), width, zone)


def _span(moment: datetime, width: timedelta, zone: tzinfo | None) -> TimeSpan:
    if moment.tzinfo:
        return TimeSpan.at(moment, width)
    span = on_wall_clock(moment, _zone(zone), width)
    if span is None:
        raise BadDate("is in the hour that the clocks of that zone leave out in spring")
    return span


def _zone(zone: tzinfo | None) -> tzinfo:
    if zone is None:
        raise BadDate("has no zone; give the zone of the list, or write Z for UTC")
    return zone
