"""Runs of removal-class looks: how one grows, when it confirms a removal, and which look dates the removal (law 3).

Behind one address there may be several nodes, of which a look meets one by chance. Where a share s of them still
serves, k looks in a row see it gone with a chance of (1 - s)^k, sooner or later also the last k that are asked for. A
sighting that refutes a run shows that this is so: from then on each look that it refuted makes the wanted run longer.
A run of n looks is met with a chance of (1 - s)^(n - 1) s, so that with m more looks for each, the next run is wrong
at most 1/(m + 1) times as often as the one before, whatever s is, and all that follow together at most 1/m times.
"""

from datetime import datetime, timedelta

from schemas.events import LookMade
from schemas.methodology import Methodology
from services.core.case import Alternation, Run, Spell
from services.core.fingerprints import reason_of_status

_PLAIN = frozenset({"not_found", "gone"})
DARK_SHARE = 8
"""A look says that a host is dark once it was for so great a part of `host_dark_span`: six hours of 48."""


def pending_runs(spell: Spell) -> list[Run]:
    """Give the runs that have not confirmed a removal yet."""
    return [run for run in (spell.run, spell.dark) if run is not None]


def lengthen(run: Run | None, look: LookMade, vantages: int, further: int = 0) -> Run:
    """Add a look to a run, or begin one that wants `further` looks; `vantages` have to agree."""
    if run is None or run.doubted:
        run = Run(
            first_finished_at=look.finished_at,
            last_finished_at=look.finished_at,
            looks=0,
            vantages=[],
            layer=look.layer,
            reason=look.reason,
            further=further,
        )
    run.looks += 1
    run.last_finished_at = look.finished_at
    if run.vantages and look.vantage != run.vantages[0]:
        run.seconded_at = look.finished_at
    if look.vantage not in run.vantages:
        run.vantages.append(look.vantage)
        if len(run.vantages) == vantages:
            run.agreed_at = look.finished_at
    return run


def is_confirmed(
    run: Run, looks: int, span: timedelta, vantages: int, *, contested: bool = False
) -> bool:
    """Tell whether a run has enough looks, over a long enough span, from enough vantages.

    Where it was contested, the other vantages have to find it gone for as long, from their agreement on.
    """
    return (
        run.looks >= looks + run.further
        and run.last_finished_at - run.first_finished_at >= span
        and len(run.vantages) >= vantages
        and (not contested or vantages == 1 or _is_seconded(run, span))
    )


def _is_seconded(run: Run, span: timedelta) -> bool:
    """Tell whether another vantage than the first has found it gone for so long."""
    agreed, seconded = run.agreed_at, run.seconded_at
    return agreed is not None and seconded is not None and seconded - agreed >= span


def is_dark_confirmed(run: Run, methodology: Methodology) -> bool:
    """Tell whether a host was dark for long enough: for the first vantage, and for another as long as a look asks for.

    One look of the other one may meet an outage of minutes, which is all that was missing.
    """
    vantages, span = dark_vantages(methodology), methodology.host_dark_span
    confirmed = is_confirmed(run, methodology.confirmation.looks, span, vantages)
    return confirmed and (vantages == 1 or _is_seconded(run, span / DARK_SHARE))


def is_contested(spell: Spell, run: Run) -> bool:
    """Tell whether it was seen online from one vantage while gone from another, or in turn, or may have been unseen.

    What is served while the vantage that found it gone is kept out refutes no run, unless another one looks meanwhile.
    """
    return run.further > 0 or run.shut_out or is_disputed(spell, run)


def is_doubted(run: Run, look: LookMade) -> bool:
    """Tell whether an undetermined look was served something, and no wall, where a run plainly found nothing."""
    print_ = look.fingerprint
    served = print_ is not None and reason_of_status(print_.status) == "served"
    return served and run.reason in _PLAIN and look.reason != "suspected_wall"


def dark_vantages(methodology: Methodology) -> int:
    """Say how many vantages have to find a host dark: never fewer than for any removal."""
    rule = methodology.confirmation
    return max(rule.vantages, rule.host_dark_vantages)


def date_removal(spell: Spell, run: Run, span: timedelta, spans: int) -> datetime:
    """Give R: the first look of the run, if the vantages agree within so many spans.

    What was online from one vantage while gone from another, or may have been for longer than that, went when the last
    of them lost it.
    """
    first, agreed = run.first_finished_at, run.agreed_at
    if agreed is None or not (is_disputed(spell, run) or agreed - first > spans * span):
        return first
    return agreed


def is_disputed(spell: Spell, run: Run) -> bool:
    """Tell whether the run began where it was gone already while it was online elsewhere."""
    # A case that was stored before vantages were named does not say who.
    return spell.disputed and (not spell.lost_from or run.vantages[0] in spell.lost_from)


def record_dispute(spell: Spell, vantage: str) -> None:
    """Note who finds gone what is online from here: blocked there, not removed, until it is seen there as well."""
    lost = {*spell.lost_from, *(name for run in pending_runs(spell) for name in run.vantages)}
    spell.lost_from = sorted(lost - {vantage})
    spell.disputed = bool(spell.lost_from)


# -- alternation ---------------------------------------------------------------------------------


def record_alternation(
    history: list[Alternation], at: datetime, looks: int, methodology: Methodology
) -> None:
    """Keep that a sighting refuted a run of looks, and forget what no longer makes a run longer."""
    rule = methodology.confirmation
    if not rule.alternation_looks:
        return
    since = at - methodology.alternation_window
    lately = [one for one in (*history, Alternation(at, looks)) if one.at >= since]
    # Each had a look or more, so that no more of them than this can count.
    most = rule.alternation_most // rule.alternation_looks + 1
    history[:] = lately[-most:]


def further_looks(history: list[Alternation], at: datetime, methodology: Methodology) -> int:
    """Say how many more looks than usual a run wants that begins at an instant."""
    if not history:
        return 0
    rule, since = methodology.confirmation, at - methodology.alternation_window
    refuted = sum(one.looks for one in history if one.at >= since)
    return min(refuted * rule.alternation_looks, rule.alternation_most)
