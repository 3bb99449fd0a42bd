"""What happens in the script of the dashboards' test, and what each panel must show of it.

Nine cases at two providers, told by evidence whose times lie before now; a prober then looks at their URLs on a page
of this machine, and what it sees there decides cases 2 and 9, whose deadlines are past. Case 1 was removed in time, 3
is due in an hour and 4 in four, 5 is overdue behind a wall, 6 has no notice, 7's notice failed, and 8 broke the norm
days ago. The norm of case 9 is an hour, as its category has it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas import events as ev
from schemas import ids, topics
from schemas.codec import encode_data
from schemas.events import Event, Payload
from schemas.sealing import Keyring
from schemas.urls import CanonicalUrl, canonical

HOUR = timedelta(hours=1)
VANTAGE = "script"
_TOPIC_OF = {struct: topic.name for topic in topics.EVIDENCE for struct in topic.carries}


class Story(NamedTuple):
    """One case: where it is, what its page answers, and how many hours ago its notice went out."""

    provider: str
    page: str
    noticed: float | None
    seen: float | None = None
    category: str = "csam"


STORIES = {
    1: Story("giant", "gone", 30, seen=29),
    2: Story("giant", "online", 26, seen=3),
    3: Story("giant", "online", 23, seen=1),
    4: Story("giant", "online", 20, seen=1),
    5: Story("small", "wall", 25, seen=2),
    6: Story("small", "online", None),
    7: Story("small", "online", 3),
    8: Story("small", "online", 200, seen=190),
    9: Story("giant", "online", 3, seen=2.5, category="terrorist"),
}


class Script:
    """The evidence of the script, as events."""

    spells = len(STORIES)
    breached = 3
    online = sum(story.page != "gone" for story in STORIES.values())

    def __init__(self, keyring: Keyring, port: int, now: datetime) -> None:
        self._keyring = keyring
        self._port = port
        self._now = now

    @property
    def cases(self) -> set[str]:
        """The ids of its cases."""
        return {self._case(number) for number in STORIES}

    @staticmethod
    def topic_of(event: Event) -> str:
        """Name the topic on which an event belongs."""
        return _TOPIC_OF[type(event.data)]

    def before(self) -> list[Event]:
        """Give what was known before anybody watched."""
        told = [event for number in STORIES for event in self._beginning(number)]
        told += [self._look(1, hours, "removed") for hours in (28, 27.5, 27)]
        told.append(self._look(8, 100, "online"))
        told.append(self._event(7, 2.9, ev.NoticeFailed(notice_id="n7", reason="refused")))
        return told

    def _beginning(self, number: int) -> list[Event]:
        story, url = STORIES[number], self._url(number)
        filed = ev.ReportFiled(
            reporter="hotline",
            sealed_url=self._keyring.seal(url),
            provider=story.provider,
            category=story.category,
        )
        told = [self._event(number, story.noticed or 1, filed)]
        if story.noticed is not None:
            sent = ev.NoticeSent(notice_id=f"n{number}", provider=story.provider)
            told.append(self._event(number, story.noticed, sent))
        if story.seen is not None:
            told.append(self._look(number, story.seen, "online"))
        return told

    def _look(self, number: int, hours: float, verdict: str) -> Event:
        at = self._now - hours * HOUR
        finished = at + timedelta(seconds=0.5)
        made = ev.LookMade(
            vantage=VANTAGE,
            tick=at,
            started_at=at,
            finished_at=finished,
            verdict=verdict,  # type: ignore[arg-type]
            reason="served" if verdict == "online" else "http_gone",
            canary_at=finished,
            providers_left_out=(),
        )
        case = self._case(number)
        name = ids.look_id(case, VANTAGE, at, at)
        return Event(id=name, time=finished, source="test", case_id=case, data=made)

    def _event(self, number: int, hours: float, data: Payload) -> Event:
        case, at = self._case(number), self._now - hours * HOUR
        name = ids.content_id(ev.TYPE_OF[type(data)], case, at, encode_data(data))
        return Event(id=name, time=at, source="test", case_id=case, data=data)

    def _url(self, number: int) -> CanonicalUrl:
        return canonical(f"http://127.0.0.1:{self._port}/{STORIES[number].page}/{number}")

    def _case(self, number: int) -> str:
        return self._keyring.case_id(self._url(number))


class Between(NamedTuple):
    """A value that time moves: what is fixed is where it lies."""

    low: float
    high: float


Value = float | Between
Expected = Value | Mapping[str, Value] | Callable[[Mapping[str, float]], bool]

SECONDS = Between(0, 120)
"""The age of what happens again and again, on a machine that may be busy."""
SHARE = Between(0, 1)
SOME = Between(1e-9, 1e15)
# Prometheus extends a growth to the ends of its window: a little more than was counted, never less.
ONE, TWO = Between(0.99, 1.5), Between(1.98, 3)


def fits(expected: Expected, found: Mapping[str, float]) -> bool:
    """Hold an answer, by the values of its labels, against what it has to be; a single value holds for every line."""
    if callable(expected):
        return expected(found)
    if isinstance(expected, Mapping):
        both = set(expected) == set(found)
        return both and all(_lies(expected[key], value) for key, value in found.items())
    return bool(found) and all(_lies(expected, value) for value in found.values())


def _lies(expected: Value, value: float) -> bool:
    if isinstance(expected, Between):
        return expected.low <= value <= expected.high
    return abs(value - expected) < 1e-6


def hours(count: float) -> Between:
    """Expect a time that goes on while the test runs."""
    return Between(count * 3600 - 1, count * 3600 + 900)


def _zero_but(library: Value = 0.0, **wanted: Value) -> Callable[[Mapping[str, float]], bool]:
    """Expect zeros, but for the lines whose labels hold one of these words, and a library's, if any is shown."""

    def holds(found: Mapping[str, float]) -> bool:
        told = {word: [v for key, v in found.items() if word in key.split()] for word in wanted}
        rest = {key: v for key, v in found.items() if not set(wanted) & set(key.split())}
        named = all(told[w] and any(_lies(x, v) for v in told[w]) for w, x in wanted.items())
        zeros = all(
            _lies(library if "library" in key.split() else 0.0, v) for key, v in rest.items()
        )
        return bool(found) and named and zeros

    return holds


# The script holds the prober. Where that takes longer than its session at Kafka, as on a busy machine, the broker takes
# it out of its group, and its client says so.
_OF_A_LIBRARY = Between(0, 5)

_CLOCKS = {
    "overdue": 1.0,
    "under_2h": 1.0,
    "under_6h": 1.0,
    "under_12h": 0.0,
    "under_24h": 0.0,
    "later": 0.0,
}
_STANDING = {
    "within": 1.0,
    "certain_breaches": 3.0,
    "undecided": 1.0,
    "younger_than_norm": 2.0,
    "not_started": 2.0,
    "excluded": 0.0,
}
# Case 8 has been seen online for 190 hours, 2 for 3, 9 for 2.5, 3 and 4 for one each.
_ONLINE = {"giant": hours(7.5), "small": hours(190)}
_MAYBE_ONLINE = {"giant": hours(74), "small": hours(229)}

# By panel: what each of its queries gives, in order. Panels of one name on several dashboards show one number.
EXPECTED: dict[str, tuple[Expected, ...]] = {
    # What is due, and who breaks the norm.
    "Due within 2 hours": (1.0,),
    "Last seen online and due soon": (1.0,),
    "Overdue, unverified": (1.0,),
    "Certain breaches of 24 hours": (2.0,),
    "Notices that failed": (1.0,),
    "Cases without a notice": (1.0,),
    "Running clocks by the time left": (_CLOCKS,),
    "Whom to call": (
        {"giant": 1.0, "small": 0.0},
        {"giant": 1.0, "small": 0.0},
        {"giant": 0.0, "small": 1.0},
        {"giant": 2.0, "small": 0.0},
        {"giant": 4.0, "small": 4.0},
        {"giant": 0.0, "small": 0.0, "other": 0.0},
    ),
    "Certain breaches of the last 24 hours": ({"giant": 2.0, "small": 0.0},),
    "Those of the watch list": ({"giant": 2.0, "small": 0.0},),
    "Certain breaches recorded within an hour": ({"giant": TWO, "small": 0.0},),
    # Whether it can be trusted.
    "Processes that do not answer": (0.0,),
    "Canary last seen": (SECONDS,),
    "Looks owed": (SECONDS,),
    "Figures read": (SECONDS,),
    "Lag of the ledger": (0.0,),
    "Records that could not be used": (ONE,),
    "Share of looks that could not tell": (SHARE,),
    "Looks by what came of them": (
        {"decided": SOME, "undetermined": Between(1, 50), "missed": 0.0},
    ),
    # The norm.
    "Within the norm, at least": (0.2,),
    "Within the norm, at most": (0.4,),
    "Judged spells": (5.0,),
    "Certain breaches": (3.0,),
    "Undecided": (1.0,),
    "Still online": (8.0,),
    "Methodology": (1.0,),
    "Exposure, at least": (hours(197.5),),
    "Exposure, at most": (hours(303),),
    "Longest norm": (86400.0,),
    "Breaches taken back": (0.0,),
    "League table": (
        {"giant": 3.0, "small": 2.0},
        {"all": 0.2, "giant": 1 / 3, "small": 0.0},
        {"all": 0.4, "giant": 1 / 3, "small": 0.5},
        {"giant": 2.0, "small": 1.0},
        {"giant": 0.0, "small": 1.0},
        {"giant": 4.0, "small": 4.0},
        _ONLINE,
        _MAYBE_ONLINE,
    ),
    "Share within the norm by provider": (
        {"all": 0.2, "giant": 1 / 3, "small": 0.0},
        {"all": 0.4, "giant": 1 / 3, "small": 0.5},
    ),
    "Exposure by provider": (_ONLINE, _MAYBE_ONLINE),
    "Share within the norm": (0.2, 0.4),
    "Where spells stand": (_STANDING,),
    # One removal, between 1 h and 2 h of the clock: both histograms' buckets say so.
    "Removal time": (
        Between(0, 3600),
        Between(7200, 14400),
        Between(0, 3600),
        Between(7200, 14400),
    ),
    "Certain breaches in this time range": ({"giant": TWO, "small": 0.0},),
    "Still online by provider": ({"giant": 4.0, "small": 4.0},),
    "Removals, returns, moves": (0.0, 0.0, 0.0),
    "Spells by the state of the clock": (SOME,),
    # Operations.
    "Version": (5.0,),
    "Least disk space": (SOME,),
    "Errors logged": (_OF_A_LIBRARY,),
    "Readings that failed": (0.0,),
    "Last round of retention": (SECONDS,),
    "Processes that answer": (1.0,),
    "Processor": (SOME,),
    "Memory": (SOME,),
    "Open files": (SHARE,),
    "Disk space": (SOME,),
    "Warnings and errors": (_zero_but(_OF_A_LIBRARY, **{"deadletter.sent": ONE}),),
    "Reading the ledger": (SECONDS,),
    "Retention": (0.0, 0.0),
    "Notices by state": ({"sent": 7.0, "delivered": 0.0, "failed": 1.0, "acknowledged": 0.0},),
    "Attributions by source": (0.0,),
    "Looks read for attribution": (Between(0, 1e3),),
    "Addresses that wait for a source": (0.0, 0.0),
    "Questions to sources": (0.0,),
    "Waiting for a notice": ({"giant": 0.0, "small": 1.0},),
    # The pipeline.
    "Lag": (0.0,),
    "Lag in event time": (0.0,),
    "Outbox": (0.0,),
    "Dead letters": (ONE,),
    "Open transaction": (0.0,),
    "Records taken": (Between(0, 1e3),),
    "Lag by topic": (0.0,),
    "Lag in event time by topic": (0.0,),
    "Dead letters by reason": (_zero_but(not_cloudevent=ONE),),
    "Open transactions": (0.0,),
    "Clients built anew": (0.0,),
    "Batches": (SECONDS, SECONDS),
    "Batches and refolds": (SOME, Between(0, 1e3)),
    "Ages": (Between(0, 1e5), SECONDS, SECONDS),
    "Published": (Between(0, 1e3),),
    "Outbox rows": (0.0,),
    "Requests to the intake": (0.0,),
    # The prober.
    "Watched cases": (9.0,),
    "Looks waiting": (0.0,),
    "Looks held back": (0.0,),
    "Looks missed": (0.0,),
    "Share undetermined by vantage": ({"local": Between(0.01, 0.5)},),
    "Looks by verdict": ({"online": SOME, "removed": SOME, "undetermined": SOME},),
    "Looks by verdict and reason": (
        _zero_but(served=SOME, not_found=SOME, blocked_forbidden=SOME),
    ),
    "Looks missed by reason": (0.0,),
    "Lateness of looks": (Between(0, 3600), Between(0, 3600)),
    "Phases of a look": (SECONDS,),
    "Work list": ({"local": 9.0},),
    "Looks in flight, waiting and held": (0.0, 0.0, 0.0),
}

# What the dashboard of one provider shows of `giant`, where that is another number.
OF_GIANT: dict[str, tuple[Expected, ...]] = {
    "Overdue, unverified": (0.0,),
    "Notices that failed": (0.0,),
    "Cases without a notice": (0.0,),
    "Running clocks by the time left": (_CLOCKS | {"overdue": 0.0},),
    "Certain breaches recorded within an hour": ({"giant": TWO},),
    "Looks by what came of them": ({"decided": SOME, "undetermined": 0.0, "missed": 0.0},),
    "Within the norm, at least": (1 / 3,),
    "Within the norm, at most": (1 / 3,),
    "Share within the norm": (1 / 3, 1 / 3),
    "Judged spells": (3.0,),
    "Certain breaches": (2.0,),
    "Still online": (4.0,),
    "Where spells stand": (
        {
            "within": 1.0, "certain_breaches": 2.0, "undecided": 0.0,
            "younger_than_norm": 2.0, "not_started": 0.0, "excluded": 0.0,
        },
    ),
    "Exposure, at least": (hours(7.5),),
    "Exposure, at most": (hours(74),),
    "Spells by the state of the clock": (
        {"BREACHED": 2.0, "RUNNING": 2.0, "WITHIN": 1.0, "ON_HOLD": 0.0, "UNDECIDED": 0.0, "STOPPED": 0.0},
    ),
    "Notices by state": ({"sent": 5.0, "delivered": 0.0, "failed": 0.0, "acknowledged": 0.0},),
}  # fmt: skip
