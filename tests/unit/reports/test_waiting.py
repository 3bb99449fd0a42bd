"""Cases that wait for a notice: for one that arrives, or for the first one."""

from datetime import timedelta

import pytest

from schemas import events as ev
from schemas.methodology import shipped
from schemas.sqlfiles import statements
from services.core.fold import fold
from services.core.stock import without_notice
from services.reports.channels import waits
from tests.strategies import START, event

CONDITION = (
    "closed_at IS NULL AND clock_started_at IS NULL AND excluded IS NULL AND presence <> 'REMOVED'"
)
SENT = ev.NoticeSent(notice_id="n1", provider="giant")
FAILED = ev.NoticeUndelivered(notice_id="n1", reason="mailbox_full", fault="theirs")


@pytest.mark.parametrize(
    ("bodies", "waiting", "none_sent"),
    [((), True, True), ((SENT,), False, False), ((SENT, FAILED), True, False)],
    ids=["no notice", "sent", "failed"],
)
def test_a_notice_that_failed_is_waited_for_again(bodies, waiting, none_sent):
    """A case waits until a notice may have arrived; one to which a notice was sent is none without a notice."""
    filed = ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x", provider="giant")
    told = [event(START + n * timedelta(hours=1), one) for n, one in enumerate((filed, *bodies))]
    case = fold(told, shipped()["nl-24h"])[0]
    assert (waits(case, case.spell), without_notice(case, case.spell)) == (waiting, none_sent)


def test_both_statements_have_one_condition():
    """The command and the exporter choose the same rows of the ledger."""
    command = statements("services.cli", "notices.sql")["waiting_cases"]
    exporter = statements("services.exporter")["spells"].replace("s.", "")
    assert f"WHERE {CONDITION}\n" in command
    assert f"{CONDITION} AS waits" in exporter
