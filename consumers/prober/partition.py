"""One partition of the watch list in a prober's hands: its schedule, and how far it has been read."""

from datetime import UTC, datetime

import structlog
from aiokafka import TopicPartition

from consumers.client.connection import Record
from schemas import codec, ids
from schemas.errors import UnusableEvent
from schemas.events import WatchEntry
from schemas.topics import Topic
from services.probing.schedule.scheduler import Schedule
from services.probing.schedule.works import Progress

log = structlog.get_logger(__name__)


class OwnedPartition:
    """One partition in this prober's hands."""

    __slots__ = ("end", "loaded", "next_offset", "position", "schedule", "tp")

    def __init__(self, tp: TopicPartition, schedule: Schedule) -> None:
        self.tp = tp
        self.schedule = schedule
        self.next_offset = self.position = self.end = 0
        self.loaded = False

    def __repr__(self) -> str:
        return f"<OwnedPartition partition {self.tp.partition}, {self.schedule!r}>"

    @property
    def at_work(self) -> bool:
        """Tell whether the list is read and planned, so that its progress means something."""
        return self.loaded and self.schedule.started

    @property
    def progress(self) -> Progress:
        """Say what to store for the next owner."""
        return self.schedule.progress(self.next_offset)

    def take(self, record: Record, topic: Topic, now: datetime) -> None:
        """Take one record of the watch list; one that can't be used is logged and passed over."""
        self.next_offset = record.offset + 1
        case_id = (record.key or b"").decode("ascii", "replace")
        if not ids.is_case_id(case_id):
            log.error("prober.entry_unusable", reason="no_case", offset=record.offset)
        elif record.value is None:
            self.schedule.drop(case_id)
        else:
            self._put(case_id, record, topic, now)

    def _put(self, case_id: str, record: Record, topic: Topic, now: datetime) -> None:
        try:
            entry = codec.payload(record.value, record.headers, topic)
            assert isinstance(entry, WatchEntry)
            listed_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            self.schedule.put(case_id, entry, offset=record.offset, listed_at=listed_at, now=now)
        except UnusableEvent as error:
            log.error("prober.entry_unusable", reason=error.reason, offset=record.offset)
