"""Who was named for a case, by what source: reports, notices, corrections, and what looks found."""

import ipaddress
from collections.abc import Callable

from schemas import events as ev
from schemas.events import Event, Served
from schemas.ids import instant
from services.reports.evidence_rows import AttributionRow

# What is believed first where several name the same provider.
_STRENGTH = ("correction", "look", "attribution", "notice", "report")


class Attributions:
    """Collects the attributions of one case in the order of its events.

    Looks in a row that find the same for an address are one row: nothing is lost but repetition.
    """

    def __init__(self, provider: str, clean: Callable[[str], str]) -> None:
        self.clean = clean
        self._provider = provider
        self._rows: list[AttributionRow] = []
        self._open: dict[tuple[int, Served], AttributionRow] = {}

    def add(self, event: Event, spell: int, *, leaving: bool) -> None:
        """Take what an event says about who answers; `leaving`: it shows that the case left the spell."""
        data = event.data
        if isinstance(data, ev.ReportFiled) and data.provider is not None:
            self._say(event, spell, "report", data.provider, "named")
        elif isinstance(data, ev.NoticeSent):
            self._say(event, spell, "notice", data.provider, self.clean(data.channel))
        elif isinstance(data, ev.CaseAttributed):
            self._say(event, spell, "correction", data.provider, self.clean(data.method))
        elif isinstance(data, ev.AddressAttributed):
            self._stated(event, spell, data)
        elif isinstance(data, ev.LookMade) and data.served:
            self._look(event, spell, data.served, leaving)

    def _stated(self, event: Event, spell: int, data: ev.AddressAttributed) -> None:
        """Take what a source said of an address; about others than the pack's provider without the address."""
        row = self._say(event, spell, "attribution", data.provider, self.clean(data.method))
        row.role, row.unknown = data.role, data.unknown
        if data.provider == self._provider and data.reseller is not None:
            row.reseller = self.clean(data.reseller)
        if data.address is not None and data.provider == self._provider:
            row.address = _address(data.address)

    def _look(self, event: Event, spell: int, served: tuple[Served, ...], leaving: bool) -> None:
        still: dict[tuple[int, Served], AttributionRow] = {}
        for one in served:
            key = spell, one
            row = self._open.get(key) or still.get(key)
            if row is None:
                row = self._say(event, spell, "look", one.provider, self.clean(one.method))
                row.role, row.online = one.role, one.online
                # Where it went is not for the provider that it left.
                hidden = one.provider != self._provider and (leaving or one.provider is not None)
                row.address = None if hidden else _address(one.address)
            if row.last_event != str(event.id) or not row.looks:
                row.looks += 1
            row.last_at, row.last_event = instant(event.time), str(event.id)
            still[key] = row
        self._open = still

    def _say(
        self, event: Event, spell: int, source: str, provider: str | None, method: str
    ) -> AttributionRow:
        at, name = instant(event.time), str(event.id)
        row = AttributionRow(
            case_id=event.case_id,
            spell=spell,
            source=source,
            provider=provider,
            role="hosting",
            method=method,
            address=None,
            online=None,
            first_at=at,
            last_at=at,
            looks=0,
            first_event=name,
            last_event=name,
        )
        self._rows.append(row)
        return row

    def source_of(self, spell: int) -> AttributionRow | None:
        """Give the strongest and, of these, first attribution of a spell to the pack's provider."""
        mine = [
            row
            for row in self._rows
            if row.spell == spell and row.provider == self._provider and row.online is not False
        ]
        if not mine:
            return None
        return min(mine, key=lambda row: (_STRENGTH.index(row.source), row.first_at))

    def rows(self) -> list[AttributionRow]:
        """Give all rows in the order in which they were first said."""
        return list(self._rows)


def _address(text: str) -> str | None:
    """Give an address, and nothing that only stands where one should."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
