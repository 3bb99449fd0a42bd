"""UnitRecords and folding of a replay: what it takes and refuses is what the live ledger takes and refuses."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumers.record.admission import Admission
from consumers.record.ranges import BadRange, parse_offsets, partitions_of
from consumers.record.source import EVIDENCE, RawRecord
from consumers.replay import compact_record, unit_fold
from consumers.replay.compact_record import admit
from consumers.replay.planning import plan_units
from consumers.replay.unit_fold import Rules, UnitFold
from consumers.replay.unit_records import UnitRecords, home_of, slice_of
from schemas import codec, topics
from schemas import events as ev
from schemas.errors import UnusableEvent
from schemas.events import Event
from schemas.methodology import shipped
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.attribution.history import reattributed
from services.attribution.providermap import ProviderMap
from services.core.fold import fold
from services.ledger.shadow.schema import Unit
from tests.strategies import START, event, look

KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
METHOD = shipped()["nl-24h"]
URL = canonical("http://a.example/b")
CASE = KEYS.case_id(URL)
HOUR = timedelta(hours=1)
ONE = Unit(unit=0, partition=home_of(CASE, 12), slice=0, slices=1, records=0)
ADMISSION = Admission(KEYS)
OBSERVATIONS, REPORTS = topics.OBSERVATIONS.name, topics.REPORTS.name


def record(one: Event, topic: str = OBSERVATIONS, offset: int = 0) -> RawRecord:
    key, value, headers = codec.encode(one)
    return RawRecord(topic, ONE.partition, offset, 0, 0, key, value, headers)


def seen(hour: int = 1, verdict: str = "online") -> Event:
    return look(START + hour * HOUR, verdict, provider="giant", case=CASE)


def taken(
    *records: RawRecord, unit: Unit = ONE
) -> tuple[list[Event], list[tuple[Any, ...]], UnitRecords]:
    """Give what a replay makes of records: events, refusals."""
    gathering = UnitRecords(unit, ADMISSION, 12)
    for one in records:
        gathering.take([one])
    folding = UnitFold(Rules(methodology=METHOD, partitions=12), ADMISSION)
    found = [folding.fold(name, items) for name, items in gathering.cases()]
    events = [event for folded in found if folded is not None for event in folded.events]
    return events, gathering.refused + folding.refused, gathering


def live(one: RawRecord) -> Event | str:
    """Give what the live ledger makes of a record."""
    try:
        return ADMISSION.admit(one)  # type: ignore[arg-type]
    except UnusableEvent as error:
        return error.reason


headers = [name for name, _ in codec.encode(seen())[2]]
junk = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"", b"application/cloudevents+json", b"takedown.report.filed.v1", b"takedown.look.missed.v1",
            b"2026-01-01T02:00:00+01:00", b"2026-01-01T00:00:00.000000Z", b"1889-01-01T00:00:00.000000Z",
            b"2026-01-01T00:00:00.000000", b"9999-12-31T23:59:59.999999Z", b"not-a-uuid", b"A" * 32, b"a" * 32,
            b'","2026-01-01T00:00:00.5Z",{}],["', b"00000000-0000-0000-0000-000000000000",
            b"00000000-0000-0000-0000-00000000000", b"{00000000-0000-0000-0000-000000000000}", b"x" * 501,
        ]
    ),
)  # fmt: skip
bodies = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"", b"{}", b"null", b"[]", b'{},{}', b'{"a":"\\u0000"}', b" " * 300_000,
            codec.encode_data(seen(2).data), codec.encode_data(seen().data) + b" ",
            codec.encode_data(seen().data) + b",1", codec.encode_data(seen().data)[:-1] + b',"new":"\\u0000"}',
            codec.encode_data(seen().data)[:-1] + b',"new":1}',
            codec.encode_data(seen().data).replace(b"online", b"on\\u006cine"),
            codec.encode_data(seen().data).replace(b'"v1"', b'"V 1"'),
            codec.encode_data(seen().data).replace(b'"test"', b'"te\\u0000st"'),
        ]
    ),
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from([*headers, "extra"]), st.one_of(st.none(), junk), max_size=2),
    st.one_of(st.just("as it is"), bodies),
    st.sets(st.sampled_from(headers), max_size=1),
    st.sampled_from([OBSERVATIONS, REPORTS]),
)
@example({}, "as it is", set(), OBSERVATIONS)
@example({"ce_id": b"0" * 35 + b'"'}, "as it is", set(), OBSERVATIONS)
@example({"ce_source": b"\xff"}, "as it is", set(), OBSERVATIONS)
@example({"ce_time": b"2026-01-01T01:00:00.500001Z"}, "as it is", set(), OBSERVATIONS)
def test_the_short_way_is_the_long_way(
    changed: dict[str, Any], body: Any, dropped: set[str], topic: str
) -> None:
    """Whatever is done to a record, a replay makes of it the event, or the refusal, that live makes of it."""
    whole = record(seen(), topic)
    kept = [(n, changed.get(n, v)) for n, v in whole.headers if n not in dropped]
    kept += [(n, v) for n, v in changed.items() if n == "extra"]
    mutated = whole._replace(headers=kept, value=whole.value if body == "as it is" else body)
    expected = live(mutated)
    events, refused, gathering = taken(mutated)
    if isinstance(expected, str):
        assert ([], [expected]) == (events, [row[3] for row in refused])
    elif home_of(expected.case_id, 12) == ONE.partition:
        assert ([expected], []) == (events, refused)
    else:
        assert [row[5] for row in gathering.strays] == [expected.id]


def test_the_usual_look_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above would prove nothing if everything went by `Admission`."""

    def refuse(self: Admission, record: Any) -> Event:
        raise AssertionError("the long way")

    whole = record(seen())
    gathering = UnitRecords(ONE, ADMISSION, 12)
    gathering.take([whole])
    monkeypatch.setattr(Admission, "admit", refuse)
    ((case_id, (item,)),) = gathering.cases()
    assert admit(item, case_id, ADMISSION) == seen()
    assert compact_record.LOOK_TYPE == b"takedown.look.made.v1"


def test_the_first_of_an_id_holds() -> None:
    """An equal record is a duplicate; one that says something else is refused at its own place."""
    first, other = record(seen(1), offset=4), record(seen(2), offset=6)
    other = other._replace(
        headers=[(n, dict(first.headers)[n] if n == "ce_id" else v) for n, v in other.headers]
    )
    events, refused, _ = taken(first, first._replace(offset=5), other)
    assert [event.id for event in events] == [seen(1).id]
    assert [row[:4] for row in refused] == [(OBSERVATIONS, ONE.partition, 6, "id_conflict")]


def test_a_notice_that_contradicts_is_refused_and_folded() -> None:
    """Live takes such a notice as evidence and puts its record on the dead-letter topic: so does a replay."""
    at = (START + hours * HOUR for hours in (1, 3))
    data = (ev.NoticeSent(notice_id="n1", provider=name) for name in ("giant", "small"))
    first, other = (event(t, d, case=CASE) for t, d in zip(at, data, strict=True))
    events, refused, _ = taken(record(first, REPORTS, 4), record(other, REPORTS, 6))
    assert [first, other] == events
    assert [row[:4] for row in refused] == [(REPORTS, ONE.partition, 6, "notice_conflict")]


def test_slices_of_a_partition_are_its_whole() -> None:
    """Every case and every refusal is in exactly one slice, whatever the number of slices."""
    numbers = range(40)
    cases = [KEYS.case_id(canonical(f"http://a.example/{n}")) for n in numbers]
    looks = [record(look(START, "online", case=c), offset=n) for n, c in enumerate(cases)]
    looks.append(looks[0]._replace(value=b"{", offset=99))
    looks.append(looks[0]._replace(headers=[], offset=100))
    found, refused, strays = [], [], []
    for number in range(5):
        part = msgspec.structs.replace(ONE, slice=number, slices=5)
        events, rows, gathering = taken(*looks, unit=part)
        found += [event.case_id for event in events]
        refused += [row[2] for row in rows]
        strays += [row[4] for row in gathering.strays]
    assert sorted(found + strays) == sorted(cases)
    assert set(found) == {case for case in cases if home_of(case, 12) == ONE.partition}
    assert sorted(refused) == [99, 100]
    assert {slice_of(case, 5) for case in cases} == set(range(5))


def test_an_event_that_breaks_the_fold_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the live ledger, one event that nothing can be made of does not take its case with it."""
    broken = seen(3)

    def folded(events: Any, method: Any) -> Any:
        kept = list(events)
        if any(event.id == broken.id for event in kept):
            raise KeyError("a defect")
        return fold(kept, method)

    monkeypatch.setattr(unit_fold, "fold_unique", folded)
    events, refused, _ = taken(record(seen(1)), record(broken, offset=7), record(seen(4)))
    assert [event.id for event in events] == [seen(1).id, seen(4).id]
    assert [(row[2], row[3]) for row in refused] == [(7, "unfoldable")]


def test_work_is_cut_to_fit_in_memory() -> None:
    """A partition with more records than fit is cut into slices of its cases; all partitions are covered."""
    ranges = {(topic, n): (0, 900 if n == 1 else 10) for topic in EVIDENCE for n in range(3)}
    units = plan_units(ranges, unit_records=500)
    assert [(u.partition, u.slice, u.slices) for u in units] == [
        (0, 0, 1), (1, 0, 4), (1, 1, 4), (1, 2, 4), (1, 3, 4), (2, 0, 1),
    ]  # fmt: skip
    assert [u.unit for u in units] == list(range(6))


def test_topics_of_unequal_partitions_are_refused() -> None:
    """A case would have two homes."""
    with pytest.raises(BadRange, match="different numbers"):
        partitions_of({(REPORTS, 0): (0, 1), (OBSERVATIONS, 0): (0, 1), (OBSERVATIONS, 1): (0, 1)})


@pytest.mark.parametrize("text", ["", "x/0=1", f"{REPORTS}=1", f"{REPORTS}/0", f"{REPORTS}/0=-1"])
def test_offsets_have_one_form(text: str) -> None:
    """Anything but TOPIC/PARTITION=OFFSET of an evidence topic is refused."""
    with pytest.raises(BadRange, match="TOPIC/PARTITION=OFFSET"):
        parse_offsets((text,))


MAP = """
[[provider]]
id = "first"
name = "First"
[[provider.prefix]]
cidr = "192.0.2.0/24"
valid_to = 2026-01-01T02:00:00Z
[[provider]]
id = "passes-on"
name = "Second"
role = "proxy"
[[provider.prefix]]
cidr = "192.0.2.0/24"
valid_from = 2026-01-01T02:00:00Z
"""


@pytest.mark.parametrize(
    ("hour", "expected"), [(1, ("first", "hosting")), (3, ("passes-on", "proxy"))]
)
def test_a_look_is_attributed_as_of_its_own_time(hour: int, expected: tuple[str, str]) -> None:
    """The map's dated rows decide by the start of the look, not by today."""
    found = reattributed(seen(hour), ProviderMap.parse(MAP))
    assert isinstance(found.data, ev.LookMade)
    assert [(s.provider, s.role) for s in found.data.served] == [expected]
    assert found.id == seen(hour).id


def served(method: str, address: str = "198.51.100.1") -> Event:
    whole = seen()
    one = ev.Served(address=address, provider="other", method=method, online=True)
    return msgspec.structs.replace(whole, data=msgspec.structs.replace(whole.data, served=(one,)))


def test_where_the_map_is_silent_only_a_map_is_corrected() -> None:
    """An old map's word falls; what an import or a DNS source said stands."""
    known = ProviderMap.parse(MAP)
    providers = [
        reattributed(one, known).data.served[0].provider  # type: ignore[attr-defined]
        for one in (served("map"), served("cymru"), served("import", ""))
    ]
    assert providers == [None, "other", "other"]


@pytest.mark.parametrize(("asn", "expected"), [(64500, "first"), (64501, None)])
def test_an_as_number_is_judged_by_the_corrected_map(asn: int, expected: str | None) -> None:
    """What another method attributed by its AS number is that of the provider that holds the number in the map."""
    providers = ProviderMap.parse(MAP.replace('name = "First"', 'name = "First"\nasn = [64500]'))
    whole = served("mmdb")
    assert isinstance(whole.data, ev.LookMade)
    one = msgspec.structs.replace(whole.data.served[0], as_number=asn, prefix="198.51.100.0/24")
    again = reattributed(
        msgspec.structs.replace(whole, data=msgspec.structs.replace(whole.data, served=(one,))),
        providers,
    )
    (named,) = again.data.served  # type: ignore[attr-defined]
    assert (named.provider, named.method, named.as_number) == (expected, "mmdb", asn)


def test_whose_the_addresses_left_out_are_is_not_known_under_another_map() -> None:
    """Their providers were named by the old map; that nobody was left out stays true."""
    for left_out, expected in ((("other",), None), ((), ())):
        one = seen()
        data = msgspec.structs.replace(one.data, providers_left_out=left_out)
        found = reattributed(msgspec.structs.replace(one, data=data), ProviderMap.parse(MAP))
        assert isinstance(found.data, ev.LookMade)
        assert found.data.providers_left_out == expected


def test_what_is_no_look_stays() -> None:
    """A report or a look without addresses is the same object."""
    known = ProviderMap.parse(MAP)
    report = event(START, ev.ReportFiled(reporter="h", sealed_url="s", provider="giant"), CASE)
    bare = look(START, "online", case=CASE)
    assert reattributed(report, known) is report
    assert reattributed(bare, known) is bare
    assert isinstance(report.id, UUID)
