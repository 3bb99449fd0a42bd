"""Evidence of one case that comes to outcomes: what the fuzzer of the ledger is first given, and draws from."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.urls import canonical
from tests.fuzzing.records import BETWEEN, KEYRING

URL = "https://host.example/a?b=1"
CASE = KEYRING.case_id(canonical(URL))
START = datetime(2026, 3, 1, tzinfo=UTC)
GOLDEN = Path(__file__).parents[2] / "schemas" / "golden" / "v1"
_NOTICE = {"notice_id": "n-1"}
_ACTOR = {"actor": "authority", "reason": "order 1"}


def at(hours: float) -> str:
    """Write an instant so many hours after the report."""
    return (START + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


def record(kind: str, hours: float, **data: Any) -> bytes:
    """Write an event of the case in structured mode, on one line."""
    outer = {"type": f"takedown.{kind}", "source": "test", "time": at(hours), "subject": CASE}
    return json.dumps(outer | {"data": data}).encode()


def report(hours: float = 0, **data: Any) -> bytes:
    """Write a report with its URL."""
    given = {"reporter": "hotline", "category": "csam", "url": URL, "provider": "giant"}
    return record("report.filed.v1", hours, **given | data)


def notice(hours: float = 0.1, **data: Any) -> bytes:
    """Write a notice."""
    return record("notice.sent.v1", hours, **_NOTICE | {"provider": "giant"} | data)


def look(hours: float, verdict: str, provider: str = "giant", **data: Any) -> bytes:
    """Write a look as a prober does, in binary mode."""
    time = at(hours)
    address = {"address": "192.0.2.1", "provider": provider}
    said = {
        "vantage": "nl",
        "tick": time,
        "started_at": time,
        "finished_at": time,
        "verdict": verdict,
        "reason": "test",
        "served": [address | {"online": verdict == "online", "gone": verdict == "removed"}],
        "canary_at": time,
        "providers_left_out": [],
    }
    name = f"00000000-0000-5000-8000-{round(hours * 3600):012d}"
    lines = [
        "ce_specversion: 1.0",
        f"ce_id: {name}",
        "ce_source: test",
        "ce_type: takedown.look.made.v1",
        f"ce_time: {time}",
        f"ce_subject: {CASE}",
        "content-type: application/json",
    ]
    return ("\n".join(lines) + "\n\n" + json.dumps(said | data)).encode()


def gone(hours: float, provider: str = "giant") -> list[bytes]:
    """Write the looks that confirm a removal."""
    return [look(hours + later, "removed", provider) for later in (0, 0.1, 0.4, 1)]


def stories() -> Iterator[bytes]:
    """Give lives of the case: removed, breached, back, moved, on hold, retracted, erased, and much said about it."""
    begun = [report(), notice(), look(1, "online")]
    yield _told(*begun, *gone(3))
    yield _told(*begun, look(25, "online"), *gone(30), look(40, "online"))
    yield _told(*begun, look(2, "online", "small"), look(3, "online", "small"), *gone(5, "small"))
    yield _told(report(provider="small"), *gone(3), look(12, "online"), *gone(20, "small"))
    yield _told(*begun, *gone(3), record("report.retracted.v1", 12, **_ACTOR))
    yield _told(*begun, *gone(3), record("report.retracted.v2", 12, reporter="hotline", reason="a"))
    held = record("hold.placed.v1", 2, **_ACTOR, expires_at=at(4))
    yield _told(*begun, held, record("hold.lifted.v1", 3, actor="authority"), look(30, "online"))
    yield _told(*begun, record("case.erased.v1", 2, **_ACTOR), report(5, reporter="other"))
    undelivered = record("notice.failed.v2", 0.3, **_NOTICE, reason="expired", status="5.1.1")
    yield _told(*begun, undelivered, record("notice.delayed.v1", 0.2, **_NOTICE))
    yield _told(report(historic=True, seen_online_at=at(-1), earliest=at(-2)), *begun[1:], *_said())
    for path in sorted(GOLDEN.glob("*.json")):
        golden = json.loads(path.read_text())
        lines = [f"{name}: {text}" for name, text in golden["headers"] if name != "ce_subject"]
        head = "\n".join([*lines, f"ce_subject: {CASE}"])
        yield _told(report(), f"{head}\n\n{json.dumps(golden['value'])}".encode())


def _said() -> list[bytes]:
    corrected = {"provider": "small", "method": "operator", "effective_from": at(0.5)}
    asked = {"provider": "giant", "method": "cymru", "address": "192.0.2.1", "as_numbers": [64500]}
    return [
        notice(0.2, notice_id="n-2", contact="abuse@host.example", message_id="<a@b>"),
        record("notice.delivered.v1", 0.3, **_NOTICE, evidence="status", earliest=at(0.2)),
        record("notice.failed.v1", 0.3, notice_id="n-2", reason="refused"),
        record("notice.acknowledged.v1", 0.5, **_NOTICE),
        record("notice.escalated.v1", 0.6, **_ACTOR, to="registrar"),
        record("claim.stated.v1", 0.7, claimant="hub", status="gone", gone_at=at(0.6)),
        record("case.attributed.v1", 0.8, actor="operator", **corrected),
        record("case.attributed.v2", 0.9, **asked, prefix="192.0.2.0/24", answered_at=at(0.8)),
        record("look.missed.v1", 2, vantage="nl", tick=at(2), reason="overload"),
        look(2.5, "undetermined", fingerprint={"status": 503, "content_length": 7}),
    ]


def _told(*records: bytes) -> bytes:
    return BETWEEN.join(records)
