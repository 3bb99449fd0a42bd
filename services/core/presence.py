"""What a look does to a spell: L, the run of removal-class looks, R, and the news for the joint rules."""

from datetime import datetime, timedelta

from schemas.events import Event, Fingerprint, LookMade
from services.core.attributions import completed
from services.core.baselines import take_baseline, take_reencoded
from services.core.blocks import clear_block, record_block
from services.core.case import Removal, Run, Spell
from services.core.exposure import close_stretch, open_stretch, reopen_stretch
from services.core.freshness import NEEDS_SIGHTING, counted_verdict, has_fresh_canary
from services.core.machines import Clock, Presence, Procedure, Trigger
from services.core.moves import (
    answerable,
    end_elsewhere,
    is_move,
    lengthen_elsewhere,
    passes_on,
    place_of,
    still_beside,
)
from services.core.reasons import BLOCKS, NETWORK_FAULTS, REASONS, SILENT
from services.core.runs import (
    dark_vantages,
    date_removal,
    further_looks,
    is_confirmed,
    is_contested,
    is_dark_confirmed,
    is_doubted,
    lengthen,
    pending_runs,
    record_alternation,
    record_dispute,
)
from services.core.spells import Pass

# An enumeration looks its members up anew each time, which costs more than all the rest of a comparison.
_REMOVED, _ONLINE, _SUSPECTED = Presence.REMOVED, Presence.ONLINE, Presence.SUSPECTED
_CLOSED, _BREACHED, _RUNNING = Procedure.CLOSED, Clock.BREACHED, Clock.RUNNING


def take_missed_look(run: Pass, event: Event) -> None:
    """Count a look that could not be made; it moves nothing."""
    run.case.spell.missed += 1


def take_look(run: Pass, event: Event) -> None:
    """Take one look into the current spell."""
    look = event.data
    assert isinstance(look, LookMade)
    if run.case.address_facts:
        look = completed(look, run.case)
    spell = run.case.spell
    spell.looks += 1
    # Nearly every sighting does not say how old its resolution is, and counts.
    plain = look.verdict == "online" and look.resolution_age_seconds is None
    if not plain and _counts_as_undetermined(run, look):
        spell.undetermined += 1
        if look.reason in BLOCKS:
            record_block(spell, look, run.methodology)
        take_reencoded(spell, look, run.methodology)
        if spell.run is not None and is_doubted(spell.run, look):
            spell.run.doubted = True
            record_dispute(spell, look.vantage)
        if spell.dark is not None and _answered(run, look):
            spell.dark = None
    elif spell.procedure is not _CLOSED:
        if run.case.hold is not None:
            run.expire_hold()
        if spell.block is not None:
            clear_block(spell, spell.block, look, run.methodology)
        if spell.beside:
            spell.beside = still_beside(spell, look)
        if look.verdict == "online":
            _take_sighting(run, spell, look)
        elif look.layer == "host":
            _take_dark_look(run, spell, look)
        elif spell.presence is not _REMOVED:
            _take_gone_look(run, spell, look)


def _counts_as_undetermined(run: Pass, look: LookMade) -> bool:
    seen = look.reason not in NEEDS_SIGHTING or run.case.known_online
    return counted_verdict(look, run.methodology, seen_before=seen) == "undetermined"


def _answered(run: Pass, look: LookMade) -> bool:
    """Tell whether an undetermined look shows that the host is there: dark is what gives nothing else (P1).

    As in a verdict, what a blind vantage saw gone or met on its way counts for nothing; another answer stands.
    """
    if look.verdict == "removed" or look.reason in SILENT:
        return False
    if look.reason in NETWORK_FAULTS and not has_fresh_canary(look, run.methodology):
        return False
    return look.fingerprint is not None or look.reason in REASONS


# -- online --------------------------------------------------------------------------------------


def _take_sighting(run: Pass, spell: Spell, look: LookMade) -> None:
    """Take a look that saw the URL online: at the charged provider, elsewhere, or nobody can tell where."""
    if spell.presence is _REMOVED and look.started_at <= spell.removals[-1].upper:
        # It began before the removal was first seen, so it is no evidence of a return.
        return
    if spell.run or spell.dark or spell.lost_from:
        record_dispute(spell, look.vantage)
    if _is_here(run, spell, look):
        _see_here(run, look)
    else:
        # It is served, so that no run of looks that saw it gone goes on.
        run.case.seen_elsewhere = True
        spell.run = spell.dark = None


def _is_here(run: Pass, spell: Spell, look: LookMade) -> bool:
    """Tell whether a sighting speaks of the current spell, after a move that it may be the last look of."""
    if _is_plainly_here(run, spell, look):
        return True
    providers, corrected = answerable(run.case, look, run.now)
    provider, charged = spell.provider, spell.observed or spell.clock_started_at is not None
    if corrected or not charged or provider is None or provider in providers:
        run.attribute(providers, look.started_at)
        _note_beside(run, providers)
        return True
    place = place_of(look, providers, provider, edge=spell.edge)
    if place == "here":
        return bool(providers) or spell.elsewhere is None
    if providers and spell.presence is _REMOVED:
        # Its removal was confirmed: that the old provider does not serve it is known.
        run.attribute(providers, look.started_at)
        return True
    return place == "elsewhere" and _is_moved(run, spell, look, min(providers))


def _note_beside(run: Pass, providers: list[str]) -> None:
    """Note who serves it as well while nobody's clock runs, and charge whom a notice went to before that was seen."""
    spell = run.case.spell
    if spell.clock_started_at is None and len(providers) > 1:
        spell.beside = sorted({*spell.beside, *providers} - {spell.provider})
        run.charge_whom_it_told()


def _is_plainly_here(run: Pass, spell: Spell, look: LookMade) -> bool:
    """Tell of nearly every look, at little cost, what the rest of `_is_here` would."""
    served = look.served
    if len(served) != 1 or not spell.observed or run.case.corrections:
        return False
    return served[0].provider == spell.provider and served[0].online


def _is_moved(run: Pass, spell: Spell, look: LookMade, provider: str) -> bool:
    """Take a look that saw it elsewhere; tell whether it moved, and this look is one of the next spell."""
    away = spell.elsewhere = lengthen_elsewhere(spell, look, provider, run.methodology)
    if not is_move(away, run.methodology):
        return False
    spell.run = spell.dark = spell.elsewhere = None
    run.move_to(away.provider, away.started_at, away.finished_at)
    opened = run.case.spell
    record_alternation(opened.swaps, look.finished_at, 1, run.methodology)
    if away.looks > 1:
        _see(run, opened, away.started_at, away.fingerprint)
        _settle_clock(run, opened, away.started_at)
    return _is_here(run, opened, look)


def _see_here(run: Pass, look: LookMade) -> None:
    spell = run.case.spell
    spell.edge = passes_on(look, spell.provider)
    if spell.elsewhere is not None:
        end_elsewhere(spell, look, run.methodology)
    if spell.run or spell.contested or spell.presence is _REMOVED:
        _record_refuted(run, spell, look)
    _see(run, spell, look.started_at, look.fingerprint)
    _settle_clock(run, spell, look.started_at)


def _record_refuted(run: Pass, spell: Spell, look: LookMade) -> None:
    """Keep that served and gone alternate, where one vantage sees both; what two see differently is a dispute.

    A run that another vantage ended first counts as soon as one of its own sees it online. A return counts as one look:
    it may be an act of its own, but the removal may have been a run of chance.
    """
    looks = int(spell.presence is _REMOVED)
    for refuted in (spell.run, spell.contested):
        if refuted is not None and look.vantage in refuted.vantages:
            looks += refuted.looks
    if spell.run is not None and look.vantage not in spell.run.vantages:
        spell.contested = spell.run
    elif looks:
        spell.contested = None
    if looks:
        record_alternation(spell.alternations, look.finished_at, looks, run.methodology)


def _see(run: Pass, spell: Spell, at: datetime, fingerprint: Fingerprint | None) -> None:
    spell.run = spell.dark = spell.reported_again_at = None
    if spell.presence is not _ONLINE:
        returned = spell.presence is _REMOVED
        run.move_presence(spell, Trigger.SEEN)
        if returned:
            spell.returned_at.append(at)
            reopen_stretch(spell)
    if spell.online_from is None:
        open_stretch(spell, at)
    spell.first_online_at = spell.first_online_at or at
    last = spell.known_online_at
    if last is None or at > last:
        spell.known_online_at = at
    take_baseline(spell, fingerprint)


def take_reported_sighting(run: Pass, at: datetime) -> None:
    """Take the instant at which a reporter says that it was online, where the methodology counts it.

    It is L where no look says otherwise: it ends no run and takes no removal back, and what is at or after the deadline
    breaches nobody. There a look decides, which a report of what is gone calls for.
    """
    if run.methodology.reported_sighting == "ignored" or at > run.now:
        return
    run.case.seen_elsewhere = True
    spell = run.case.spell
    ends = [one.first_finished_at for one in pending_runs(spell)]
    if spell.deadline is not None:
        ends.append(spell.deadline)
    out_of_reach = spell.procedure is _CLOSED or spell.presence is _REMOVED
    earlier_spell = spell.number > 1 and at < spell.opened_at
    if out_of_reach or earlier_spell or any(at >= end for end in ends):
        return
    reported = spell.reported_online_at
    spell.reported_online_at = at if reported is None else max(reported, at)


def _settle_clock(run: Pass, spell: Spell, at: datetime) -> None:
    """Tell the clock of a sighting, where anything may follow from it."""
    clock, owed = spell.clock, spell.deadline
    if owed is None or clock is _BREACHED or (clock is _RUNNING and at < owed):
        # Nearly every look: nothing is owed yet, or no more.
        return
    run.conclude(spell, run.news(seen_at=at), at)


# -- removal -------------------------------------------------------------------------------------


def _take_gone_look(run: Pass, spell: Spell, look: LookMade) -> None:
    if _is_contradicted(spell, look):
        return
    if spell.presence is not _SUSPECTED:
        run.move_presence(spell, Trigger.SUSPECT, look.reason)
    spell.dark = spell.elsewhere = None
    rule, span = run.methodology.confirmation, run.methodology.confirmation_span
    further = 0
    if spell.run is None or spell.run.doubted:
        further = further_looks(spell.alternations, look.finished_at, run.methodology)
    spell.run = lengthen(spell.run, look, rule.vantages, further)
    contested = is_contested(spell, spell.run)
    if is_confirmed(spell.run, rule.looks, span, rule.vantages, contested=contested):
        _remove(run, spell, spell.run, span)


def _is_contradicted(spell: Spell, look: LookMade) -> bool:
    """Tell whether an imputed removal is refuted: it was seen online after that removal's own beginning."""
    seen = spell.known_online_at
    return look.imputed and seen is not None and look.started_at < seen


def _take_dark_look(run: Pass, spell: Spell, look: LookMade) -> None:
    """Take a look that saw the whole host dark: not even a suspicion, until it has lasted for all vantages."""
    method = run.methodology
    if spell.presence is _REMOVED:
        return
    spell.dark = lengthen(spell.dark, look, dark_vantages(method))
    if is_dark_confirmed(spell.dark, method):
        run.move_presence(spell, Trigger.SUSPECT, look.reason)
        _remove(run, spell, spell.dark, method.host_dark_span)


def _remove(run: Pass, spell: Spell, ended: Run, span: timedelta) -> None:
    """Confirm the removal that a run stands for."""
    run.move_presence(spell, Trigger.CONFIRM, ended.reason)
    removal = Removal(
        lower=spell.last_seen_at,
        upper=date_removal(spell, ended, span, run.methodology.confirmation.agreement_spans),
        layer=ended.layer,
        reason=ended.reason,
    )
    spell.removals.append(removal)
    spell.run = spell.dark = spell.elsewhere = spell.contested = None
    if spell.reported_again_at is not None and spell.reported_again_at <= removal.upper:
        spell.reported_again_at = None
    close_stretch(spell, removal)
    run.conclude(spell, run.news(removed=removal), run.now)
