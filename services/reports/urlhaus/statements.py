"""What a row of a dump states, as events.

A row is a report and a notice at `dateadded`; a row with `last_online` was seen online at both instants, at the
latest at the dump's own date; offline means first known gone 3.3 hours after `last_online` (URLhaus re-checks about
every 2 to 3.3 hours; imputed); an empty `last_online` was gone before the first look.
Where a row says nothing of when, the dump's own date is taken.

An event's id is a function of all that it says: a later dump of the same row adds what is new and repeats the rest,
so that the fold of several dumps depends neither on their order nor on how often one was imported.
"""

import re
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from schemas import ids
from schemas.codec import encode_data
from schemas.events import (
    TYPE_OF,
    Event,
    LookMade,
    NoticeSent,
    Payload,
    ReportFiled,
    Served,
    unsealed,
)
from schemas.sealing import Keyring
from schemas.urls import CanonicalUrl, canonical
from services.reports.urlhaus.entry import BadRow, DumpRow

SOURCE = "takedown:import:urlhaus"
VANTAGE = "urlhaus"
CATEGORY = "malware"
IMPUTED_AFTER = timedelta(hours=3.3)
# Rows are seen while a dump is being written, up to two minutes after its own date.
_WRITTEN_WITHIN = timedelta(hours=1)
_LONGEST_NAME = 120
_NO_SLUG = re.compile(r"[^a-z0-9_.:/-]")


def network(url: CanonicalUrl) -> str:
    """Name the group of a host: the /24 of an IPv4 address, else the host itself.

    Of a very long name the end, which its neighbours share.
    """
    parts = url.host.split(".")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        return ".".join(parts[:3]) + ".0/24"
    plain = _NO_SLUG.sub("-", url.host.strip("[]").rstrip("."))
    return plain[-_LONGEST_NAME:].lstrip("_.:/-")


def statements(entry: DumpRow, keyring: Keyring, dumped: datetime) -> list[Event]:
    """Give what a row states, by the date of its dump; raises `BadRow` where the ledger would refuse it."""
    url = canonical(entry.url)
    case, provider = keyring.case_id(url), network(url)
    reference = entry.reference or f"{case}-{ids.instant(entry.added)}"
    report = ReportFiled(
        reporter=entry.reporter,
        category=CATEGORY,
        sealed_url=keyring.seal(url),
        provider=provider,
        reference=reference,
        historic=True,
    )
    notice = NoticeSent(notice_id=reference, provider=provider, channel="feed")
    looks = _looks(entry, provider, dumped)
    payloads = [
        (entry.added, report),
        (entry.added, notice),
        *((one.finished_at, one) for one in looks),
    ]
    return [_event(case, at, data) for at, data in payloads]


def _event(case: str, at: datetime, data: Payload) -> Event:
    # The seal changes with the active key; the fact does not.
    body = encode_data(unsealed(data))
    try:
        msgspec.json.decode(body, type=type(data))
    except msgspec.ValidationError as error:
        raise BadRow("text", f"the ledger would refuse it: {error}") from None
    name = ids.content_id(TYPE_OF[type(data)], case, at, body)
    return Event(id=name, time=at, source=SOURCE, case_id=case, data=data)


def _looks(entry: DumpRow, provider: str, dumped: datetime) -> list[LookMade]:
    """Give what URLhaus saw of a row."""
    if entry.last_online is None:
        return _without_sighting(entry, provider, max(entry.added, dumped))
    seen = entry.last_online
    sightings = sorted({entry.added, _known_at(entry, dumped)} if seen >= entry.added else {seen})
    looks = [_online(at, provider) for at in sightings]
    if entry.status == "offline":
        looks.append(_gone(seen, seen + IMPUTED_AFTER, "imported_offline", provider))
    return looks


def _without_sighting(entry: DumpRow, provider: str, dumped: datetime) -> list[LookMade]:
    if entry.status == "online":
        return [_online(dumped, provider)]
    if entry.status != "offline":
        return []
    if entry.checked:
        return [_gone(entry.added, entry.added, "imported_never_online", provider)]
    return [_gone(dumped, dumped, "imported_offline", provider)]


def _known_at(entry: DumpRow, dumped: datetime) -> datetime:
    """Give the last sighting; one made while the dump was being written counts as made at the dump's date.

    A table as of that date would lose what the dump knows.
    """
    seen = entry.last_online
    assert seen is not None
    late = dumped < seen <= dumped + _WRITTEN_WITHIN
    return max(entry.added, dumped) if late else seen


def _online(at: datetime, provider: str) -> LookMade:
    return _look(at, at, "online", "imported_online", provider)


def _gone(since: datetime, at: datetime, reason: str, provider: str) -> LookMade:
    return _look(since, at, "removed", reason, provider)


def _look(
    since: datetime,
    at: datetime,
    verdict: Literal["online", "removed"],
    reason: str,
    provider: str,
) -> LookMade:
    online = verdict == "online"
    return LookMade(
        vantage=VANTAGE,
        tick=at,
        started_at=since,
        finished_at=at,
        verdict=verdict,
        reason=reason,
        layer=None if online else "content",
        method="IMPORT",
        served=(Served(address="", provider=provider, method="import", online=online),),
        imputed=not online,
    )
