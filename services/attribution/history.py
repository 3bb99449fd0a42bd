"""Evidence under a corrected provider map: who answered for each address, as of the look that asked it.

Statements about addresses (`takedown.case.attributed.v2`) are judged again with it: what a map said by the new map, and
the AS numbers that a source gave by whose they are under it.
"""

from msgspec import structs

from schemas.events import AddressAttributed, Event, LookMade, Served
from services.attribution.attribution_fact import Attribution
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap

# What a map said; other methods (an import, a DNS source) stand where the corrected map is silent.
_OF_A_MAP = "map"
# The map names nobody without saying that nobody may be named.
_SILENT = ("silent", "unlisted_as")


def reattributed(event: Event, providers: ProviderMap) -> Event:
    """Give a look or a statement with its addresses attributed by a map as of its time; other events as they are."""
    look = event.data
    if isinstance(look, AddressAttributed):
        return _stated_again(event, look, providers)
    if not isinstance(look, LookMade) or not look.served:
        return event
    served = tuple(_again(one, look, providers) for one in look.served)
    if served == look.served:
        return event
    # Which addresses were left out was not kept, so whose they are under this map is not known.
    left_out = look.providers_left_out and None
    data = structs.replace(look, served=served, providers_left_out=left_out)
    return structs.replace(event, data=data)


def _stated_again(event: Event, data: AddressAttributed, providers: ProviderMap) -> Event:
    if data.address is None or data.via is not None:
        return event
    fact = providers.provider_at(data.address, event.time)
    if fact is not None and fact.unknown not in _SILENT:
        again = _restated(data, fact)
    elif data.method == _OF_A_MAP:
        again = _restated(data, fact or Attribution(None, unknown="silent"))
    elif data.as_numbers:
        name = providers.provider_of_as(data.as_numbers, event.time)
        again = structs.replace(
            data, provider=name, unknown="unlisted_as" if name is None else None
        )
    else:
        return event
    return event if again == data else structs.replace(event, data=again)


def _restated(data: AddressAttributed, fact: Attribution) -> AddressAttributed:
    return structs.replace(
        data,
        provider=fact.provider,
        role=fact.role,
        method=fact.method,
        confidence=fact.confidence,
        prefix=fact.prefix,
        as_numbers=fact.as_numbers,
        country=fact.country,
        reseller=fact.reseller,
        unknown=fact.unknown,
        answered_at=None,
    )


def _again(served: Served, look: LookMade, providers: ProviderMap) -> Served:
    if not served.address:
        return served
    # As of the start of the look, as the prober itself asks.
    at = look.started_at
    attribution = providers.provider_at(served.address, at)
    if attribution is not None and attribution.unknown not in _SILENT:
        return structs.replace(
            served,
            provider=attribution.provider,
            role=attribution.role,
            method=_OF_A_MAP,
            as_number=None,
            prefix=None,
        )
    if served.as_number is not None:
        named = ProviderBook(providers).name(
            [served.as_number], at, prefix=served.prefix, method=served.method,
            confidence="medium", since=None,
        )  # fmt: skip
        return structs.replace(served, provider=named.provider, role=named.role)
    if served.method != _OF_A_MAP:
        return served
    return structs.replace(served, provider=None, role="hosting")
