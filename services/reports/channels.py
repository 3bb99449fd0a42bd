"""The notice channels of a table: what became of notices, which contacts are dead, what waits, what is carried."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from services.core.bounds import exclusion
from services.core.case import Case, Notice, Spell
from services.core.machines import Presence, Procedure
from services.notices.channel_capacity import Capacity
from services.notices.channel_status import COUNTS, ChannelStatus, channel_statuses
from services.notices.correlation import contact_key
from services.notices.measurability import ChannelCount
from services.reports.figures import ChannelFigures

Place = tuple[str, str]
"""Provider and channel."""


def _nothing() -> dict[str, int]:
    return dict.fromkeys(COUNTS, 0)


class Channels:
    """Counts notices, a notice about several cases once for each, as `takedown notices status` does."""

    def __init__(self) -> None:
        self._fates: dict[tuple[str, str, str], int] = defaultdict(int)
        self._contacts: dict[Place, dict[str, tuple[datetime, bool]]] = defaultdict(dict)
        self._waiting: dict[str, int] = defaultdict(int)

    def __repr__(self) -> str:
        return f"<Channels {len(self._fates)} fates>"

    def add(self, case: Case) -> None:
        """Count the notices of one case, and its spells that wait for one."""
        for notice in case.notices.values():
            self.add_notice(notice)
        for spell in case.spells:
            if spell.clock_started_at is None and spell.provider is not None and waits(case, spell):
                self._waiting[spell.provider] += 1

    def add_notice(self, notice: Notice) -> None:
        """Count one notice; one of which only the fate is there, and not the sending, is nobody's."""
        if notice.sent_at is None:
            return
        self._fates[notice.provider, notice.channel, _fate(notice)] += 1
        if notice.contact is not None:
            place = notice.provider, notice.channel
            self._add_contact(
                place, contact_key(notice.contact), notice.sent_at, dead=notice.fault == "theirs"
            )

    def _add_contact(self, place: Place, contact: str, at: datetime, *, dead: bool) -> None:
        """Keep the last word on a contact; of two at one instant, that it takes mail."""
        before = self._contacts[place].get(contact)
        if before is None or (at, not dead) > (before[0], not before[1]):
            self._contacts[place][contact] = at, dead

    def merge(self, other: "Channels") -> None:
        """Add the counts of other cases."""
        for fate, number in other._fates.items():
            self._fates[fate] += number
        for place, contacts in other._contacts.items():
            for contact, (at, dead) in contacts.items():
                self._add_contact(place, contact, at, dead=dead)
        for provider, number in other._waiting.items():
            self._waiting[provider] += number

    def finish(self, capacities: Sequence[Capacity], norm: timedelta) -> list[ChannelFigures]:
        """Give the figures of every channel, in the order of providers and channels."""
        counts = [
            ChannelCount(provider=provider, channel=channel, **numbers)
            for (provider, channel), numbers in sorted(self._counts().items())
        ]
        return [self._figures(s) for s in channel_statuses(counts, self._waiting, capacities, norm)]

    def _counts(self) -> dict[Place, dict[str, int]]:
        """Give the counts of each channel: every notice is among those sent, one that was answered arrived."""
        counts: dict[Place, dict[str, int]] = defaultdict(_nothing)
        for (provider, channel, fate), number in self._fates.items():
            for what in {"sent", fate, "arrived" if fate == "acknowledged" else fate}:
                counts[provider, channel][what] += number
        return counts

    def _figures(self, status: ChannelStatus) -> ChannelFigures:
        contacts = self._contacts.get((status.provider, status.channel), {})
        return ChannelFigures(
            provider=status.provider,
            channel=status.channel,
            **{name: getattr(status, name) for name in COUNTS},
            contacts=len(contacts),
            undeliverable_contacts=sum(dead for _, dead in contacts.values()),
            waiting=status.waiting,
            per_hour=status.per_hour,
            takes_hours=status.takes_hours,
            forecast=status.forecast,
            not_measurable=status.not_measurable,
        )


def waits(case: Case, spell: Spell) -> bool:
    """Tell whether an open spell that may count waits for a notice that arrives.

    `notices.sql` and the exporter's `queries.sql` say the same of rows, in one wording: the exporter keeps its counts
    by parts of the ledger. The core's `without_notice` is another count, for which a notice that failed is one too.
    """
    return (
        spell.clock_started_at is None
        and spell.procedure is not Procedure.CLOSED
        and spell.presence is not Presence.REMOVED
        and exclusion(case, spell) is None
    )


def _fate(notice: Notice) -> str:
    """Name the count that a sent notice is in; a failure outweighs all."""
    if notice.failed_at is not None:
        return notice.fault or "unclear"
    if notice.acknowledged_at is not None:
        return "acknowledged"
    if notice.delivered_at is not None:
        return "arrived"
    return "sent" if notice.delayed_at is None else "delayed"
