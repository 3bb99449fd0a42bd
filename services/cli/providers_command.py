"""`takedown providers`: check the provider map, look addresses up in it, show what it says of providers."""

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from msgspec import structs

from services.attribution.addresses import numeric
from services.attribution.map_entries import Provider
from services.attribution.map_faults import Fault, by_line, short
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.cli.instant_options import Instant
from services.cli.provider_options import EXISTING_FILE, evidence_columns, map_option, map_path
from services.cli.providers_ask import ask
from services.cli.providers_import import import_
from services.cli.support import (
    CHECK_FAILED,
    REFUSED,
    client_settings,
    counted,
    json_option,
    now,
    print_json,
    print_rows,
)
from services.cli.usage_errors import without_urls
from services.runtime.attributing import placeholder_list, provider_book
from services.runtime.settings import Settings, load

_LOOKUP = (
    "address", "provider", "reseller", "role", "prefix", "as", "method", "confidence", "since",
    "unknown",
)  # fmt: skip
_LIST = ("provider", "name", "country", "role", "parent", "as_numbers", "contacts", "tags")

_at = click.option("--at", type=Instant(), help="As of this instant. Default: now.")


@click.group()
def command() -> None:
    """Check, look up and change the provider map: who answers for which addresses, and since when.

    docs/attribution.md describes the file.
    """


@command.command()
@click.argument("file", type=EXISTING_FILE)
@json_option
def check(file: Path, as_json: bool) -> int:
    """Report every fault of a provider map or a table of prefixes at once, with its line.

    FILE is a provider map (TOML or CSV) or a table `prefix,asn`. The exit status is 5 if an entry is refused, or makes
    nobody known for what it speaks of; 0 if there are only notes.
    """
    providers = ProviderMap.load(file)
    faults = by_line((*providers.faults, *_notes(providers, now())))
    if as_json:
        print_json([_as_row(fault) for fault in faults])
    else:
        for fault in faults:
            click.echo(_as_text(file, fault))
        click.echo(_summary(providers, faults), err=True)
    return CHECK_FAILED if any(fault.severity != "note" for fault in faults) else 0


def _notes(providers: ProviderMap, at: datetime) -> Iterator[Fault]:
    """Note what only the day and the list of placeholders tell."""
    placeholders = placeholder_list(load())
    for provider in providers.providers.values():
        note = partial(Fault, line=None, entry=f"provider {provider.id}")
        for tag in provider.tag:
            if tag.valid_to <= at:
                yield note(kind="expired", says=f"tag {tag.tag} expired at {short(tag.valid_to)}")
        for contact in provider.contact:
            if contact.holds_at(at) and placeholders.holds(contact.address, at.date()):
                says = f"nobody reads {contact.address}, which registries print as a placeholder"
                yield note(kind="placeholder", says=says)


def _as_row(fault: Fault) -> dict[str, Any]:
    row = {"line": fault.line, "kind": fault.kind, "severity": fault.severity}
    if fault.with_line is not None:
        row["with_line"] = fault.with_line
    return row | {"entry": fault.entry, "says": fault.says}


def _as_text(file: Path, fault: Fault) -> str:
    beside = "" if fault.with_line is None else f" (line {fault.with_line})"
    entry = f"{fault.entry}: " if fault.entry else ""
    place = file.name if fault.line is None else f"{file.name}:{fault.line}"
    return f"{place}: {fault.severity}: {fault.kind}: {entry}{fault.says}{beside}"


def _summary(providers: ProviderMap, faults: Iterable[Fault]) -> str:
    severities = [fault.severity for fault in faults]
    counts = ", ".join(f"{severities.count(s)} {s}" for s in ("refused", "unknown", "note"))
    held = counted(len(providers.providers), "provider")
    return f"{held}, {counted(len(providers), 'prefix row')}; entries at fault: {counts}"


@command.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@map_option
@click.option(
    "--asn-database",
    type=EXISTING_FILE,
    help="File of AS numbers (.mmdb). Default: TAKEDOWN_ASN_DATABASE.",
)
@_at
@click.option("--account", help="Account at the provider, for resellers of accounts.")
@json_option
def lookup(
    addresses: tuple[str, ...],
    map_file: Path | None,
    asn_database: Path | None,
    at: datetime | None,
    account: str | None,
    as_json: bool,
) -> int:
    """Print who answers for addresses: provider, matched prefix, AS, method and date.

    `-` reads addresses from standard input, one a line. An address that carries an IPv4 address (mapped, NAT64, 6to4)
    is looked up by that one. The exit status is 4 if one of them is no address.
    """
    book = provider_book(_settings(map_file, asn_database))
    rows = [_looked_up(text, book, at or now(), account) for text in _texts(addresses)]
    print_rows(rows, _LOOKUP, as_json=as_json)
    return REFUSED if any(row["unknown"] == "no address" for row in rows) else 0


def _settings(map_file: Path | None, asn_database: Path | None = None) -> Settings:
    settings = client_settings()
    if map_file is not None:
        settings = structs.replace(settings, provider_map=str(map_file))
    if asn_database is not None:
        settings = structs.replace(settings, asn_database=str(asn_database))
    return settings


def _texts(addresses: Iterable[str]) -> Iterator[str]:
    for text in addresses:
        if text != "-":
            yield text
            continue
        lines = sys.stdin
        yield from (line.strip() for line in lines if line.strip())


def _looked_up(
    address: str, book: ProviderBook, at: datetime, account: str | None
) -> dict[str, object]:
    fact = book.attribute(address, at)
    reseller = fact.reseller
    if account is not None and fact.provider is not None:
        reseller = book.providers.reseller_of(fact.provider, account, at) or reseller
    return {
        "address": without_urls(address),
        "provider": fact.provider,
        "reseller": reseller,
        **evidence_columns(fact),
        "since": fact.since,
        "unknown": fact.unknown if numeric(address) else "no address",
    }


@command.command("list")
@map_option
@_at
@click.option("--tag", help="Only providers with this tag, such as watch-list.")
@json_option
def list_(map_file: Path | None, at: datetime | None, tag: str | None, as_json: bool) -> None:
    """List the providers of the map as of an instant: name, AS numbers, contacts and tags."""
    file = map_file or map_path(load())
    moment = at or now()
    rows = [_listed(one, moment) for one in ProviderMap.load(file).providers.values()]
    chosen = [row for row in rows if tag is None or tag in str(row["tags"]).split()]
    print_rows(chosen, _LIST, as_json=as_json)


def _listed(provider: Provider, at: datetime) -> dict[str, object]:
    numbers = [str(one.asn) for one in provider.networks if one.holds_at(at)]
    contacts = [one.address for one in provider.contact if one.holds_at(at)]
    return {
        "provider": provider.id,
        "name": provider.name_at(at),
        "country": provider.country,
        "role": provider.role,
        "parent": provider.parent,
        "as_numbers": " ".join(numbers) or None,
        "contacts": " ".join(contacts) or None,
        "tags": " ".join(tag.tag for tag in provider.tags_at(at)) or None,
    }


command.add_command(import_)
command.add_command(ask)
