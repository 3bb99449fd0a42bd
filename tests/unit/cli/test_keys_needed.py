"""What a sealing key is needed for, and until when."""

from datetime import timedelta

from schemas.ids import instant
from schemas.methodology import shipped
from services.cli.keys_retire import Needs, take_ends
from services.core.fold import fold
from services.core.watch_entry import ended_at
from tests.unit.core.test_fold import at, gone, notice, online, report

NL = shipped()["nl-24h"]
PERIOD = timedelta(days=90)


def test_a_key_is_needed_until_retention_takes_the_last_url() -> None:
    """The end of the watch that ends last, and the period after it; nothing is sealed anew meanwhile."""
    early, late = (fold([report(), notice(1), online(2), *gone(hours)], NL)[0] for hours in (6, 90))
    needs = Needs({"cases": 2, "reports": 2, "outbox": 0})
    take_ends(needs, [late, early], NL)
    end = ended_at(late, NL)
    assert end is not None
    assert needs.sentence(PERIOD) == (
        f"(cases: 2, reports: 2); the rest until {instant(end + PERIOD)}; "
        "`takedown retention` destroys what is over"
    )


def test_a_case_whose_looks_have_no_end_has_no_date() -> None:
    """As long as it is seen online, or may be, nobody can say when its URL goes: it is counted."""
    needs = Needs({"cases": 2})
    needs.add(None)
    needs.add(at(0))
    assert "(cases: 2); 1 case without an end of the watch yet; the rest until" in needs.sentence(
        PERIOD
    )


def test_what_is_kept_for_ever_is_said_to_be() -> None:
    """Without a retention a key is needed for ever."""
    assert "kept for ever" in Needs({"cases": 1}).sentence(timedelta(0))
