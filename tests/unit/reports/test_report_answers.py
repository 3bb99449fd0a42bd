"""Who answers and what became of the notices: the report's counts beside a plain recount from events."""

import csv
import io
from collections import Counter
from datetime import timedelta
from uuid import uuid5

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from schemas import events as ev
from schemas.events import Event
from schemas.methodology import shipped
from services.core.answering import basis_of, reseller_of, role_of
from services.core.case import Case
from services.core.fold import fold, order
from services.notices.channel_capacity import Capacity
from services.reports import html, public, sheet, text
from services.reports.figures import ChannelFigures, Flow, Row, Table
from services.reports.table import Builder, Choice, build
from tests.strategies import NL, START, event, histories, look, methodologies

HOUR = timedelta(hours=1)
CUTOFF = START + timedelta(days=10)
FORM = (Capacity("refuser", "form", 0.1),)


def named(events: list[Event], number: int) -> list[Event]:
    """Give a history a case of its own."""
    case = f"{number:032x}"
    return [structs.replace(e, case_id=case, id=uuid5(e.id, case)) for e in events]


def once(events: list[Event]) -> list[Event]:
    """Leave out what sends a notice again under an id that was used: what holds then is no matter of counting."""
    sent, kept = set(), []
    for one in sorted({e.id: e for e in events}.values(), key=order):
        if not isinstance(one.data, ev.NoticeSent):
            kept.append(one)
        elif one.data.notice_id not in sent:
            sent.add(one.data.notice_id)
            kept.append(one)
    return kept


# -- a plain recount from events: no fold, no machine ----------------------------------------------


def recount(logs: list[list[Event]]) -> dict[tuple[str, str], Counter[str]]:
    """Count notices by provider and channel: what was sent, and what came of it."""
    channels: dict[tuple[str, str], Counter[str]] = {}
    for log in logs:
        by_notice: dict[str, list[ev.Payload]] = {}
        for one in sorted(log, key=order):
            notice_id = getattr(one.data, "notice_id", None)
            if notice_id is not None and not isinstance(one.data, ev.NoticeEscalated):
                by_notice.setdefault(notice_id, []).append(one.data)
        for words in by_notice.values():
            place, counts = fate(words)
            if place is not None:
                channels.setdefault(place, Counter()).update(counts)
    return channels


def fate(words: list[ev.Payload]) -> tuple[tuple[str, str] | None, Counter[str]]:
    """Say what became of a notice of which so many events speak, in order."""
    place, failure, kinds = None, None, set()
    for data in words:
        kinds.add(type(data))
        if isinstance(data, ev.NoticeSent):
            place = data.provider, data.channel
        elif isinstance(data, ev.NoticeFailed):
            failure = "unclear" if data.reason in ("api_error", "other") else "theirs"
        elif isinstance(data, ev.NoticeUndelivered):
            failure = data.fault
    counts = Counter(["sent"])
    if failure is not None:
        counts[failure] += 1
    elif ev.NoticeAcknowledged in kinds:
        counts.update(["arrived", "acknowledged"])
    elif ev.NoticeDelivered in kinds:
        counts["arrived"] += 1
    elif ev.NoticeDelayed in kinds:
        counts["delayed"] += 1
    return place, counts


def by_channel(table: Table) -> dict[tuple[str, str], Counter[str]]:
    """Give the same of a table; counts of nothing are left out."""
    return {
        (one.provider, one.channel): Counter(
            {name: getattr(one, name) for name in COUNTS if getattr(one, name)}
        )
        for one in table.channels
        if one.sent
    }


COUNTS = ("sent", "arrived", "acknowledged", "delayed", "theirs", "ours", "way", "unclear")


@settings(max_examples=60)
@given(st.lists(histories, min_size=1, max_size=4), methodologies)
def test_the_counts_are_those_of_a_plain_recount(logs, methodology) -> None:
    """Notices by channel and fault, escalations, spells by role and basis, cases without a clock: all add up."""
    logs = [named(once(events), number) for number, events in enumerate(logs)]
    cases = [fold(events, methodology)[0] for events in logs]
    table = build(cases, methodology, CUTOFF)
    assert by_channel(table) == recount(logs)
    spells = [(case, spell) for case in cases for spell in case.spells]
    total = table.pooled
    assert sum(total.no_clock.values()) == total.not_started
    assert sum(total.roles.values()) == sum(total.attribution.values()) == len(spells)
    nobody = total.attribution.get("unknown", 0) + total.attribution.get("disputed", 0)
    assert nobody == total.roles.get("unknown", 0) == sum(s.provider is None for _, s in spells)
    rungs = Counter(
        e.data.to for log in logs for e in {e.id: e for e in log}.values() if is_rung(e)
    )
    assert total.escalations == dict(rungs)
    left = Counter(
        s.closed_reason for case, s in spells if not case.retracted and s is not case.spells[-1]
    )
    assert (total.moved, sum(flow.moved for flow in table.flows)) == (left["moved"],) * 2
    assert sum(flow.passed_on for flow in table.flows) == left["passed_on"]


def is_rung(one: Event) -> bool:
    return isinstance(one.data, ev.NoticeEscalated)


@settings(max_examples=30)
@given(st.lists(histories, min_size=2, max_size=5))
def test_parts_of_a_ledger_add_up(logs) -> None:
    """Cases that several processes counted give the table of one."""
    cases = [fold(named(events, number), NL)[0] for number, events in enumerate(logs)]
    whole = build(cases, NL, CUTOFF)
    one, other = Builder(NL, CUTOFF), Builder(NL, CUTOFF)
    for number, case in enumerate(cases):
        (one if number % 2 else other).add(case)
    one.merge(other)
    assert one.finish() == whole


@given(histories)
def test_nobody_is_charged_where_nobody_is_named(events) -> None:
    """A spell of which no provider is known has no clock, whatever notices say, unless a report starts clocks."""
    case, _ = fold(events, NL)
    for spell in case.spells:
        if basis_of(case, spell) in ("unknown", "disputed"):
            assert spell.clock_started_at is spell.breached_at is None


# -- one ledger by hand ----------------------------------------------------------------------------


def filed(number: int, provider: str | None) -> list[Event]:
    data = ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x", provider=provider)
    return [event(START, data, f"{number:032x}")]


def sent(number: int, notice: str, provider: str, channel: str = "email", hour: int = 1) -> Event:
    data = ev.NoticeSent(
        notice_id=notice, provider=provider, channel=channel, contact="abuse@desk.example"
    )
    return event(START + hour * HOUR, data, f"{number:032x}")


def failed(number: int, notice: str, reason: str, fault: str, hour: int = 2) -> Event:
    data = ev.NoticeUndelivered(notice_id=notice, reason=reason, fault=fault)
    return event(START + hour * HOUR, data, f"{number:032x}")


def refused(number: int) -> list[Event]:
    """Give a case whose mail was blocked and whose form was full; the police took it on."""
    rung = ev.NoticeEscalated(to="police", actor="officer", reason="mail is blocked")
    return [
        *filed(number, "refuser"),
        sent(number, f"m{number}", "refuser"),
        failed(number, f"m{number}", "blocked", "theirs"),
        sent(number, f"f{number}", "refuser", "form", hour=3),
        failed(number, f"f{number}", "rate_limited", "theirs", hour=4),
        event(START + 6 * HOUR, rung, f"{number:032x}"),
        look(START + 5 * HOUR, "online", provider="refuser", case=f"{number:032x}"),
    ]


def stated(number: int, hour: int = 1, **said: object) -> Event:
    data = ev.AddressAttributed(method="map", address="192.0.2.1", **said)  # type: ignore[arg-type]
    return event(START + hour * HOUR, data, f"{number:032x}")


def ledger() -> list[Case]:
    """Fold a small ledger: nine refused, an edge and its origin, a reseller, nobody known, contradiction, our fault."""
    edge = [
        *filed(20, None),
        look(START + HOUR, "online", provider="shield", passing=("shield",), case=f"{20:032x}"),
        sent(20, "e20", "shield", hour=2),
        event(
            START + 3 * HOUR,
            ev.AddressAttributed(method="edge_reply", provider="giant", via="shield"),
            f"{20:032x}",
        ),
    ]
    reseller = [
        *filed(21, None),
        look(START + HOUR, "online", provider="giant", case=f"{21:032x}"),
        stated(21, provider="giant", reseller="tenant", hour=2),
    ]
    logs = [
        *(refused(number) for number in range(1, 10)),
        edge,
        reseller,
        [*filed(22, None), stated(22, unknown="silent")],
        [*filed(23, None), stated(23, unknown="conflict")],
        [*filed(24, "giant"), sent(24, "g24", "giant"), failed(24, "g24", "policy", "ours")],
        [*filed(25, "giant"), sent(25, "g25", "giant", hour=5)],
    ]
    return [fold(log, NL)[0] for log in logs]


def made(**choice: object) -> Table:
    return build(ledger(), NL, CUTOFF, Choice(**choice))  # type: ignore[arg-type]


def row(table: Table, name: str) -> Row:
    return next(one for one in table.providers if one.provider == name)


def channel(table: Table, provider: str, name: str) -> ChannelFigures:
    return next(one for one in table.channels if (one.provider, one.channel) == (provider, name))


def test_a_provider_that_refuses_notices_is_not_measurable_by_notice() -> None:
    """Its cases stand beside n with reason and fault: none is a breach, none is hidden."""
    table = made(capacities=FORM)
    refuser, form = row(table, "refuser"), channel(table, "refuser", "form")
    assert (refuser.n, refuser.certain_breaches, refuser.not_started) == (0, 0, 9)
    assert refuser.no_clock == {"theirs:rate_limited": 9}
    assert (refuser.not_measurable, refuser.escalations) == ("capacity", {"police": 9})
    assert (form.waiting, form.theirs) == (9, 9)
    assert form.forecast == "at 0.1 an hour, 9 open cases take 3.8 days"
    assert row(made(), "refuser").not_measurable == "undeliverable"


def test_what_failed_by_our_fault_says_nothing_of_the_provider() -> None:
    """A policy of ours that refused the notice is counted as ours, and the provider stays measurable."""
    giant = row(made(), "giant")
    assert giant.no_clock == {"no_notice": 2, "ours:policy": 1}
    assert giant.not_measurable is None


def test_edge_origin_and_reseller_are_told_apart() -> None:
    """A proxy that passed on, the host that it named, and who rents a part of that host."""
    table = made(parents={"giant": "wholesaler"})
    assert row(table, "shield").roles == {"edge": 1}
    giant = row(table, "giant")
    assert giant.roles == {"host": 3, "origin": 1}
    assert (giant.resellers, giant.parent) == ({"tenant": 1}, "wholesaler")
    assert giant.attribution == {"looks": 2, "notice": 2}


def test_unknown_and_disputed_are_counted_apart_and_charged_to_nobody() -> None:
    """Sources that say nothing, and sources that contradict each other."""
    unknown = row(made(), "unknown")
    assert unknown.attribution == {"disputed": 1, "unknown": 1}
    assert (unknown.n, unknown.not_started) == (0, 2)


def test_moves_are_in_the_table() -> None:
    """What a proxy passed on goes from it to the host, with their countries."""
    (flow,) = made(countries={"giant": "NL"}).flows
    assert (flow.origin, flow.target, flow.target_country) == ("shield", "giant", "NL")
    assert (flow.moved, flow.passed_on) == (0, 1)


def test_a_contact_is_undeliverable_by_the_last_notice_to_it() -> None:
    """A later notice that did not fail brings it back to life; what failed by our fault buries nobody."""
    table = made()
    dead = channel(table, "refuser", "email")
    assert (dead.contacts, dead.undeliverable_contacts) == (1, 1)
    alive = channel(table, "giant", "email")
    assert (alive.contacts, alive.undeliverable_contacts) == (1, 0)


def test_every_form_says_it() -> None:
    """Text, page and sheet show roles, resellers, channels, faults, moves, and what is not measurable."""
    table = made(capacities=FORM)
    written, page = text.written(table, width=200), html.page(table)
    sentence = "refuser is not measurable by notice: its channels are too narrow for the norm"
    for words in (
        "Who answers", "tenant 1", "Cases without a clock", "rate_limited (theirs) 9", "Notices by channel",
        "at 0.1 an hour, 9 open cases take 3.8 days", "Moves", sentence, "1 of 1", "refuser †",
        "attribution unknown for 1 spells, disputed for 1",
    ):  # fmt: skip
        assert words in written, words
        assert words in page, words
    lines = list(csv.DictReader(io.StringIO(sheet.sheet(table))))
    form = next(line for line in lines if line["channel"] == "form")
    assert (form["group"], form["theirs"], form["not_measurable"]) == ("refuser", "9", "capacity")
    flow = next(line for line in lines if line["part"] == "flow")
    assert (flow["group"], flow["passed_on"]) == ("shield > giant", "1")
    refuser = next(line for line in lines if line["group"] == "refuser")
    assert refuser["no_clock"] == "theirs:rate_limited=9"


def test_the_public_form_names_who_refuses_and_no_small_count() -> None:
    """Five cases or more without a clock stand there in fives; channels and smaller counts do not."""
    table = made(capacities=FORM)
    table.flows.append(
        Flow(origin="giant", origin_country=None, target="x", target_country=None, moved=7)
    )
    shown = public.publish(table)
    refuser = row(shown, "refuser")
    assert (refuser.not_measurable, refuser.not_started) == ("capacity", 5)
    assert refuser.no_clock == {"theirs:rate_limited": 5}
    assert (shown.channels, [flow.moved for flow in shown.flows]) == ([], [5])
    assert "tenant" not in html.page(shown)


def test_what_sources_say_is_taken_until_the_spell_ends() -> None:
    """A reseller of after a move is no reseller of the spell before."""
    case, _ = fold(
        [
            *filed(1, "giant"),
            look(START + HOUR, "online", provider="giant", case=f"{1:032x}"),
            sent(1, "n1", "giant"),
            *(
                look(START + h * HOUR, "online", provider="small", case=f"{1:032x}")
                for h in (3, 4, 5)
            ),
            stated(1, provider="giant", reseller="tenant", hour=9),
            stated(1, provider="small", reseller="other", hour=9),
        ],
        shipped()["nl-24h"],
    )
    old, new = case.spells
    assert (reseller_of(case, old), reseller_of(case, new)) == (None, "other")
    assert (role_of(case, old), role_of(case, new)) == ("host", "host")
