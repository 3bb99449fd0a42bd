"""What a loop tells of itself; `services.exporter.health.Health` listens."""

from typing import Protocol


class LoopHealth(Protocol):
    """Hears that a loop turns."""

    def turned(self, loop: str) -> None:
        """Note that a loop turned."""
        ...


class LoopRegister(LoopHealth, Protocol):
    """Also expects a loop to turn."""

    def register(self, loop: str, limit_seconds: float) -> None:
        """Expect the loop to turn at least so often."""
        ...
