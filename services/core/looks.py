"""What a look does to a spell: L, the run of removal-class looks, R, and what they decide."""

from datetime import datetime

from schemas import events as ev
from schemas.events import Event, LookMade
from services.core.case import Removal, Run, Spell
from services.core.machines import Clock, Presence, Procedure, Trigger
from services.core.spells import Pass


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
    elif spell.procedure is not Procedure.CLOSED:
        run.expire_hold()
        (_online if look.verdict == "online" else _gone)(run, look)


def _sighted(run: Pass, look: LookMade) -> bool:
    """Tell whether the vantage had seen its canary lately; a blind one can't see that a URL is gone."""
    limit = run.methodology.canary_max_age
    return limit is None or (
        look.canary_at is not None and look.finished_at - look.canary_at <= limit
    )


def serving(look: LookMade) -> list[str]:
    """Name the providers that served the URL: those that host it, or where none does, those that pass it on."""
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


# -- online --------------------------------------------------------------------------------------


def _online(run: Pass, look: LookMade) -> None:
    run.attribute(_answerable(run, look), look.started_at, look.finished_at)
    spell = run.case.spell
    if spell.presence is Presence.REMOVED and look.started_at <= spell.removals[-1].upper:
        # It began before the removal was first seen, so it is no evidence of a return.
        return
    _see(run, spell, look.started_at)
    _owe_after_sighting(run, spell, look.started_at)


def _see(run: Pass, spell: Spell, at: datetime) -> None:
    returned = spell.presence is Presence.REMOVED
    spell.run = None
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
    elif spell.clock in (Clock.RUNNING, Clock.UNDECIDED) and at >= spell.deadline:
        spell.breached_at = at
        run.move_clock(spell, Trigger.SEEN_LATE)


def _reopens(run: Pass) -> bool:
    return run.methodology.return_before_deadline == "reopens"


# -- removal -------------------------------------------------------------------------------------


def _gone(run: Pass, look: LookMade) -> None:
    spell = run.case.spell
    if spell.presence is Presence.REMOVED:
        return
    run.move_presence(spell, Trigger.SUSPECT, look.reason)
    _lengthen(spell, look)
    if _confirmed(run, spell):
        _remove(run, spell)


def _lengthen(spell: Spell, look: LookMade) -> None:
    if spell.run is None:
        spell.run = Run(
            first_finished_at=look.finished_at,
            last_finished_at=look.finished_at,
            looks=0,
            vantages=[],
            layer=look.layer,
            reason=look.reason,
        )
    spell.run.looks += 1
    spell.run.last_finished_at = look.finished_at
    if look.vantage not in spell.run.vantages:
        spell.run.vantages.append(look.vantage)


def _confirmed(run: Pass, spell: Spell) -> bool:
    asked, found = run.methodology.confirmation, spell.run
    assert found is not None
    return (
        found.looks >= asked.looks
        and found.last_finished_at - found.first_finished_at >= run.methodology.confirmation_span
        and len(found.vantages) >= asked.vantages
    )


def _remove(run: Pass, spell: Spell) -> None:
    found = spell.run
    assert found is not None
    run.move_presence(spell, Trigger.CONFIRM, found.reason)
    removal = Removal(
        lower=spell.known_online_at,
        upper=found.first_finished_at,
        layer=found.layer,
        reason=found.reason,
    )
    spell.removals.append(removal)
    spell.run = None
    _close_exposure(spell, removal)
    _owe_after_removal(run, spell, removal)


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
