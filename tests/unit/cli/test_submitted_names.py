"""What `submit` doubts: names that nobody knows, cases that nobody reported, notices that contradict."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from schemas import events as ev
from schemas.events import Event
from schemas.ids import content_id
from services.cli.submitted_names import NameRegister, doubts

AT = datetime(2025, 1, 31, 12, tzinfo=UTC)
CASE = "ab" * 16


def event(data, case_id=CASE, at=AT):
    kind = ev.TYPE_OF[type(data)]
    name = content_id(kind, case_id, at, repr(data).encode())
    return Event(id=name, time=at, source="test", case_id=case_id, data=data)


def notice(provider="giant", channel="email", notice_id="n1"):
    return event(ev.NoticeSent(notice_id=notice_id, provider=provider, channel=channel))


def register(**more):
    names = {"provider": {"giant", "small"}, "channel": {"email"}, "category": {"csam"}}
    return NameRegister(names=names, **more)


def messages(events, known):
    return [doubt.message for doubt in doubts(enumerate(events, start=1), known)]


def test_a_mistyped_provider_is_named_once():
    """The nearest name is suggested, and said once however often it stands there."""
    said = messages([notice("gaint"), notice("gaint", notice_id="n2")], register())
    assert said == ["provider `gaint` is new here (did you mean `giant`?)"]


def test_every_kind_of_name_is_compared():
    """Channel and category have names of their own; what is known is not spoken of."""
    report = event(ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x", category="cats"))
    said = messages([report, notice(channel="pigeon"), notice(notice_id="n3")], register())
    assert said == ["category `cats` is new here", "channel `pigeon` is new here"]


def test_nothing_known_is_nothing_doubted():
    """The first provider of a new ledger is no mistake."""
    assert (
        messages([notice("first")], NameRegister(names={"provider": set(), "channel": {"email"}}))
        == []
    )


def test_a_case_that_nobody_reported_is_named():
    """A notice whose subject is no case; one that is reported in the same file is a case."""
    other = "cd" * 16
    report = event(ev.ReportFiled(reporter="hotline", sealed_url="s1.k.x"), other)
    told = event(ev.NoticeSent(notice_id="n2", provider="giant"), other)
    known = register(cases=set())
    assert messages([report, told, notice()], known) == [
        f"nobody reported case {CASE}; `takedown case id` names it"
    ]
    assert messages([notice()], register(cases={CASE})) == []


def test_a_name_that_may_be_a_url_is_not_repeated():
    """A provider may be written like a host, and a host is not repeated."""
    (said,) = messages([notice("https://marker-host.example/x")], register())
    assert "marker-host" not in said


def test_a_notice_id_with_another_content_is_a_conflict():
    """The same notice again is no conflict; another provider, channel or time under its id is one."""
    stored = notice()
    content = {stored.id: ("giant", "email", AT)}
    known = register(notices={(CASE, "n1"): dict(content)})
    assert messages([stored], known) == []
    (doubt,) = doubts([(7, notice("small"))], register(notices={(CASE, "n1"): dict(content)}))
    assert (doubt.line, doubt.conflict) == (7, True)
    assert "used before with another provider" in doubt.message
    (within,) = doubts([(1, stored), (2, notice("small"))], register())
    assert (within.line, within.conflict) == (2, True)


LINE = {"type": "takedown.notice.sent.v1", "time": "2025-01-31T12:05:00Z", "subject": CASE}


def test_strict_refuses_what_is_noted_otherwise(run, keyring):
    """Without a ledger channel and category are compared with what is usual; --strict makes it a refusal."""
    line = json.dumps(
        LINE | {"data": {"notice_id": "n1", "provider": "giant", "channel": "pigeon"}}
    )
    noted = run("submit", "-", "--dry-run", input=line)
    assert noted.exit_code == 0
    assert "line 1: note: channel `pigeon` is new here" in noted.stderr
    refused = run("submit", "-", "--dry-run", "--strict", input=line)
    assert refused.exit_code == 4
    assert "1 line refused; nothing was sent" in refused.stderr


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (gzip.compress(b"{}\n", mtime=0), "gzip -dc"),
        ("{}\n".encode("utf-16"), "iconv -f UTF-16"),
        ("{}\n".encode("utf-16-le"), "iconv -f UTF-16"),
        (json.dumps(LINE).encode() + b",\n", "ends with a comma"),
        (json.dumps(LINE).encode()[:-1] + b", }\n", "comma stands before a closing bracket"),
        (b"[" + json.dumps(LINE).encode() + b"]\n", "jq -c"),
    ],
)
def test_another_form_of_file_has_a_message_of_its_own(run, keyring, body, words):
    """What is compressed, in UTF-16, an array, or cut out of one is named, with the way out, in one line."""
    result = run("submit", "-", "--dry-run", input=body)
    assert result.exit_code == 4
    assert words in result.stderr
    assert result.stderr.count("line 1:") == 1
