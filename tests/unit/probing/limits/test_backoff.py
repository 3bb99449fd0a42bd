"""How long a host that pushed back is left alone, and what its `Retry-After` says."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.retry_after import retry_after_seconds
from services.probing.limits import backoff
from services.probing.limits.backoff import BackOff
from tests.as_configured import politeness_limits

LIMITS = politeness_limits()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_retry_after_has_a_ceiling() -> None:
    """A wish for a day is honoured for an hour; a negative one for nothing."""
    backoffs = BackOff(LIMITS)
    assert backoffs.record_pushback("192.0.2.1", "a.example", 0.0, 86_400.0) == 3600.0
    assert backoffs.record_pushback("192.0.2.2", "a.example", 0.0, -5.0) == 0.0


def test_back_off_doubles_until_an_answer() -> None:
    """Without a wish, each 429 in a row doubles the pause, up to its ceiling; those of one burst are no row."""
    backoffs, now, pauses = BackOff(LIMITS), 0.0, []
    for _ in range(10):
        pauses.append(backoffs.record_pushback("192.0.2.1", "a.example", now, None))
        assert backoffs.record_pushback("192.0.2.1", "a.example", now + 1.0, None) == pauses[-1]
        now += pauses[-1] + 1.0
    assert pauses[:4] == [5.0, 10.0, 20.0, 40.0]
    assert pauses[-1] == 900.0
    backoffs.record_answer("192.0.2.1", "a.example", now - 10.0)
    assert backoffs.wait("192.0.2.1", "a.example", now - 10.0) > 0, (
        "a late answer takes nothing of the wish"
    )
    backoffs.record_answer("192.0.2.1", "a.example", now)
    assert backoffs.record_pushback("192.0.2.1", "a.example", now, None) == 5.0


def test_a_host_that_pushes_back_hides_no_neighbour() -> None:
    """Others at its address are asked as before: one answer of one site must not blind a prober to a whole server."""
    backoffs = BackOff(LIMITS)
    backoffs.record_pushback("192.0.2.1", "a.example", 0.0, 3600.0)
    assert backoffs.wait("192.0.2.1", "a.example", 1.0) == 3599.0
    assert backoffs.wait("192.0.2.1", "b.example", 1.0) <= 0
    assert backoffs.wait("192.0.2.2", "a.example", 1.0) <= 0


def test_a_host_of_many_names_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many names are remembered and no more; whose time is over goes first, then the oldest."""
    monkeypatch.setattr(backoff, "_REMEMBERED", 3)
    backoffs = BackOff(LIMITS)
    for number, seconds in enumerate((1.0, 600.0, 600.0, 600.0, 600.0)):
        backoffs.record_pushback("192.0.2.1", f"h{number}.example", 2.0 * number, seconds)
    assert len(backoffs) == 3
    waits = [backoffs.wait("192.0.2.1", f"h{number}.example", 10.0) > 0 for number in range(5)]
    assert waits == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("0", 0.0),
        ("86400", 86_400.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", -86_400.0),
        *((text, None) for text in ("", "-5", "1e9", "inf", "nan", "0x10", "1.5", "soon", "٣")),
        *((text, None) for text in ("9" * 10, "9" * 5000, "\udcff", "12 34", "Thu, 99 Foo 99999")),
        ("Thu, 01 Jan 2026 00:01:00 -0000", None),
    ],
)
def test_what_retry_after_says(text: str | None, seconds: float | None) -> None:
    """Seconds or a date; everything else is no wish, and ends nothing."""
    assert retry_after_seconds(text, NOW) == seconds


@given(st.text(max_size=40) | st.integers().map(str) | st.datetimes().map(str))
def test_no_wish_puts_a_host_off_for_longer_than_the_ceiling(text: str) -> None:
    """Whatever a server writes, it is asked again within the hour, and never sooner than now."""
    backoffs = BackOff(LIMITS)
    pause = backoffs.record_pushback("192.0.2.1", "a.example", 0.0, retry_after_seconds(text, NOW))
    assert 0.0 <= pause <= LIMITS.retry_after_ceiling_seconds
    assert backoffs.wait("192.0.2.1", "a.example", 0.0) <= LIMITS.retry_after_ceiling_seconds
