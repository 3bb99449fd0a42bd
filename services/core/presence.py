"""What a look does to a spell: L, the run of removal-class looks, R, and the news for the joint rules."""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from schemas.events import Event, LookMade
from services.core.blocks import clear_block, record_block
from services.core.case import Removal, Run, Spell
from services.core.exposure import close_stretch, open_stretch, reopen_stretch
from services.core.freshness import has_fresh_canary
from services.core.machines import Clock, Presence, Procedure, Removed, Trigger
from services.core.reasons import BLOCKS, NETWORK_FAULTS, REASONS, SILENT
from services.core.runs import (
    dark_vantages,
    date_removal,
    is_confirmed,
    lengthen,
    record_dispute,
)
from services.core.spells import Pass


def take_missed_look(run: Pass, event: Event) -> None:
    """Count a look that could not be made; it moves nothing."""
    run.case.spell.missed += 1


def take_look(run: Pass, event: Event) -> None:
    """Take one look into the current spell."""
    look = event.data
    assert isinstance(look, LookMade)
    spell = run.case.spell
    spell.looks += 1
    if look.verdict == "undetermined" or (
        look.verdict == "removed" and not has_fresh_canary(look, run.methodology)
    ):
        spell.undetermined += 1
        if look.reason in BLOCKS:
            record_block(spell, look, run.methodology)
        if spell.dark is not None and _answered(run, look):
            spell.dark = None
    elif spell.procedure is not Procedure.CLOSED:
        run.expire_hold()
        if spell.block is not None:
            clear_block(spell, spell.block, look, run.methodology)
        _handler(look)(run, look)


def _handler(look: LookMade) -> Callable[[Pass, LookMade], None]:
    if look.verdict == "online":
        return _take_sighting
    return _take_dark_look if look.layer == "host" else _take_gone_look


def _answered(run: Pass, look: LookMade) -> bool:
    """Tell whether an undetermined look shows that the host is there: dark is what gives nothing else (P1).

    As in a verdict, what a blind vantage saw gone or met on its way counts for nothing; another answer stands.
    """
    if look.verdict == "removed" or look.reason in SILENT:
        return False
    if look.reason in NETWORK_FAULTS and not has_fresh_canary(look, run.methodology):
        return False
    return look.fingerprint is not None or look.reason in REASONS


def serving(look: LookMade) -> list[str]:
    """Name the providers that served the URL: those that host it, or where none does, those that pass it on."""
    if len(look.served) == 1:
        # Nearly every look; the rest of this would give the same.
        only = look.served[0]
        return [only.provider] if only.online and only.provider is not None else []
    online = [(s.role, s.provider) for s in look.served if s.online and s.provider is not None]
    hosting = sorted({provider for role, provider in online if role == "hosting"})
    return hosting or sorted({provider for _, provider in online})


def _answerable(run: Pass, look: LookMade) -> list[str]:
    """Name who serves the URL; a correction of history outweighs what looks before it was stated say."""
    providers = serving(look)
    if not providers or not run.case.corrections:
        return providers
    corrected = run.case.corrected(run.now)
    return providers if corrected is None else [corrected]


# -- online --------------------------------------------------------------------------------------


def _take_sighting(run: Pass, look: LookMade) -> None:
    run.attribute(_answerable(run, look), look.started_at)
    spell = run.case.spell
    if spell.presence is Presence.REMOVED and look.started_at <= spell.removals[-1].upper:
        # It began before the removal was first seen, so it is no evidence of a return.
        return
    if spell.run or spell.dark or spell.lost_from:
        record_dispute(spell, look.vantage)
    _see(run, spell, look.started_at)
    if spell.baseline is None and look.fingerprint is not None:
        # The age in a cache is not the content's.
        spell.baseline = msgspec.structs.replace(look.fingerprint, cache_age=None)
    _settle_clock(run, spell, look.started_at)


def _see(run: Pass, spell: Spell, at: datetime) -> None:
    returned = spell.presence is Presence.REMOVED
    spell.run = spell.dark = spell.reported_again_at = None
    run.move_presence(spell, Trigger.SEEN)
    if returned:
        spell.returned_at.append(at)
        reopen_stretch(spell)
    open_stretch(spell, at)
    spell.first_online_at = spell.first_online_at or at
    spell.known_online_at = at if spell.known_online_at is None else max(spell.known_online_at, at)


def _settle_clock(run: Pass, spell: Spell, at: datetime) -> None:
    """Tell the clock of a sighting, where anything may follow from it."""
    clock, started_at = spell.clock, spell.clock_started_at
    if spell.gone_before_notice and clock is Clock.STOPPED and started_at is not None:
        run.start_clock(max(started_at, at))
    if spell.deadline is None or clock is Clock.BREACHED:
        return
    if clock is Clock.RUNNING and at < spell.deadline:
        # Nearly every look: nothing is owed yet.
        return
    run.conclude(spell, run.news(seen_at=at), at)


# -- removal -------------------------------------------------------------------------------------


def _take_gone_look(run: Pass, look: LookMade) -> None:
    spell = run.case.spell
    if spell.presence is Presence.REMOVED:
        return
    run.move_presence(spell, Trigger.SUSPECT, look.reason)
    spell.dark = None
    rule, span = run.methodology.confirmation, run.methodology.confirmation_span
    spell.run = lengthen(spell.run, look, rule.vantages)
    if is_confirmed(spell.run, rule.looks, span, rule.vantages):
        _remove(run, spell, spell.run, span)


def _take_dark_look(run: Pass, look: LookMade) -> None:
    """Take a look that saw the whole host dark: not even a suspicion, until it has lasted for all vantages."""
    spell, method = run.case.spell, run.methodology
    if spell.presence is Presence.REMOVED:
        return
    vantages, span = dark_vantages(method), method.host_dark_span
    spell.dark = lengthen(spell.dark, look, vantages)
    if is_confirmed(spell.dark, method.confirmation.looks, span, vantages):
        run.move_presence(spell, Trigger.SUSPECT, look.reason)
        _remove(run, spell, spell.dark, span)


def _remove(run: Pass, spell: Spell, ended: Run, span: timedelta) -> None:
    """Confirm the removal that a run stands for."""
    run.move_presence(spell, Trigger.CONFIRM, ended.reason)
    removal = Removal(
        lower=spell.known_online_at,
        upper=date_removal(spell, ended, span),
        layer=ended.layer,
        reason=ended.reason,
    )
    spell.removals.append(removal)
    spell.run = spell.dark = None
    if spell.reported_again_at is not None and spell.reported_again_at <= removal.upper:
        spell.reported_again_at = None
    close_stretch(spell, removal)
    run.conclude(spell, run.news(removed=Removed(removal.lower, removal.upper)), run.now)
