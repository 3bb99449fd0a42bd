"""What a mail can say: its kind, what became of each recipient, why, and whose fault that is."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from schemas.events_of_notices import DeliveryReason, Fault

Kind = Literal["bounce", "complaint", "auto_reply", "delivered", "receipt", "reply", "other"]
Outcome = Literal["failed", "delayed", "delivered"]

# Where one recipient is named twice, the later word of this list holds.
WEIGHT: tuple[Outcome, ...] = ("delivered", "delayed", "failed")


class Fate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one recipient; `original` is the address that we wrote to, where the mail names another too.

    `status` is the enhanced status code (RFC 3463) that the mail states, wherever it stands.
    """

    address: str | None
    original: str | None = None
    outcome: Outcome
    reason: DeliveryReason | None = None
    fault: Fault | None = None
    status: str | None = None
    at: datetime | None = None


class MailReading(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one mail says; it holds no text of the mail but addresses, ids and codes.

    `addressed_to`: the addresses that the mail itself came to, where a token of ours may stand.
    `returned_ids`: the Message-ID of the returned mail, or those that an answer refers to.
    `of_a_report`: what came back is itself a report of a mail server, so that no notice is meant.
    `form_only`: an answer that says that reports are taken through a form alone.
    `arrival_unsaid`: feedback on a mail that may have been refused.
    """

    kind: Kind
    fates: tuple[Fate, ...] = ()
    addressed_to: tuple[str, ...] = ()
    returned_ids: tuple[str, ...] = ()
    returned_from: tuple[str, ...] = ()
    at: datetime | None = None
    of_a_report: bool = False
    form_only: bool = False
    arrival_unsaid: bool = False
    notice_id: str | None = None

    @property
    def outcome(self) -> Outcome | None:
        """Say what the mail as a whole reports: a failure outweighs a delay, and that a delivery."""
        outcomes = [fate.outcome for fate in self.fates]
        return max(outcomes, key=WEIGHT.index, default=None)
