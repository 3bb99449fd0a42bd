"""`takedown probe`: one look at one URL, with everything that was seen and the rule that gave the verdict."""

import secrets
import sys
from collections.abc import Iterator

import click
import msgspec
from msgspec import Struct

from schemas.errors import BadUrl
from schemas.events import Fingerprint, LookMade
from schemas.urls import MAX_URL_LENGTH, CanonicalUrl, canonical
from services.cli.support import Refused, client_settings, json_option, now, print_json, run_async
from services.core.reasons import REASONS
from services.core.verdict import Answer, judge_answer
from services.probing.look.looker import Explained
from services.probing.look.memory import Step, Target
from services.runtime.looking import build_looker
from services.runtime.settings import Settings

# Four bytes a character at most; a longer line is cut, and still too long.
_LONGEST_LINE = 4 * MAX_URL_LENGTH + 4
_NAMES = {
    "url": "asked for the URL",
    "sibling": "asked for a path that can't exist",
    "front": "asked for the front page",
}


class Asked(Struct, frozen=True):
    """One request: what for, of whom, and what came back, as far as it is kept."""

    what: str
    method: str
    address: str
    status: int | None
    fault: str | None
    redirect: str | None
    challenge: bool
    headers: Fingerprint | None
    seconds: dict[str, float]


class Judged(Struct, frozen=True):
    """What one address said in the end, and what it was compared with."""

    address: str
    verdict: str
    reason: str
    sibling: str
    baseline: str


class Seen(Struct, frozen=True):
    """All that one look saw; no part of it names the URL or its host."""

    name: str
    aliases: int
    ttl_seconds: float
    addresses: tuple[str, ...]
    refused: int
    left_out: int
    asked: tuple[Asked, ...]
    judged: tuple[Judged, ...]
    parked: bool
    blind: bool
    look: LookMade
    rule: str


@click.command()
@click.option(
    "--confirming", is_flag=True, help="Ask past every cache, as before a removal counts."
)
@json_option
def command(confirming: bool, as_json: bool) -> None:
    """Look once at the URL on standard input, and say what was seen and why the verdict came out so.

    For cases of your own. The look is the prober's: same guard, same politeness, same refusals; nothing is
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


async def _look(settings: Settings, url: CanonicalUrl, confirming: bool) -> Seen:
    async with build_looker(settings, now) as looker:
        target = Target(secrets.token_hex(16), url, confirming)
        await looker.canary.fresh()
        return summary(await looker.explain(target, now()))


def summary(made: Explained) -> Seen:
    """Put together what people want to know of a look."""
    found, evidence = made.resolution, made.evidence
    return Seen(
        name="not asked" if found is None else evidence.dns if not found.addresses else "addresses",
        aliases=0 if found is None else len(found.chain),
        ttl_seconds=0.0 if found is None else found.ttl,
        addresses=() if found is None else found.addresses,
        refused=evidence.refused,
        left_out=evidence.left_out,
        asked=tuple(_asked(step) for step in made.steps),
        judged=tuple(_judged(answer) for answer in evidence.answers),
        parked=evidence.parked,
        blind=evidence.blind,
        look=made.look,
        rule=REASONS[made.look.reason].about,
    )


def _asked(step: Step) -> Asked:
    reply = step.reply
    return Asked(
        what=step.purpose,
        method=reply.method,
        address=step.address,
        status=reply.status,
        fault=reply.fault,
        redirect=step.redirect,
        challenge=reply.challenge,
        headers=reply.fingerprint(step.redirect),
        seconds=reply.phases,
    )


def _judged(answer: Answer) -> Judged:
    found = judge_answer(answer)
    return Judged(answer.address, found.verdict, found.reason, answer.control, answer.change)


def lines(seen: Seen) -> Iterator[str]:
    """Write it for people."""
    yield from _name_lines(seen)
    for asked in seen.asked:
        yield f"{_NAMES[asked.what]}: {asked.method} {asked.address}: {_said(asked)}"
    for judged in seen.judged:
        yield (
            f"address {judged.address}: {judged.verdict} ({judged.reason}); "
            f"compared with a random sibling: {judged.sibling}"
        )
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


def _name_lines(seen: Seen) -> Iterator[str]:
    yield f"name: {seen.name}, {seen.aliases} aliases, answer holds {seen.ttl_seconds:.0f} s"
    refused = f", {seen.refused} refused by the guard" if seen.refused else ""
    left_out = f", {seen.left_out} left out" if seen.left_out else ""
    yield f"addresses: {', '.join(seen.addresses) or 'none'}{refused}{left_out}"


def _said(asked: Asked) -> str:
    parts = [asked.fault or str(asked.status)]
    if asked.redirect is not None:
        parts.append(f"sent to: {asked.redirect}")
    if asked.challenge:
        parts.append("a challenge")
    if asked.headers is not None:
        kept = msgspec.to_builtins(asked.headers)
        parts += [f"{n} {v}" for n, v in kept.items() if n not in ("status", "redirect")]
    parts += [f"{phase} {seconds * 1000:.1f} ms" for phase, seconds in asked.seconds.items()]
    return ", ".join(parts)
