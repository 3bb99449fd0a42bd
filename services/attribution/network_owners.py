"""Which provider an AS number is one of, as of an instant: an AS is no organisation, and siblings are one provider."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.attribution.map_content import fault_of_asn
from services.attribution.map_entries import Provider

_Holding = tuple[datetime, datetime, str]


class NetworkOwners:
    """Finds the provider that holds AS numbers; of those that hold one, who began last, and nobody if two did."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._holdings: dict[int, list[_Holding]] = {}
        for provider in providers:
            for network in provider.networks:
                if fault_of_asn(network.asn) is None:
                    held = (network.valid_from, network.valid_to, provider.id)
                    self._holdings.setdefault(network.asn, []).append(held)

    @property
    def dates(self) -> set[datetime]:
        """The instants at which a number may change hands."""
        return {
            date
            for held in self._holdings.values()
            for since, until, _ in held
            for date in (since, until)
        }

    def __repr__(self) -> str:
        return f"<NetworkOwners of {len(self._holdings)} AS numbers>"

    def owner(self, numbers: Sequence[int], at: datetime) -> str | None:
        """Name the one provider that holds all these numbers."""
        if len(numbers) == 1:
            return self._owner(numbers[0], at)
        names = {self._owner(number, at) for number in numbers}
        return names.pop() if len(names) == 1 else None

    def _owner(self, number: int, at: datetime) -> str | None:
        holdings = self._holdings.get(number)
        if holdings is None:
            return None
        holding = [h for h in holdings if h[0] <= at < h[1]]
        latest = max((since for since, _, _ in holding), default=None)
        names = {name for since, _, name in holding if since == latest}
        return names.pop() if len(names) == 1 else None
