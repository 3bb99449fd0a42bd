"""The switches of a simulated network: a blackout of everything, and a canary that is down."""

from dataclasses import dataclass, field

Window = tuple[float, float]


@dataclass(slots=True)
class Weather:
    """Windows [from, to) in seconds after the start of the world; both kinds may be added while it runs."""

    blackouts: list[Window] = field(default_factory=list)
    canary_downs: list[Window] = field(default_factory=list)

    def dark(self, offset: float) -> bool:
        """Tell whether no host and no name server answers."""
        return _inside(self.blackouts, offset)

    def canary_down(self, offset: float) -> bool:
        """Tell whether the canary host fails."""
        return _inside(self.canary_downs, offset)


def _inside(windows: list[Window], offset: float) -> bool:
    return any(since <= offset < until for since, until in windows)
