"""The topics as data: name, key, retention, compaction and what may stand on them."""

from dataclasses import dataclass

from schemas import events as ev
from schemas.errors import UnusableEvent
from schemas.events import Payload

DEFAULT_PARTITIONS = 12
DLQ_SUFFIX = ".dlq"
# What retention deletes leaves the disk with its segment, and the one that is written to stays: so it is closed daily.
_ROLLED = {"segment.ms": "86400000"}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic; every topic is keyed by case id and has the same number of partitions.

    Evidence keeps every record: `retention.ms=-1`, because the broker's retention looks at the record's
    time, and a replayed or imported event is old at once.
    """

    name: str
    carries: tuple[type[Payload], ...]
    compacted: bool = False
    sealed: bool = True
    about: str = ""

    @property
    def config(self) -> dict[str, str]:
        """The broker's settings for this topic."""
        policy = "compact" if self.compacted else "delete"
        shared = {"cleanup.policy": policy, "retention.ms": "-1", "retention.bytes": "-1"}
        if not self.sealed:
            shared |= _ROLLED
        # A prober that was down for less than a day still finds when an entry was first published, and
        # what it then owes; the time of a record is the broker's, for an entry has none of its own.
        compaction = {
            "min.cleanable.dirty.ratio": "0.1",
            "segment.ms": "3600000",
            "min.compaction.lag.ms": "86400000",
            # A URL whose watch has ended leaves the disk, however little is published.
            "max.compaction.lag.ms": "604800000",
            "message.timestamp.type": "LogAppendTime",
        }
        return shared | (compaction if self.compacted else {})

    @property
    def dlq(self) -> str:
        """The dead-letter topic."""
        return self.name + DLQ_SUFFIX


REPORTS = Topic(
    "takedown.reports.v1",
    (
        ev.ReportFiled,
        ev.ReportRetracted,
        ev.ReporterRetracted,
        ev.NoticeSent,
        ev.NoticeDelivered,
        ev.NoticeFailed,
        ev.NoticeUndelivered,
        ev.NoticeDelayed,
        ev.NoticeEscalated,
        ev.NoticeAcknowledged,
        ev.ClaimStated,
        ev.HoldPlaced,
        ev.HoldLifted,
        ev.CaseAttributed,
        ev.AddressAttributed,
        ev.CaseErased,
    ),
    sealed=False,
    about="What reporters, hotlines and authorities say. The only topic that accepts an unsealed URL.",
)
OBSERVATIONS = Topic(
    "takedown.observations.v1", (ev.LookMade, ev.LookMissed), about="What the probers saw."
)
WATCHLIST = Topic(
    "takedown.watchlist.v1",
    (ev.WatchEntry,),
    compacted=True,
    about="One entry per case under watch, URL sealed; a tombstone ends the watch.",
)
OUTCOMES = Topic(
    "takedown.outcomes.v1",
    (ev.SpellBreached, ev.SpellRemoved, ev.SpellReturned, ev.SpellMoved, ev.OutcomeVoided),
    about="What the ledger concluded.",
)

TOPICS = (REPORTS, OBSERVATIONS, WATCHLIST, OUTCOMES)
EVIDENCE = (REPORTS, OBSERVATIONS)
BY_NAME = {topic.name: topic for topic in TOPICS}


def topic_of(data: Payload) -> Topic:
    """Say on which topic evidence belongs; raises `UnusableEvent` for what only the ledger may say."""
    for topic in EVIDENCE:
        if type(data) in topic.carries:
            return topic
    name = ev.TYPE_OF[type(data)]
    raise UnusableEvent("wrong_topic", f"{name} is ours to say, not to submit")


def all_names() -> dict[str, dict[str, str]]:
    """Name every topic to create, with its settings, dead letters of the evidence included."""
    keep = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    # A dead letter is as large as its record, which the broker let in, and its headers come on top.
    keep |= _ROLLED | {"max.message.bytes": "2097152"}
    return {t.name: t.config for t in TOPICS} | {t.dlq: keep for t in EVIDENCE}
