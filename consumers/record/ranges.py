"""Which offsets a replay or an archive covers."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from consumers.record.places import Partition, Ranges
from consumers.record.source import EVIDENCE, Source
from schemas import topics
from schemas.errors import TakedownError


class BadRange(TakedownError):
    """The offsets or times of the request are none."""

    exit_code = 2


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for: offsets by partition, and times at which records were put on the broker."""

    from_offsets: Mapping[Partition, int] = {}
    until_offsets: Mapping[Partition, int] = {}
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


def parse_offsets(texts: tuple[str, ...]) -> dict[Partition, int]:
    """Read `TOPIC/PARTITION=OFFSET`; raises `BadRange`."""
    offsets: dict[Partition, int] = {}
    for text in texts:
        place, equals, offset = text.partition("=")
        topic, slash, number = place.rpartition("/")
        if not (equals and slash and topic in EVIDENCE and number.isdigit() and offset.isdigit()):
            raise BadRange(f"give offsets as TOPIC/PARTITION=OFFSET, such as {EVIDENCE[0]}/0=1200")
        offsets[topic, int(number)] = int(offset)
    return offsets


async def resolve(source: Source, bounds: Bounds) -> Ranges:
    """Give the offsets to read, by topic and partition; raises `BadRange`."""
    extents = await source.extents(EVIDENCE)
    _check_places(extents, bounds)
    begins = {place: span[0] for place, span in extents.items()}
    untils = {place: span[1] for place, span in extents.items()}
    if bounds.recorded_from is not None or bounds.recorded_to is not None:
        await _narrow(source, bounds, begins, untils)
    for place, offset in bounds.from_offsets.items():
        begins[place] = max(begins[place], offset)
    for place, offset in bounds.until_offsets.items():
        untils[place] = min(untils[place], offset)
    _check_order(bounds)
    return {place: (begins[place], max(begins[place], untils[place])) for place in extents}


def check_begins(ranges: Ranges, bounds: Bounds, *, alone: bool) -> None:
    """Refuse to fold a part for the whole: records that are gone from the broker, and in no archive that is given.

    Where a begin was asked for, a part is what is wanted. `alone`: no archive is given.
    """
    if bounds.recorded_from is not None:
        return
    for (topic, number), (begins, _) in sorted(ranges.items()):
        if begins and (topic, number) not in bounds.from_offsets:
            raise BadRange(_begin_words(f"{topic}/{number}", topic, begins, alone=alone))


def _begin_words(place: str, topic: str, begins: int, *, alone: bool) -> str:
    records = "the broker's records of" if alone else "the records given of"
    moved = topic == topics.REPORTS.name
    gone = "were moved to archives by `takedown retention`" if moved else "are gone from the broker"
    options = "--archive ... --and-kafka" if alone else "--archive too"
    return (
        f"{records} {place} begin at offset {begins}: the earlier ones {gone}; give them with {options}, "
        "or ask for a part with --from-offsets or --recorded-from"
    )


def check_times(since: datetime | None, until: datetime | None, words: str) -> None:
    """Refuse a stretch of time that ends before it begins; `words` name the two in the error."""
    if since is not None and until is not None and until <= since:
        raise BadRange(f"{words}: the end does not lie after the begin, so that nothing is left")


def _check_order(bounds: Bounds) -> None:
    check_times(bounds.recorded_from, bounds.recorded_to, "--recorded-from and --recorded-to")
    for place, offset in bounds.from_offsets.items():
        if bounds.until_offsets.get(place, offset + 1) <= offset:
            raise BadRange(
                f"offsets of {place[0]}/{place[1]}: the end does not lie after the begin"
            )


def _check_places(extents: Ranges, bounds: Bounds) -> None:
    for place, offset in {**bounds.from_offsets, **bounds.until_offsets}.items():
        if place not in extents:
            raise BadRange(f"{place[0]} has no partition {place[1]}; see `takedown topics verify`")
        if offset < extents[place][0]:
            raise BadRange(
                f"{place[0]}/{place[1]} begins at offset {extents[place][0]}, {offset} is gone; "
                "replay from an archive, or from there on"
            )


async def _narrow(
    source: Source, bounds: Bounds, begins: dict[Partition, int], untils: dict[Partition, int]
) -> None:
    extents = {place: (begins[place], untils[place]) for place in begins}
    if bounds.recorded_from is not None:
        begins |= await first_since(source, extents, bounds.recorded_from)
    if bounds.recorded_to is not None:
        untils |= await first_since(source, extents, bounds.recorded_to)


async def first_since(source: Source, extents: Ranges, at: datetime) -> dict[Partition, int]:
    """Give the first offset that was put on the broker at or after an instant, or the end, by partition."""
    names = list(dict.fromkeys(topic for topic, _ in extents))
    offsets = await source.offsets_at(names, at)
    return {
        place: extents[place][1] if offset is None else offset for place, offset in offsets.items()
    }


def offsets_in(ranges: Ranges) -> int:
    """Count the offsets of ranges: at least as many as there are records."""
    return sum(until - begins for begins, until in ranges.values())


async def count_records(source: Source, ranges: Ranges) -> int:
    """Read ranges to count their records: offsets of markers, of aborted and of compacted records are none."""
    count = 0
    for place, (begins, until) in ranges.items():
        async for records in source.read(place, begins, until):
            count += len(records)
    return count


def partitions_of(ranges: Ranges) -> int:
    """Give the number of partitions that every topic has; raises `BadRange` where they differ."""
    counts = {topic: sum(1 for place in ranges if place[0] == topic) for topic in EVIDENCE}
    if len(set(counts.values())) != 1:
        raise BadRange(
            f"the evidence topics have different numbers of partitions ({counts}); "
            "see `takedown topics verify`"
        )
    return counts[EVIDENCE[0]]
