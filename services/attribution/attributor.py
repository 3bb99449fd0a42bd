"""Who answers for an address: by the provider map, then an .mmdb, then Team Cymru, then the registries, in this order.

The first source that names a provider decides; AS numbers without a provider are kept as evidence. What the map
contradicts stays unknown, and so does what several providers originate. While a source gives no answer, the next one is
not asked in its place: a weaker source must not decide because a better one was down. What a source says holds for
now: of what was long ago it says nothing, so that for old looks the dated map and the .mmdb stand alone.
"""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from services.attribution.addresses import numeric
from services.attribution.attribution_fact import Attribution, Confidence
from services.attribution.lookup import Lookup, NoAnswer, SourceAnswer
from services.attribution.provider_book import ProviderBook
from services.attribution.source_guard import GuardedSource

_OPEN = ("silent", "unlisted_as")
_CONFIDENCE: dict[str, Confidence] = {"cymru": "medium"}


class AddressAttributor:
    """Attributes addresses as of an instant; `sources` are asked in their order, for what is at most `reach` ago."""

    def __init__(
        self,
        book: ProviderBook,
        sources: Sequence[GuardedSource] = (),
        *,
        clock: Callable[[], datetime],
        reach: timedelta = timedelta(days=1),
    ) -> None:
        self._book = book
        self._sources = tuple(sources)
        self._clock = clock
        self._reach = reach
        self._names = book.providers, _by_name(book)

    def __repr__(self) -> str:
        return f"<AddressAttributor {self._book!r}, {len(self._sources)} sources>"

    def at_once(self, address: str, at: datetime) -> Attribution | None:
        """Say what this machine knows, and what sources said before; None where one has to be asked."""
        fact = self._book.attribute(address, at)
        target = self._target(address, at, fact)
        if target is None:
            return fact
        for source in self._sources:
            before = source.remembered(target)
            if before is None:
                return None
            fact, decided = self._weigh(fact, before, source.name, at)
            if decided:
                break
        return fact

    async def attribute(self, address: str, at: datetime) -> Attribution | NoAnswer:
        """Ask as many sources as it takes; gives why there was no answer where one did not answer."""
        fact = self._book.attribute(address, at)
        target = self._target(address, at, fact)
        if target is None:
            return fact
        for source in self._sources:
            answer = await source.look_up(target)
            if isinstance(answer, NoAnswer):
                return answer
            fact, decided = self._weigh(fact, answer, source.name, at)
            if decided:
                break
        return fact

    def _target(self, address: str, at: datetime, fact: Attribution) -> str | None:
        """Give what sources are asked for: an IPv4 address that stands in an IPv6 one as itself; None for nothing."""
        if not self._sources or fact.provider is not None or fact.unknown not in _OPEN:
            return None
        number = numeric(address)
        if number is None or abs(self._clock() - at) > self._reach:
            return None
        kind = ipaddress.IPv4Address if number.version == 4 else ipaddress.IPv6Address
        return str(kind(number.value))

    def _weigh(
        self, fact: Attribution, answer: Lookup, source: str, at: datetime
    ) -> tuple[Attribution, bool]:
        """Take an answer into account; tells whether it settles who it is, or that nobody can say."""
        if not isinstance(answer, SourceAnswer):
            return fact, False
        if not answer.as_numbers:
            named = self._by_holder(answer, source)
            return (fact, False) if named is None else (named, True)
        named = self._book.name(
            answer.as_numbers,
            at,
            prefix=answer.prefix,
            method=source,
            confidence=_CONFIDENCE.get(source, "low"),
            since=answer.answered_at,
        )
        if named.provider is not None or self._is_disputed(answer.as_numbers, at):
            return _with_country(named, answer), True
        # What was said first of the AS numbers stays the evidence.
        return (fact if fact.as_numbers else _with_country(named, answer)), False

    def _is_disputed(self, numbers: Iterable[int], at: datetime) -> bool:
        """Tell whether some of the numbers are a provider's, and others another's or nobody's."""
        providers = {self._book.providers.provider_of_as([number], at) for number in numbers}
        return len(providers) > 1

    def _by_holder(self, answer: SourceAnswer, source: str) -> Attribution | None:
        """Name the provider that has the holder's name, letter for letter."""
        provider = self._provider_names().get((answer.holder or "").casefold())
        if provider is None:
            return None
        return Attribution(
            provider,
            prefix=answer.prefix,
            country=answer.country,
            method=source,
            confidence="low",
            since=answer.answered_at,
        )

    def _provider_names(self) -> dict[str, str]:
        """Give the names of the map that the book has now: a running role takes a new one over."""
        if self._names[0] is not self._book.providers:
            self._names = self._book.providers, _by_name(self._book)
        return self._names[1]


def _with_country(fact: Attribution, answer: SourceAnswer) -> Attribution:
    return fact if fact.country is not None else fact._replace(country=answer.country)


def _by_name(book: ProviderBook) -> dict[str, str]:
    """Give the providers by every name that they have or had, but for names of several."""
    names: dict[str, str | None] = {}
    for provider in book.providers.providers.values():
        former = (old.name for old in provider.former_name)
        for name in {text.casefold() for text in (provider.name, *provider.aliases, *former)}:
            names[name] = None if name in names else provider.id
    return {name: provider for name, provider in names.items() if provider is not None}
