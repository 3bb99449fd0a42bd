"""How a prober works, and for which vantage."""

from collections.abc import Mapping

from msgspec import Struct

from consumers.client.groups import prober_group
from schemas.methodology import Methodology
from schemas.topics import Topic
from services.probing.schedule.works import VantageRole

DRAIN_SECONDS = 10.0


class ProberSettings(Struct, frozen=True, kw_only=True):
    """How a prober works; seconds unless named otherwise.

    `resolution` is how late a look may be for the wheel's sake; `looks_per_second` bounds the catch-up after a pause.
    A revoked look has `hand_over_seconds` to end,
    at a shutdown `drain_seconds`; then it is recorded as missed, for which there are `record_seconds`.
    """

    concurrency: int
    looks_per_second: float
    resolution: float
    poll_seconds: float = 0.1
    batch_records: int = 500
    commit_seconds: float = 1.0
    look_limit_seconds: float = 120.0
    hand_over_seconds: float = 3.0
    drain_seconds: float = DRAIN_SECONDS
    record_seconds: float = 5.0
    session_seconds: float = 10.0
    stall_seconds: float = 120.0
    turn_limit_seconds: float = 60.0


class ProberVantage(Struct, frozen=True, kw_only=True):
    """Who looks, and by which definitions."""

    name: str
    role: VantageRole
    methodologies: Mapping[str, Methodology]
    watchlist: Topic

    @property
    def group(self) -> str:
        """The consumer group: one per vantage."""
        return prober_group(self.name)
