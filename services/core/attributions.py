"""What sources said of addresses, brought to the looks: who served, where the look itself could not tell.

A look keeps who answered as of its start, by the map that its prober had. What it left open is filled in from the
latest statement about the address that is not later than its start. Where only proxies served, the host that one of
them named by then is one of those who serve: as long as the edge serves it, the host is answerable.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec import structs

from schemas.events import LookMade, Served
from services.core.case import AddressFact, Case


def completed(look: LookMade, case: Case) -> LookMade:
    """Give a look with what sources said of its addresses by its start."""
    facts = [fact for fact in case.address_facts if fact.at <= look.started_at]
    if not facts or not look.served:
        return look
    served = tuple(_named(one, facts) for one in look.served)
    hosts = () if _has_host(served) else tuple(_hosts(served, facts))
    if not hosts and served == look.served:
        return look
    return structs.replace(look, served=served + hosts)


def _named(served: Served, facts: list[AddressFact]) -> Served:
    if served.provider is not None:
        return served
    fact = next((f for f in reversed(facts) if f.address == served.address and not f.via), None)
    if fact is None or fact.provider is None:
        return served
    return structs.replace(served, provider=fact.provider, role=fact.role, method=fact.method)


def _has_host(served: tuple[Served, ...]) -> bool:
    return any(one.online and one.role == "hosting" and one.provider for one in served)


def _hosts(served: tuple[Served, ...], facts: list[AddressFact]) -> Iterator[Served]:
    """Give the hosts that the proxies named which served it."""
    proxies = {one.provider for one in served if one.online and one.role == "proxy"}
    for proxy in sorted(proxies - {None}, key=str):
        fact = next((f for f in reversed(facts) if f.via == proxy), None)
        if fact is not None and fact.provider is not None:
            yield Served(
                address=fact.address or "", provider=fact.provider, method=fact.method, online=True
            )


def host_behind(case: Case, proxy: str, at: datetime) -> str | None:
    """Name the host that a proxy had named by an instant."""
    facts = [fact for fact in case.address_facts if fact.via == proxy and fact.at <= at]
    return facts[-1].provider if facts else None
