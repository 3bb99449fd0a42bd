"""Why no clock runs for a spell, and whose fault that is (P12)."""

from typing import Literal, NamedTuple

from schemas.events_of_notices import DeliveryReason, Fault
from schemas.methodology import Methodology
from services.core.case import Case, Spell

NoClockWord = Literal["no_report", "no_notice", "no_notice_arrived", "no_delivery"]


class NoClock(NamedTuple):
    """Why no clock runs; where no notice arrived, `reason` and `fault` are those of the last failure."""

    word: NoClockWord
    reason: DeliveryReason | None = None
    fault: Fault | None = None

    @property
    def key(self) -> str:
        """Name it in counts: `theirs:blocked`, or the word where no notice failed."""
        return self.word if self.fault is None else f"{self.fault}:{self.reason}"


def why_no_clock(case: Case, spell: Spell, methodology: Methodology) -> NoClock:
    """Say why the clock of a spell never started; asked of those that have none."""
    if methodology.clock_start == "report":
        return NoClock("no_report")
    notices = [one for one in case.notices.values() if one.provider == spell.provider]
    if not notices:
        return NoClock("no_notice")
    failures = [one for one in notices if one.failed_at is not None]
    if len(failures) < len(notices):
        return NoClock("no_delivery")
    # A later attempt by another channel is the state of the matter.
    last = max(failures, key=lambda one: (one.failed_at, one.notice_id))
    return NoClock("no_notice_arrived", last.failure, last.fault)
