"""One ordered pass over a case: the current event, the machines' moves, and what opens and closes spells.

Which move of the clock follows from an event is said by the joint rules in `machines.py`; here they are applied.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from schemas.event_words import LATEST
from schemas.events import Event
from schemas.methodology import Methodology
from services.core.calendar import calendar_of
from services.core.case import Case, Hold, Notice, Spell, Transition
from services.core.machines import (
    CLOCK,
    GONE_BEFORE_NOTICE,
    PRESENCE,
    PROCEDURE,
    Clock,
    Conclusion,
    Departure,
    News,
    Presence,
    Procedure,
    Trigger,
    advance,
    conclude,
    is_gone_before,
)

PASSED_ON = "passed_on"
"""Why a proxy's spell ends once it has named the host."""
LEAVING = ("moved", PASSED_ON)
"""What ends a spell and opens the next provider's."""


class Pass:
    """The state of one pass; decides and records, and performs nothing."""

    __slots__ = ("case", "cause", "methodology", "now", "transitions")

    def __init__(self, case: Case, methodology: Methodology) -> None:
        self.case = case
        self.methodology = methodology
        self.transitions: list[Transition] = []
        self.now: datetime
        self.cause: UUID

    def begin(self, event: Event, at: datetime) -> None:
        """Take the next event, which takes effect at an instant; the first one opens the first spell."""
        self.now, self.cause = at, event.id
        if not self.case.spells:
            self.case.spells.append(Spell(number=1, opened_at=at, maybe_online_from=at))

    def expire_hold(self) -> None:
        """End a hold that expired before the current event; asked only by events that may move something."""
        hold = self.case.hold
        if hold is not None and hold.expires_at <= self.now:
            self.release_hold(hold.expires_at)

    # -- the three machines ------------------------------------------------------------------

    def move_presence(self, spell: Spell, trigger: Trigger, detail: str | None = None) -> None:
        """Advance what was seen."""
        before, spell.presence = spell.presence, advance(PRESENCE, spell.presence, trigger)
        if before is not spell.presence:
            self._record(spell, "presence", before, spell.presence, detail)

    def move_clock(self, spell: Spell, trigger: Trigger, detail: str | None = None) -> None:
        """Advance what is owed."""
        before, spell.clock = spell.clock, advance(CLOCK, spell.clock, trigger)
        if before is not spell.clock:
            self._record(spell, "clock", before, spell.clock, detail)

    def move_procedure(self, spell: Spell, trigger: Trigger, detail: str | None = None) -> None:
        """Advance what was said."""
        before, spell.procedure = spell.procedure, advance(PROCEDURE, spell.procedure, trigger)
        if before is not spell.procedure:
            self._record(spell, "procedure", before, spell.procedure, detail)

    def _record(
        self, spell: Spell, machine: str, before: str, after: str, detail: str | None
    ) -> None:
        self.transitions.append(
            Transition(
                spell=spell.number,
                machine=machine,
                before=str(before),
                after=str(after),
                at=self.now,
                cause=self.cause,
                detail=detail,
            )
        )

    # -- the clock ---------------------------------------------------------------------------

    def news(self, **brought: Any) -> News:
        """Put together what the current event brings, for the joint rules."""
        method = self.methodology
        reopens = method.return_before_deadline == "reopens"
        held, within = self.case.hold is not None, method.gone_before_notice_bound
        owed_from = self._owed_from(self.case.spell)
        return News(held=held, reopens=reopens, within=within, owed_from=owed_from, **brought)

    def _owed_from(self, spell: Spell) -> datetime | None:
        """Give the first instant that the deadline may be; None where the start of the clock is an instant."""
        since, at, owed = spell.clock_started_from, spell.clock_started_at, spell.deadline
        if since is None or at is None or owed is None:
            return None
        calendar = calendar_of(self.methodology)
        return calendar.add(since, calendar.between(at, owed))

    def conclude(self, spell: Spell, news: News, at: datetime) -> None:
        """Move the clock as the joint rules conclude, to their fixed point; a pause begins at `at`."""
        while (conclusion := conclude(spell, news)) is not None:
            self._note(spell, conclusion, news, at)
            self.move_clock(spell, conclusion.trigger, conclusion.detail)

    def _note(self, spell: Spell, conclusion: Conclusion, news: News, at: datetime) -> None:
        """Write down the facts that go with a move of the clock."""
        if conclusion.trigger is Trigger.SEEN_LATE:
            spell.breached_at = news.seen_at
        elif conclusion.trigger is Trigger.HOLD:
            self._stand_still(spell, at)
        else:
            spell.gone_before_notice = conclusion.detail == GONE_BEFORE_NOTICE

    def start_clock(self, at: datetime, since: datetime | None = None) -> None:
        """Start the current spell's clock, unless it is gone already: then there is nothing to owe.

        Nor is there before any report: a notice with a mistyped case id charges nobody. Where no more than a time span
        is known, it began at `since`.
        """
        spell = self.case.spell
        if spell.clock is not Clock.STOPPED or spell.procedure is Procedure.CLOSED:
            return
        if not self.case.reports:
            return
        spell.clock_started_at, spell.clock_started_from, spell.beside = at, since, []
        norm = self.methodology.norm_for(self.case.category)
        spell.deadline = calendar_of(self.methodology).add(at, norm)
        spell.gone_before_notice = is_gone_before(spell)
        self.conclude(spell, self.news(started=True), at)
        if spell.presence is Presence.REMOVED and not spell.gone_before_notice:
            # Gone within the time span of the start: perhaps after it, and then in time.
            self.conclude(spell, self.news(removed=spell.removals[-1]), at)

    def place_hold(self, hold: Hold) -> None:
        """Put a hold in force, in place of one that stood; from its placing on a running clock stands still."""
        self.release_hold(hold.placed_at)
        self.case.hold = hold
        self.conclude(self.case.spell, self.news(), hold.placed_at)

    def _stand_still(self, spell: Spell, at: datetime) -> None:
        """Note since when a clock stands still; until its hold ends, it is owed when the hold expires."""
        hold = self.case.hold
        if hold is not None and hold.owed_at is None:
            hold.placed_at, hold.owed_at = at, spell.deadline
            spell.held = True
            spell.held_at = spell.held_at or at
            self._stood_until(spell, hold, hold.expires_at)

    def release_hold(self, at: datetime) -> None:
        """End a hold, and with it the pause of the clock."""
        hold, spell = self.case.hold, self.case.spell
        self.case.hold = None
        if hold is None:
            return
        # Gone while it stood, a spell may come back before it is owed: that moves with the hold all the same.
        if hold.owed_at is not None or spell.clock is Clock.ON_HOLD:
            self._stood_until(spell, hold, at)
        self.conclude(spell, self.news(), at)

    def _settle_hold(self, at: datetime) -> None:
        """Say what was owed where the spell ends under a hold, which from now on pauses another's clock."""
        hold, spell = self.case.hold, self.case.spell
        if hold is not None and (hold.owed_at is not None or spell.clock is Clock.ON_HOLD):
            self._stood_until(spell, hold, max(at, hold.placed_at))
            hold.owed_at = None

    def _stood_until(self, spell: Spell, hold: Hold, at: datetime) -> None:
        """Move the deadline by the time, as the calendar counts it, that the clock stood still."""
        # A case that was stored before holds kept it has not moved its deadline yet.
        owed_at = hold.owed_at or spell.deadline
        assert owed_at is not None
        calendar = calendar_of(self.methodology)
        # No event sees a hold that lasts longer end, and counted in working days it would take minutes.
        stood = calendar.between(hold.placed_at, min(at, hold.expires_at, LATEST))
        spell.deadline = calendar.add(owed_at, max(stood, timedelta()))

    # -- reports -----------------------------------------------------------------------------

    def note_report(self) -> None:
        """Note a report of what is gone, or seems so: whoever filed it says that it is back."""
        spell = self.case.spell
        run = spell.run or spell.dark
        if spell.presence is Presence.REMOVED:
            gone_at = spell.removals[-1].upper
        elif run is not None:
            gone_at = run.first_finished_at
        else:
            return
        if gone_at < self.now:
            spell.reported_again_at = self.now

    # -- spells ------------------------------------------------------------------------------

    def close(self, reason: str, at: datetime | None = None) -> None:
        """Close the current spell as of an instant, else of now; what the clock has decided stays decided."""
        spell, at = self.case.spell, at or self.now
        if spell.procedure is Procedure.CLOSED:
            return
        self._settle_hold(at)
        self.conclude(spell, self.news(left=Departure(at, reason)), at)
        spell.closed_at, spell.closed_reason = at, reason
        self.move_procedure(spell, Trigger.CLOSE, reason)

    def attribute(self, providers: list[str], since: datetime) -> None:
        """Take who serves the URL now: a correction before the clock starts, a move after it.

        A URL that the charged provider still serves, beside others, has not moved.
        """
        spell = self.case.spell
        if not providers or spell.procedure is Procedure.CLOSED:
            return
        if spell.provider in providers:
            spell.observed = True
        elif spell.provider is None or not (spell.observed or spell.clock_started_at):
            spell.provider, spell.observed = min(providers), True
        else:
            self.move_to(min(providers), since, self.now)

    def pass_on(self, proxy: str, provider: str) -> None:
        """Take which host a proxy names: from now on that one is answerable, and no more the proxy.

        Where another one is charged, it is what looks find next that may show a move.
        """
        spell = self.case.spell
        if proxy in spell.beside:
            spell.beside = sorted({*spell.beside, provider} - {proxy, spell.provider})
        if spell.provider != proxy or spell.procedure is Procedure.CLOSED or provider == proxy:
            return
        if spell.observed or spell.clock_started_at:
            self.move_to(provider, self.now, self.now, PASSED_ON)
        else:
            spell.provider, spell.observed = provider, True

    def move_to(
        self, provider: str, at: datetime, left_at: datetime, reason: str = "moved"
    ) -> None:
        """End the current spell as of one instant, and open the next provider's as of another."""
        old = self.case.spell
        self.close(reason, left_at)
        opened = Spell(
            number=old.number + 1,
            opened_at=at,
            provider=provider,
            observed=True,
            maybe_online_from=at,
            swaps=list(old.swaps),
        )
        self.case.spells.append(opened)
        self._take_waiting_notice(opened, at)

    def charge(self, notice: Notice) -> bool:
        """Tell whether a notice speaks to the charged provider; of those who serve it, it says which one that is."""
        spell = self.case.spell
        if notice.provider in spell.beside and self._may_charge(spell, notice):
            # Looks that counted against the one that was charged say nothing of this one.
            spell.provider, spell.edge, spell.elsewhere = notice.provider, False, None
        return spell.provider == notice.provider

    def _may_charge(self, spell: Spell, notice: Notice) -> bool:
        """Tell whether a notice says who is charged: no clock runs, it did not fail, and no correction says it."""
        is_open = spell.procedure is not Procedure.CLOSED and spell.clock_started_at is None
        reached = notice.notice_id not in self.case.failed_notices
        return is_open and reached and self.case.corrected(self.now) is None

    def charge_whom_it_told(self) -> None:
        """Charge who serves it beside the charged provider, where its notice went out before that was seen."""
        for _, notice in self._waiting_notices():
            if notice.provider in self.case.spell.beside and self.charge(notice):
                self._take_waiting_notice(self.case.spell, self.case.spell.opened_at)
                return

    def _waiting_notices(self) -> list[tuple[datetime, Notice]]:
        """Give the notices that no spell has counted, the first to have an effect first."""
        effects = [(self._effect(one)[0], one) for one in self.case.notices.values()]
        waiting = [(at, one) for at, one in effects if at is not None and one.spell is None]
        return sorted(waiting, key=lambda pair: (pair[0], pair[1].notice_id))

    def _effect(self, notice: Notice) -> tuple[datetime | None, datetime | None]:
        """Give the instant at which a notice starts a clock, as the methodology says, and its first one."""
        if self.methodology.clock_start == "notice_delivered":
            return notice.delivered_at, notice.delivered_from
        return notice.sent_at, notice.sent_from

    def _take_waiting_notice(self, spell: Spell, at: datetime) -> None:
        """Start the provider's clock where its own notice went out before it was seen that it serves."""
        if self.methodology.clock_start == "report":
            self.start_clock(at)
            return
        for last, notice in self._waiting_notices():
            _, first = self._effect(notice)
            if notice.provider == spell.provider:
                since = None if first is None or last <= at else max(at, first)
                self.count_notice(notice.notice_id, max(at, last), since)

    def count_notice(self, notice_id: str, at: datetime, since: datetime | None = None) -> None:
        """Count a notice for the current spell, and start its clock unless the notice failed."""
        spell, notice = self.case.spell, self.case.notices[notice_id]
        if spell.procedure is not Procedure.CLOSED:
            notice.spell = spell.number
            self.move_procedure(spell, Trigger.NOTICE)
        if notice_id not in self.case.failed_notices and spell.clock_started_at is None:
            self.start_clock(at, since)
