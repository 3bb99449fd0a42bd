"""What a broker says of topics that are only just coming into being."""

from typing import Any

import pytest

from consumers.client import topic_admin
from consumers.client.retry import is_transient
from consumers.client.topic_admin import TopicsWrong


class SlowBroker:
    """Says of a topic what a broker says of it while the news of it travels; the last answer stays."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = list(answers)

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [{"topic": name} | answer for name in names]


def said(*leaders: int, error: int = 0) -> dict[str, Any]:
    return {"error_code": error, "partitions": [{"leader": leader} for leader in leaders]}


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_admin, "_DELAYS", (0.0,) * 7)


async def test_half_made_topics_are_waited_for() -> None:
    """Unknown, without partitions, without leaders: only when all is there are partitions counted."""
    broker = SlowBroker(said(error=3), said(error=5), said(), said(-1, -1), said(1, -1), said(1, 1))
    assert await topic_admin._counts(broker, ["a"]) == {"a": 2}  # type: ignore[arg-type]


async def test_a_topic_that_stays_without_leader_is_an_error() -> None:
    """It is named, with what to look at; it does not count as a topic without partitions, and may pass."""
    with pytest.raises(TopicsWrong, match="a: not ready; see that all brokers run") as raised:
        await topic_admin._counts(SlowBroker(said(1, -1)), ["a"])  # type: ignore[arg-type]
    assert is_transient(raised.value)
