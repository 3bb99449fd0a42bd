"""Checks that ask the monitor that runs, and not the settings of the shell that asks."""

from collections.abc import Mapping
from datetime import datetime

from consumers.record.deadletter import read_dead_letters
from services.runtime.connections import kafka_connection
from services.runtime.findings import Check, CheckFailed, CheckNote
from services.runtime.keyfile import keys_path, read_keys
from services.runtime.methods import methodology
from services.runtime.role_facts import RoleFacts, without_key
from services.runtime.settings import Settings

Facts = Mapping[str, RoleFacts]


def running_checks(settings: Settings, facts: Facts) -> dict[str, Check]:
    """Give the checks by name that replace those of this shell while processes answer."""
    if not facts:
        return {}
    return {
        "methodology": lambda: _methodology(settings, facts),
        "provider map": lambda: _provider_map(facts),
        "probing": lambda: _probing(facts),
        "keys of the roles": lambda: _keys(settings, facts),
    }


async def _methodology(settings: Settings, facts: Facts) -> str:
    running = {answer.methodology_digest: answer.methodology for answer in facts.values()}
    here = methodology(settings.methodology)
    words = " and ".join(f"{name} ({digest[:12]})" for digest, name in sorted(running.items()))
    if len(running) > 1:
        raise CheckFailed(f"the roles run under {words}; give all the same TAKEDOWN_METHODOLOGY")
    if here.digest not in running:
        raise CheckNote(
            f"the monitor runs under {words}, but this shell is set to {here.id} version {here.version}: "
            "commands count under the latter; set TAKEDOWN_METHODOLOGY alike"
        )
    return f"{words}, norm {here.norm}; so the monitor that runs"


async def _provider_map(facts: Facts) -> str:
    probers = _probers(facts)
    maps = {answer.provider_map for answer in probers.values()}
    if not probers:
        raise CheckNote("no prober runs, so that no look is attributed")
    if maps == {None}:
        raise CheckNote(
            "the probers that run have none: set TAKEDOWN_PROVIDER_MAP where they start"
        )
    if len(maps) > 1:
        raise CheckFailed(
            "the probers that run have different provider maps; restart them with one"
        )
    return f"the probers that run have {next(iter(maps)) or ''}"[:60]


async def _probing(facts: Facts) -> str:
    probers = _probers(facts)
    if not probers:
        raise CheckNote(
            "the monitor that runs has no prober: nothing is looked at; set TAKEDOWN_PROBE_MODE where it starts"
        )
    kinds = sorted({answer.probing for answer in probers.values() if answer.probing})
    return f"{'; '.join(kinds)}: {len(probers)} running"


def _probers(facts: Facts) -> Facts:
    return {name: answer for name, answer in facts.items() if answer.probing is not None}


async def _keys(settings: Settings, facts: Facts) -> str:
    path = keys_path(settings)
    if not path.exists():
        raise CheckNote("no key file here to compare with")
    keys = read_keys(path)
    for key_id in sorted(keys.sealing):
        if lacking := without_key(facts, key_id):
            raise CheckFailed(
                f"{', '.join(lacking)} started before {key_id} was added and can't open what it seals: "
                "restart them"
            )
    older = [name for name, answer in facts.items() if answer.active_key not in (None, keys.active)]
    if older:
        raise CheckNote(f"{', '.join(older)} still seal with another key: restart them")
    return f"every role that has keys knows each of them ({len(keys.sealing)})"


async def dead_letters(settings: Settings) -> str:
    """Count the records that could not be used and were not sent back; a note where there are some."""
    if settings.kafka.bootstrap_servers is None:
        raise CheckNote("not read: no Kafka is running")
    letters = await read_dead_letters(kafka_connection(settings, "takedown-doctor"))
    if not letters:
        return "none"
    newest = max((letter.at for letter in letters if _is_instant(letter.at)), default="unknown")
    raise CheckNote(
        f"{len(letters):,} could not be used and count nowhere, the newest of {newest}: "
        "`takedown dead-letters list` shows the reasons"
    )


def _is_instant(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
