"""Exports of SCART: every row of the samples, and what the dialects do to odd ones."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.events import TYPE_OF, ClaimStated, ReportFiled
from services.core.time_spans import TimeSpan
from services.intake.entries import IntakeEntry
from services.intake.hoster_names import BadHosterNames, HosterNames, read_hoster_names
from services.intake.intake_statements import incoming
from services.intake.named_entries import Naming
from services.intake.scart import BadExport, columns_of, read_export, read_table
from tests.unit.intake.intake_kit import DATA, admit, lines

SAMPLES = DATA / "scart"
ZONE = ZoneInfo("Europe/Amsterdam")
HOSTERS = read_hoster_names((SAMPLES / "providers.csv").read_text().splitlines())
EXPECTED = lines(SAMPLES / "expected.jsonl")
DIALECTS = {"dialect-a": "a", "dialect-b": "b", "dialect-b-few-columns": "b", "dialect-c": "c"}
HEAD = (
    "filenumber;url;received_at;status_code;grade_code;hoster_owner;hoster_first_ntd_at;lastseen_at"
)
ROW = "F1;https://a.example/1;2026-07-01 07:00:00;close;illegal;Fictional Hosting A B.V.;2026-07-01 16:00:00;"


def read(text: str, **more: Any) -> list[IntakeEntry]:
    return list(read_export(read_table(text), ZONE, HOSTERS, **more))


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.csv").read_bytes().decode()


def span(one: TimeSpan) -> dict[str, str]:
    return one.shown()


def as_expected(entry: IntakeEntry) -> dict[str, Any]:
    """Write an entry as the expectations are written."""
    told = []
    for one in entry.statements:
        if isinstance(one.data, ClaimStated):
            continue
        data: Any = one.data
        if isinstance(data, ReportFiled):
            event = admit(incoming(one, "test"))
            fields = {name: getattr(data, name) for name in ("url", "reference", "reporter")}
            fields |= {"category": data.category, "provider": data.provider}
            if event.data.not_measurable is not None:  # type: ignore[attr-defined]
                fields["not_measurable"] = event.data.not_measurable  # type: ignore[attr-defined]
        else:
            fields = {name: getattr(data, name) for name in ("notice_id", "provider", "channel")}
        told.append({"type": TYPE_OF[type(data)], "time": span(one.time), "data": fields})
    return {"events": told, "claims": dict(entry.claims or {})}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_row_of_the_samples_is_read_right(name: str) -> None:
    """Dialect, line, end, events with their times, claims: all as the expectations say."""
    table = read_table(sample(name))
    assert table.dialect == DIALECTS[name]
    assert columns_of(table).unknown == ()
    wanted = {row["row"]: row for row in EXPECTED if row["file"] == f"{name}.csv"}
    entries = read(sample(name))
    assert len(entries) == len(wanted) == 40
    for entry in entries:
        row = wanted[entry.row]
        assert (entry.line, entry.outcome, entry.reference) == (
            row["line"],
            row["expect"],
            row["reference"],
        )
        if row["expect"] == "events":
            told = as_expected(entry)
            assert (told["events"], told["claims"]) == (row["events"], row["claims"])
            assert entry.notice_known is row.get("notice_known", True)


def test_a_claim_is_an_event_of_its_own() -> None:
    """`offline` and the last sighting of the export become a claim, and no removal and no look."""
    (entry,) = read(f"{HEAD}\n{ROW}2026-10-25 02:30:00\n")
    claim = entry.statements[-1].data
    assert isinstance(claim, ClaimStated)
    assert (claim.claimant, claim.status) == ("scart:unknown", "close")
    assert claim.seen_online_earliest is not None
    assert {TYPE_OF[type(one.data)].split(".")[1] for one in entry.statements} == {
        "report", "notice", "claim",
    }  # fmt: skip


def test_columns_are_found_by_their_names() -> None:
    """In another order, with columns of others between them, which are named and passed over."""
    text = (
        "mystery;received_at;hoster_owner;url;FileNumber;grade_code\n"
        "x;2026-07-01 07:00:00;fictional  hosting a b.v.;https://a.example/1;F1;illegal\n"
    )
    (entry,) = read(text)
    assert columns_of(read_table(text)).unknown == ("mystery",)
    assert entry.outcome == "events"
    (report,) = entry.statements
    assert isinstance(report.data, ReportFiled)
    assert report.data.provider == "fictional-hosting-a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header"),
        ("a,b\n", "saved again with semicolons"),
        ("f\0i\0;\0", "UTF-16"),
        ("url;received_at\n", "filenumber"),
        ("filenumber;url\n", "received_at"),
        ("filenumber;reference\n", "hoster_first_ntd_at"),
        ("filenumber;url;received_at;url\n", "twice"),
        (";;;\n;;;\n", "separators alone"),
        ('"";"";\n', "separators alone"),
    ],
)
def test_a_file_that_is_no_export_is_refused(text: str, message: str) -> None:
    """With what is missing in its header."""
    with pytest.raises(BadExport, match=message):
        read(text)


def test_a_quote_that_never_closes_costs_its_own_row() -> None:
    """The rows behind it are read."""
    text = sample("dialect-c").splitlines()
    broken = text[1].replace('"2026-04-27 23:13:44"', '"2026-04-27 23:13:44')
    entries = read("\n".join([text[0], broken, *text[2:5]]))
    assert [entry.outcome for entry in entries] == ["dead_letter", *["events"] * 3]


def test_line_ends_and_a_mark_of_order_change_nothing() -> None:
    """CRLF, and the mark that some programs put before UTF-8."""
    plain = read(sample("dialect-c"))
    assert read("\ufeff" + sample("dialect-c").replace("\n", "\r\n")) == plain


def test_what_a_spreadsheet_adds_is_no_row() -> None:
    """A line that names the separator, empty lines above, and separators without anything between them."""
    (entry,) = read(f"\nsep=;\n{HEAD}\n{ROW}\n;;;;;;;\n")
    assert (entry.outcome, entry.line) == ("events", 4)


@pytest.mark.parametrize(
    "time", ["2026-07-01T05:00:00Z", "2026-07-01T07:00:00.000000+02:00", "2026-07-01 01:00:00-0400"]
)
def test_a_time_with_its_offset_needs_no_zone(time: str) -> None:
    """It is the instant that it says."""
    assert read(f"{HEAD}\n{ROW.replace('2026-07-01 07:00:00', time)}") == read(f"{HEAD}\n{ROW}")


@pytest.mark.parametrize("nothing", ["", "NULL", "\\N", "0000-00-00 00:00:00"])
def test_no_first_notice_is_written_in_several_ways(nothing: str) -> None:
    """None of them costs the row its report, and none makes a notice."""
    (entry,) = read(f"{HEAD}\n{ROW.replace('2026-07-01 16:00:00', nothing)}")
    assert (entry.outcome, entry.notice_known) == ("events", False)
    assert isinstance(entry.statements[0].data, ReportFiled)


def test_what_is_no_utf_8_is_a_dead_letter() -> None:
    """It would name another case than the one that was meant."""
    raw = f"{HEAD}\n{ROW}\n".encode().replace(b"/1;", b"/\xe9;")
    (entry,) = read(raw.decode("utf-8", "surrogateescape"))
    assert (entry.outcome, entry.why) == ("dead_letter", "not UTF-8; save the export as UTF-8")


def test_a_file_number_that_the_ledger_has_is_no_second_report() -> None:
    """Its notice and its claim are sent, which an earlier export may not have had."""
    (entry,) = read(f"{HEAD}\n{ROW}\n", reported={"F1": "a" * 32})
    assert [TYPE_OF[type(one.data)] for one in entry.statements] == [
        "takedown.notice.sent.v1",
        "takedown.claim.stated.v1",
    ]


def test_a_later_row_adds_the_notice_that_was_not_known() -> None:
    """The report is not repeated; the first notice of the update is the first that is known."""
    without = ROW.replace("2026-07-01 16:00:00", "")
    first, second = read(f"{HEAD}\n{without}\n{ROW}\n")
    assert (first.outcome, second.outcome) == ("events", "update")
    assert TYPE_OF[type(second.statements[0].data)] == "takedown.notice.sent.v1"


def test_a_row_that_was_regraded_says_what_to_do() -> None:
    """Not illegal after all: skipped, with the command that takes the report back."""
    _, second = read(f"{HEAD}\n{ROW}\n{ROW.replace('illegal', 'not_illegal')}\n")
    assert second.outcome == "skipped"
    assert second.why is not None
    assert "takedown correct retract" in second.why


def test_a_hoster_that_is_not_listed_is_named() -> None:
    """Its report has no provider, its notice is left out, and the import says so."""
    (entry,) = read(f"{HEAD}\n{ROW.replace('Hosting A', 'Hosting Z')}\n")
    assert entry.unlisted_hoster == "Fictional Hosting Z B.V."
    assert [TYPE_OF[type(one.data)].split(".")[1] for one in entry.statements] == [
        "report",
        "claim",
    ]


def test_a_hoster_means_one_provider() -> None:
    """A providers' file that contradicts itself is refused with the line."""
    text = "hoster_owner,hoster_contact,provider\nA,a@a.example,a\nB,a@a.example,b\n"
    with pytest.raises(BadHosterNames, match="line 3"):
        read_hoster_names(text.splitlines())
    assert HosterNames().provider("A", "") is None


def test_an_export_without_urls_speaks_of_known_cases_alone() -> None:
    """Its notice goes to the case of its file number; where there is none it is a dead letter, or told in a dry run."""
    entries = read(sample("dialect-a"))[:1]
    (known,) = Naming(admit, "test", {"F2026000001": "b" * 32}).named(entries)
    assert {event.case_id for event in known.events} == {"b" * 32}
    (unknown,) = Naming(admit, "test", {}).named(entries)
    assert unknown.entry.outcome == "dead_letter"
    (dry,) = Naming(admit, "test", {}, strict=False).named(entries)
    assert (dry.entry.outcome, len(dry.without_case)) == ("events", 2)


def test_the_same_export_gives_the_same_events() -> None:
    """A second import adds nothing: each event's name is a function of what it says."""
    entries = read(sample("dialect-b"))
    once, again = (
        [event.id for named in Naming(admit, "test", {}).named(entries) for event in named.events]
        for _ in range(2)
    )
    assert once == again
    assert len(set(once)) == len(once) > 60
