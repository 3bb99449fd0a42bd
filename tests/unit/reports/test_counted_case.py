"""What a report reads of a folded case, and the processes that help it."""

import os
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given

from schemas.errors import ConfigError
from schemas.events import Event
from schemas.methodology import Methodology
from services.core.fold import fold
from services.core.state import encode_case
from services.reports.count_helpers import begun, helpers
from services.reports.counted_case import decode_counted
from services.reports.figures import By
from services.reports.table import Choice, build
from tests.strategies import START, histories, methodologies


@given(histories, methodologies)
def test_a_case_read_for_counting_counts_as_the_whole_one(
    events: Sequence[Event], method: Methodology
) -> None:
    """No table needs a field that a report does not read, of any history under any methodology."""
    case, _ = fold(events, method)
    read = decode_counted(encode_case(case))
    bys: tuple[By, ...] = ("provider", "reporter", "category")
    for hours, by in zip((1, 30, 2000), bys, strict=True):
        at, choice = START + timedelta(hours=hours), Choice(by=by, curves=True)
        assert build([read], method, at, choice) == build([case], method, at, choice)


def _refuse(text: str) -> None:
    raise ConfigError(text)


def test_a_helper_works_in_a_process_of_its_own() -> None:
    """Its results and its errors come back, one after the other; without a helper the work is done at home."""
    with helpers(1) as (helper,):
        assert begun(helper, os.getpid)() != os.getpid()
        failing = begun(helper, _refuse, "no")
        with pytest.raises(ConfigError, match=r"^no$"):
            failing()
        assert begun(helper, sum, [1, 2])() == 3
    assert begun(None, os.getpid)() == os.getpid()


def test_a_helper_ends_with_its_block() -> None:
    """Though it is at work, nothing of it is left, and who waits for it hears that it has gone."""
    with helpers(1) as (helper,):
        pid = begun(helper, os.getpid)()
        helper.hang_up()
        with pytest.raises(EOFError):
            helper.receive()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
