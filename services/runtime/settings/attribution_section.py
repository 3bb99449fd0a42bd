"""The settings of attribution: sources beside the provider map, each off unless set."""

from typing import Annotated

from services.runtime.settings.section_base import Count, Seconds, Section, about


class AttributionSection(Section, frozen=True, kw_only=True):
    """Sources beside the provider map that say who answers for an address, each off unless set; role `attribution`."""

    cymru_zone: Annotated[
        str | None,
        about("DNS zone of Team Cymru's origin service, `asn.cymru.com`: AS numbers of a prefix."),
    ] = None
    abusix_zone: Annotated[
        str | None,
        about(
            "DNS zone of Abusix's contact service, `abuse-contacts.abusix.zone`: mailboxes for abuse; "
            "asked by `takedown providers ask` only."
        ),
    ] = None
    rdap_bootstrap: Annotated[
        str | None,
        about(
            "Directory with IANA's RDAP bootstrap files `ipv4.json` and `ipv6.json`; with it the registries are asked."
        ),
    ] = None
    nameservers: Annotated[
        tuple[str, ...],
        about("DNS resolvers for these sources, `address` or `address:port`; empty: the system's."),
    ] = ()
    placeholders: Annotated[
        str | None,
        about(
            "TOML file of mailboxes that registries print and nobody reads; takes the place of the shipped list."
        ),
    ] = None
    queries_per_second: Annotated[
        Seconds, about("Maximum questions per second to each source.")
    ] = 5.0
    queries_per_day: Annotated[Count, about("Maximum questions per day to each source.")] = 20_000
    timeout_seconds: Annotated[Seconds, about("Timeout of one question.")] = 5.0
    failures: Annotated[
        Count, about("Consecutive failures after which a source is left alone for a while.")
    ] = 5
    pause_seconds: Annotated[
        Seconds, about("First pause after such failures; it doubles each time, to one hour.")
    ] = 60.0
    cache_seconds: Annotated[Seconds, about("Time for which an answer is used for its prefix.")] = (
        21_600.0
    )
    reach_seconds: Annotated[
        Seconds,
        about(
            "Maximum age of a look that sources are asked about; of older ones the map and the .mmdb alone say "
            "something."
        ),
    ] = 86_400.0
