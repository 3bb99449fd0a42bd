"""`takedown notices` on a real broker and a real database: from a mailbox into the ledger, and what it shows."""

import itertools
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from schemas import events as ev
from schemas.events_of_notices import DeliveryFailure
from services.cli import notices_ingest
from services.core.notices import fault_of
from services.notices.tokens import return_path, token
from tests.integration.ledger_kit import KEYRING, START, case_of, event, look, report
from tests.integration.test_corrections_flow import Desk, desk  # noqa: F401 - a fixture
from tests.unit.notices.bounces import dsn, group

HOUR = timedelta(hours=1)
ADDRESS = "notices@hotline.example"
MARKER = "wording-of-a-mail"


def sent(number: int, name: str, at: int = 1, **fields: Any) -> ev.Event:
    data = ev.NoticeSent(notice_id=name, provider="giant", contact="abuse@giant.example", **fields)
    return event(case_of(number), START + at * HOUR, data)


def to_us(name: str) -> str:
    return return_path(ADDRESS, token(KEYRING.naming, name))


def bounce(name: str, **fields: str) -> bytes:
    return dsn(
        group("abuse@giant.example", said="smtp; 552 5.2.2 mailbox full", status="5.2.2", **fields),
        text=MARKER,
        to=to_us(name),
        date="Thu, 01 Jan 2026 03:00:00 +0000",
    )


def maildir(folder: Path, *mails: bytes) -> Path:
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    for number, raw in enumerate(mails):
        (folder / "new" / f"mail{number}").write_bytes(raw)
    return folder


@pytest.fixture
async def channel(desk: Desk) -> Desk:  # noqa: F811
    """Two cases of one notice, and a third with another."""
    cases = [
        event
        for number in (1, 2, 3)
        for event in (report(number), look(number, START + 9 * HOUR, "online"))
    ]
    await desk.told(*cases, sent(1, "n-1"), sent(2, "n-1"), sent(3, "n-3"))
    return desk


async def ingest(desk: Desk, *arguments: str, code: int = 0) -> Any:  # noqa: F811
    said = await desk.json("notices", "ingest", *arguments, "--wait", code=code)
    desk.ledger.sent += said["events"]
    return said


async def test_a_mailbox_becomes_events_once(channel: Desk, tmp_path: Path) -> None:
    """A bounce stops the clocks of its notice's cases; the same mail again, or twice, adds nothing."""
    mails = (
        bounce("n-1"),
        bounce("n-1"),
        f"From: x@shop.example\nSubject: Offer\n\n{MARKER}\n".encode(),
    )
    box = maildir(tmp_path / "box", *mails)
    said = await ingest(channel, str(box), "--seen", code=4)
    assert (said["events"], said["used"], said["dead_letters"]) == (2, 2, 1)
    assert [mail["problem"] for mail in said["mails"]] == [None, None, "nothing_said"]
    assert MARKER not in str(said)
    assert list((box / "new").iterdir()) == []
    counting = "SELECT count(*) AS n FROM events WHERE type = 'takedown.notice.failed.v2'"
    assert await channel.rows(counting) == [{"n": 2}]
    again = maildir(tmp_path / "again", mails[0])
    assert (await channel.json("notices", "ingest", str(again)))["events"] == 2
    channel.ledger.sent += 2
    await channel.ledger.drained()
    assert await channel.rows(counting) == [{"n": 2}]
    # Two notices went to one address, and a bounce names no more than that.
    raw = dsn(
        group("abuse@giant.example"),
        returned="Subject: x\n\ny",
        date="Thu, 01 Jan 2026 03:00:00 +0000",
    )
    (tmp_path / "one.eml").write_bytes(raw)
    unclear = await ingest(channel, str(tmp_path / "one.eml"), code=4)
    assert (
        unclear["events"],
        unclear["mails"][0]["problem"],
        unclear["mails"][0]["candidates"],
    ) == (
        0,
        "ambiguous",
        2,
    )
    result = await channel.run("notices", "ingest", str(tmp_path / "one.eml"), "--dry-run", code=4)
    assert "mail 1, line 1: it may mean more than one notice (ambiguous)" in result.stderr
    clocks = await channel.rows("SELECT case_id, clock FROM spells")
    assert {row["case_id"] for row in clocks if row["clock"] == "STOPPED"} == {
        case_of(1),
        case_of(2),
    }


async def test_a_mail_that_cannot_be_used_is_a_dead_letter(
    channel: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands there once, its bytes untouched, whoever is killed on the way; read again once its notice is known."""
    mails = bounce("n-7"), f"From: x@shop.example\n\n{MARKER}".encode()
    box = maildir(tmp_path / "box", *mails)
    with monkeypatch.context() as killed:
        killed.setattr(notices_ingest, "mark_seen", lambda file: sys.exit(9))
        await channel.run("notices", "ingest", str(box), "--seen", code=9)
    # Before a mail leaves `new`, the broker has it.
    assert len(list((box / "new").iterdir())) == 2
    assert len(await channel.json("dead-letters", "list")) == 2
    said = await ingest(channel, str(box), "--seen", code=4)
    assert (said["events"], said["dead_letters"], list((box / "new").iterdir())) == (0, 0, [])
    letters = await channel.json("dead-letters", "list")
    assert {(one["reason"], one["source"]) for one in letters} == {
        ("ambiguous", "mail"),
        ("nothing_said", "mail"),
    }
    assert MARKER not in str(letters)
    (unclear,) = [one["id"] for one in letters if one["reason"] == "ambiguous"]
    raw = ("dead-letters", "show", unclear, "--raw", str(tmp_path / "raw"))
    await channel.run(*raw, code=2)
    await channel.run(*raw, "--purpose", "unclear bounce", "--actor", "analyst")
    assert (tmp_path / "raw").read_bytes() == mails[0]
    (act,) = await channel.rows("SELECT actor, purpose FROM audit_log WHERE action = 'raw'")
    assert tuple(act.values()) == ("analyst", f"dead letter {unclear}: unclear bounce")
    again = await channel.json("dead-letters", "retry", unclear, code=4)
    assert (again["sent_back"], again["refused_again"][0]["id"]) == (0, unclear)
    # The notice comes into the ledger later than its bounce.
    await channel.told(report(7), sent(7, "n-7"))
    again = await channel.json("dead-letters", "retry", "--all", code=4)
    channel.ledger.sent += 1
    await channel.ledger.drained()
    assert (again["sent_back"], len(again["refused_again"])) == (1, 1)
    (left,) = await channel.json("dead-letters", "list")
    assert left["reason"] == "nothing_said"
    failed = await channel.json("notices", "failed")
    assert [row["case_id"] for row in failed] == [case_of(7)]


async def test_the_channel_is_shown(
    channel: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures with their fault, the backlog that a narrow channel forces, and who is told next."""
    monkeypatch.setenv("TAKEDOWN_NOTICES_CAPACITIES", "giant/form=0.05")
    box = tmp_path / "box"
    box.write_bytes(b"From x\n" + bounce("n-1") + b"\nFrom x\n" + bounce("n-3", action="delayed"))
    await ingest(channel, str(box))
    email, form = await channel.json("notices", "status", "--provider", "giant")
    assert (email["sent"], email["theirs"], email["delayed"], email["waiting"]) == (3, 2, 1, 2)
    assert (email["not_measurable"], form["takes"]) == (None, "40 hours")
    assert form["forecast"] == "at 0.05 an hour, 2 open cases take 40 hours"
    failed = await channel.json("notices", "failed")
    assert {(row["case_id"], row["reason"], row["fault"], row["status"]) for row in failed} == {
        (case_of(number), "mailbox_full", "theirs", "5.2.2") for number in (1, 2)
    }
    for view in ("failed", "due"):
        # In the zone of who reads, here the methodology's.
        assert re.search(r"\d\d:\d\d:\d\d CES?T", (await channel.run("notices", view)).stdout)
    await contacts_are_shown(channel)
    due = await channel.json("notices", "due")
    assert {(row["case_id"], row["to"]) for row in due} == {
        (case_of(n), "provider") for n in (1, 2, 3)
    }
    # The police by-pass is an event with its own time, and the next rung follows from it.
    acting = ("--actor", "officer", "--reason", "mail is refused")
    await channel.json("notices", "escalate", case_of(3), "--to", "registrar", *acting)
    rungs = {row["case_id"]: row["to"] for row in await channel.json("notices", "due")}
    assert rungs[case_of(3)] == "police"
    await channel.json(
        "notices", "escalate", case_of(3), "--to", "police", "--channel", "phone", *acting
    )
    assert case_of(3) not in {row["case_id"] for row in await channel.json("notices", "due")}
    listed = await channel.json("notices", "escalations")
    assert [(row["to"], row["channel"]) for row in listed] == [
        ("police", "phone"),
        ("registrar", "email"),
    ]
    shown = await channel.json("case", "show", case_of(3))
    assert [row["to"] for row in shown["escalations"]] == ["registrar", "police"]
    # The report counts of the folded cases what the view counts of the events.
    table = await channel.json("report", "--watch", "giant")
    assert table["pooled"]["escalations"] == {"police": 1, "registrar": 1}
    assert table["pooled"]["no_clock"] == {"theirs:mailbox_full": 2}
    status = await channel.json("notices", "status")
    assert [
        {name: row[name] for name in status[0] if name in row} for row in table["channels"]
    ] == [{name: row[name] for name in row if name != "takes"} for row in status]
    assert "refused" not in (await channel.run("status")).stdout
    box.write_bytes(b"From x\n" + bounce("n-3"))
    await ingest(channel, str(box))
    await channel.ledger.drained()
    refused = "giant (capacity: at 0.05 an hour, 3 open cases take 2.5 days)"
    said = (await channel.run("status")).stdout
    assert f"refused  not measurable by notice: {refused}" in said
    (one,) = (await channel.json("status"))["not_by_notice"]
    assert (one["provider"], one["reason"], one["waiting"]) == ("giant", "capacity", 3)
    assert one["failed"] == 3


async def contacts_are_shown(channel: Desk) -> None:
    """The contact's history counts a notice once, whatever the number of its cases."""
    (history,) = await channel.json("notices", "contacts")
    assert (history["state"], history["notices"], history["bounced"]) == ("bouncing", 2, 1)
    events = await channel.json("notices", "contact", "ABUSE@giant.example")
    assert [(event["notice_id"], event["what"]) for event in events] == [
        ("n-1", "sent"),
        ("n-3", "sent"),
        ("n-1", "failed"),
        ("n-3", "delayed"),
    ]
    await channel.run("notices", "contact", "nobody@giant.example", code=4)


async def test_the_view_says_of_a_fault_what_the_core_says(channel: Desk) -> None:
    """For every reason of the first version, and for the second with and without a fault."""
    failures: list[ev.NoticeFailed | ev.NoticeUndelivered] = [
        ev.NoticeFailed(notice_id="n", reason=reason) for reason in get_args(DeliveryFailure)
    ]
    failures += [
        ev.NoticeUndelivered(notice_id="n", reason="policy", fault="ours"),
        ev.NoticeUndelivered(notice_id="n", reason="other"),
    ]
    numbered = dict(zip(itertools.count(10), failures, strict=False))
    await channel.told(
        *(made for number, data in numbered.items() for made in (
            report(number), sent(number, "n"), event(case_of(number), START + 2 * HOUR, data)
        ))
    )  # fmt: skip
    rows = await channel.rows("SELECT case_id, fault FROM notices WHERE failed_at IS NOT NULL")
    expected = {case_of(number): fault_of(data) for number, data in numbered.items()}
    assert {row["case_id"]: row["fault"] for row in rows} == expected
