"""Runs of removal-class looks: how one grows, when it confirms a removal, and which look dates the removal (law 3)."""

from datetime import datetime, timedelta

from schemas.events import LookMade
from schemas.methodology import Methodology
from services.core.case import Run, Spell

_PATIENCE = 4  # confirmation spans within which the second vantage has to be heard


def pending_runs(spell: Spell) -> list[Run]:
    """Give the runs that have not confirmed a removal yet."""
    return [run for run in (spell.run, spell.dark) if run is not None]


def lengthen(run: Run | None, look: LookMade, vantages: int) -> Run:
    """Add a look to a run, or begin one; `vantages` have to agree."""
    if run is None:
        run = Run(
            first_finished_at=look.finished_at,
            last_finished_at=look.finished_at,
            looks=0,
            vantages=[],
            layer=look.layer,
            reason=look.reason,
        )
    run.looks += 1
    run.last_finished_at = look.finished_at
    if look.vantage not in run.vantages:
        run.vantages.append(look.vantage)
        if len(run.vantages) == vantages:
            run.agreed_at = look.finished_at
    return run


def is_confirmed(run: Run, looks: int, span: timedelta, vantages: int) -> bool:
    """Tell whether a run has enough looks, over a long enough span, from enough vantages."""
    return (
        run.looks >= looks
        and run.last_finished_at - run.first_finished_at >= span
        and len(run.vantages) >= vantages
    )


def dark_vantages(methodology: Methodology) -> int:
    """Say how many vantages have to find a host dark: never fewer than for any removal."""
    rule = methodology.confirmation
    return max(rule.vantages, rule.host_dark_vantages)


def date_removal(spell: Spell, run: Run, span: timedelta) -> datetime:
    """Give R: the first look of the run, if the vantages agree without delay.

    What was online from one vantage while gone from another, or may have been for longer than a confirmation takes,
    went when the last of them lost it.
    """
    first, agreed = run.first_finished_at, run.agreed_at
    if agreed is None or not (_is_disputed(spell, run) or agreed - first > _PATIENCE * span):
        return first
    return agreed


def _is_disputed(spell: Spell, run: Run) -> bool:
    """Tell whether the run began where it was gone already while it was online elsewhere."""
    # A case that was stored before vantages were named does not say who.
    return spell.disputed and (not spell.lost_from or run.vantages[0] in spell.lost_from)


def record_dispute(spell: Spell, vantage: str) -> None:
    """Note who finds gone what is online from here: blocked there, not removed, until it is seen there as well."""
    lost = {*spell.lost_from, *(name for run in pending_runs(spell) for name in run.vantages)}
    spell.lost_from = sorted(lost - {vantage})
    spell.disputed = bool(spell.lost_from)
