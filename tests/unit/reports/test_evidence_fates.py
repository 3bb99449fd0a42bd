"""The evidence pack about notices: each one's whole fate, who further was told, and why no clock runs."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

from hypothesis import given

from schemas import events as ev
from schemas.events import Event, Payload
from schemas.methodology import shipped
from services.reports.evidence_case import Dossier, Scope, dossier
from services.reports.evidence_pack import Operator, PackWriter
from services.reports.evidence_seal import Ed25519PrivateKey
from services.runtime.redaction import redact
from tests.strategies import CASE, START, event, histories, look

METHOD = shipped()["nl-24h"]
HOUR = timedelta(hours=1)
SCOPE = Scope(provider="refuser", methodology=METHOD, cutoff=START + 90 * HOUR)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def sent(notice: str, channel: str = "email") -> ev.NoticeSent:
    return ev.NoticeSent(
        notice_id=notice, provider="refuser", channel=channel, contact="abuse@desk.example"
    )


def rung(to: str, notice: str | None = None) -> ev.NoticeEscalated:
    return ev.NoticeEscalated(to=to, actor="officer", reason="no answer", notice_id=notice)  # type: ignore[arg-type]


def undelivered(notice: str, reason: str) -> ev.NoticeUndelivered:
    return ev.NoticeUndelivered(notice_id=notice, reason=reason, fault="theirs", status="5.7.1")  # type: ignore[arg-type]


STATEMENTS: tuple[Payload, ...] = (
    ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x", provider="refuser"),
    sent("n1"),
    ev.NoticeDelayed(notice_id="n1", reason="expired", status="4.4.1"),
    undelivered("n1", "blocked"),
    sent("n2"),
    undelivered("n2", "form_only"),
    sent("n3", "form"),
    undelivered("n3", "rate_limited"),
    rung("provider", "n3"),
    rung("site_owner"),
    rung("registrar"),
    rung("police"),
)
BYPASS: tuple[Payload, ...] = (
    sent("n4", "police"),
    ev.NoticeDelivered(notice_id="n4", evidence="answer"),
    ev.NoticeAcknowledged(notice_id="n4"),
)


def hourly(*statements: Payload) -> list[Event]:
    """Say one thing an hour, and look in between."""
    said = [event(START + hour * HOUR, data) for hour, data in enumerate(statements)]
    return [*said, look(START + HOUR / 2, "online", provider="refuser")]


def dossier_of(*statements: Payload) -> Dossier:
    case = dossier(hourly(*statements), SCOPE, redact)
    assert case is not None
    return case


def test_the_whole_fate_of_each_notice_is_there_with_its_times() -> None:
    """Sent, delayed, failed with reason and fault, sent again, form only, passed on by the police, answered."""
    case = dossier_of(*STATEMENTS, *BYPASS)
    assert [(row.notice_id, row.fate, row.reason, row.fault) for row in case.fates] == [
        ("n1", "sent", None, None),
        ("n1", "delayed", "expired", None),
        ("n1", "failed", "blocked", "theirs"),
        ("n2", "reminder", None, None),
        ("n2", "form_only", "form_only", "theirs"),
        ("n3", "reminder", None, None),
        ("n3", "failed", "rate_limited", "theirs"),
        ("n4", "by_police", None, None),
        ("n4", "auto_reply", None, None),
        ("n4", "acknowledged", None, None),
    ]
    assert [row.at for row in case.fates] == sorted(row.at for row in case.fates)
    assert [row.status for row in case.fates][1:3] == ["4.4.1", "5.7.1"]


def test_every_rung_is_there_and_starts_no_clock() -> None:
    """Provider, site owner, registrar and police, each with its own time; the clock starts with the police's notice."""
    case = dossier_of(*STATEMENTS, *BYPASS)
    assert [row.to for row in case.escalations] == ["provider", "site_owner", "registrar", "police"]
    assert [row.spell for row in case.escalations] == [1, 1, 1, 1]
    assert case.spells[0].clock_started_at == case.fates[-3].at
    assert dossier_of(*STATEMENTS).spells[0].clock_started_at is None


def test_a_spell_without_a_clock_says_why_and_whose_fault_it_is() -> None:
    """The last failure's reason and fault stand beside the spell, in its sentence, and in the figures."""
    (spell,) = dossier_of(*STATEMENTS).spells
    assert (spell.reason, spell.no_clock_reason, spell.no_clock_fault) == (
        ("no_notice_arrived", "rate_limited", "theirs")
    )
    assert "the last one (rate_limited) by the provider's own fault" in spell.explanation


def test_the_figures_and_the_page_count_them(tmp_path: Path) -> None:
    """Why no clock runs, the rungs, the channels and the dead contacts stand in pack.json and on the page."""
    with PackWriter(tmp_path, SCOPE, redact) as writer:
        writer.add(hourly(*STATEMENTS))
    writer.finish(KEY, Operator())
    figures = json.loads((tmp_path / "pack.json").read_text())["figures"]
    assert figures["no_clock"] == {"theirs:rate_limited": 1}
    assert figures["escalations"] == {"police": 1, "provider": 1, "registrar": 1, "site_owner": 1}
    email = next(one for one in figures["channels"] if one["channel"] == "email")
    assert (email["sent"], email["theirs"], email["undeliverable_contacts"]) == (2, 2, 1)
    page = (tmp_path / "summary.html").read_text()
    assert "no clock: rate_limited (theirs)" in page
    assert "escalated to the site owner" in page


def test_no_contact_stands_in_a_pack(tmp_path: Path) -> None:
    """The address that a notice went to names a host, and stays with the operator."""
    with PackWriter(tmp_path, SCOPE, redact) as writer:
        writer.add(hourly(*STATEMENTS, *BYPASS))
    writer.finish(KEY, Operator())
    assert not [path.name for path in tmp_path.iterdir() if b"desk.example" in path.read_bytes()]


def test_what_a_source_says_of_reseller_and_contradiction_is_evidence() -> None:
    """A reseller within the provider is named; that a source contradicts itself is said."""
    told = dossier_of(
        *STATEMENTS[:2],
        ev.AddressAttributed(
            method="map", provider="refuser", address="192.0.2.1", reseller="tenant"
        ),
        ev.AddressAttributed(method="map", address="192.0.2.2", unknown="conflict"),
    )
    stated = [row for row in told.attribution if row.source == "attribution"]
    assert [(row.reseller, row.unknown) for row in stated] == [("tenant", None), (None, "conflict")]
    assert (told.spells[0].role, told.spells[0].reseller) == ("host", "tenant")


@given(histories)
def test_no_word_on_a_notice_is_missing(events: list[Event]) -> None:
    """Each event about a notice of a pack has its row; a failure and a delay keep their reasons."""
    scope = Scope(provider="giant", methodology=METHOD, cutoff=START + 999 * HOUR)
    case = dossier(events, scope, redact)
    if case is None:
        return
    names = {row.notice_id for row in case.notices}
    about = {
        e.id
        for e in events
        if getattr(e.data, "notice_id", None) in names
        and not isinstance(e.data, ev.NoticeEscalated)
    }
    assert Counter(row.event_id for row in case.fates) == Counter(map(str, about))
    assert all(row.case_id == CASE for row in case.fates)
