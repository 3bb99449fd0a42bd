"""How a replay's work is cut into units that fit in memory."""

from consumers.record.places import Ranges
from consumers.record.ranges import partitions_of
from services.ledger.shadow.schema import Unit

# So many records are held at once by each worker: about 0.8 kB each.
UNIT_RECORDS = 350_000


def plan_units(ranges: Ranges, unit_records: int = UNIT_RECORDS) -> list[Unit]:
    """Cut the work into units that fit in memory: a partition, or slices of its cases."""
    units: list[Unit] = []
    for number in range(partitions_of(ranges)):
        records = sum(until - begins for (_, p), (begins, until) in ranges.items() if p == number)
        slices = max(1, -(-records // unit_records))
        for index in range(slices):
            unit = Unit(
                unit=len(units), partition=number, slice=index, slices=slices, records=records
            )
            units.append(unit)
    return units
