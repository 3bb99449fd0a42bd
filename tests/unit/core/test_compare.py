"""Two folds of one case: what differs, in the design's words, and which factor makes it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import Methodology, shipped
from services.core.compare import (
    KINDS,
    Difference,
    Fold,
    Reading,
    definitions,
    differences,
    exchanged,
    explain,
    values,
)
from services.core.digest import case_digest
from services.core.fold import fold
from tests.strategies import METHODOLOGIES, START, event, histories, look, methodologies

METHOD = shipped()["nl-24h"]
HOUR = timedelta(hours=1)
# A clock that starts with the one or the other starts at the same instant, by another event.
SAID_AT_ONCE = [
    event(START + HOUR / 60, ev.NoticeSent(notice_id="n1", provider="giant")),
    event(START + HOUR / 60, ev.NoticeDelivered(notice_id="n1")),
]


def changed(**fields: Any) -> Methodology:
    tree = msgspec.to_builtins(METHOD)
    for name, value in fields.items():
        head, _, part = name.partition("__")
        (tree[head] if part else tree)[part or head] = value
    return msgspec.convert(tree, Methodology)


def folded(events: list[Event], method: Methodology) -> Fold:
    return Fold(*fold(events, method), method)


def explained(
    events: list[Event], here: Methodology, there: Methodology
) -> dict[tuple[str, int | None], Difference]:
    found = differences(folded(events, here), folded(events, there))
    readings = Reading(methodology=here), Reading(methodology=there)
    return {(d.kind, d.spell): d for d in explain(found, events, *readings)}


def history() -> list[Event]:
    """Reported, notified, delivered late, seen until hour 20, then gone in three looks."""
    return [
        event(START, ev.ReportFiled(reporter="h", sealed_url="s1.k.x", provider="giant")),
        event(START + HOUR, ev.NoticeSent(notice_id="n1", provider="giant")),
        event(START + 4 * HOUR, ev.NoticeDelivered(notice_id="n1")),
        *(look(START + h * HOUR, "online", provider="giant") for h in (2, 10, 20)),
        *(look(START + h * HOUR, "removed") for h in (22, 23, 24)),
    ]


def test_the_same_fold_has_no_difference() -> None:
    """Equal folds differ in nothing."""
    assert differences(folded(history(), METHOD), folded(history(), METHOD)) == []


@pytest.mark.parametrize(
    ("there", "kinds", "cause"),
    [
        (changed(clock_start="notice_delivered"), {"clock_start", "deadline"}, "clock_start"),
        (changed(norm="1h"), {"deadline", "norm_state", "breached"}, "norm"),
        (
            changed(confirmation__looks=9),
            {"R", "removal_L", "presence", "norm_state", "exposure"},
            "confirmation.looks",
        ),
        (
            changed(confirmation__span="9h"),
            {"R", "removal_L", "presence", "norm_state", "exposure"},
            "confirmation.span",
        ),
    ],
)
def test_each_difference_names_the_definition_that_makes_it(
    there: Methodology, kinds: set[str], cause: str
) -> None:
    """One definition exchanged: every difference is its, and nothing that it does not reach differs."""
    found = explained(history(), METHOD, there)
    assert {kind for kind, _ in found} == kinds
    assert {d.causes for d in found.values()} == {(cause,)}


def test_what_only_two_definitions_make_together_says_so() -> None:
    """A removal that either stricter rule alone refuses is owed to both; either alone would do the same."""
    there = changed(confirmation__looks=9, confirmation__span="9h", norm="1h")
    found = explained(history(), METHOD, there)
    assert found["presence", 1].causes == ("confirmation.looks", "confirmation.span")
    assert found["deadline", 1].causes == ("norm",)
    joint = changed(clock_start="report", norm="1h")
    deadline = explained(history(), METHOD, joint)["deadline", 1]
    assert deadline.causes == ("clock_start + norm",)


def test_evidence_that_one_side_lacks_is_the_cause() -> None:
    """Where the events folded here don't give what stands there, the evidence differs."""
    more = [*history(), look(START + 30 * HOUR, "online", provider="giant")]
    found = differences(folded(history(), METHOD), folded(more, METHOD))
    reading = Reading(methodology=METHOD)
    assert found
    assert {d.causes for d in explain(found, history(), reading, reading)} == {("evidence",)}


def test_what_is_done_to_events_is_a_factor_too() -> None:
    """A side that reads only some events differs by that, and says so by its name."""

    def early(events: list[Event]) -> list[Event]:
        return [event for event in events if event.time < START + 21 * HOUR]

    named: dict[str, Callable[[list[Event]], list[Event]]] = {"event times": early}
    here, there = Reading(methodology=METHOD), Reading(methodology=METHOD, prepared=named)
    other = there.fold(history())
    assert other is not None
    found = explain(differences(folded(history(), METHOD), other), history(), here, there)
    assert {d.causes for d in found} == {("event times",)}


@example(SAID_AT_ONCE, shipped()["delivered-24h"], shipped()["demo"])
@given(histories, methodologies, methodologies)
def test_no_difference_goes_unseen(
    events: list[Event], here: Methodology, there: Methodology
) -> None:
    """Unequal digests have a difference, equal digests have none: what `--compare` counts is what it shows."""
    ours, theirs = folded(events, here), folded(events, there)
    same = case_digest(ours.case, ours.transitions) == case_digest(theirs.case, theirs.transitions)
    bare = [msgspec.structs.replace(f, methodology=None) for f in (ours, theirs)]
    found = differences(*bare)
    assert same or found
    assert not (same and found)
    assert {d.kind for d in found} <= set(KINDS)


@given(histories, methodologies, methodologies)
def test_every_difference_of_two_methodologies_is_explained_by_definitions(
    events: list[Event], here: Methodology, there: Methodology
) -> None:
    """With the same events a cause is always a definition in which the two differ, never the evidence."""
    names = set(definitions(here, there))
    for one in explained(events, here, there).values():
        assert one.causes
        for cause in one.causes:
            assert set(cause.split(" + ")) <= names


@given(methodologies, methodologies)
def test_exchanging_every_definition_gives_the_other(one: Methodology, other: Methodology) -> None:
    """The definitions named are all that a fold asks for: with all of them exchanged it folds as the other does."""
    made = exchanged(one, other, definitions(one, other))
    assert definitions(made, other) == []
    events = history()
    assert values(folded(events, made)) == values(folded(events, other))


def test_all_shipped_methodologies_are_tried() -> None:
    """The properties above draw from every shipped definition."""
    assert set(shipped()) <= {method.id for method in METHODOLOGIES}
