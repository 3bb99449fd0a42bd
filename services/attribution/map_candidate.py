"""What a map becomes when a file is taken into it: a whole map in its place, or a table at its end."""

from datetime import datetime
from typing import NamedTuple

from schemas.errors import ConfigError
from services.attribution.map_change import TableScope, additions
from services.attribution.map_content import (
    BadPrefix,
    Holder,
    MapContent,
    SourceRow,
    dated_row,
    read_prefix,
)
from services.attribution.map_faults import Fault, by_line
from services.attribution.map_table import is_table, prefixes_in, read_table, split_lines
from services.attribution.map_text import added_text
from services.attribution.prefix_table import EVER, NEVER
from services.attribution.providermap import ProviderMap


class Candidate(NamedTuple):
    """A map as it would be, what of the file can't be used, and how many rows name an AS of no provider."""

    providers: ProviderMap
    text: str
    faults: tuple[Fault, ...] = ()
    unlisted: int = 0


def candidate(
    current: ProviderMap,
    text: str,
    file: str,
    scope: TableScope,
    *,
    actor: str,
    reason: str,
    at: datetime,
) -> Candidate:
    """Make the map that would be; `text` is that of the current one. Raises `ConfigError`."""
    if not is_table(file) and not _is_list(file):
        providers = ProviderMap.parse(file, "the new map").require_readable("the new map")
        return Candidate(providers, file, providers.faults)
    if is_table(text):
        raise ConfigError("a table can be taken into a map in TOML only; give a whole map instead")
    table = read_table(file, "the table") if is_table(file) else _listed(file, scope)
    added = additions(current, table, scope)
    whole = text.rstrip("\n") + "\n"
    whole += added_text(added.rows, added.providers, actor=actor, reason=reason, at=at)
    return Candidate(ProviderMap.parse(whole), whole, by_line(table.faults), added.unlisted)


def _is_list(file: str) -> bool:
    """Tell whether a file is a plain list of prefixes, by its first one."""
    first = next((text for _, text in prefixes_in(split_lines(file))), "")
    try:
        read_prefix(first)
    except BadPrefix as bad:
        return bad.kind != "syntax"
    return True


def _listed(file: str, scope: TableScope) -> MapContent:
    if scope.provider is None:
        raise ConfigError("a plain list of prefixes names no provider: give --provider")
    content = MapContent()
    for line, text in prefixes_in(split_lines(file)):
        try:
            place = read_prefix(text)
        except BadPrefix as bad:
            content.faults.append(Fault(line=line, kind=bad.kind, says=bad.says))
            continue
        content.rows.append(SourceRow(dated_row(place, EVER, NEVER, Holder()), line))
    return content
