"""Compare what the ledger measured with the truth of a simulated world."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from services.simulation.facts import (
    STARTED,
    Failure,
    Interval,
    Measured,
    ProviderFigures,
    SpellTruth,
    Truth,
    Verification,
    measured,
)

__all__ = ["Measured", "Truth", "Verification", "check", "measured"]


def check(
    truths: Iterable[Truth],
    spells: Iterable[Measured],
    *,
    until: datetime,
    settle: timedelta,
    look: timedelta = timedelta(seconds=5),
) -> Verification:
    """Compare the ledger's spells with the truth.

    Args:
        truths: of every case of the world.
        spells: all spells that the ledger holds.
        until: the end of the watch.
        settle: how long a removal or a move must have lasted before it has to be found.
        look: how long one look may take, so how much older than a return its first sighting may be.

    """
    by_case: dict[str, list[Measured]] = defaultdict(list)
    for spell in spells:
        by_case[spell.case_id].append(spell)
    examiner = _Examiner(until, settle, look)
    for truth in truths:
        spells = sorted(by_case.pop(truth.case_id, []), key=lambda spell: spell.number)
        examiner.examine(truth, spells)
    for case_id in by_case:
        problem = "the ledger holds a case that was never reported"
        examiner.failures.append(Failure(case_id, 0, "unknown_case", problem))
    return examiner.verification()


def _holds(interval: Interval, instant: datetime) -> bool:
    """Tell whether an instant lies in (L, R]; without L everything up to R does."""
    lower, upper = interval
    return (lower is None or lower < instant) and instant <= upper


class _Examiner:
    """Collects the contradictions, case by case."""

    def __init__(self, until: datetime, settle: timedelta, look: timedelta) -> None:
        self.until, self.settle, self.look = until, settle, look
        self.failures: list[Failure] = []
        self.figures: dict[str, ProviderFigures] = defaultdict(ProviderFigures)
        self.cases = self.spells = self.expected = self.removals_seen = self.missed_returns = 0
        self.unseen = 0
        self.undecided: list[str] = []
        self._story = ""

    def fail(self, case_id: str, spell: int, kind: str, detail: str) -> None:
        """Note a contradiction."""
        text = f"{detail} ({self._story})" if self._story else detail
        self.failures.append(Failure(case_id, spell, kind, text))

    def _contradict(self, spell: Measured, kind: str, detail: str) -> None:
        self.fail(spell.case_id, spell.number, kind, detail)

    def verification(self) -> Verification:
        """Sum up."""
        return Verification(
            failures=tuple(self.failures),
            cases=self.cases,
            spells=self.spells,
            expected_removals=self.expected,
            found_removals=self.removals_seen,
            missed_returns=self.missed_returns,
            unseen=self.unseen,
            providers=dict(sorted(self.figures.items())),
            undecided=tuple(sorted(self.undecided)),
        )

    # -- a case --------------------------------------------------------------------------------

    def examine(self, truth: Truth, spells: Sequence[Measured]) -> None:
        """Check one case: its spells in order against the providers that really had it."""
        self._story = truth.story
        self.cases += 1
        self.spells += len(spells)
        if not spells:
            if self._settled(truth.reported_at):
                self.fail(truth.case_id, 0, "missing_case", "reported, and not in the ledger")
            return
        if not truth.measurable:
            self._check_unmeasured(spells)
            return
        self._check_number(truth, spells)
        self._check_retraction(truth, spells)
        for expected, spell in zip(truth.spells, spells, strict=False):
            self._check_provider(truth, expected, spell)
            self._check_removals(expected, spell)
            self._check_expected(truth, expected, spell)
            self._check_returns(expected, spell)
            self._check_clock(truth, expected, spell)
            self._check_decision(expected, spell)
            self._count(truth, expected, spell)

    def _check_unmeasured(self, spells: Sequence[Measured]) -> None:
        for spell in spells:
            if spell.closed_reason != "not_measurable" or spell.removals or spell.clock in STARTED:
                self._contradict(spell, "measured", "nobody can measure this address")

    def _settled(self, at: datetime) -> bool:
        return at + self.settle <= self.until

    def _check_number(self, truth: Truth, spells: Sequence[Measured]) -> None:
        if len(spells) > len(truth.spells):
            extra = spells[len(truth.spells)]
            self._contradict(extra, "false_move", f"a spell at {extra.provider} that never was")
        moves = [s.moved_at for s in truth.spells if s.moved_at is not None]
        needed = 1 + sum(self._settled(at) and self._watched(truth, at) for at in moves)
        if len(spells) < needed:
            self._contradict(
                spells[-1], "missed_move", f"{len(spells)} of {needed} providers found"
            )

    def _watched(self, truth: Truth, at: datetime) -> bool:
        return truth.retracted_at is None or at + self.settle <= truth.retracted_at

    def _check_retraction(self, truth: Truth, spells: Sequence[Measured]) -> None:
        closed = spells[-1].closed_reason == "retracted"
        if truth.retracted_at is None and closed:
            self._contradict(spells[-1], "false_retraction", "nobody retracted it")
        elif truth.retracted_at is not None and self._settled(truth.retracted_at) and not closed:
            self._contradict(spells[-1], "missed_retraction", "retracted, and still counted")

    def _check_provider(self, truth: Truth, expected: SpellTruth, spell: Measured) -> None:
        if spell.provider == expected.provider:
            return
        start, limit = truth.reported_at, truth.reported_at + self.settle
        visible = any(stay.touches(start, limit) for stay in expected.stays)
        if spell.provider is not None or (visible and limit <= self.until):
            self._contradict(
                spell, "wrong_provider", f"{spell.provider}, in truth {expected.provider}"
            )

    # -- removals and returns ------------------------------------------------------------------

    def _check_removals(self, expected: SpellTruth, spell: Measured) -> None:
        for interval in spell.removals:
            if any(_holds(interval, removed) for removed in expected.removals):
                continue
            upper = interval[1]
            there = any(stay.covers(upper) for stay in expected.stays)
            gone = not there and any(removed <= upper for removed in expected.removals)
            kind = "wrong_interval" if gone else "false_removal"
            self._contradict(spell, kind, f"no true removal in ({interval[0]}, {upper}]")

    def _check_expected(self, truth: Truth, expected: SpellTruth, spell: Measured) -> None:
        for removed in expected.removals:
            if not self._confirmable(truth, expected, removed):
                continue
            stay = next(s for s in expected.stays if s.until == removed)
            if self._return_unseen(stay.since, removed, spell):
                self.missed_returns += 1
                continue
            self.expected += 1
            if any(_holds(interval, removed) for interval in spell.removals):
                self.removals_seen += 1
            else:
                self._contradict(spell, "missed_removal", f"removed at {removed}, in no interval")

    def _confirmable(self, truth: Truth, expected: SpellTruth, removed: datetime) -> bool:
        """Tell whether the removal lasted, under watch, as long as it takes to confirm it."""
        shown = expected.shows_at(removed)
        if shown is None:
            return False
        ends = (expected.back_at(removed), expected.moved_at, truth.retracted_at, self.until)
        end = min(at for at in ends if at is not None)
        return end - max(shown, truth.reported_at) >= self.settle

    def _return_unseen(self, since: datetime, removed: datetime, spell: Measured) -> bool:
        """Tell whether no look met it between a measured removal and this true one."""
        if not any(upper <= since for _, upper in spell.removals):
            return False
        return not any(since - self.look <= at < removed for at in spell.returned_at)

    def _check_returns(self, expected: SpellTruth, spell: Measured) -> None:
        for at in spell.returned_at:
            if not any(stay.touches(at, at + self.look) for stay in expected.stays):
                self._contradict(spell, "false_return", f"not there at {at}")

    # -- clock and norm ------------------------------------------------------------------------

    def _check_clock(self, truth: Truth, expected: SpellTruth, spell: Measured) -> None:
        true, measured = expected.clock_started_at, spell.clock_started_at
        if measured is None:
            if true is not None and self._settled(true):
                self._contradict(spell, "clock_not_started", f"a notice went out at {true}")
        elif true is None:
            self._contradict(spell, "false_clock", "started, and no notice arrived")
        elif measured < true:
            self._contradict(spell, "clock_too_early", f"{measured}, in truth {true}")
        elif measured > true and spell.number == 1 and not self._unseen_first(spell):
            self._contradict(spell, "clock_too_late", f"{measured}, in truth {true}")
        else:
            self._check_deadline(expected, spell)

    def _unseen_first(self, spell: Measured) -> bool:
        """Tell whether it was first met after a removal that had no sighting: its clock starts then."""
        return bool(spell.removals) and spell.removals[0][0] is None

    def _check_deadline(self, expected: SpellTruth, spell: Measured) -> None:
        if spell.deadline is None or spell.clock == "ON_HOLD":
            return
        assert spell.clock_started_at is not None
        assert expected.clock_started_at is not None
        assert expected.deadline is not None
        norm, true = (
            spell.deadline - spell.clock_started_at,
            expected.deadline - expected.clock_started_at,
        )
        if norm != true:
            self._contradict(spell, "wrong_deadline", f"{norm} after the start, in truth {true}")

    def _check_decision(self, expected: SpellTruth, spell: Measured) -> None:
        if spell.clock == "BREACHED":
            seen = (spell.breached_at or self.until) + self.look
            if spell.deadline is None or not any(
                s.touches(spell.deadline, seen) for s in expected.stays
            ):
                self._contradict(
                    spell, "false_breach", f"gone before the deadline {spell.deadline}"
                )
        elif spell.clock == "WITHIN":
            limit = max(
                (d for d in (spell.deadline, expected.deadline) if d is not None), default=None
            )
            if limit is None or not any(removed <= limit for removed in expected.removals):
                self._contradict(spell, "false_within", f"still there at the deadline {limit}")

    # -- counts --------------------------------------------------------------------------------

    def _count(self, truth: Truth, expected: SpellTruth, spell: Measured) -> None:
        counted, due = self._counted(truth, spell), self._due(truth, expected)
        if due and spell.gone_before_notice:
            self.unseen += 1
        elif due and not counted:
            self._contradict(spell, "not_counted", f"belongs to n, clock {spell.clock}")
        elif counted and not due and not self._may_count(expected, spell):
            self._contradict(spell, "counted_wrongly", f"does not belong to n, clock {spell.clock}")
        if not counted:
            return
        figures = self.figures[expected.provider]
        figures.n += 1
        figures.truly_within += expected.within is True
        figures.within += spell.clock == "WITHIN"
        figures.breached += spell.clock == "BREACHED"
        if spell.clock not in ("WITHIN", "BREACHED"):
            figures.undecided += 1
            self.undecided.append(truth.story)

    def _may_count(self, expected: SpellTruth, spell: Measured) -> bool:
        """Tell whether n may hold what does not belong there: it moved, or was gone before anybody looked.

        That it was gone before its notice can't be told where nobody saw it, and it was found gone some time later.
        """
        never_seen = not spell.removals or self._unseen_first(spell)
        return expected.moved_at is not None or (expected.gone_before_notice and never_seen)

    def _counted(self, truth: Truth, spell: Measured) -> bool:
        """Tell whether the ledger counts the spell in n at the end of the watch."""
        started = spell.clock in STARTED and not spell.gone_before_notice
        due = spell.deadline is not None and spell.deadline <= self.until
        return started and due and truth.retracted_at is None

    def _due(self, truth: Truth, expected: SpellTruth) -> bool:
        """Tell whether the spell belongs to n in truth."""
        if (
            expected.deadline is None
            or expected.deadline > self.until
            or truth.retracted_at is not None
        ):
            return False
        left = expected.moved_at is not None and expected.moved_at <= expected.deadline
        return not (expected.gone_before_notice or left)
