"""How fast the pure core folds, without Kafka and Postgres: what a replay is bounded by at best."""

import time
from datetime import timedelta

from schemas.events import Event, NoticeSent, ReportFiled
from schemas.methodology import shipped
from services.core.fold import extend, fold
from tests.benchmarks.figures import Figure, figure
from tests.strategies import START, event, look

CASES, LOOKS = 3000, 20


def history(number: int) -> list[Event]:
    """Make one case's life: a report, a notice, and looks every hour, the last three of them gone."""
    case = f"{number:032x}"
    told = [
        event(START, ReportFiled(reporter="r", sealed_url="s1.k.x", provider="giant"), case),
        event(START, NoticeSent(notice_id=f"n{number}", provider="giant"), case),
    ]
    hours = [START + timedelta(hours=h) for h in range(1, LOOKS + 1)]
    verdicts = ["online"] * (LOOKS - 3) + ["removed"] * 3
    pairs = zip(hours, verdicts, strict=True)
    return told + [look(at, verdict, provider="giant", case=case) for at, verdict in pairs]


def run() -> list[Figure]:
    """Fold whole cases, and extend them look by look."""
    methodology = shipped()["nl-24h"]
    lives = [history(number) for number in range(CASES)]
    count = sum(len(life) for life in lives)
    started = time.perf_counter()
    for life in lives:
        fold(life, methodology)
    whole = count / (time.perf_counter() - started)
    cases = [fold(life[:3], methodology)[0] for life in lives]
    started = time.perf_counter()
    for case, life in zip(cases, lives, strict=True):
        for later in life[3:]:
            extend(case, later, methodology)
    stepwise = (count - 3 * CASES) / (time.perf_counter() - started)
    return [
        figure("fold", whole, "events/s"),
        figure("fold_extend", stepwise, "events/s"),
    ]


if __name__ == "__main__":
    for made in run():
        print(made)
