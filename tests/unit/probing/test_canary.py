"""The canary: what ends blindness is a new sighting, and nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from schemas.urls import canonical
from services.probing.look.canary import Canary

URL = canonical("http://canary.example/")
T0 = datetime(2026, 1, 1, tzinfo=UTC)
T1 = T0 + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("sightings", "down"),
    [
        ([T0], [False]),
        ([None], [True]),
        ([T0, None], [False, True]),
        # `_see` gives the last sighting again where politeness put the look off.
        ([T0, T0], [False, False]),
        ([T0, None, T0], [False, True, True]),
        ([None, None, None], [True, True, True]),
        ([T0, None, T0, T1], [False, True, True, False]),
    ],
)
async def test_an_old_sighting_ends_no_blindness(
    sightings: list[datetime | None], down: list[bool]
) -> None:
    """A canary that pushes us back, and whose next look is put off, is still down: the last look did not see it."""
    told = iter(sightings)

    async def see(_: object) -> datetime | None:
        await asyncio.sleep(0)
        return next(told)

    canary, found = Canary(URL, 0.0, see), []
    for _ in sightings:
        await canary.fresh()
        found.append(canary.down)
    assert found == down
    seen = [at for at in sightings if at is not None]
    assert canary.seen_at == (max(seen) if seen else None)
