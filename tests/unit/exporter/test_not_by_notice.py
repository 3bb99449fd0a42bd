"""Who can't be measured by notice: for the page, the terminal and programs, exact and published."""

import dataclasses

from services.cli.status_command import lines
from services.exporter.metric_families import refusing_family
from services.exporter.not_by_notice import NotByNotice, channel_counts, not_by_notice
from services.exporter.status import StatusView, status_of
from services.exporter.status_page import page
from services.exporter.status_public import published
from services.notices.channel_capacity import capacity
from services.notices.channel_status import COUNTS
from tests.unit.exporter.status_kit import AT, NL, notices, reading

FORECAST = "at 5 an hour, 900 open cases take 7.5 days"


def row(provider: str | None, channel: str, **counts: int) -> dict:
    """Give a row of the statement `notices`, as the buckets are summed."""
    zeros = dict.fromkeys(COUNTS[1:], 0)
    return (
        {"provider": provider, "channel": channel, "state": "sent", "notices": 0} | zeros | counts
    )


REFUSED = row("refuser", "email", notices=30, theirs=30)
FORM = row("refuser", "form", notices=2, arrived=2)
ROWS = (row("giant", "email", notices=380, arrived=380), row(None, "email", notices=9), REFUSED, FORM)  # fmt: skip


def status(rows=ROWS, waiting: int = 900) -> StatusView:
    """Give a status with those channels, of which the form of the one that refuses takes five an hour."""
    made = dataclasses.replace(notices(), channels=channel_counts(rows))
    return status_of(
        reading(waiting={"refuser": waiting}), made, NL, AT, [capacity("refuser/form=5")]
    )


def test_a_narrow_channel_names_its_provider():
    """Every channel that carries anything is too narrow: the provider is named, with what waits and for how long."""
    (one,) = status().not_by_notice
    assert one == NotByNotice(
        provider="refuser", reason="capacity", failed=30, waiting=900, forecast=FORECAST
    )


def test_a_wide_enough_channel_names_nobody():
    """The same provider is measurable as long as the last case is told within the norm."""
    assert status(waiting=100).not_by_notice == []


def test_where_nothing_arrives_the_provider_is_named():
    """Failures by its own fault and no channel that carries anything; by our fault they name nobody."""
    (one,) = not_by_notice(channel_counts([REFUSED]), {}, [], NL)
    assert (one.reason, one.failed, one.waiting, one.forecast) == ("undeliverable", 30, 0, None)
    ours = row("refuser", "email", notices=30, ours=30)
    assert not_by_notice(channel_counts([ours]), {}, [], NL) == []


def test_states_of_one_channel_are_one_count():
    """The rows of a channel, one for each state, add up; a notice to nobody known counts for nobody."""
    failed = row("refuser", "email", notices=3, theirs=3)
    counts = channel_counts([REFUSED, failed, row(None, "email", notices=1)])
    assert [(one.provider, one.channel, one.sent, one.theirs) for one in counts] == [
        ("refuser", "email", 33, 33)
    ]


def test_page_and_terminal_name_them():
    """Both give the reason in the same words; where there are none the page says so and the terminal is silent."""
    made = status()
    assert FORECAST in page(made)
    assert f"refused  not measurable by notice: refuser (capacity: {FORECAST})" in list(
        lines(made, {})
    )
    nobody = status(waiting=0)
    assert '<h2>Not measurable by notice</h2><p class="soft">None.</p>' in page(nobody)
    assert not any(line.startswith("refused") for line in lines(nobody, {}))


def test_the_published_form_gives_no_exact_count():
    """Counts are rounded down to fives, the forecast is left out, and fewer than five failures name nobody."""
    (one,) = published(status(waiting=901)).not_by_notice
    assert (one.failed, one.waiting, one.forecast) == (30, 900, None)
    assert "its channels are too narrow for the norm" in page(published(status()))
    few = (row("refuser", "email", notices=4, theirs=4),)
    assert [one.failed for one in status(few).not_by_notice] == [4]
    assert published(status(few)).not_by_notice == []


def test_the_metric_counts_them_by_label():
    """A provider that is a label is 1 there, the others are counted together, and every known series is present."""
    small = [
        NotByNotice(provider=f"small-{n}", reason="undeliverable", failed=3, waiting=0)
        for n in range(2)
    ]
    exposed = refusing_family([*status().not_by_notice, *small], ["giant", "refuser"])
    values = {(s.labels["provider"], s.labels["reason"]): s.value for s in exposed.samples}
    assert len(values) == 6
    assert {key: value for key, value in values.items() if value} == {
        ("refuser", "capacity"): 1,
        ("other", "undeliverable"): 2,
    }
