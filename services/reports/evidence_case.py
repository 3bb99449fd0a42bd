"""The evidence about one case at one provider, as rows: a pure function of events, methodology and cut-off."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec import Struct, structs

from schemas import events as ev
from schemas.events import Event
from schemas.ids import instant
from schemas.methodology import Methodology
from services.core.answering import reseller_of, role_of
from services.core.attributions import completed
from services.core.case import Case, Notice, Spell, Transition
from services.core.digest import case_digest
from services.core.fold import fold, in_effect, order
from services.core.moves import serving
from services.core.no_clock import why_no_clock
from services.core.spells import LEAVING
from services.core.stock import notice_state
from services.reports.channels import Channels
from services.reports.evidence_attribution import Attributions
from services.reports.evidence_fates import escalation_rows, fate_rows
from services.reports.evidence_looks import look_rows
from services.reports.evidence_reasons import explain
from services.reports.evidence_rows import (
    AttributionRow,
    CorrectionRow,
    EscalationRow,
    FateRow,
    HoldRow,
    LookRow,
    NoticeRow,
    Row,
    SpellRow,
    TransitionRow,
)
from services.reports.table import exposure_hours

Clean = Callable[[str], str]
"""Takes what names a place on the network out of a free text."""

T = TypeVar("T")


class Scope(Struct, frozen=True, kw_only=True):
    """What a pack is about: a provider, a definition, a cut-off, and when the spells' clocks started.

    `since` and `until` bound the start of the clock, or the opening where no clock started: [since, until).
    """

    provider: str
    methodology: Methodology
    cutoff: datetime
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, spell: Spell) -> bool:
        """Tell whether a spell is in the pack."""
        return spell.provider == self.provider and self.spans(
            spell.clock_started_at or spell.opened_at
        )

    def spans(self, at: datetime | None) -> bool:
        """Tell whether an instant lies in the pack's period."""
        if at is None:
            return self.since is None and self.until is None
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


class Dossier(Struct, kw_only=True):
    """All rows of one case, the digest of its fold (its sealed URL left out), and the counts of its notices."""

    case_id: str
    digest: str
    retracted: bool
    spells: list[SpellRow]
    notices: list[NoticeRow]
    fates: list[FateRow]
    escalations: list[EscalationRow]
    looks: list[LookRow]
    transitions: list[TransitionRow]
    attribution: list[AttributionRow]
    corrections: list[CorrectionRow]
    holds: list[HoldRow]
    channels: Channels

    def table(self, name: str) -> Sequence[Row]:
        """Give the rows of one table by its name."""
        rows: Sequence[Row] = getattr(self, name)
        return rows


def dossier(events: Iterable[Event], scope: Scope, clean: Clean) -> Dossier | None:
    """Fold one case and give the rows that concern the provider; None where none does."""
    unique = {event.id: event for event in events if event.time <= scope.cutoff}
    ordered = sorted(unique.values(), key=order)
    if not ordered:
        return None
    case, moved = fold(ordered, scope.methodology)
    in_scope = {spell.number for spell in case.spells if scope.takes(spell)}
    notices = _notices_of(case, in_scope, scope)
    if not in_scope and not notices:
        return None
    channels = Channels()
    for notice in notices:
        channels.add_notice(structs.replace(notice, channel=clean(notice.channel)))
    placed = _placed(ordered, case, moved)
    named = Attributions(scope.provider, clean)
    for event, numbers in placed:
        if own := [number for number in numbers if number in in_scope]:
            named.add(event, own[0], leaving=own[0] != numbers[-1])
    spells = [_spell(case, s, scope, named) for s in case.spells if s.number in in_scope]
    return Dossier(
        case_id=case.case_id,
        digest=case_digest(case, moved),
        retracted=case.retracted,
        spells=spells,
        notices=_notices(case, notices, clean),
        fates=fate_rows(ordered, case, {one.notice_id for one in notices}, clean),
        escalations=list(escalation_rows(ordered, case, in_scope, clean)),
        looks=look_rows(placed, case, in_scope, scope.methodology, clean),
        transitions=_transitions(case, moved, in_scope, clean),
        attribution=named.rows(),
        corrections=[_correction(e, clean) for e in ordered if isinstance(e.data, _CORRECTIONS)],
        holds=_holds(ordered, scope.cutoff, clean),
        channels=channels,
    )


def _placed(
    ordered: list[Event], case: Case, moved: list[Transition]
) -> list[tuple[Event, list[int]]]:
    """Say to which spells each event belongs; the looks that showed a move belong to the old and to the new one."""
    closing = {t.cause for t in moved if t.machine == "procedure" and t.detail in LEAVING}
    number, placed = 1, []
    for _, event in in_effect(ordered):
        numbers = [number]
        if event.id in closing:
            number += 1
            numbers.append(number)
        elif number < len(case.spells) and _shows_move(event, case, case.spells[number]):
            numbers.append(number + 1)
        placed.append((event, numbers))
    return placed


def _shows_move(event: Event, case: Case, following: Spell) -> bool:
    """Tell whether a look before a move was confirmed saw the case at the next provider already."""
    look = event.data
    return (
        isinstance(look, ev.LookMade)
        and look.verdict == "online"
        and look.started_at >= following.opened_at
        and following.provider in serving(completed(look, case))
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant(at)


def _cleaned(text: str | None, clean: Clean) -> str | None:
    return None if text is None else clean(text)


# -- spells --------------------------------------------------------------------------------------


def _spell(case: Case, spell: Spell, scope: Scope, named: Attributions) -> SpellRow:
    reason = explain(case, spell, scope.methodology, scope.cutoff)
    first = spell.removals[0] if spell.removals else None
    lower, upper = exposure_hours(spell, scope.cutoff)
    source = named.source_of(spell.number)
    untold = (
        why_no_clock(case, spell, scope.methodology) if reason.standing == "not_started" else None
    )
    return SpellRow(
        case_id=case.case_id,
        spell=spell.number,
        category=case.category,
        standing=reason.standing,
        reason=reason.word,
        explanation=reason.sentence,
        opened_at=instant(spell.opened_at),
        closed_at=_text(spell.closed_at),
        closed_reason=spell.closed_reason,
        clock_started_at=_text(spell.clock_started_at),
        deadline=_text(spell.deadline),
        procedure=spell.procedure.value,
        presence=spell.presence.value,
        clock=spell.clock.value,
        first_online_at=_text(spell.first_online_at),
        known_online_at=_text(spell.known_online_at),
        reported_online_at=_text(spell.reported_online_at),
        breached_at=_text(spell.breached_at),
        removed_after=_text(first.lower) if first else None,
        removed_by=_text(first.upper) if first else None,
        removed_layer=first.layer if first else None,
        removed_reason=named.clean(first.reason) if first else None,
        removals=len(spell.removals),
        returns=len(spell.returned_at),
        held=spell.held,
        looks=spell.looks,
        undetermined=spell.undetermined,
        missed=spell.missed,
        exposure_lower_hours=round(lower, 6),
        exposure_upper_hours=round(upper, 6),
        attribution_source=source.source if source else None,
        attribution_method=source.method if source else None,
        attributed_at=source.first_at if source else None,
        role=role_of(case, spell),
        reseller=_cleaned(reseller_of(case, spell), named.clean),
        no_clock_reason=untold.reason if untold else None,
        no_clock_fault=untold.fault if untold else None,
    )


# -- notices -------------------------------------------------------------------------------------


def _notices_of(case: Case, in_scope: set[int], scope: Scope) -> list[Notice]:
    """Give the notices to the provider that counted for its spells, or were sent in the pack's period."""
    return [
        notice
        for notice in case.notices.values()
        if notice.provider == scope.provider
        and (notice.spell in in_scope or scope.spans(notice.sent_at))
    ]


def _notices(case: Case, notices: Iterable[Notice], clean: Clean) -> list[NoticeRow]:
    rows = []
    for notice in notices:
        row = NoticeRow(
            case_id=case.case_id,
            spell=notice.spell,
            notice_id=clean(notice.notice_id),
            channel=clean(notice.channel),
            state=notice_state(notice),
            sent_at=_text(notice.sent_at),
            delivered_at=_text(notice.delivered_at),
            failed_at=_text(notice.failed_at),
            failure=notice.failure,
            acknowledged_at=_text(notice.acknowledged_at),
            fault=notice.fault,
            delayed_at=_text(notice.delayed_at),
            arrived_by=notice.arrived_by,
        )
        rows.append(row)
    return sorted(rows, key=lambda row: (row.sent_at or "", row.notice_id))


# -- transitions, corrections, holds -------------------------------------------------------------


def _transitions(
    case: Case, moved: list[Transition], in_scope: set[int], clean: Clean
) -> list[TransitionRow]:
    return [
        TransitionRow(
            case_id=case.case_id,
            seq=seq,
            spell=t.spell,
            machine=t.machine,
            before=t.before,
            after=t.after,
            at=instant(t.at),
            cause=str(t.cause),
            detail=_cleaned(t.detail, clean),
        )
        for seq, t in enumerate(moved)
        if t.spell in in_scope
    ]


_CORRECTIONS = (ev.ReportRetracted, ev.ReporterRetracted, ev.CaseAttributed, ev.CaseErased)
_KINDS = {
    ev.ReportRetracted: "retracted",
    ev.ReporterRetracted: "retracted_by_reporter",
    ev.CaseAttributed: "attributed",
    ev.CaseErased: "erased",
}


def _correction(event: Event, clean: Clean) -> CorrectionRow:
    data = event.data
    assert isinstance(data, _CORRECTIONS)
    named = data if isinstance(data, ev.CaseAttributed) else None
    return CorrectionRow(
        case_id=event.case_id,
        event_id=str(event.id),
        at=instant(event.time),
        kind=_KINDS[type(data)],
        actor=clean(data.actor),
        reason=_cleaned(data.reason, clean),
        provider=named.provider if named else None,
        method=clean(named.method) if named else None,
        effective_from=_text(named.effective_from) if named else None,
    )


def _holds(ordered: list[Event], cutoff: datetime, clean: Clean) -> list[HoldRow]:
    """Pair each hold with what ended it: lifted, replaced by the next one, or expired."""
    rows: list[HoldRow] = []
    events = [e for e in ordered if isinstance(e.data, ev.HoldPlaced | ev.HoldLifted)]
    for place, event in enumerate(events):
        if isinstance(event.data, ev.HoldPlaced):
            after = events[place + 1] if place + 1 < len(events) else None
            rows.append(_hold(event, event.data, after, cutoff, clean))
    return rows


def _hold(
    event: Event, hold: ev.HoldPlaced, after: Event | None, cutoff: datetime, clean: Clean
) -> HoldRow:
    ended_at, ended_by = None, None
    if after is not None and after.time <= hold.expires_at:
        ended_at = instant(after.time)
        ended_by = "lifted" if isinstance(after.data, ev.HoldLifted) else "replaced"
    elif hold.expires_at <= cutoff:
        ended_at, ended_by = instant(hold.expires_at), "expired"
    lifted = after.data if ended_by == "lifted" and after is not None else None
    assert lifted is None or isinstance(lifted, ev.HoldLifted)
    return HoldRow(
        case_id=event.case_id,
        event_id=str(event.id),
        placed_at=instant(event.time),
        expires_at=instant(hold.expires_at),
        ended_at=ended_at,
        ended_by=ended_by,
        actor=clean(hold.actor),
        reason=clean(hold.reason),
        lifted_by=clean(lifted.actor) if lifted else None,
        lifted_reason=_cleaned(lifted.reason, clean) if lifted else None,
    )
