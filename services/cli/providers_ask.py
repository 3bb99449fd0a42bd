"""`takedown providers ask`: ask the sources that are set for addresses, as the role `attribution` does."""

import click

from services.attribution.addresses import numeric
from services.attribution.attribution_fact import Attribution
from services.attribution.contacts import SourceContact, contact_of
from services.attribution.lookup import NoAnswer
from services.cli.provider_options import evidence_columns
from services.cli.support import (
    REFUSED,
    UNREACHABLE,
    client_settings,
    json_option,
    now,
    print_rows,
    run_async,
)
from services.cli.usage_errors import without_urls
from services.runtime.address_sources import Attributing, open_attribution
from services.runtime.settings import Settings

_ANSWER = ("address", "provider", "role", "prefix", "as", "method", "confidence", "unknown", "failure")  # fmt: skip
_CONTACT = ("contact", "publication", "contact_source", "placeholders")


@click.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@click.option("--contact", is_flag=True, help="Also ask for the mailboxes for abuse.")
@json_option
def ask(addresses: tuple[str, ...], contact: bool, as_json: bool) -> int:
    """Ask the map, and then the sources that are set, who answers for addresses now.

    Sources are told an address and nothing else. The exit status is 3 if one of them did not answer: then no weaker
    one is asked in its place. It is 4 if one of them is no address; an address that carries an IPv4 address is asked
    for by that one.
    """
    settings = client_settings()
    rows = run_async(lambda: _answers(settings, addresses, contact))
    print_rows(rows, (*_ANSWER, *_CONTACT) if contact else _ANSWER, as_json=as_json)
    if any(row["failure"] for row in rows):
        return UNREACHABLE
    return REFUSED if any(row["unknown"] == "no address" for row in rows) else 0


async def _answers(
    settings: Settings, addresses: tuple[str, ...], contact: bool
) -> list[dict[str, object]]:
    async with open_attribution(settings, now) as attributing:
        return [await _row(attributing, address, contact) for address in addresses]


async def _row(attributing: Attributing, address: str, contact: bool) -> dict[str, object]:
    number = numeric(address)
    if number is None:
        columns = dict.fromkeys((*_ANSWER, *_CONTACT))
        return columns | {"address": without_urls(address), "unknown": "no address"}
    answer = await attributing.attributor.attribute(address, now())
    row: dict[str, object] = {"address": address, **_of_answer(answer)}
    if contact:
        mailboxes = await contact_of(number.text, attributing.contacts)
        row |= _of_contact(mailboxes)
        row["failure"] = row["failure"] or mailboxes.failure
    return row


def _of_answer(answer: Attribution | NoAnswer) -> dict[str, object]:
    if isinstance(answer, NoAnswer):
        return dict.fromkeys(_ANSWER[1:]) | {"failure": answer.failure}
    return {
        "provider": answer.provider,
        **evidence_columns(answer),
        "unknown": answer.unknown,
        "failure": None,
    }


def _of_contact(answer: SourceContact) -> dict[str, object]:
    return {
        "contact": " ".join(answer.contact.mailboxes) or None,
        "publication": answer.contact.publication,
        "contact_source": answer.source,
        "placeholders": " ".join(answer.contact.placeholders) or None,
    }
