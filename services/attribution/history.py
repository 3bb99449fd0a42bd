"""Evidence under a corrected provider map: who answered for each address that a look asked, as of that look."""

from msgspec import structs

from schemas.events import Event, LookMade, Served
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap

# What a map said; other methods (an import, a DNS source) stand where the corrected map is silent.
_OF_A_MAP = "map"
# The map names nobody without saying that nobody may be named.
_SILENT = ("silent", "unlisted_as")


def reattributed(event: Event, providers: ProviderMap) -> Event:
    """Give a look with its addresses attributed by a map as of the look; every other event as it is."""
    look = event.data
    if not isinstance(look, LookMade) or not look.served:
        return event
    served = tuple(_again(one, look, providers) for one in look.served)
    if served == look.served:
        return event
    # Which addresses were left out was not kept, so whose they are under this map is not known.
    left_out = look.providers_left_out and None
    data = structs.replace(look, served=served, providers_left_out=left_out)
    return structs.replace(event, data=data)


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
