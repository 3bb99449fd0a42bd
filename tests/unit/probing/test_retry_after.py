"""`Retry-After` is read as RFC 9110 says, and believed within bounds, whatever stands there."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.probing.limits.backoff import BackOff, seconds_wished
from services.probing.limits.rates import PolitenessLimits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = PolitenessLimits()


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
    assert seconds_wished(text, lambda: NOW) == seconds


@given(st.text(max_size=40) | st.integers().map(str) | st.datetimes().map(str))
def test_no_wish_puts_a_host_off_for_longer_than_the_ceiling(text: str) -> None:
    """Whatever a server writes, it is asked again within the hour, and never sooner than now."""
    asked = BackOff(LIMITS)
    pause = asked.pushed_back("192.0.2.1", "a.example", 0.0, seconds_wished(text, lambda: NOW))
    assert 0.0 <= pause <= LIMITS.retry_after_ceiling_seconds
    assert asked.wait("192.0.2.1", "a.example", 0.0) <= LIMITS.retry_after_ceiling_seconds
