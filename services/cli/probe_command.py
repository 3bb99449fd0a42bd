"""`takedown probe`: one look at one URL, with everything that was seen and the rule that gave the verdict."""

import secrets
import sys
from collections.abc import Iterator

import click
import msgspec
from msgspec import Struct, field

from schemas.errors import BadUrl
from schemas.events import Fingerprint, LookMade
from schemas.urls import MAX_URL_LENGTH, CanonicalUrl, canonical
from services.cli.support import Refused, client_settings, json_option, now, print_json, run_async
from services.core.reasons import REASONS
from services.core.rules import RULES
from services.core.verdict import Answer, judge_answer
from services.probing.look.looker import Explained
from services.probing.look.memory import Step, Target
from services.runtime.prober_assembly import build_looker
from services.runtime.settings import Settings

# Four bytes a character at most; a longer line is cut, and still too long.
_LONGEST_LINE = 4 * MAX_URL_LENGTH + 4
_NAMES = {
    "url": "request for the URL",
    "sibling": "request for a sibling",
    "front": "request for the front page",
}


class ExchangeSummary(Struct, frozen=True):
    """One request and its answer, as far as it is kept; `neutral`: under the agent that names nobody."""

    what: str
    method: str
    address: str
    status: int | None
    fault: str | None
    redirect: str | None
    challenge: bool
    neutral: bool
    headers: Fingerprint | None
    seconds: dict[str, float]


class AddressVerdict(Struct, frozen=True):
    """The verdict on one address, and what its answer was compared with.

    `fresh`: its siblings were asked just now. `told_apart`: they were answered so already while something was served.
    `named`: the target of its redirect names the object. Each is None where it says nothing.
    """

    address: str
    verdict: str
    reason: str
    sibling: str
    baseline: str
    fresh: bool | None
    told_apart: bool | None
    named: bool | None


class RuleSummary(Struct, frozen=True):
    """A rule that the look used, and what it says."""

    name: str
    about: str


class LookSummary(Struct, frozen=True):
    """Everything that one look saw; no part of it names the URL or its host."""

    name: str
    aliases: int
    ttl_seconds: float
    addresses: tuple[str, ...]
    refused: int
    left_out: int
    exchanges: tuple[ExchangeSummary, ...] = field(name="asked")
    verdicts: tuple[AddressVerdict, ...] = field(name="judged")
    parked: bool
    blind: bool
    look: LookMade
    rule: str
    rules: tuple[RuleSummary, ...]
    head_age_seconds: float | None


@click.command()
@click.option(
    "--confirming", is_flag=True, help="Bypass all caches, as before a removal is confirmed."
)
@json_option
def command(confirming: bool, as_json: bool) -> None:
    """Look once at the URL on standard input; print the answers, the verdict and its reason.

    For cases of your own. The look is the prober's: same guard, same rate limits, same refusals; nothing is
    recorded, and neither the URL nor its host is printed. docs/verdicts.md has the table of all verdicts.
    """
    url = read_url(sys.stdin.buffer.readline(_LONGEST_LINE))
    settings = client_settings()
    seen = run_async(lambda: _look(settings, url, confirming))
    if as_json:
        print_json(msgspec.to_builtins(seen))
    else:
        for line in lines(seen):
            click.echo(line)


def read_url(line: bytes) -> CanonicalUrl:
    """Read a URL; raises `Refused` that does not repeat it."""
    try:
        return canonical(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("standard input: not UTF-8; send the URL percent-encoded") from None
    except BadUrl as error:
        raise Refused(f"standard input: {error}") from None


async def _look(settings: Settings, url: CanonicalUrl, confirming: bool) -> LookSummary:
    async with build_looker(settings, now) as looker:
        target = Target(secrets.token_hex(16), url, confirming)
        await looker.canary.fresh()
        return summary(await looker.explain(target, now()))


def summary(explained: Explained) -> LookSummary:
    """Summarise a look for people."""
    resolution, evidence = explained.resolution, explained.evidence
    return LookSummary(
        name="not asked"
        if resolution is None
        else evidence.dns
        if not resolution.addresses
        else "addresses",
        aliases=0 if resolution is None else len(resolution.chain),
        ttl_seconds=0.0 if resolution is None else resolution.ttl,
        addresses=() if resolution is None else resolution.addresses,
        refused=evidence.refused,
        left_out=evidence.left_out,
        exchanges=tuple(_exchange(step) for step in explained.steps),
        verdicts=tuple(_address_verdict(answer) for answer in evidence.answers),
        parked=evidence.parked,
        blind=evidence.blind,
        look=explained.look,
        rule=REASONS[explained.look.reason].about,
        rules=tuple(RuleSummary(name, RULES[name]) for name in dict.fromkeys(explained.rules)),
        head_age_seconds=explained.head_age,
    )


def _exchange(step: Step) -> ExchangeSummary:
    reply = step.reply
    return ExchangeSummary(
        what=step.purpose,
        method=reply.method,
        address=step.address,
        status=reply.status,
        fault=reply.fault,
        redirect=step.redirect,
        challenge=reply.challenge,
        neutral=step.neutral,
        headers=reply.fingerprint(step.redirect),
        seconds=reply.phases,
    )


def _address_verdict(answer: Answer) -> AddressVerdict:
    judgement = judge_answer(answer)
    is_compared = answer.control != "unasked" or answer.shared
    return AddressVerdict(
        address=answer.address,
        verdict=judgement.verdict,
        reason=judgement.reason,
        sibling="same" if answer.shared else answer.control,
        baseline=answer.change,
        fresh=answer.fresh if is_compared else None,
        told_apart=answer.told_apart if _is_as_siblings(answer) else None,
        named=None if answer.redirect is None else answer.named,
    )


def _is_as_siblings(answer: Answer) -> bool:
    return answer.shared or answer.control in ("same", "alike")


def lines(seen: LookSummary) -> Iterator[str]:
    """Write it for people."""
    yield from _name_lines(seen)
    for exchange in seen.exchanges:
        agent = " as the neutral agent" if exchange.neutral else ""
        yield (
            f"{_NAMES[exchange.what]}{agent}: {exchange.method} {exchange.address}: "
            f"{_exchange_text(exchange)}"
        )
    for address in seen.verdicts:
        yield f"address {address.address}: {address.verdict} ({address.reason}); {_comparison_text(address)}"
    yield _head_text(seen.head_age_seconds)
    if seen.parked:
        yield "parked: a parking service answers for the name"
    if seen.blind:
        yield "blind: the canary is down, or unrelated hosts fail at once"
    look = seen.look
    took = (look.finished_at - look.started_at).total_seconds()
    canary = "none" if look.canary_at is None else f"{look.canary_at:%Y-%m-%d %H:%M:%SZ}"
    yield f"vantage {look.vantage}, agent {look.agent}, canary seen: {canary}, took {took:.3f} s"
    yield f"verdict: {look.verdict}, layer {look.layer or '-'}, reason {look.reason}"
    yield f"rule: {seen.rule}"
    for rule in seen.rules:
        yield f"used {rule.name}: {rule.about}"


def _name_lines(seen: LookSummary) -> Iterator[str]:
    age = seen.look.resolution_age_seconds
    resolved = "" if age is None else f", resolved {age:.0f} s before"
    aliases = f"{seen.aliases} {'alias' if seen.aliases == 1 else 'aliases'}"
    yield f"name: {seen.name}, {aliases}, TTL {seen.ttl_seconds:.0f} s{resolved}"
    refused = f", {seen.refused} refused by the guard" if seen.refused else ""
    left_out = f", {seen.left_out} left out" if seen.left_out else ""
    yield f"addresses: {', '.join(seen.addresses) or 'none'}{refused}{left_out}"


def _comparison_text(address: AddressVerdict) -> str:
    """Write what an answer was compared with."""
    parts = [f"compared with a random sibling: {address.sibling}"]
    if address.fresh is not None:
        parts.append("siblings asked just now" if address.fresh else "siblings asked earlier")
    if address.told_apart is not None:
        before = "already" if address.told_apart else "not known to be"
        parts.append(f"siblings {before} answered so while something was served")
    if address.named is not None:
        names = "names" if address.named else "does not name"
        parts.append(f"the redirect's target {names} the object")
    if address.baseline != "unknown":
        parts.append(f"difference from the baseline: {address.baseline}")
    return ", ".join(parts)


def _head_text(age: float | None) -> str:
    """Write what HEAD is worth at URLs of this shape."""
    if age is None:
        return "HEAD: worth asking"
    return f"HEAD: says little of URLs of this shape, known for {age:.0f} s; GET is asked at once"


def _exchange_text(exchange: ExchangeSummary) -> str:
    parts = [exchange.fault or str(exchange.status)]
    if exchange.redirect is not None:
        parts.append(f"sent to: {exchange.redirect}")
    if exchange.challenge:
        parts.append("a challenge")
    if exchange.headers is not None:
        headers = msgspec.to_builtins(exchange.headers)
        parts += [f"{n} {v}" for n, v in headers.items() if n not in ("status", "redirect")]
    parts += [f"{phase} {seconds * 1000:.1f} ms" for phase, seconds in exchange.seconds.items()]
    return ", ".join(parts)
