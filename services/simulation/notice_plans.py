"""The notices of a world: who is told when, over which channel, and whether it arrives."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from schemas.events_of_notices import DeliveryFailure
from services.simulation.plan import rounded
from services.simulation.scenarios import ProviderScript, Scenario

MAX_FORM_TRIES = 4
REFUSED_EVERY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePlan:
    """One notice; offsets are seconds after the start, None where it never happens."""

    notice_id: str
    provider: str
    channel: str
    sent: float
    delivered: float | None = None
    failed: float | None = None
    failure: DeliveryFailure | None = None
    acknowledged: float | None = None

    @property
    def arrives(self) -> bool:
        """Whether it may start a clock."""
        return self.failure is None


@dataclass(slots=True)
class Form:
    """A web form that takes so many addresses in one window, and rejects every sixth for good."""

    addresses: int
    window: float
    taken: dict[int, int] = field(default_factory=dict)

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
        """Send a mail that is blocked, then try the form until it takes the address or we give up."""
        yield self._failing(0, "email", first, "blocked")
        at = rounded(first + self.scenario.seconds(0.5))
        for number in range(1, MAX_FORM_TRIES + 1):
            failure = self.form.submit(at)
            if failure is None:
                yield self._arriving(number, "form", at)
                return
            yield self._failing(number, "form", at, failure)
            if failure == "refused":
                return
            wait = self.scenario.seconds(self.rng.uniform(0.1, 0.5))
            at = rounded(self.form.reopens(at) + wait)

    def _failing(
        self, number: int, channel: str, sent: float, failure: DeliveryFailure
    ) -> NoticePlan:
        return NoticePlan(
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
