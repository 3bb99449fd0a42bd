"""What the probers are told about a case: its watch entry, or that the watch has ended."""

from datetime import datetime

from schemas.events import Fingerprint, WatchEntry
from schemas.methodology import Methodology
from services.core.blocks import is_lasting
from services.core.cadence import last_look
from services.core.case import Case, Spell
from services.core.machines import Presence, Procedure
from services.core.runs import dark_vantages, is_contested

_CLOSED, _REMOVED = Procedure.CLOSED, Presence.REMOVED


def entry_of(case: Case, methodology: Methodology) -> WatchEntry | None:
    """Derive the watch entry of a case; None where there is nothing (any more) to look at."""
    spell = case.spell
    if case.sealed_url is None or case.retracted or case.erased:
        return None
    if case.historic or case.not_measurable is not None:
        return None
    if spell.procedure is _CLOSED:
        return None
    return WatchEntry(
        sealed_url=case.sealed_url,
        category=case.category,
        methodology=methodology.id,
        watch_from=spell.clock_started_at or case.reported_at or spell.opened_at,
        clock_started_at=spell.clock_started_at,
        deadline=spell.deadline,
        suspected_at=_suspected_at(spell),
        removed_at=_removed_at(spell),
        returned_at=spell.returned_at[-1] if spell.returned_at else None,
        second_vantage=_second_vantage(case, methodology),
        known_online=case.known_online,
        baseline=_needed(spell.baseline),
        host_dark=spell.dark is not None,
        further_looks=_further_looks(spell),
    )


def _suspected_at(spell: Spell) -> datetime | None:
    """Give the first look of what is to be confirmed: that it is gone, or that it has moved."""
    if spell.run is not None:
        return spell.run.first_finished_at
    return None if spell.elsewhere is None else spell.elsewhere.finished_at


def _further_looks(spell: Spell) -> int:
    pending = spell.run or spell.elsewhere
    return 0 if pending is None else pending.further


def _removed_at(spell: Spell) -> datetime | None:
    """Give the instant from which the looks of a removed case count: the removal, or the last report after it."""
    if spell.presence is not _REMOVED:
        return None
    upper = spell.removals[-1].upper
    return upper if spell.reported_again_at is None else max(upper, spell.reported_again_at)


def ended_at(case: Case, methodology: Methodology) -> datetime | None:
    """Give the instant from which nothing more is to be looked at, and the URL is needed no longer.

    None while the watch goes on, and where there is no URL, or no more, to erase. It is never before the case's last
    event; a hold that is in force lasts until it expires.
    """
    if case.erased or case.sealed_url is None:
        return None
    assert case.last_time is not None
    ends = [case.last_time, *(correction.stated_at for correction in case.corrections)]
    if case.hold is not None:
        ends.append(case.hold.expires_at)
    entry = entry_of(case, methodology)
    if entry is not None:
        last = last_look(entry, case.case_id, methodology)
        if last is None:
            return None
        ends.append(last)
    return max(ends)


def _needed(baseline: Fingerprint | None) -> Fingerprint | None:
    """Leave out of a baseline what no verdict rests on: a million entries are read at a prober's start."""
    if baseline is None:
        return None
    return Fingerprint(
        content_type=baseline.content_type,
        content_length=baseline.content_length,
        method=baseline.method,
        sibling=baseline.sibling,
    )


def _second_vantage(case: Case, methodology: Methodology) -> bool:
    """Ask the other vantages only at the deciding look, so that cost stays in the order of transitions, or in a block.

    A block may last for as long as the case, and meanwhile nobody else can tell what is there.
    """
    run, dark, rule = case.spell.run, case.spell.dark, methodology.confirmation
    if case.spell.block is not None and is_lasting(case.spell.block, methodology):
        return True
    if run is not None and run.looks + 1 >= rule.looks:
        wanting = rule.vantages > len(run.vantages)
        # Where it was contested, each of them has to find it gone for as long as a removal takes.
        if wanting or (rule.vantages > 1 and is_contested(case.spell, run)):
            return True
    return (
        dark is not None
        and dark_vantages(methodology) > 1
        and dark.looks + 1 >= rule.looks
        and dark.last_finished_at - dark.first_finished_at >= methodology.host_dark_span
    )
