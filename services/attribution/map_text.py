"""Write what is added to a provider map: entries at its end, since facts are never edited in place."""

import json
from collections.abc import Iterable
from datetime import datetime

from services.attribution.map_content import Holder
from services.attribution.map_entries import Provider
from services.attribution.map_faults import short
from services.attribution.prefix_table import EVER, NEVER, PrefixRow


def added_text(
    rows: Iterable[PrefixRow[Holder]],
    providers: Iterable[Provider],
    *,
    actor: str,
    reason: str,
    at: datetime,
) -> str:
    """Give the entries, with who added them, why and when."""
    blocks = [_block("provider", _self(one)) for one in providers]
    statement = {"stated_at": at, "actor": actor, "reason": reason}
    blocks += [_block("prefix", _fields(row) | statement) for row in rows]
    return "".join(blocks)


def _self(provider: Provider) -> dict[str, object]:
    own = {name: getattr(provider, name) for name in ("id", "name", "country", "role", "parent")}
    return {name: value for name, value in own.items() if value is not None}


def _fields(row: PrefixRow[Holder]) -> dict[str, object]:
    holder = row.value
    fields = {
        "cidr": row.prefix,
        "provider": holder.provider,
        "role": holder.role,
        "reseller": holder.reseller,
        "country": holder.country,
        "valid_from": None if row.since == EVER else row.since,
        "valid_to": None if row.until == NEVER else row.until,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _block(name: str, fields: dict[str, object]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in fields.items()]
    return "\n".join([f"\n[[{name}]]", *lines, ""])


def _value(value: object) -> str:
    """Write a value of TOML; a text of JSON is one of TOML too, but for one character."""
    if isinstance(value, datetime):
        return short(value)
    return json.dumps(value).replace("\x7f", "\\u007f")
