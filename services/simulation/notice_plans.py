"""The notices of a world: who is told when, over which channel, and whether it arrives."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from schemas.events_of_notices import DeliveryFailure, Rung
from services.simulation.plan import rounded
from services.simulation.scenarios import ProviderScript, Scenario

REFUSED_EVERY = 6
POLICE = "police"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePlan:
    """One notice; offsets are seconds after the start, None where it never happens.

    With a `status` its failure is one of the event's second version, by the provider's fault.
    """

    notice_id: str
    provider: str
    channel: str
    sent: float
    delivered: float | None = None
    failed: float | None = None
    failure: DeliveryFailure | None = None
    status: str | None = None
    acknowledged: float | None = None

    @property
    def arrives(self) -> bool:
        """Whether it may start a clock."""
        return self.failure is None


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationPlan:
    """Somebody further is told at an offset; `notice_id` is the notice that failed."""

    at: float
    to: Rung
    channel: str
    notice_id: str


@dataclass(slots=True)
class Form:
    """A web form that takes so many addresses in one window, and rejects every sixth for good.

    `refused` counts the cases that it did not take in the end.
    """

    addresses: int
    window: float
    taken: dict[int, int] = field(default_factory=dict)
    refused: int = 0

    def submit(self, at: float) -> DeliveryFailure | None:
        """Try once; tells why it failed."""
        slot = int(at // self.window)
        if self.taken.get(slot, 0) >= self.addresses:
            return "rate_limited"
        self.taken[slot] = self.taken.get(slot, 0) + 1
        return "refused" if sum(self.taken.values()) % REFUSED_EVERY == 0 else None

    def reopens(self, at: float) -> float:
        """Give the start of the next window."""
        return (int(at // self.window) + 1) * self.window


@dataclass(frozen=True, slots=True, kw_only=True)
class Postman:
    """Carries the notices of one spell to one provider; `name` begins their ids."""

    scenario: Scenario
    script: ProviderScript
    form: Form
    name: str
    rng: Random

    def plan(self, first: float) -> tuple[NoticePlan, ...]:
        """Plan the notices, the first of them at `first`."""
        return tuple(self._refused(first) if self.script.refuses_mail else self._mailed(first))

    def _mailed(self, at: float) -> Iterator[NoticePlan]:
        """Send a mail; one in twenty-five meets a full mailbox and is sent again an hour later."""
        number = 0
        if self.rng.random() < 0.04:
            yield self._failing(number, "email", at, "mailbox_full")
            number, at = 1, rounded(at + self.scenario.seconds(1))
        yield self._arriving(number, "email", at)

    def _refused(self, first: float) -> Iterator[NoticePlan]:
        """Send a mail that is blocked, then try the form until it takes the address or we give up.

        Of what the form did not take, the police may pass on a part, hours later.
        """
        yield self._failing(0, "email", first, "blocked")
        at = rounded(first + self.scenario.seconds(0.5))
        for number in range(1, self.scenario.form_tries + 1):
            failure = self.form.submit(at)
            if failure is None:
                yield self._arriving(number, "form", at)
                return
            yield self._failing(number, "form", at, failure)
            last = at
            if failure == "refused":
                break
            wait = self.scenario.seconds(self.rng.uniform(0.1, 0.5))
            at = rounded(self.form.reopens(at) + wait)
        self.form.refused += 1
        if self.script.police_every and self.form.refused % self.script.police_every == 0:
            yield self._arriving(number + 1, POLICE, rounded(last + self.scenario.seconds(6)))

    def _failing(
        self, number: int, channel: str, sent: float, failure: DeliveryFailure
    ) -> NoticePlan:
        blocked = channel == "email" and failure == "blocked" and self.script.untold is not None
        return NoticePlan(
            status="5.7.1" if blocked else None,
            notice_id=f"{self.name}-{number}",
            provider=self.script.id,
            channel=channel,
            sent=sent,
            failed=rounded(sent + self.rng.uniform(0.05, 0.4)),
            failure=failure,
        )

    def _arriving(self, number: int, channel: str, sent: float) -> NoticePlan:
        delivered = rounded(sent + self.rng.uniform(0.05, 0.4))
        later = rounded(delivered + self.scenario.seconds(self.rng.uniform(0.3, 2)))
        return NoticePlan(
            notice_id=f"{self.name}-{number}",
            provider=self.script.id,
            channel=channel,
            sent=sent,
            delivered=delivered,
            acknowledged=later if self.rng.random() < 0.5 else None,
        )


def escalations(
    notices: Sequence[NoticePlan], scenario: Scenario, script: ProviderScript
) -> tuple[EscalationPlan, ...]:
    """Plan who is told where a provider took a case by no channel of its own: the provider again, then the police."""
    if script.untold is None or (notices[-1].arrives and notices[-1].channel != POLICE):
        return ()
    last = next(notice for notice in reversed(notices) if not notice.arrives)
    rungs: list[tuple[Rung, float]] = [("provider", 3.0)]
    if notices[-1].channel == POLICE:
        rungs.append(("police", 5.0))
    return tuple(
        EscalationPlan(
            at=rounded(last.sent + scenario.seconds(hours)),
            to=to,
            channel="phone",
            notice_id=last.notice_id,
        )
        for to, hours in rungs
    )
