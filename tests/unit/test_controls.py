"""The control of a host is asked once a day; one that got no answer is no control, and is asked again sooner."""

import pytest

from schemas.events import Fingerprint
from schemas.urls import canonical
from services.probing.controls import ControlProbe, Controls

URL = canonical("http://a.example/i/1.jpg")
ANSWERED = ControlProbe(Fingerprint(status=404))
SILENT = ControlProbe(fault="response_timeout")


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
    ("probe", "asked"), [(ANSWERED, [1, 1, 2]), (SILENT, [1, 2, 3])], ids=["answered", "silent"]
)
async def test_a_control_holds_for_a_day_if_it_got_an_answer(
    probe: ControlProbe, asked: list[int]
) -> None:
    """Within five minutes nobody is asked twice; after them only who gave no answer; after a day everybody."""
    assert [
        await times_asked(probe, [0.0, 299.0]),
        await times_asked(probe, [0.0, 301.0]),
        await times_asked(probe, [0.0, 301.0, 86_401.0]),
    ] == asked
