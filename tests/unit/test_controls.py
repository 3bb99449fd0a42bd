"""The control of a host is asked once a day; one that got no answer is no control, and is asked again sooner."""

import pytest

from schemas.events import Fingerprint
from schemas.urls import canonical
from services.probing.controls import ControlProbe, Controls

URL = canonical("http://a.example/i/1.jpg")
ANSWERED = ControlProbe(Fingerprint(status=404))
SILENT = ControlProbe(fault="response_timeout")
FORBIDDEN = ControlProbe(Fingerprint(status=403), fault="blocked_forbidden")


async def times_asked(probe: ControlProbe, instants: list[float]) -> int:
    """Ask for the control at each instant; count how often the host was asked."""
    controls, asked = Controls(86_400.0, retry_seconds=300.0), 0

    async def ask() -> ControlProbe:
        nonlocal asked
        asked += 1
        return probe

    for now in instants:
        if controls.known(URL, now) is None:
            await controls.of(URL, now, ask)
    return asked


@pytest.mark.parametrize(
    ("probe", "asked"),
    [(ANSWERED, [1, 1, 2]), (SILENT, [1, 2, 3]), (FORBIDDEN, [1, 2, 3])],
    ids=["answered", "silent", "forbidden"],
)
async def test_a_control_holds_for_a_day_if_it_got_an_answer(
    probe: ControlProbe, asked: list[int]
) -> None:
    """Within five minutes nobody is asked twice; after them who gave none, or a block; after a day everybody."""
    assert [
        await times_asked(probe, [0.0, 299.0]),
        await times_asked(probe, [0.0, 301.0]),
        await times_asked(probe, [0.0, 301.0, 86_401.0]),
    ] == asked


async def test_what_meets_the_same_block_again_is_believed_for_longer() -> None:
    """A host that forbids all that it doesn't have is asked after 5, 10, 20 minutes and so on: nine times a day."""
    minutes = [60.0 * minute for minute in range(24 * 60)]
    assert await times_asked(FORBIDDEN, minutes) == 9


async def test_another_answer_ends_the_patience() -> None:
    """What met a block, then nothing, then a block is asked again after five minutes each time."""
    controls = Controls(86_400.0, retry_seconds=300.0)
    probes = [FORBIDDEN, SILENT, FORBIDDEN, ANSWERED]

    async def ask() -> ControlProbe:
        return probes.pop(0)

    for now in (0.0, 300.0, 600.0, 900.0):
        assert controls.known(URL, now) is None
        await controls.of(URL, now, ask)
    assert controls.known(URL, 86_000.0) is not None
