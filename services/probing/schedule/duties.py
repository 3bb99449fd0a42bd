"""What each case owes: its ticks up to now, its next tick, and how urgent its look is.

All of it follows from the work list, so that no column keeps what is planned. Instants are microseconds since 1970.
"""

from collections.abc import Mapping, Sequence

from schemas.events import MissedReason
from schemas.methodology import Methodology
from services.core.instants import moment
from services.probing.priority import CONFIRMING, DEADLINE, OVERDUE, REST, Priority
from services.probing.schedule.profile_plans import ProfilePlan, ProfilePlans
from services.probing.schedule.worklist import WorkList
from services.probing.schedule.works import Miss

NEW, WAITING, UNDER_WAY = 1, 2, 4
"""Flags of a row: nobody has looked yet; in a queue; taken, and its record is not on the broker yet."""


class Duties:
    """Answer what the cases of a work list owe.

    Args:
        begun: the instant of the assignment; older ticks were missed because no prober ran.
        born: the first start of the vantage, which owes nothing from before.

    """

    def __init__(
        self,
        cases: WorkList,
        methodologies: Mapping[str, Methodology],
        *,
        begun: int,
        born: int,
    ) -> None:
        self._cases = cases
        self._plans = ProfilePlans(methodologies)
        self._begun = begun
        self._born = born

    def owed(self, row: int, now: int) -> list[int]:
        """Give the ticks that are owed: the last one for a look, the others missed."""
        plan = self._plan(row).plan
        watched, after = self._cases.watched(row, plan.jitter)
        if not self._cases.flags[row] & NEW:
            return list(plan.ticks(watched, after, now))
        latest = plan.latest_tick(watched, now)
        if latest is None:
            return []
        return [*plan.ticks(watched, max(after, self._born), latest - 1), latest]

    def next_tick(self, row: int) -> int | None:
        """Give the instant for which a case is to be planned; a new case is due when it was listed."""
        is_new, plan = self._cases.flags[row] & NEW, self._plan(row).plan
        watched, done = self._cases.watched(row, plan.jitter)
        tick = plan.next_tick(watched, 0 if is_new else done)
        return max(tick, done) if is_new and tick is not None else tick

    def planned_tick(self, row: int) -> int:
        """Give the instant for which a case is planned, which only a case with a tick is."""
        tick = self.next_tick(row)
        assert tick is not None, "only a case with a tick is planned"
        return tick

    def priority(self, row: int, now: int) -> Priority:
        """Say how urgent a case's look is."""
        deadline = self._cases.deadline(row)
        if deadline is not None:
            if deadline <= now and self._is_overdue(row, deadline):
                return OVERDUE
            if abs(deadline - now) <= self._plan(row).soon:
                return DEADLINE
        return CONFIRMING if self._cases.suspected(row) else REST

    def _is_overdue(self, row: int, deadline: int) -> bool:
        """Tell whether no tick after a deadline has been dealt with; of what was removed before it nothing is owed."""
        # What a new entry owes, it owes from its listing on.
        return self._cases.done(row) < deadline and not self._cases.profile(row).removed

    def missed(self, row: int, ticks: Sequence[int], *, put_off: bool) -> tuple[Miss, ...]:
        """Give the records of missed ticks; of a look that was put off, politeness missed the first."""
        case_id = self._cases.case_id(row)
        return tuple(
            Miss(case_id, moment(tick), self._reason(tick, put_off and not number))
            for number, tick in enumerate(ticks)
        )

    def _reason(self, tick: int, put_off: bool) -> MissedReason:
        if put_off:
            return "politeness"
        return "prober_down" if tick <= self._begun else "overload"

    def _plan(self, row: int) -> ProfilePlan:
        number = self._cases.profile_number(row)
        plan = self._plans.by_number.get(number)
        return plan or self._plans.add(number, self._cases.profile(row))
