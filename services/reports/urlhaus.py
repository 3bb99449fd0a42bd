"""Turn a URLhaus dump into events, so that real data can be measured by the same pipeline as everything else.

The rules are those of the reference data: a row is a report and a notice at `dateadded`; a row with `last_online`
was seen online at both instants, at the latest at the cut-off; offline means first known gone 3.3 hours after
`last_online` (URLhaus re-checks about every 2 to 3.3 hours; imputed); an empty `last_online` was gone before
the first look.
Nothing that a dump names is ever resolved or contacted: its reports are historic.
"""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Literal

from schemas import ids
from schemas.codec import encode_data
from schemas.errors import TakedownError
from schemas.events import TYPE_OF, Event, LookMade, NoticeSent, Payload, ReportFiled, Served
from schemas.sealing import Keyring
from schemas.urls import CanonicalUrl, canonical

SOURCE = "takedown:import:urlhaus"
VANTAGE = "urlhaus"
CATEGORY = "malware"
IMPUTED_AFTER = timedelta(hours=3.3)
COLUMNS = ("id", "dateadded", "url", "url_status", "last_online", "threat", "tags", "reporter")


class BadDump(TakedownError):
    """A file that is no URLhaus dump; says the line and what is expected there."""

    exit_code = 2


def events(path: Path, keyring: Keyring) -> Iterator[Event]:
    """Give the events of a dump (CSV, plain or gzip), newest row first as in the file."""
    end = cutoff(path)
    with _open(path) as lines:
        for number, row in enumerate(csv.reader(_rows(lines)), start=1):
            try:
                yield from _events(row, keyring, end)
            except (ValueError, TakedownError) as error:
                raise BadDump(f"{path.name}, row {number}: {_reason(row, error)}") from None


def cutoff(path: Path) -> datetime:
    """Read the dump's own cut-off, the instant in its `Last updated` line."""
    with _open(path) as lines:
        for line in lines:
            if line.startswith("# Last updated:"):
                return _instant(line.partition(":")[2].replace("(UTC)", "").strip())
    raise BadDump(f"{path.name}: no `# Last updated:` line; give the dump as it was published")


def network(url: CanonicalUrl) -> str:
    """Name the group of a host: the /24 of an IPv4 address, else the host itself."""
    parts = url.host.split(".")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        return ".".join(parts[:3]) + ".0/24"
    return url.host


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _rows(lines: IO[str]) -> Iterator[str]:
    return (line for line in lines if not line.startswith("#"))


def _reason(row: list[str], error: Exception) -> str:
    if len(row) != len(COLUMNS):
        return f"{len(row)} columns instead of {len(COLUMNS)} ({', '.join(COLUMNS)})"
    return str(error)


def _events(row: list[str], keyring: Keyring, end: datetime) -> Iterator[Event]:
    reference, added_text, url_text, status, online_text, _threat, _tags, reporter = row
    url = canonical(url_text)
    case, provider, added = keyring.case_id(url), network(url), _instant(added_text)
    report = ReportFiled(
        reporter=reporter,
        category=CATEGORY,
        sealed_url=keyring.seal(url),
        provider=provider,
        reference=reference,
        historic=True,
    )
    yield _stated(case, added, report)
    yield _stated(case, added, NoticeSent(notice_id=reference, provider=provider, channel="feed"))
    if not online_text:
        yield _look(case, added, "removed", "imported_never_online", provider)
        return
    # Some rows were seen while the dump was being written, up to two minutes after its own cut-off:
    # they count as seen at the cut-off, or a table as of it would lose what the dump knows.
    seen = _instant(online_text)
    last = min(seen, end)
    yield _look(case, added, "online", "imported_online", provider)
    if last != added:
        yield _look(case, last, "online", "imported_online", provider)
    if status == "offline":
        yield _look(case, seen + IMPUTED_AFTER, "removed", "imported_offline", provider)
    elif status != "online":
        raise ValueError("url_status is neither `online` nor `offline`")


def _stated(case: str, time: datetime, data: Payload) -> Event:
    name = ids.content_id(TYPE_OF[type(data)], case, time, encode_data(data))
    return Event(id=name, time=time, source=SOURCE, case_id=case, data=data)


def _look(
    case: str, at: datetime, verdict: Literal["online", "removed"], reason: str, provider: str
) -> Event:
    online = verdict == "online"
    look = LookMade(
        vantage=VANTAGE,
        tick=at,
        started_at=at,
        finished_at=at,
        verdict=verdict,
        reason=reason,
        layer=None if online else "content",
        method="IMPORT",
        served=(Served(address="", provider=provider, method="import", online=online),),
        imputed=not online,
    )
    name = ids.look_id(case, VANTAGE, at, at)
    return Event(id=name, time=at, source=SOURCE, case_id=case, data=look)


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
