"""Read a table in CSV: a provider map of one fact a line, or prefixes with the AS that announces them.

Between the columns stand commas, semicolons or tabs.
The first line names the columns: `prefix` and `asn` for a table of announced prefixes; with `provider` each line is a
fact of a provider. A line that can't be used is a fault with its number, and the others hold.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import structs

from schemas.errors import ConfigError
from schemas.event_words import in_words
from services.attribution.map_content import (
    BadPrefix,
    Holder,
    MapContent,
    SourceRow,
    add_prefix,
    add_unreadable,
    dated_row,
    fault_of_asn,
    read_prefix,
)
from services.attribution.map_entries import Network, Prefix, Provider
from services.attribution.map_faults import Fault, FaultKind
from services.attribution.prefix_table import EVER, NEVER

_ALIASES = {"cidr": "prefix", "network": "prefix", "as": "asn", "as_number": "asn"}
_OF_PREFIX = (
    "role",
    "country",
    "reseller",
    "valid_from",
    "valid_to",
    "stated_at",
    "actor",
    "reason",
)
_OF_PROVIDER = ("name", "parent", "country", "role")
_COLUMNS = {"prefix", "asn", "provider", *_OF_PROVIDER, *_OF_PREFIX}
# Longer than these is seldom passed on between networks, so that one announcement of it proves less.
_LONGEST = {4: 24, 6: 48}
_LARGEST_AS = 4_294_967_295


def is_table(text: str) -> bool:
    """Tell whether a text is a table, by its first line."""
    header = set(_header(text))
    return "prefix" in header or {"provider", "asn"} <= header


def _header(text: str) -> list[str]:
    line = _first_line(text)
    names = [name.strip(' \t"').lower() for name in line.split(_separator(line))]
    return [_ALIASES.get(name, name) for name in names]


def _first_line(text: str) -> str:
    return next((one for one in split_lines(text) if _is_filled(one)), "").lstrip("\ufeff")


def _separator(line: str) -> str:
    """Give what stands between the names of the columns: spreadsheets write `;` in many countries, or tabs."""
    return next((one for one in ",;\t" if one in line), ",")


def _is_filled(line: str) -> bool:
    # A spreadsheet writes the separators of rows in which nothing stands.
    return bool(line.strip(' \t,;"')) and not line.startswith("#")


def read_table(text: str, where: str) -> MapContent:
    """Read a table; raises `ConfigError` where its columns are not those of one."""
    header = _header(text)
    unknown = sorted(set(header) - _COLUMNS)
    if unknown or len(set(header)) < len(header) or not {"asn", "provider"} & set(header):
        raise ConfigError(
            f"{where}: the first line names the columns: prefix, and asn or provider or both; "
            f"there may be {', '.join(sorted(_COLUMNS - {'prefix', 'asn', 'provider'}))}"
        )
    reader = _TableReader(header)
    for line, cells in _lines(text):
        reader.take(line, cells)
    return reader.content


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the cells of each line after the header that holds anything."""
    separator = _separator(_first_line(text))
    numbered = ((n, one) for n, one in enumerate(split_lines(text), 1) if _is_filled(one))
    next(numbered, None)
    for number, line in numbered:
        try:
            yield (
                number,
                [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])],
            )
        except csv.Error:
            yield number, []


def split_lines(text: str) -> list[str]:
    """Split a text where an editor does; Python's own way ends lines at other characters too."""
    return re.split(r"\r\n|\n|\r", text)


class _TableReader:
    """Reads one table, line by line."""

    def __init__(self, header: list[str]) -> None:
        self._header = header
        self._announced = "provider" not in header
        self._own: dict[str, dict[str, set[str]]] = {}
        self.content = MapContent()

    def take(self, line: int, cells: list[str]) -> None:
        """Take one line."""
        if len(cells) != len(self._header):
            missing = len(cells) < len(self._header)
            self._fault(line, "syntax", "a field is missing" if missing else "a field too many")
            return
        fields = {name: cell for name, cell in zip(self._header, cells, strict=True) if cell}
        if self._announced:
            self._announcement(line, fields)
        else:
            self._fact(line, fields)

    def _announcement(self, line: int, fields: dict[str, str]) -> None:
        number = self._as_number(line, fields)
        if number is None:
            return
        if "prefix" not in fields:
            self._fault(line, "syntax", "no prefix")
            return
        holder, place = Holder(as_numbers=(number,)), None
        try:
            place = read_prefix(fields["prefix"])
            bad = fault_of_asn(number)
            if bad is not None:
                raise BadPrefix(*bad, place)
        except BadPrefix as error:
            place, holder = error.place, Holder(unknown="refused")
            self._fault(line, error.kind, error.says)
        if place is not None:
            self._add_announced(line, place, holder)

    def _add_announced(self, line: int, place: tuple[int, int, int], holder: Holder) -> None:
        if place[2] > _LONGEST[place[0]] and holder.unknown is None:
            holder = holder._replace(confidence="low")
            says = f"longer than a /{_LONGEST[place[0]]}: kept, with lower confidence"
            self._fault(line, "too_specific", says)
        self.content.rows.append(SourceRow(dated_row(place, EVER, NEVER, holder), line))

    def _as_number(self, line: int, fields: dict[str, str]) -> int | None:
        text = fields.get("asn", "")
        if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > _LARGEST_AS:
            says = f"{text[:20]!r} is no AS number; write 64500" if text else "a field is missing"
            self._fault(line, "syntax", says)
            return None
        return int(text)

    def _fact(self, line: int, fields: dict[str, str]) -> None:
        """Take what one line says of a provider."""
        name = fields.get("provider")
        number = self._as_number(line, fields) if "asn" in fields else None
        if "asn" in fields and number is None:
            return
        try:
            if name is not None:
                self._provider(name, fields)
                if "parent" in fields:
                    self.content.parent_lines[name] = line
            self._statement(line, fields, name, number)
        except msgspec.ValidationError as error:
            says, _, place = str(error).partition(" - at `$")
            self._fault(line, "syntax", f"{place.strip('.`') or 'field'}: {in_words(says)}")
            add_unreadable(self.content, fields.get("prefix"), line, "")

    def _provider(self, name: str, fields: dict[str, str]) -> None:
        line = {key: fields[key] for key in _OF_PROVIDER if key in fields}
        msgspec.convert({"id": name, "name": name} | line, Provider)
        own = self._own.setdefault(name, {key: set() for key in _OF_PROVIDER})
        for key, value in line.items():
            own[key].add(value)
        # What the lines of a provider do not agree on is true of their ranges, and not of the provider.
        raw: dict[str, Any] = {"id": name, "name": min(own["name"], default=name)}
        raw |= {key: min(own[key]) for key in _OF_PROVIDER[1:] if len(own[key]) == 1}
        before = self.content.providers.get(name)
        provider = msgspec.convert(raw, Provider)
        network = () if before is None else before.network
        self.content.providers[name] = structs.replace(provider, network=network)

    def _statement(
        self, line: int, fields: dict[str, str], name: str | None, number: int | None
    ) -> None:
        dated = {key: fields[key] for key in _OF_PREFIX if key in fields}
        owner = self.content.providers.get(name or "")
        if "prefix" in fields:
            raw = dated | {"cidr": fields["prefix"]}
            prefix = msgspec.convert(raw, Prefix, strict=False)
            numbers = () if number is None else (number,)
            add_prefix(self.content, prefix, owner, line, f"prefix {prefix.cidr}", numbers)
        elif number is not None and owner is not None:
            times = {key: dated[key] for key in ("valid_from", "valid_to") if key in dated}
            network = msgspec.convert(times | {"asn": number}, Network, strict=False)
            self.content.network_lines[owner.id, number] = line
            wider = structs.replace(owner, network=(*owner.network, network))
            self.content.providers[owner.id] = wider
        else:
            self._fault(line, "syntax", "neither a prefix nor an AS number of a provider")

    def _fault(self, line: int, kind: FaultKind, says: str) -> None:
        self.content.faults.append(Fault(line=line, kind=kind, says=says))


def prefixes_in(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Give the prefixes of a plain list, one a line, as those who run proxies publish them."""
    for number, line in enumerate(lines, 1):
        text = line.split("#")[0].strip()
        if text:
            yield number, text
