"""A real Alertmanager on the shipped file: what it inhibits, and whom it tells."""

from tests.alertmanager import Alertmanager, Labels, alertmanager
from tests.operations.test_monitoring import ALERTS, RECEIVERS
from tests.servers import eventually

BLIND = {"alertname": "TakedownProberBlind", "vantage": "nl"}
# What a blind vantage explains, and what stays a fact or has another cause.
EXPLAINED = (
    {"alertname": "TakedownUndeterminedHigh", "vantage": "nl"},
    {"alertname": "TakedownLooksMissed", "vantage": "nl"},
    {"alertname": "TakedownPipelineStalled", "part": "prober", "vantage": "nl"},
    {"alertname": "TakedownUndeterminedJump", "provider": "giant"},
    {"alertname": "TakedownOverdueUnverified", "provider": "giant"},
    {"alertname": "TakedownDeadlineNear", "provider": "giant"},
    {"alertname": "TakedownNormSlipping", "provider": "giant"},
)
UNEXPLAINED = (
    {"alertname": "TakedownUndeterminedHigh", "vantage": "de"},
    {"alertname": "TakedownCertainBreach", "provider": "giant"},
    {"alertname": "TakedownWatchedBreach", "provider": "giant"},
    {"alertname": "TakedownNoticesUndelivered", "provider": "giant"},
    {"alertname": "TakedownDeadLetters", "topic": "takedown.reports.v1"},
)
STALLED = {
    "alertname": "TakedownPipelineStalled",
    "part": "ledger",
    "topic": "takedown.reports.v1",
}
OVERDUE = {"alertname": "TakedownOverdueUnverified", "provider": "small"}


def labelled(alert: Labels) -> Labels:
    """Give an alert the labels that its rule gives it; several rules may have its name."""
    rules = (one for one in ALERTS if one["alertname"] == alert["alertname"])
    return next(rule for rule in rules if rule | alert == alert | rule) | alert


def named(alerts: list[Labels]) -> set[tuple[tuple[str, str], ...]]:
    return {tuple(sorted(labels.items())) for labels in alerts}


async def have_inhibited(manager: Alertmanager, alerts: list[Labels]) -> None:
    """Wait until exactly these alerts are inhibited: Alertmanager takes alerts in first, and compares them after."""

    async def these() -> bool:
        found = [one["labels"] for one in await manager.alerts() if one["status"]["inhibitedBy"]]
        return named(found) == named(alerts)

    await eventually(f"Alertmanager inhibits {sorted(named(alerts))} alone", these)


async def test_a_blind_prober_silences_what_it_explains() -> None:
    """What follows from a blind vantage tells nobody; facts and other faults reach whom they concern."""
    explained, rest = [*map(labelled, EXPLAINED)], [*map(labelled, (BLIND, *UNEXPLAINED))]
    async with alertmanager() as manager:
        await manager.tell(labelled(BLIND))
        await manager.tell(*explained, *rest)
        await have_inhibited(manager, explained)
        for one in await manager.alerts():
            assert [to["name"] for to in one["receivers"]] == [
                RECEIVERS[one["labels"]["alertname"]]
            ]

        async def all_told() -> bool:
            return sum(map(len, manager.messages.values())) >= len(rest)

        await eventually("every receiver is told", all_told)
        for receiver, told in manager.messages.items():
            own = [one for one in rest if RECEIVERS[one["alertname"]] == receiver]
            assert named(told) == named(own), receiver
        assert named(manager.messages["watch-list"]) == named([labelled(UNEXPLAINED[2])])


async def test_what_stands_still_shows_old_deadlines() -> None:
    """A stalled pipeline silences what is told from old figures, and a monitor that is down silences that too."""
    down = {"alertname": "TakedownMonitorDown", "job": "takedown"}
    async with alertmanager() as manager:
        await manager.tell(labelled(STALLED), labelled(OVERDUE))
        await have_inhibited(manager, [labelled(OVERDUE)])
        await manager.tell(labelled(down))
        await have_inhibited(manager, [labelled(OVERDUE), labelled(STALLED)])
