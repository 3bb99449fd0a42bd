"""Sources in a row: each offset once, from the first that has it; what nobody has is said, never left out."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.record.archive_reader import ArchiveSource, BadArchive
from consumers.record.archive_writer import write_archive
from consumers.record.chain import Chain, PlacedAdmission, archives_under, open_chain
from consumers.record.places import Partition, Ranges
from consumers.record.ranges import BadRange, Bounds, check_begins, resolve
from consumers.record.source import EVIDENCE, RawRecord
from consumers.replay.unit_fold import Rules, UnitFold
from consumers.replay.unit_records import UnitRecords, home_of
from schemas import codec, topics
from schemas import events as ev
from schemas.errors import UnusableEvent
from schemas.methodology import shipped
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.ledger.shadow.schema import Unit
from tests.strategies import START, event, look

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
URL = canonical("http://a.example/b")
CASE = KEYS.case_id(URL)
REPORTS, LOOKS = topics.REPORTS.name, topics.OBSERVATIONS.name
ONE, TWO, SEEN = (REPORTS, 0), (REPORTS, 1), (LOOKS, 0)


def raw(place: Partition, offset: int, mark: str) -> RawRecord:
    """Make a record whose value says who gave it, put on the broker a second after the one before."""
    stamp = int((START + timedelta(seconds=offset)).timestamp() * 1000)
    return RawRecord(*place, offset, stamp, 0, None, mark.encode(), [])


class Broker:
    """Holds records of some ranges, as a broker does; what it gives bears its mark."""

    def __init__(self, ranges: Ranges, mark: str = "broker") -> None:
        self._ranges = ranges
        self._mark = mark
        self.closed = False

    async def extents(self, names: Sequence[str]) -> Ranges:
        return {place: span for place, span in self._ranges.items() if place[0] in names}

    async def offsets_at(self, names: Sequence[str], at: datetime) -> dict[Partition, int | None]:
        found: dict[Partition, int | None] = {}
        for place, (begins, until) in (await self.extents(names)).items():
            first = max(begins, -((START - at) // timedelta(seconds=1)))
            found[place] = first if first < until else None
        return found

    async def read(
        self, place: Partition, begins: int, until: int
    ) -> AsyncIterator[Sequence[RawRecord]]:
        held = self._ranges[place]
        assert held[0] <= begins <= until <= held[1]
        for first in range(begins, until, 3):
            yield [raw(place, n, self._mark) for n in range(first, min(first + 3, until))]

    async def close(self) -> None:
        self.closed = True


async def archive(folder: Path, ranges: Ranges, *, bare: bool = False) -> ArchiveSource:
    """Write an archive whose records bear its folder's name."""
    cut = (lambda record: record) if bare else None
    await write_archive(
        Broker(ranges, folder.name), folder, ranges, NOW, lambda count: None, redact=cut
    )
    return ArchiveSource(folder)


async def given_by(chain: Chain, place: Partition, begins: int, until: int) -> str:
    """Say who gave each record, by the first letter; fails where an offset is out of its turn."""
    found = [r async for records in chain.read(place, begins, until) for r in records]
    assert [r.offset for r in found] == list(range(begins, until))
    return "".join(r.value.decode()[0] for r in found)


async def test_each_offset_comes_once_from_the_first_that_has_it(tmp_path: Path) -> None:
    """Overlaps are read once; of equal claims the archive that was named first gives the record."""
    one = await archive(tmp_path / "x", {ONE: (2, 5)})
    two = await archive(tmp_path / "y", {ONE: (0, 8)})
    broker = Broker({ONE: (6, 10)})
    chain = Chain([one, two], broker)
    assert await chain.extents(EVIDENCE) == {ONE: (0, 10)}
    assert await given_by(chain, ONE, 0, 10) == "yyxxxyyybb"
    assert await given_by(Chain([two, one], broker), ONE, 0, 10) == "yyyyyyyybb"
    assert await given_by(chain, ONE, 3, 7) == "xxyy"
    assert await given_by(chain, ONE, 9, 10) == "b"
    assert await given_by(chain, ONE, 4, 4) == ""
    await chain.close()
    assert broker.closed


async def test_the_broker_has_what_no_archive_has(tmp_path: Path) -> None:
    """A topic or a partition of which the archives know nothing is the broker's, whole."""
    kept = await archive(tmp_path / "x", {ONE: (0, 4), TWO: (0, 0)})
    broker = Broker({ONE: (4, 4), TWO: (0, 2), SEEN: (0, 7)})
    chain = Chain([kept], broker)
    assert await chain.extents(EVIDENCE) == {ONE: (0, 4), TWO: (0, 2), SEEN: (0, 7)}
    assert await given_by(chain, TWO, 0, 2) == "bb"
    assert await given_by(chain, SEEN, 0, 7) == "b" * 7
    assert await Chain([], broker).extents([LOOKS]) == {SEEN: (0, 7)}


async def test_a_gap_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Topic, partition, the offsets that are missing and what to do, in a plan and in a reading."""
    one = await archive(tmp_path / "x", {ONE: (0, 3)})
    two = await archive(tmp_path / "y", {ONE: (5, 8)})
    alone, with_broker = Chain([one, two], None), Chain([one], Broker({ONE: (5, 9)}))
    missing = f"offset 3 to 4 of {REPORTS}/0"
    with pytest.raises(BadArchive, match=missing) as caught:
        await alone.extents(EVIDENCE)
    assert "--archive" in str(caught.value)
    assert "--and-kafka" in str(caught.value)
    assert caught.value.exit_code == 2
    with pytest.raises(BadArchive, match=missing) as caught:
        await resolve(with_broker, Bounds())
    assert "--and-kafka" not in str(caught.value)
    with pytest.raises(BadArchive, match=missing):
        await given_by(alone, ONE, 0, 8)
    emptied = Chain([one], Broker({ONE: (5, 5)}))
    with pytest.raises(BadArchive, match=missing):
        await emptied.extents(EVIDENCE)
    assert await Chain([two, one], Broker({ONE: (2, 9)})).extents(EVIDENCE) == {ONE: (0, 9)}


async def test_an_archive_of_other_topics_is_refused(tmp_path: Path) -> None:
    """Offsets that the broker has never reached are those of another topic of that name."""
    kept = await archive(tmp_path / "x", {ONE: (0, 8)})
    with pytest.raises(BadArchive, match="up to offset 8, the broker only up to 2"):
        await Chain([kept], Broker({ONE: (0, 2)})).extents(EVIDENCE)


async def test_times_are_found_across_the_sources(tmp_path: Path) -> None:
    """The first record of a time is looked for in all, and is the earliest that any of them has."""
    one = await archive(tmp_path / "x", {ONE: (0, 4)})
    two = await archive(tmp_path / "y", {ONE: (3, 6)})
    chain = Chain([one, two], Broker({ONE: (6, 9), SEEN: (0, 1)}))
    for second, expected in ((0, 0), (3, 3), (5, 5), (8, 8), (9, None)):
        found = await chain.offsets_at(EVIDENCE, START + timedelta(seconds=second))
        assert found[ONE] == expected
    early = Bounds(recorded_from=START + timedelta(seconds=3), from_offsets={SEEN: 0})
    assert await resolve(chain, early) == {ONE: (3, 9), SEEN: (1, 1)}


spans = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda s: (min(s), max(s)))


@given(st.lists(spans, max_size=5), st.tuples(st.integers(0, 14), st.integers(0, 14)))
def test_parts_are_those_of_a_search_offset_by_offset(
    held: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    """However spans lie over each other, an offset is the first archive's that has it, else the broker's."""

    class Manifested:
        def __init__(self, span: tuple[int, int], bare: bool) -> None:
            self.span = span
            self.manifest = self
            self.without_urls = bare
            self.digest = "d"

        def ranges(self) -> Ranges:
            return {ONE: self.span}

    archives = [Manifested(span, n % 2 == 0) for n, span in enumerate(held)]
    broker = Broker({})
    chain = Chain(archives, broker)  # type: ignore[arg-type]
    begins, until = min(asked), max(asked)
    found: dict[int, Any] = {}
    reached = begins
    for source, first, end in chain._parts(ONE, begins, until):
        assert reached == first < end
        found |= dict.fromkeys(range(first, end), source)
        reached = end
    assert reached == until
    for offset in range(begins, until):
        having = (a for a in archives if a.span[0] <= offset < a.span[1])
        holder = next(having, broker)
        assert found[offset] is holder
        assert chain.erased(ONE, offset) == getattr(holder, "without_urls", False)
    assert not chain.erased(TWO, begins)


async def test_a_source_has_a_name(tmp_path: Path) -> None:
    """One archive is named as it always was; several by all digests in their order, and Kafka after them."""
    one = await archive(tmp_path / "x", {ONE: (0, 3)})
    two = await archive(tmp_path / "y", {ONE: (3, 8)})
    first, second = one.manifest.digest, two.manifest.digest
    broker = Broker({ONE: (8, 9)})
    assert Chain([], broker).name == "kafka"
    assert Chain([one], None).name == f"archive:{first}"
    assert Chain([one, two], None).name == f"archive:{first},{second}"
    assert Chain([two, one], broker).name == f"archive:{second},{first}+kafka"
    many, other = Chain([one] * 9 + [two], broker).name, Chain([one] * 8 + [two] * 2, broker).name
    assert many != other
    assert len(many) < 100
    assert many.startswith("archive:10:")


async def test_a_folder_of_archives_stands_for_them_in_order(tmp_path: Path) -> None:
    """What retention wrote is named by its one folder; what it has not finished is on the broker still."""
    for name in ("20260201T000000Z", "20260101T000000Z"):
        await archive(tmp_path / "kept" / name, {ONE: (0, 1)})
    (tmp_path / "kept" / "20260301T000000Z").mkdir()
    (tmp_path / "kept" / "20260301T000000Z" / "progress.jsonl").write_text("")
    single = tmp_path / "kept" / "20260201T000000Z"
    assert archives_under([tmp_path / "kept", single]) == (
        str(tmp_path / "kept" / "20260101T000000Z"),
        str(single),
        str(single),
    )
    assert archives_under([tmp_path]) == (str(tmp_path),)
    with pytest.raises(BadArchive, match="no finished archive"):
        open_chain((str(tmp_path),), None)


def test_a_part_is_not_folded_for_the_whole() -> None:
    """Records that are gone from the broker have to be given, or a begin has to be asked for; each place counts."""
    ranges = {ONE: (0, 5), TWO: (7, 9)}
    with pytest.raises(BadRange) as caught:
        check_begins(ranges, Bounds(until_offsets={TWO: 8}, recorded_to=NOW), alone=True)
    assert f"the broker's records of {REPORTS}/1 begin at offset 7" in str(caught.value)
    assert "`takedown retention`; give them with --archive ... --and-kafka" in str(caught.value)
    with pytest.raises(BadRange, match="begin at offset 7"):
        check_begins(ranges, Bounds(from_offsets={ONE: 0}), alone=False)
    with pytest.raises(BadRange, match="gone from the broker"):
        check_begins({SEEN: (1, 2)}, Bounds(), alone=True)
    check_begins(ranges, Bounds(from_offsets={TWO: 7}), alone=True)
    check_begins(ranges, Bounds(recorded_from=START), alone=True)
    check_begins({ONE: (0, 5), TWO: (0, 0)}, Bounds(), alone=True)


# -- reports without URLs ------------------------------------------------------------------------

PARTITION = home_of(CASE, 12)
HOME = (REPORTS, PARTITION)


def filed(offset: int, **fields: Any) -> RawRecord:
    """Make the record of a report at an offset of its case's partition."""
    data = ev.ReportFiled(**{"reporter": "hotline", "provider": "giant"} | fields)
    key, value, headers = codec.encode(event(START + timedelta(hours=offset), data, CASE))
    return RawRecord(*HOME, offset, 0, 0, key, value, headers)


async def folded(chain: Chain, *records: RawRecord) -> tuple[list[ev.Event], list[tuple[int, str]]]:
    """Give what a replay makes of records: events, and offset and reason of refusals."""
    unit = Unit(unit=0, partition=PARTITION, slice=0, slices=1, records=0)
    admission = PlacedAdmission(KEYS, chain)
    gathering = UnitRecords(unit, admission, 12)
    for one in records:
        gathering.take([one])
    folding = UnitFold(Rules(methodology=shipped()["nl-24h"], partitions=12), admission)
    found = [folding.fold(name, items) for name, items in gathering.cases()]
    refused = [(row[2], row[3]) for row in gathering.refused + folding.refused]
    return [e for one in found if one is not None for e in one.events], sorted(refused)


async def test_reports_without_url_count_where_urls_were_cut_out(tmp_path: Path) -> None:
    """From anywhere else they are refused as the live ledger refuses them; everything else stays as it was."""
    bare = await archive(tmp_path / "bare", {HOME: (0, 4)}, bare=True)
    whole = await archive(tmp_path / "whole", {HOME: (4, 6)})
    chain = Chain([bare, whole], Broker({HOME: (6, 20)}))
    sealed = KEYS.seal(URL)
    named = filed(3)
    records = [
        filed(0, not_measurable="onion"),
        filed(1)._replace(value=b"", headers=[]),
        filed(2)._replace(headers=[h for h in filed(2).headers if h[0] != "ce_subject"]),
        named._replace(headers=[(n, b"k" if n == "ce_subject" else v) for n, v in named.headers]),
        filed(4),
        filed(5, sealed_url=sealed),
        filed(6),
        filed(7, sealed_url=sealed, url="http://a.example/b"),
        filed(8, sealed_url=sealed),
    ]
    events, refused = await folded(chain, *records)
    assert [e.time - START for e in events] == [timedelta(hours=n) for n in (0, 5, 8)]
    kept = events[0].data
    assert isinstance(kept, ev.ReportFiled)
    assert (kept.sealed_url, kept.not_measurable) == (None, "onion")
    assert refused == [
        (1, "not_cloudevent"), (2, "no_case"), (3, "no_case"), (4, "bad_data"), (6, "bad_data"), (7, "bad_data"),
    ]  # fmt: skip


async def test_a_usual_admission_refuses_what_a_cut_archive_may_hold() -> None:
    """Without archives a replay is as strict as live, also with what else stands in the partition."""
    usual = PlacedAdmission(KEYS, Chain([], Broker({})))
    with pytest.raises(UnusableEvent, match="exactly one"):
        usual.admit(filed(0))
    seen = look(START, "online", case=CASE)
    key, value, headers = codec.encode(seen)
    assert usual.admit(RawRecord(LOOKS, PARTITION, 0, 0, 0, key, value, headers)) == seen
