"""One visit to one URL as a pure protocol: resolve, ask each address, follow redirects, give the evidence.

Every method that is a generator yields operations (`operations`) and is sent their results. For one address the
sequence is: HEAD; GET where HEAD says little; the neutral agent where it is gone for ours (`conversation`); siblings,
and the front page where only that can tell (`comparison`, `measurement`); the target of a redirect (`redirection`).
`services.core.verdict` judges the answers.
"""

from collections.abc import Callable

import structlog
from msgspec import Struct

from schemas.urls import CanonicalUrl
from services.core.verdict import Answer, Evidence, Redirect, is_dark_answer, judge_answer
from services.probing.dns.resolver import Resolution
from services.probing.guard.guard import Guard
from services.probing.guard.literals import literal_of
from services.probing.http.exchange import Reply
from services.probing.look.comparison import Reached
from services.probing.look.controls import is_parked
from services.probing.look.conversation import Conversation
from services.probing.look.measurement import Measurement, answer_of
from services.probing.look.memory import LookLimits, Memory, Target
from services.probing.look.operations import (
    NOW,
    Explain,
    ExtendTime,
    Protocol,
    Resolve,
    TimeLeft,
)
from services.probing.look.redirection import Redirection, joined
from services.probing.look.redirects import Hop, Trail

log = structlog.get_logger(__name__)

Provider = Callable[[str], str | None]


class _Choice(Struct, frozen=True):
    """The addresses to ask, those beyond the cap, how many the guard refused and how many nobody named."""

    chosen: list[str]
    beyond: list[str]
    refused: int
    unknown: int


def _spelled_out(host: str) -> Resolution | None:
    """Give the address that a host is, if it is one."""
    literal = literal_of(host)
    return None if literal is None else Resolution(status="addresses", addresses=(literal,))


def no_provider(_: str) -> str | None:
    """Name no provider of an address."""
    return None


class Visit:
    """Ask for one URL once.

    `verdicts` maps each address that was asked to what it said of the URL. `fresh` asks past every cache of names.
    `provider_of` names the provider of an address: at least one address of each is asked. Without `compared` there are
    no siblings: for the canary, which is the operator's own page.
    """

    __slots__ = (
        *("resolution", "verdicts"),
        *("_darkness", "_fresh", "_guard", "_head", "_joined", "_limits", "_measurement"),
        *("_provider_of", "_url"),
    )

    def __init__(
        self,
        target: Target,
        memory: Memory,
        limits: LookLimits,
        guard: Guard,
        *,
        fresh: bool,
        provider_of: Provider = no_provider,
        compared: bool = True,
    ) -> None:
        self._url = target.url
        self._limits = limits
        self._guard = guard
        self._fresh = fresh
        self._provider_of = provider_of
        self._darkness = memory.darkness
        self._measurement = Measurement(target, memory, limits, compared=compared)
        self._head = memory.head
        self._joined: dict[str, Answer] = {}
        self.verdicts: dict[str, str] = {}
        self.resolution: Resolution | None = None

    def evidence(self) -> Protocol[Evidence]:
        """Bring home what there is to know; `Deferred` from an operation ends it."""
        # No generator of its own: every operation passes through each of them twice.
        return self._ask_name(self._url, Trail((self._url.href,)), None)

    def dark_front(self) -> Protocol[bool | None]:
        """Tell whether the front page of the host gives nothing either, where it was asked last; None: not asked.

        It has an exchange's time of its own: pages that hang may have taken all of the look's.
        """
        address = next(reversed(self.verdicts), None)
        if address is None:
            return None
        yield ExtendTime()
        nothing = Reached(self._url, address, Reply(method="GET"))
        return (yield from self._measurement.dark_front(nothing))

    # -- names and addresses -----------------------------------------------------------------------

    def _ask_name(
        self, url: CanonicalUrl, trail: Trail, via: Redirect | None
    ) -> Protocol[Evidence]:
        if url.not_measurable is not None:
            return Evidence(not_measurable=url.not_measurable)
        resolution: Resolution = _spelled_out(url.host) or (yield Resolve(url.host, self._fresh))
        if via is None:
            self.resolution = resolution
        if resolution.status != "addresses":
            return Evidence(dns=resolution.status)
        choice = self._chosen(resolution, url)
        addresses, late = choice.chosen, list[str]()
        if len(addresses) == 1:
            answers: tuple[Answer, ...] = (
                (yield from self._ask_one(url, addresses[0], trail, via)),
            )
        else:
            answers, late = yield from self._ask_addresses(url, addresses, trail, via)
        unasked = choice.beyond + late
        return Evidence(
            answers=answers,
            refused=choice.refused,
            left_out=choice.unknown + len(unasked),
            left_out_dark=(yield from self._count_dark(url, unasked)) if unasked else 0,
            parked=self._measurement.parked or is_parked(resolution.chain),
        )

    def _count_dark(self, url: CanonicalUrl, addresses: list[str]) -> Protocol[int]:
        return self._darkness.count_dark(url.host, addresses, (yield NOW))

    def _chosen(self, resolution: Resolution, url: CanonicalUrl) -> "_Choice":
        """Pick the addresses to ask: what the guard refuses is not asked, and so can't keep a URL online."""
        most, families = self._limits.addresses_per_family, self._limits.families
        allowed = [a for a in resolution.addresses if self._guard.reason((a, url.port)) is None]
        refused = len(resolution.addresses) - len(allowed)
        if refused:
            log.warning("look.address_refused", refused=refused, allowed=len(allowed))
        unknown = resolution.left_out + (resolution.unanswered_family in families)
        if len(allowed) == 1:
            return _Choice(allowed, [], refused, unknown)
        routed = [a for a in allowed if (6 if ":" in a else 4) in families]
        routed = self._darkness.in_order(url.host, routed or allowed)
        if len(routed) <= most:
            return _Choice(routed, [], refused, unknown)
        v4 = [a for a in routed if ":" not in a]
        v6 = [a for a in routed if ":" in a]
        chosen = self._darkness.in_order(url.host, v4[:most] + v6[:most])
        return _Choice(chosen, v4[most:] + v6[most:], refused, unknown)

    def _ask_addresses(
        self,
        url: CanonicalUrl,
        addresses: list[str],
        trail: Trail,
        via: Redirect | None,
    ) -> Protocol[tuple[tuple[Answer, ...], list[str]]]:
        """Ask one address after the other until one serves, and then one of each other provider.

        Gives the answers, and the addresses that there was no time for.
        """
        answers: list[Answer] = []
        served, providers = False, set[str | None]()
        for place, address in enumerate(addresses):
            provider = self._provider_of(address)
            if served and (provider is None or provider in providers):
                continue
            if answers and (yield TimeLeft()) <= 0:
                return tuple(answers), addresses[place:]
            if served:
                yield Explain("other_provider_asked")
            answer = yield from self._ask_one(url, address, trail, via)
            answers.append(answer)
            now = yield NOW
            self._darkness.note_address(url.host, address, now, dark=is_dark_answer(answer))
            providers.add(provider)
            served = served or self.verdicts[address] == "online"
        return tuple(answers), []

    def _ask_one(
        self, url: CanonicalUrl, address: str, trail: Trail, via: Redirect | None
    ) -> Protocol[Answer]:
        """Ask one address, and keep what it said of the URL: online outweighs what it said on another way there."""
        verdicts = self.verdicts
        verdicts.setdefault(address, "undetermined")
        answer = yield from self._talk(url, address, trail, via)
        if verdicts[address] != "online":
            verdicts[address] = judge_answer(answer).verdict
        return answer

    # Made anew each time: an attribute would tie each visit into a ring, which only the collector undoes.

    def _talk(
        self, url: CanonicalUrl, address: str, trail: Trail, via: Redirect | None
    ) -> Protocol[Answer]:
        conversation = Conversation(self._measurement, self._head, self._sent_elsewhere)
        return conversation.hold(url, address, trail, via)

    def _sent_elsewhere(self, sent: Reached, trail: Trail) -> Protocol[Answer]:
        redirection = Redirection(self._measurement, self._limits.redirects, self._follow)
        return redirection.judge(sent, trail)

    def _follow(self, sent: Reached, hop: Hop, onward: Trail) -> Protocol[Answer]:
        """Follow within the registrable domain; on the same host the address stays pinned (P10)."""
        assert hop.url is not None
        if hop.url.host == sent.url.host:
            if self._guard.reason((sent.address, hop.url.port)) is not None:
                return answer_of(sent, fault="redirect_refused")
            return (yield from self._talk(hop.url, sent.address, onward, hop.kind))
        answer = self._joined.get(hop.url.href)
        if answer is None:
            evidence = yield from self._ask_name(hop.url, onward, hop.kind)
            answer = self._joined[hop.url.href] = joined(sent, evidence)
        return answer
