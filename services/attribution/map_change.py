"""The difference of two maps, and what a table adds to one."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from msgspec import Struct, structs

from services.attribution.addresses import bits_of
from services.attribution.map_content import Holder, MapContent
from services.attribution.map_entries import Provider
from services.attribution.map_faults import short
from services.attribution.prefix_table import EVER, NEVER, PrefixRow, PrefixTable
from services.attribution.providermap import ProviderMap

_Place = tuple[int, int, int]
_Row = PrefixRow[Holder]
# What rows and lists of their own say is compared there.
_LISTS = ("network", "former_name", "reseller", "contact", "tag")
NOBODY = Holder(unknown="silent")


class MapLine(NamedTuple):
    """One line of a difference: what a map said, or says from now on."""

    sign: Literal["-", "+"]
    subject: str
    says: str


def difference(before: ProviderMap, after: ProviderMap) -> list[MapLine]:
    """Give what the maps do not both say, by subject."""
    here, there = set(_statements(before)), set(_statements(after))
    lines = [MapLine("-", *one) for one in here - there]
    lines += [MapLine("+", *one) for one in there - here]
    return sorted(lines, key=lambda line: (line.subject, line.sign == "+", line.says))


def _statements(providers: ProviderMap) -> Iterator[tuple[str, str]]:
    for provider in providers.providers.values():
        yield from _of_provider(provider)
    content = providers.content
    for one in (*content.rows, *content.reseller_rows):
        yield one.row.prefix, _row_text(one.row)


def _of_provider(provider: Provider) -> Iterator[tuple[str, str]]:
    subject = f"provider {provider.id}"
    for name in ("name", "country", "role", "parent", "aliases"):
        value = getattr(provider, name)
        if value:
            yield subject, f"{name} {' '.join(value) if isinstance(value, tuple) else value}"
    for number in provider.asn:
        yield subject, f"AS {number}"
    for entry in (one for name in _LISTS for one in getattr(provider, name)):
        yield subject, _written(entry)


def _written(entry: Struct) -> str:
    fields = structs.asdict(entry)
    shown = {k: v for k, v in fields.items() if v not in (None, (), EVER, NEVER)}
    words = (f"{k} {short(v) if isinstance(v, datetime) else v}" for k, v in shown.items())
    return f"{type(entry).__name__.lower()}: {', '.join(words)}"


def _row_text(row: _Row) -> str:
    holder = row.value
    words = [holder.provider or "nobody"]
    words += [f"reseller {holder.reseller}"] if holder.reseller else []
    words += [holder.role] if holder.role else []
    words += [holder.country] if holder.country else []
    words += [f"AS {number}" for number in holder.as_numbers]
    words += [f"from {short(row.since)}"] if row.since != EVER else []
    words += [f"to {short(row.until)}"] if row.until != NEVER else []
    return " ".join(words)


class TableScope(Struct, frozen=True, kw_only=True):
    """How a table is taken: since when it holds, for whom, and whether what it does not name has ended."""

    since: datetime
    provider: str | None = None
    role: Literal["hosting", "proxy"] | None = None
    complete: bool = False


class Additions(NamedTuple):
    """What a table adds to a map; `unlisted` are its rows whose AS is that of no provider."""

    rows: list[_Row]
    providers: list[Provider]
    unlisted: int


def additions(current: ProviderMap, table: MapContent, scope: TableScope) -> Additions:
    """Compare a table with a map: what it says otherwise becomes rows, the largest prefixes first."""
    answers, rows, unlisted = _Answers(current), [], 0
    named: dict[_Place, str] = {}
    for one in sorted(table.rows, key=lambda one: one.row.length):
        row = _placed(one.row, current, scope)
        if row is None:
            unlisted += one.row.value.unknown is None
            continue
        named[row[:3]] = row.value.provider or ""
        if answers.differs(row):
            answers.add(row)
            rows.append(row)
    ended = list(answers.ended(named, scope)) if scope.complete else []
    names = {row.value.provider for row in rows if row.value.provider} - current.providers.keys()
    new = [table.providers.get(name) or Provider(id=name, name=name) for name in sorted(names)]
    return Additions([*rows, *ended], new, unlisted)


def _placed(row: _Row, current: ProviderMap, scope: TableScope) -> _Row | None:
    """Name the provider of a row of a table; None where nobody is known by it."""
    holder = row.value
    if holder.unknown is not None:
        return None
    name = holder.provider or scope.provider
    name = name or current.provider_of_as(holder.as_numbers, scope.since)
    if name is None:
        return None
    since = scope.since if row.since == EVER else row.since
    role = holder.role if holder.provider and holder.role else scope.role
    named = Holder(name, role, holder.country, holder.reseller)
    return row._replace(since=since, value=named, rank=0)


class _Answers:
    """What a map, and what was added to it so far, says of a prefix as a whole."""

    def __init__(self, current: ProviderMap) -> None:
        self._rows: dict[_Place, list[_Row]] = {}
        self._roles = {name: one.role for name, one in current.providers.items()}
        for one in current.content.rows:
            self.add(one.row)

    def add(self, row: _Row) -> None:
        self._rows.setdefault(row[:3], []).append(row)

    def differs(self, row: _Row) -> bool:
        """Tell whether a row says something new of the instant at which it begins, or after it."""
        other = self._of(row[:3], row.since)
        if other is None or self._word(other.value) != self._word(row.value):
            return True
        return other.until < row.until

    def _of(self, place: _Place, at: datetime) -> _Row | None:
        version, first, length = place
        bits = bits_of(version)
        for shorter in range(length, 0, -1):
            key = version, first >> (bits - shorter) << (bits - shorter), shorter
            holding = [r for r in self._rows.get(key, ()) if r.since <= at < r.until]
            if holding:
                return max(holding, key=lambda r: (r.since, r.rank))
        return None

    def _word(self, holder: Holder) -> tuple[object, ...]:
        role = holder.role or self._roles.get(holder.provider or "")
        proxy = role in ("proxy", "edge")
        return holder.provider, proxy, holder.country, holder.reseller

    def ended(self, named: dict[_Place, str], scope: TableScope) -> Iterator[_Row]:
        """Give rows for what stands no more: a prefix of the table's providers that it does not name."""
        providers = {scope.provider} if scope.provider else set(named.values())
        for place in list(self._rows):
            row = self._of(place, scope.since)
            if place in named or row is None or row[:3] != place:
                continue
            of_role = scope.role is None or row.value.role == scope.role
            if row.value.provider in providers and of_role:
                yield PrefixRow(*place, scope.since, NEVER, NOBODY)


def touched(before: ProviderMap, after: ProviderMap) -> PrefixTable[None] | None:
    """Give the prefixes of which the maps say different things; None where it may be any address."""
    if _holdings(before) != _holdings(after):
        return None
    here, there = (
        {(*r.row[:5], r.row.value, r.row.rank) for r in m.content.rows} for m in (before, after)
    )
    return PrefixTable(_bare(place[:3]) for place in here ^ there)


def _holdings(providers: ProviderMap) -> set[tuple[object, ...]]:
    """Give what a provider's addresses anywhere hang on: its role, and its AS numbers."""
    entries = providers.providers.values()
    proxies = {(one.id, "passes on") for one in entries if one.role in ("proxy", "edge")}
    return proxies | {
        (one.id, network.asn, network.valid_from, network.valid_to)
        for one in entries
        for network in one.networks
    }


def _bare(place: Iterable[int]) -> PrefixRow[None]:
    version, first, length = place
    return PrefixRow(version, first, length, EVER, NEVER, None)
