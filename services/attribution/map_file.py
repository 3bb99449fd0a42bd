"""Read a provider map in TOML; an entry that can't be used is a fault with its line, and the others hold."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs

from schemas.errors import ConfigError
from schemas.event_words import in_words
from schemas.tomllines import TomlLines
from services.attribution.map_content import (
    MapContent,
    add_prefix,
    add_resellers,
    add_unreadable,
    join,
)
from services.attribution.map_entries import (
    Contact,
    FormerName,
    Network,
    Prefix,
    Provider,
    Reseller,
    Tag,
)
from services.attribution.map_faults import Fault

S = TypeVar("S", bound=Struct)
_LISTS: dict[str, type[Struct]] = {
    "prefix": Prefix,
    "network": Network,
    "former_name": FormerName,
    "reseller": Reseller,
    "contact": Contact,
    "tag": Tag,
}
_NAMING = ("id", "cidr", "asn", "name", "address", "tag")


def read_toml(text: str, where: str) -> MapContent:
    """Read a map; raises `ConfigError` only where the whole is no TOML, or no map."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not TOML ({str(error)[:200]})") from None
    if not all(isinstance(raw.get(name, []), list) for name in ("provider", "prefix")):
        raise ConfigError(f"{where}: no provider map; write [[provider]] before each provider")
    return _MapReader(TomlLines(text)).read(raw)


class _MapReader:
    """Reads one file, entry by entry."""

    def __init__(self, lines: TomlLines) -> None:
        self._lines = lines
        self._content = MapContent()

    def read(self, raw: dict[str, Any]) -> MapContent:
        for name in raw.keys() - {"provider", "prefix"}:
            self._fault(name, name, "no such entry; a map has [[provider]] and [[prefix]]")
        for index, entry in enumerate(raw.get("provider", [])):
            self._provider(entry, f"provider[{index}]", index)
        for index, entry in enumerate(raw.get("prefix", [])):
            path, called = f"prefix[{index}]", _called("prefix", entry, index)
            prefix = self._converted(entry, Prefix, path, called)
            if prefix is not None:
                add_prefix(self._content, prefix, None, self._lines.of(path), called)
            else:
                self._unreadable([entry], path, called)
        return self._content

    def _provider(self, raw: Any, path: str, index: int) -> None:
        entry = _called("provider", raw, index)
        own = {k: v for k, v in raw.items() if k not in _LISTS} if isinstance(raw, dict) else raw
        provider = self._converted(own, Provider, path, entry)
        if provider is None:
            ranges = raw.get("prefix", []) if isinstance(raw, dict) else []
            self._unreadable(ranges if isinstance(ranges, list) else [], path, entry)
            return
        lists = {name: dict(self._list(raw, name, path, entry)) for name in _LISTS}
        whole = structs.replace(provider, **{n: tuple(v.values()) for n, v in lists.items()})
        self._add(whole, lists, path, entry)

    def _list(self, raw: dict[str, Any], name: str, path: str, owner: str) -> Iterator[Any]:
        """Give what can be read of one list of a provider, by its path."""
        items = raw.get(name, [])
        if not isinstance(items, list):
            self._fault(f"{path}.{name}", owner, f"{name}: write [[provider.{name}]] before each")
            return
        for index, item in enumerate(items):
            place = f"{path}.{name}[{index}]"
            called = f"{owner}, {_called(name, item, index)}"
            entry = self._converted(item, _LISTS[name], place, called)
            if entry is not None:
                yield place, entry
            elif name == "prefix":
                self._unreadable([item], place, called)

    def _unreadable(self, items: list[Any], path: str, entry: str) -> None:
        """Have nobody known for the ranges of entries that can't be read: the next larger range is not theirs."""
        for item in items:
            cidr = item.get("cidr") if isinstance(item, dict) else None
            add_unreadable(self._content, cidr, self._lines.of(path), entry)

    def _add(
        self, provider: Provider, lists: dict[str, dict[str, Any]], path: str, entry: str
    ) -> None:
        content, lines = self._content, self._lines
        same = content.providers.get(provider.id)
        if same is not None:
            self._fault(path, entry, "is there twice; join the entries", "duplicate")
        used = [
            prefix
            for place, prefix in lists["prefix"].items()
            if add_prefix(content, prefix, provider, lines.of(place), f"{entry}, {prefix.cidr}")
        ]
        add_resellers(content, provider, (lines.of(place) for place in lists["reseller"]))
        for number in provider.asn:
            content.network_lines[provider.id, number] = lines.of(f"{path}.asn") or 0
        for place, network in lists["network"].items():
            content.network_lines[provider.id, network.asn] = lines.of(place) or 0
        if same is None and provider.parent is not None:
            content.parent_lines[provider.id] = lines.of(f"{path}.parent")
        provider = structs.replace(provider, prefix=tuple(used))
        content.providers[provider.id] = join(same, provider) if same else provider

    def _converted(self, raw: Any, kind: type[S], path: str, entry: str) -> S | None:
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            says, _, place = str(error).partition(" - at `$")
            field = place.rstrip("`")
            named = f"{field.lstrip('.')}: " if field.startswith(".") else ""
            self._fault(f"{path}{field}", entry, f"{named}{in_words(says)}")
            return None

    def _fault(self, path: str, entry: str, says: str, kind: Any = "syntax") -> None:
        line = self._lines.of(path)
        self._content.faults.append(Fault(line=line, kind=kind, says=says, entry=entry))


def _called(name: str, raw: Any, index: int) -> str:
    """Name an entry by what it calls itself, else by its place."""
    if isinstance(raw, dict):
        for field in _NAMING:
            if re.fullmatch(r"[\w.:/@+-]{1,60}", str(raw.get(field, ""))):
                return f"{name} {raw[field]}"
    return f"{name} {index + 1}"
