"""The prober: Kafka in, Kafka out. Owns partitions of the watch list, makes looks, says what it saw and what it missed.

It has no database and no state of its own: its work list is the compacted topic, its progress the group's commit.
Per assignment: read the progress, read the partition from its first record to its end, then look and follow.

Rebalances are eager: every change of members takes all partitions from everybody. A partition that comes back
unchanged is gone on with; one that another member had meanwhile is read anew.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.client import heap
from consumers.client.connection import KafkaConnection
from consumers.client.loop_health import LoopRegister
from consumers.client.shell import ClientShell, group_consumer, keep_working
from consumers.client.watchdog import Watchdog
from consumers.prober.assignment import Assignment
from consumers.prober.in_flight import InFlightLooks, LookMaker
from consumers.prober.options import ProberSettings, ProberVantage
from consumers.prober.recorder import Recorder
from schemas.methodology import Methodology
from schemas.sealing import Keyring
from schemas.topics import OBSERVATIONS, WATCHLIST, Topic
from services.probing.schedule.works import VantageRole

log = structlog.get_logger(__name__)

LOOP = "prober"
_FETCHED_BYTES = 512 * 1024


class Prober:
    """One member of a vantage's consumer group.

    Args:
        looker: makes the looks.
        methodologies: by id; the first one's cadence serves entries that name another.
        role: a second vantage looks only where an entry asks for one.

    """

    def __init__(
        self,
        kafka: KafkaConnection,
        looker: LookMaker,
        keyring: Keyring,
        *,
        methodologies: Mapping[str, Methodology],
        vantage: str,
        health: LoopRegister,
        clock: Callable[[], datetime],
        role: VantageRole,
        settings: ProberSettings,
        watchlist: Topic = WATCHLIST,
        observations: Topic = OBSERVATIONS,
    ) -> None:
        self._kafka = kafka
        self._vantage = ProberVantage(
            name=vantage, role=role, methodologies=methodologies, watchlist=watchlist
        )
        self._health = health
        self._clock = clock
        self._settings = settings
        self._recorder = Recorder(kafka, observations)
        self._assignment: Assignment | None = None
        self._in_flight = InFlightLooks(
            looker,
            keyring,
            self._recorder,
            vantage=vantage,
            clock=clock,
            limit_seconds=self._settings.look_limit_seconds,
            on_end=self._launch,
        )

    def __repr__(self) -> str:
        return f"<Prober {self._vantage.name}: {self._assignment!r}>"

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`, then drain; raises what waiting can't mend."""
        heap.settle()
        self._health.register(LOOP, self._settings.turn_limit_seconds)
        with heap.rare_collections(heap.YOUNG_OBJECTS_OF_LOOKS):
            try:
                await keep_working(LOOP, partial(self._watch, stop), stop, self._health, _log_wait)
            finally:
                await self._recorder.stop()

    def _launch(self) -> None:
        if self._assignment is not None:
            self._assignment.launch()

    # -- one client --------------------------------------------------------------------------

    async def _watch(self, stop: asyncio.Event) -> None:
        """Work with one client until `stop` or until it has to be built anew."""
        consumer = self._client()
        shell = ClientShell(LOOP, consumer, stop_seconds=self._settings.drain_seconds)
        assignment = Assignment(
            consumer,
            self._kafka,
            self._vantage,
            self._in_flight,
            settings=self._settings,
            clock=self._clock,
            turned=lambda: self._health.turned(LOOP),
        )
        try:
            await shell.start([self._vantage.watchlist.name], assignment)
            self._assignment = assignment
            await shell.guard(assignment.run(stop), self._watchdog(consumer, assignment))
        finally:
            await assignment.let_go("shutdown" if stop.is_set() else "assignment_lost")
            self._assignment = None
            await shell.discard()

    def _client(self) -> AIOKafkaConsumer:
        return group_consumer(
            self._kafka,
            self._vantage.group,
            session_seconds=self._settings.session_seconds,
            # What is fetched ahead counts in the memory of a million cases; one partition is read at a time.
            fetch_max_bytes=_FETCHED_BYTES,
            max_partition_fetch_bytes=_FETCHED_BYTES,
        )

    def _watchdog(self, consumer: AIOKafkaConsumer, assignment: Assignment) -> Watchdog:
        return Watchdog(
            consumer,
            assignment.positions,
            lambda: False,
            _commit_nothing,
            stall_seconds=self._settings.stall_seconds,
        )


async def _commit_nothing(positions: Mapping[TopicPartition, int]) -> None:
    """Commit nothing: the prober's commits carry its progress."""


def _log_wait(error: str, seconds: float) -> None:
    log.warning("prober.waits", error=error, seconds=seconds)
