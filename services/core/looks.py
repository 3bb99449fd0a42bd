"""What a look does to a spell: L, the run of removal-class looks, R, and what they decide."""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from schemas import events as ev
from schemas.events import Event, LookMade
from schemas.methodology import Methodology
from services.core.case import Block, Removal, Run, Spell
from services.core.machines import Clock, Presence, Procedure, Trigger
from services.core.reasons import BLOCKS, NETWORK_FAULTS, REASONS, SILENT
from services.core.spells import Pass

_PATIENCE = 4  # confirmation spans within which the second vantage has to be heard


def missed(run: Pass, event: Event) -> None:
    """Count a look that could not be made; it moves nothing."""
    run.case.spell.missed += 1


def made(run: Pass, event: Event) -> None:
    """Take one look into the current spell."""
    look = event.data
    assert isinstance(look, ev.LookMade)
    spell = run.case.spell
    spell.looks += 1
    if look.verdict == "undetermined" or (look.verdict == "removed" and not _sighted(run, look)):
        spell.undetermined += 1
        if look.reason in BLOCKS:
            _kept_out(run, look)
        if spell.dark is not None and _answered(run, look):
            spell.dark = None
    elif spell.procedure is not Procedure.CLOSED:
        run.expire_hold()
        _let_in(run, look)
        _handler(look)(run, look)


def _handler(look: LookMade) -> Callable[[Pass, LookMade], None]:
    if look.verdict == "online":
        return _online
    return _dark if look.layer == "host" else _gone


def _sighted(run: Pass, look: LookMade) -> bool:
    """Tell whether the vantage had seen its canary lately; a blind one can't see that a URL is gone."""
    limit = run.methodology.canary_max_age
    return limit is None or (
        look.canary_at is not None and look.finished_at - look.canary_at <= limit
    )


def _answered(run: Pass, look: LookMade) -> bool:
    """Tell whether an undetermined look shows that the host is there: dark is what gives nothing else (P1).

    As in a verdict, what a blind vantage found gone or met on its way counts for nothing; another answer stands.
    """
    if look.verdict == "removed" or look.reason in SILENT:
        return False
    if look.reason in NETWORK_FAULTS and not _sighted(run, look):
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
    found = serving(look)
    if not found or not run.case.corrections:
        return found
    corrected = run.case.corrected(run.now)
    return found if corrected is None else [corrected]


# -- blocks: they move nothing; all that follows from them is that another vantage is asked --------


def _kept_out(run: Pass, look: LookMade) -> None:
    """Count a block in a row, unless it met a vantage that was only asked because another finds it gone.

    One that does not last gives way to another vantage's: a late look of whoever was asked is not the watch.
    """
    spell = run.case.spell
    block = spell.block
    if block is not None and block.vantage == look.vantage:
        block.looks += 1
        return
    lasts = block is not None and shut_out(block, run.methodology)
    if not lasts and not _gone_elsewhere(spell, look):
        spell.block = Block(vantage=look.vantage, looks=1)


def _let_in(run: Pass, look: LookMade) -> None:
    """End the row of the vantage that got through; another's only while nobody was asked for its sake."""
    block = run.case.spell.block
    if block is not None and (
        block.vantage == look.vantage or not shut_out(block, run.methodology)
    ):
        run.case.spell.block = None


def shut_out(block: Block, methodology: Methodology) -> bool:
    """Tell whether a block lasts, so that what it hides has to be asked elsewhere, if vantages may disagree at all."""
    asked = methodology.confirmation
    return asked.vantages > 1 and block.looks >= asked.blocked_looks


# -- online --------------------------------------------------------------------------------------


def _online(run: Pass, look: LookMade) -> None:
    run.attribute(_answerable(run, look), look.started_at, look.finished_at)
    spell = run.case.spell
    if spell.presence is Presence.REMOVED and look.started_at <= spell.removals[-1].upper:
        # It began before the removal was first seen, so it is no evidence of a return.
        return
    _dispute(spell, look.vantage)
    _see(run, spell, look.started_at)
    if spell.baseline is None and look.fingerprint is not None:
        # The age in a cache is not the content's.
        spell.baseline = msgspec.structs.replace(look.fingerprint, cache_age=None)
    _owe_after_sighting(run, spell, look.started_at)


def _dispute(spell: Spell, vantage: str) -> None:
    """Note who finds gone what is online from here: blocked there, not removed, until it is seen there as well."""
    found = _runs(spell)
    if not found and not spell.lost_from:
        return
    lost = {*spell.lost_from, *(name for one in found for name in one.vantages)}
    spell.lost_from = sorted(lost - {vantage})
    spell.disputed = bool(spell.lost_from)


def _gone_elsewhere(spell: Spell, look: LookMade) -> bool:
    """Tell whether other vantages found it gone, and this one did not."""
    return any(look.vantage not in found.vantages for found in _runs(spell))


def _runs(spell: Spell) -> list[Run]:
    return [found for found in (spell.run, spell.dark) if found is not None]


def _see(run: Pass, spell: Spell, at: datetime) -> None:
    returned = spell.presence is Presence.REMOVED
    spell.run = spell.dark = spell.reported_again_at = None
    run.move_presence(spell, Trigger.SEEN)
    if returned:
        spell.returned_at.append(at)
        spell.maybe_online_from = spell.removals[-1].upper
        spell.online_from = None
    spell.online_from = spell.online_from or at
    spell.first_online_at = spell.first_online_at or at
    spell.known_online_at = at if spell.known_online_at is None else max(spell.known_online_at, at)


def _owe_after_sighting(run: Pass, spell: Spell, at: datetime) -> None:
    if (
        spell.gone_before_notice
        and spell.clock is Clock.STOPPED
        and spell.clock_started_at is not None
    ):
        run.start_clock(max(spell.clock_started_at, at))
    if spell.deadline is None:
        return
    if spell.clock is Clock.WITHIN and at < spell.deadline and _reopens(run):
        run.move_clock(spell, Trigger.REOPEN)
        run.pause_for_hold(at)
    elif spell.clock in (Clock.RUNNING, Clock.UNDECIDED) and at >= spell.deadline:
        spell.breached_at = at
        run.move_clock(spell, Trigger.SEEN_LATE)


def _reopens(run: Pass) -> bool:
    return run.methodology.return_before_deadline == "reopens"


# -- removal -------------------------------------------------------------------------------------


def _gone(run: Pass, look: LookMade) -> None:
    spell = run.case.spell
    if spell.presence is Presence.REMOVED or _contradicted(spell, look):
        return
    run.move_presence(spell, Trigger.SUSPECT, look.reason)
    spell.dark = None
    asked = run.methodology.confirmation
    spell.run = _lengthened(spell.run, look, asked.vantages)
    if _spans(spell.run, asked.looks, run.methodology.confirmation_span, asked.vantages):
        _remove(run, spell, spell.run, run.methodology.confirmation_span)


def _contradicted(spell: Spell, look: LookMade) -> bool:
    """Tell whether an imputed removal is refuted: it was seen online after that removal's own beginning."""
    seen = spell.known_online_at
    return look.imputed and seen is not None and look.started_at < seen


def _dark(run: Pass, look: LookMade) -> None:
    """Take a look that found the whole host dark: not even a suspicion, until it has lasted for all vantages."""
    spell, method = run.case.spell, run.methodology
    if spell.presence is Presence.REMOVED:
        return
    spell.dark = _lengthened(spell.dark, look, dark_vantages(method))
    if _spans(spell.dark, method.confirmation.looks, method.host_dark_span, dark_vantages(method)):
        run.move_presence(spell, Trigger.SUSPECT, look.reason)
        _remove(run, spell, spell.dark, method.host_dark_span)


def dark_vantages(methodology: Methodology) -> int:
    """Say how many vantages have to find a host dark: never fewer than for any removal."""
    asked = methodology.confirmation
    return max(asked.vantages, asked.host_dark_vantages)


def _lengthened(found: Run | None, look: LookMade, vantages: int) -> Run:
    if found is None:
        found = Run(
            first_finished_at=look.finished_at,
            last_finished_at=look.finished_at,
            looks=0,
            vantages=[],
            layer=look.layer,
            reason=look.reason,
        )
    found.looks += 1
    found.last_finished_at = look.finished_at
    if look.vantage not in found.vantages:
        found.vantages.append(look.vantage)
        if len(found.vantages) == vantages:
            found.agreed_at = look.finished_at
    return found


def _spans(found: Run, looks: int, span: timedelta, vantages: int) -> bool:
    return (
        found.looks >= looks
        and found.last_finished_at - found.first_finished_at >= span
        and len(found.vantages) >= vantages
    )


def _remove(run: Pass, spell: Spell, found: Run, span: timedelta) -> None:
    run.move_presence(spell, Trigger.CONFIRM, found.reason)
    removal = Removal(
        lower=spell.known_online_at,
        upper=_gone_at(spell, found, span),
        layer=found.layer,
        reason=found.reason,
    )
    spell.removals.append(removal)
    spell.run = spell.dark = None
    if spell.reported_again_at is not None and spell.reported_again_at <= removal.upper:
        spell.reported_again_at = None
    _close_exposure(spell, removal)
    _owe_after_removal(run, spell, removal)


def _gone_at(spell: Spell, found: Run, span: timedelta) -> datetime:
    """Give R: the first look of the run, if the vantages agree without delay.

    What was online from one vantage while gone from another, or may have been for longer than a confirmation takes,
    went when the last of them lost it.
    """
    first, agreed = found.first_finished_at, found.agreed_at
    if agreed is None or not (_lost_before(spell, found) or agreed - first > _PATIENCE * span):
        return first
    return agreed


def _lost_before(spell: Spell, found: Run) -> bool:
    """Tell whether the run began where it was gone already while it was online elsewhere."""
    # A case that was stored before vantages were named does not say who.
    return spell.disputed and (not spell.lost_from or found.vantages[0] in spell.lost_from)


def _close_exposure(spell: Spell, removal: Removal) -> None:
    if spell.online_from is not None and removal.lower is not None:
        spell.exposure_lower_seconds += (removal.lower - spell.online_from).total_seconds()
        assert spell.maybe_online_from is not None
        spell.exposure_upper_seconds += (removal.upper - spell.maybe_online_from).total_seconds()
    spell.online_from = spell.maybe_online_from = None


def _owe_after_removal(run: Pass, spell: Spell, removal: Removal) -> None:
    if spell.clock not in (Clock.RUNNING, Clock.ON_HOLD):
        return
    assert spell.clock_started_at is not None
    assert spell.deadline is not None
    if removal.lower is None or removal.upper <= spell.clock_started_at:
        spell.gone_before_notice = True
        run.move_clock(spell, Trigger.LEAVE, "gone_before_notice")
    elif spell.clock is Clock.ON_HOLD or removal.upper <= spell.deadline:
        run.move_clock(spell, Trigger.IN_TIME)
    else:
        run.move_clock(spell, Trigger.STRADDLE)
