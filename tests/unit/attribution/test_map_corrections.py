"""A changed map becomes statements that change exactly the spells that it should."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from schemas import events as ev
from schemas.events import Event
from services.attribution.history import reattributed
from services.attribution.map_corrections import Act, MapChange
from services.attribution.providermap import ProviderMap
from services.core.fold import fold
from tests.strategies import NL, START, event

HOUR = timedelta(hours=1)
ACT = Act(actor="analyst", reason="registry shows it", at=START + 1000 * HOUR)
A, B = "192.0.2.1", "198.51.100.1"


def table(*rows: str) -> ProviderMap:
    """A map of rows `provider,prefix,hour`, each from an hour of the story on."""
    lines = []
    for row in rows:
        provider, prefix, hour = row.split(",")
        since = (START + float(hour) * HOUR).isoformat() if hour else ""
        lines.append(f"{provider},{prefix},{since}")
    return ProviderMap.parse("provider,prefix,valid_from\n" + "\n".join(lines))


def story(recorded: ProviderMap, *places: tuple[float, str]) -> list[Event]:
    """A report, a notice, and looks that saw an address serve, attributed as the map of the day had it."""
    events = [
        event(START, ev.ReportFiled(reporter="h", sealed_url="s1.k.x")),
        event(START + 3 * HOUR, ev.NoticeSent(notice_id="n", provider="giant")),
    ]
    for hour, address in places:
        at = START + hour * HOUR
        look = ev.LookMade(
            vantage="v1",
            tick=at,
            started_at=at,
            finished_at=at + timedelta(seconds=1),
            verdict="online",
            reason="test",
            served=(ev.Served(address=address, online=True),),
            providers_left_out=(),
        )
        events.append(reattributed(event(at + timedelta(seconds=1), look), recorded))
    return events


def spells(events: Sequence[Event]) -> list[tuple[str | None, float]]:
    case = fold(events, NL)[0]
    return [(one.provider, (one.opened_at - START) / HOUR) for one in case.spells]


GIANT = table("giant,192.0.2.0/24,", "small,198.51.100.0/24,")
MOVE = ((2, A), (30, B), (31, B), (32, B), (33, B))


@pytest.mark.parametrize(
    ("after", "places", "expected"),
    [
        (table("small,192.0.2.0/24,"), ((2, A), (30, A)), [("small", 0)]),
        (
            table("small,192.0.2.0/24,", "giant,198.51.100.0/24,"),
            MOVE,
            [("small", 0), ("giant", 30)],
        ),
        (table("giant,192.0.2.0/24,", "giant,198.51.100.0/24,"), MOVE, [("giant", 0)]),
        (
            table("giant,192.0.2.0/24,", "other,198.51.100.0/24,"),
            MOVE,
            [("giant", 0), ("other", 30)],
        ),
        (
            table("giant,192.0.2.0/24,", "small,192.0.2.0/24,20", "small,198.51.100.0/24,"),
            ((2, A), (19, A), (21, A), (22, A), (23, A), (30, A)),
            [("giant", 0), ("small", 21)],
        ),
    ],
    ids=[
        "all of history",
        "the other way round",
        "no move",
        "a move elsewhere",
        "a move that nobody saw",
    ],
)
def test_statements_give_what_a_replay_under_the_map_gives(
    after: ProviderMap, places: tuple[tuple[float, str], ...], expected: list[tuple[str, float]]
) -> None:
    """The record with the statements folds to the spells that the looks give under the corrected map."""
    events = story(GIANT, *places)
    corrected = MapChange(GIANT, after, NL).corrected(events, ACT)
    assert corrected is not None
    assert corrected.exact
    assert spells([*events, *corrected.statements]) == expected
    assert spells([reattributed(one, after) for one in events]) == expected
    again = [*events, *corrected.statements]
    assert MapChange(GIANT, after, NL).corrected(again, ACT) is None


def test_an_as_number_that_is_another_s_is_corrected_in_history() -> None:
    """What a file of AS numbers attributed follows the number to the provider that held it."""
    before, after = (
        ProviderMap.parse(f"provider,asn\n{name},64500") for name in ("giant", "small")
    )
    served = ev.Served(address=A, provider="giant", method="mmdb", online=True, as_number=64500)
    events = [
        structs.replace(one, data=structs.replace(one.data, served=(served,)))
        if isinstance(one.data, ev.LookMade)
        else one
        for one in story(before, (2, A), (30, A))
    ]
    corrected = MapChange(before, after, NL).corrected(events, ACT)
    assert corrected is not None
    assert spells([*events, *corrected.statements]) == [("small", 0)]


def test_a_case_that_the_change_does_not_speak_of_stays() -> None:
    """No statement is made of a case whose addresses both maps attribute alike, whatever its looks say."""
    events = story(table("third,192.0.2.0/24,"), (2, A), (30, A))
    after = table("giant,192.0.2.0/24,", "other,198.51.100.0/24,")
    assert MapChange(GIANT, after, NL).corrected(events, ACT) is None


def test_what_only_looks_decide_needs_a_replay() -> None:
    """Seen elsewhere too seldom to have moved: no statement of who answered says that, so that none is made."""
    events = story(GIANT, (4, A), (30, A))
    corrected = MapChange(GIANT, table("small,192.0.2.0/24,"), NL).corrected(events, ACT)
    assert corrected is not None
    assert (corrected.statements, corrected.exact) == ([], False)


def test_a_map_that_knows_nobody_any_more_leaves_the_charge() -> None:
    """Where nobody is known to serve, the charged provider stays charged, and a move is taken back."""
    events = story(GIANT, *MOVE)
    corrected = MapChange(GIANT, table("giant,192.0.2.0/24,"), NL).corrected(events, ACT)
    assert corrected is not None
    assert spells([*events, *corrected.statements]) == [("giant", 0)]


PROVIDERS = st.sampled_from(["giant", "small", "other"])
MAPS = st.lists(
    st.tuples(PROVIDERS, st.sampled_from([A, B]), st.sampled_from(["", "10", "40"])),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row[1:],
).map(lambda rows: table(*(f"{p},{a}/32,{h}" for p, a, h in rows)))
PLACES = st.lists(st.tuples(st.integers(1, 60), st.sampled_from([A, B])), min_size=1, max_size=12)


@given(MAPS, MAPS, PLACES)
def test_statements_are_exact_or_not_made(
    before: ProviderMap, after: ProviderMap, places: list[tuple[int, str]]
) -> None:
    """Whatever maps and looks: with the statements the spells are those under the new map, or there are none."""
    events = story(before, *sorted(set(places)))
    corrected = MapChange(before, after, NL).corrected(events, ACT)
    expected = spells([reattributed(one, after) for one in events])
    if corrected is None:
        assert spells(events) == expected
    elif corrected.exact:
        assert spells([*events, *corrected.statements]) == expected
    else:
        assert corrected.statements == []
