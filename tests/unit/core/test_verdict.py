"""The verdict table: what each kind of evidence says, and what it must never say."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Fingerprint, LookMade
from services.core.fingerprints import changed, compare, is_baseline, is_still
from services.core.reasons import NETWORK_FAULTS, REASONS
from services.core.verdict import Answer, Evidence, is_dark, judge, judge_answer
from services.core.verdict_reference import reference


def _answer(**fields) -> Answer:
    return Answer(address="192.0.2.1", **fields)


def _judged(*answers: Answer, **fields):
    return judge(Evidence(answers=answers, **fields))


@pytest.mark.parametrize(
    ("status", "verdict", "reason", "layer"),
    [
        (200, "online", "served", "content"),
        (206, "online", "served", "content"),
        (404, "removed", "not_found", "content"),
        (410, "removed", "gone", "content"),
        (401, "undetermined", "blocked_unauthorized", "content"),
        (403, "undetermined", "blocked_forbidden", "content"),
        (407, "undetermined", "blocked_proxy_auth", "network"),
        (429, "undetermined", "blocked_rate_limited", "host"),
        (451, "undetermined", "blocked_legal", "content"),
        (503, "undetermined", "blocked_unavailable", "host"),
        (500, "undetermined", "server_error", "host"),
        (502, "undetermined", "server_error", "host"),
        (405, "undetermined", "client_error", "content"),
        (416, "undetermined", "client_error", "content"),
        (501, "undetermined", "server_error", "host"),
        (204, "undetermined", "no_content", "content"),
        (304, "undetermined", "odd_status", "host"),
        (101, "undetermined", "odd_status", "host"),
        (999, "undetermined", "odd_status", "host"),
    ],
)
def test_status(status: int, verdict: str, reason: str, layer: str) -> None:
    """Each status code has its row; only 404 and 410 speak of a removal."""
    found = _judged(_answer(status=status))
    assert (verdict, reason, layer) == (found.verdict, found.reason, found.layer)


@pytest.mark.parametrize(
    ("dns", "verdict", "reason"),
    [
        ("nxdomain", "removed", "nxdomain"),
        ("nodata", "undetermined", "dns_nodata"),
        ("servfail", "undetermined", "dns_servfail"),
        ("timeout", "undetermined", "dns_timeout"),
        ("refused", "undetermined", "dns_refused"),
        ("broken", "undetermined", "dns_broken"),
        ("disagree", "undetermined", "dns_disagree"),
    ],
)
def test_dns(dns, verdict: str, reason: str) -> None:
    """Of the DNS outcomes NXDOMAIN alone is removal-class (P6)."""
    found = judge(Evidence(dns=dns))
    assert (verdict, reason) == (found.verdict, found.reason)
    assert found.layer in ("domain", "network")


def test_every_fault_is_undetermined() -> None:
    """No fault on the wire is ever taken for a removal (P1, P2)."""
    for reason in REASONS:
        if REASONS[reason].verdict == "undetermined":
            assert _judged(_answer(fault=reason)).verdict == "undetermined"
    assert _judged(_answer(fault="never heard of")).reason == "bad_response"


def test_online_if_any_address_serves() -> None:
    """One address that serves it outweighs all others, in any order (P10)."""
    answers = [_answer(status=404), _answer(fault="connect_refused"), _answer(status=200)]
    for order in itertools.permutations(answers):
        assert _judged(*order).verdict == "online"


def test_gone_only_if_gone_on_all() -> None:
    """An address that could not be asked keeps a URL from being gone."""
    assert _judged(_answer(status=404), _answer(status=410)).verdict == "removed"
    assert (
        _judged(_answer(status=404), _answer(fault="connect_timeout")).reason == "connect_timeout"
    )
    assert _judged(_answer(status=404), left_out=1).reason == "gone_on_some"
    assert _judged(_answer(status=200), left_out=1).verdict == "online"


def test_a_challenge_is_a_block_whatever_the_status() -> None:
    """What guards a site against machines is neither online nor gone."""
    for status in (200, 403, 404, 503):
        assert _judged(_answer(status=status, challenge=True)).reason == "blocked_challenge"


_PROVEN = {"was_served": True, "told_apart": True, "fresh": True}


def test_soft_404() -> None:
    """What is answered as a path that can't exist is gone only if it was seen served, and the host answered so then."""
    same = _judged(_answer(status=200, control="same", **_PROVEN))
    assert (same.verdict, same.reason) == ("removed", "soft_404_control")
    for missing in _PROVEN:
        less = _answer(status=200, control="same", **(_PROVEN | {missing: False}))
        assert _judged(less).verdict == "undetermined"
    alike = _judged(_answer(status=200, control="alike", was_served=True))
    assert (alike.verdict, alike.reason) == ("undetermined", "suspected_soft_404")
    assert _judged(_answer(status=200, control="differs")).verdict == "online"


@pytest.mark.parametrize("control", ["same", "alike"])
def test_what_nobody_saw_served_can_not_have_gone(control: str) -> None:
    """A wall, a stop page and a soft 404 look the same: without a sighting it is undetermined."""
    found = _judged(_answer(status=200, control=control, told_apart=True, fresh=True))
    assert (found.verdict, found.reason) == ("undetermined", "never_seen_served")


def test_what_is_the_baseline_itself_is_not_gone() -> None:
    """Where the answer that siblings get is the content that was reported, validator and all, it is online."""
    found = _judged(_answer(status=200, control="same", **_PROVEN, is_content=True))
    assert (found.verdict, found.reason) == ("online", "served")


def test_a_redirect_to_the_root_needs_more_evidence() -> None:
    """It is a removal of what was served: if siblings always were sent there, or if they are asked now and are not."""
    root = {"status": 302, "redirect": "root"}
    assert _judged(_answer(**root)).reason == "redirect_to_root"
    assert _judged(_answer(**root, fresh=True)).reason == "redirect_to_root"
    assert _judged(_answer(**root, was_served=True)).reason == "redirect_to_root"
    assert _judged(_answer(**root, was_served=True, fresh=True)).reason == "soft_404_root"
    assert _judged(_answer(**root, shared=True, **_PROVEN)).reason == "soft_404_root"
    assert _judged(_answer(**root, shared=True, was_served=True, fresh=True)).reason == (
        "redirect_shared"
    )


def test_nothing_is_no_content() -> None:
    """No bytes are gone if some were seen before and siblings are answered otherwise; else undetermined."""
    empty = {"status": 200, "empty": True}
    gone = _judged(_answer(**empty, control="differs", was_served=True, fresh=True))
    assert (gone.verdict, gone.reason) == ("removed", "emptied")
    for less in (
        {"control": "same", "was_served": True, "fresh": True},
        {"control": "differs", "fresh": True},
        {"control": "differs", "was_served": True},
    ):
        assert _judged(_answer(**empty, **less)).reason == "no_content"
    assert _judged(_answer(status=416, empty=True)).reason == "no_content"


def test_a_store_that_forbids_what_it_does_not_have() -> None:
    """403 is a block, but for a host of which it was shown that it answers missing paths so."""
    assert _judged(_answer(status=403)).reason == "blocked_forbidden"
    found = _judged(_answer(status=403, missing_forbidden=True))
    assert (found.verdict, found.reason) == ("removed", "forbidden_as_missing")


def test_another_domain_and_parking_are_undetermined() -> None:
    """What leaves the registrable domain, or is parked, is suspected and neither online nor gone."""
    assert _judged(_answer(status=301, redirect="other_domain")).reason == "redirect_other_domain"
    assert _judged(_answer(status=200), parked=True).reason == "parked"
    assert _judged(_answer(status=404), parked=True).verdict == "removed"


def test_nothing_asked_is_undetermined() -> None:
    """Refused addresses and URLs that are never probed say nothing."""
    assert _judged(refused=2).reason == "address_refused"
    assert judge(Evidence(not_measurable="onion")).reason == "not_measurable"


_STATUS = st.none() | st.integers(100, 999)
_FAULT = st.none() | st.sampled_from(sorted(REASONS)).filter(
    lambda r: REASONS[r].verdict == "undetermined"
)
_ANSWERS = st.builds(
    Answer,
    address=st.just("192.0.2.1"),
    status=_STATUS,
    fault=_FAULT,
    redirect=st.sampled_from(
        [None, "slash", "https", "root", "not_found", "login", "other_domain"]
    ),
    challenge=st.booleans(),
    control=st.sampled_from(["unasked", "differs", "alike", "same", "everything", "doubted"]),
    was_served=st.booleans(),
    change=st.sampled_from(["unknown", "none", "minor", "text", "file", "kind"]),
    shared=st.booleans(),
)
_EVIDENCE = st.builds(
    Evidence,
    dns=st.sampled_from(["addresses", "addresses", "nxdomain", "servfail", "timeout", "nodata"]),
    answers=st.lists(_ANSWERS, max_size=4).map(tuple),
    left_out=st.integers(0, 2),
    parked=st.booleans(),
    blind=st.booleans(),
    dark=st.booleans(),
)


@given(_EVIDENCE)
def test_laws(evidence: Evidence) -> None:
    """The verdict is total, and removed only with every address gone, none left out, and sight."""
    found = judge(evidence)
    assert found is REASONS[found.reason]
    if found.verdict == "removed":
        assert not evidence.blind
        if found.reason == "nxdomain":
            assert evidence.dns == "nxdomain"
        elif found.reason == "host_dark":
            assert evidence.dark
            assert is_dark(evidence)
        else:
            assert evidence.left_out == 0
            assert all(judge_answer(answer).verdict == "removed" for answer in evidence.answers)
    if found.verdict == "online":
        assert any(
            a.fault is None
            and a.status in (200, 203, 206)
            and a.control in ("unasked", "differs")
            and a.change in ("unknown", "none", "minor")
            and not a.shared
            for a in evidence.answers
        )
    if evidence.blind:
        assert found.verdict != "removed"
        assert found.reason not in NETWORK_FAULTS


def test_reason_codes_fit_the_event() -> None:
    """Every reason is a slug, and every layer is one that the contract knows."""
    assert set(REASONS) >= NETWORK_FAULTS
    for reason, row in REASONS.items():
        assert reason == row.reason
        assert reason.replace("_", "").isalnum()
        assert row.layer in (None, "content", "account", "host", "domain", "network")
    assert "reason" in LookMade.__struct_fields__


def test_compare() -> None:
    """A sibling's answer is the same only if a header that tells contents apart agrees."""
    page = Fingerprint(status=200, content_type="text/html", content_length=512)
    assert (
        compare(page, Fingerprint(status=200, content_type="text/html", content_length=512))
        == "same"
    )
    assert (
        compare(page, Fingerprint(status=200, content_type="text/html", content_length=1025))
        == "differs"
    )
    # A page that says that there is nothing may repeat the path.
    assert (
        compare(page, Fingerprint(status=200, content_type="text/html", content_length=513))
        == "alike"
    )
    assert compare(page, Fingerprint(status=404)) == "differs"
    bare = Fingerprint(status=200, content_type="text/html")
    assert compare(bare, bare) == "alike"
    tagged = Fingerprint(status=200, etag_digest="ab")
    assert compare(tagged, tagged) == "same"
    root = Fingerprint(status=302, redirect="root")
    assert compare(root, root) == "same"
    assert compare(None, root) == compare(root, None) == "unasked"


# -- baseline, walls, dark hosts -------------------------------------------------------------------

_IMAGE = Fingerprint(content_type="image/jpeg", content_length=48_213, etag_digest="a")
_PAGE = Fingerprint(content_type="text/html", content_length=1000)


@pytest.mark.parametrize(
    ("baseline", "found", "change"),
    [
        (_IMAGE, _IMAGE, "none"),
        (_IMAGE, Fingerprint(content_type="image/webp", content_length=48_213), "minor"),
        (_IMAGE, Fingerprint(content_type="image/jpeg", content_length=48_213), "minor"),
        (_IMAGE, Fingerprint(content_type="image/jpeg"), "absent"),
        (_IMAGE, Fingerprint(content_length=48_213), "absent"),
        (_IMAGE, Fingerprint(), "absent"),
        (_PAGE, Fingerprint(content_type="text/html"), "none"),
        (_IMAGE, Fingerprint(content_type="image/png", content_length=512), "file"),
        (_IMAGE, Fingerprint(content_type="image/webp", content_length=21_000), "reencoded"),
        (_IMAGE, Fingerprint(content_type="image/jpeg", content_length=0), "file"),
        (
            Fingerprint(content_type="image/jpeg", content_length=9, method="HEAD"),
            Fingerprint(content_type="image/jpeg", content_length=48_213, method="GET"),
            "unknown",
        ),
        (_IMAGE, Fingerprint(content_type="text/html", content_length=48_213), "kind"),
        (_IMAGE, Fingerprint(content_type="application/json"), "kind"),
        (_PAGE, Fingerprint(content_type="text/html", content_length=1900), "minor"),
        (_PAGE, Fingerprint(content_type="application/xhtml+xml", content_length=1100), "minor"),
        (_PAGE, Fingerprint(content_type="text/html", content_length=2001), "text"),
        (_PAGE, Fingerprint(content_type="text/html", content_length=499), "text"),
        (Fingerprint(content_length=10), Fingerprint(content_length=15), "minor"),
        (None, _IMAGE, "unknown"),
        (_IMAGE, None, "unknown"),
    ],
)
def test_differences_from_the_baseline_are_weighed_by_kind(baseline, found, change) -> None:
    """Another class, another file and a text of another size are heavy; what honest nodes differ in is light."""
    assert changed(found, baseline) == change
    served = _judged(_answer(status=200, control="differs", change=change, was_served=True))
    heavy = change in ("kind", "file", "text", "absent", "reencoded")
    assert served.reason == ("suspected_replaced" if heavy else "served")


@pytest.mark.parametrize(
    ("baseline", "found", "plain"),
    [
        (_IMAGE, _IMAGE, True),
        (Fingerprint(content_type="text/*", content_length=1000), _PAGE, True),
        (_PAGE, Fingerprint(content_type="text/html", content_length=1001), False),
        (_PAGE, Fingerprint(content_type="image/png", content_length=1000), False),
        (Fingerprint(content_type="text/*"), Fingerprint(content_type="text/html"), False),
        (Fingerprint(content_length=10), Fingerprint(content_length=10), False),
        (None, _PAGE, False),
        (_PAGE, None, False),
    ],
)
def test_only_class_and_length_make_it_plainly_the_baseline(baseline, found, plain: bool) -> None:
    """What one of the two does not say proves nothing; the baseline of a watch entry has its class alone."""
    assert is_baseline(found, baseline) == plain


def test_what_is_still_served() -> None:
    """A page may change a little from one request to the next; another file, status or silence is something else."""
    page = Fingerprint(status=200, content_type="text/html", content_length=1000)
    assert is_still(Fingerprint(status=200, content_type="text/html", content_length=1010), page)
    for other in (
        Fingerprint(status=200, content_type="text/html", content_length=400),
        Fingerprint(status=503, content_type="text/html", content_length=1000),
        Fingerprint(status=200, content_type="image/png", content_length=1000),
        None,
    ):
        assert not is_still(other, page)
    assert not is_still(page, None)


def test_what_has_nothing_to_be_compared_with_is_not_online() -> None:
    """A sibling that has just met a fault moves nothing; what is plainly replaced is said to be so."""
    doubted = {"status": 200, "control": "doubted", "was_served": True}
    found = _judged(_answer(**doubted, change="minor"))
    assert (found.verdict, found.reason) == ("undetermined", "suspected_unproven")
    assert _judged(_answer(**doubted, change="kind")).reason == "suspected_replaced"


def test_what_is_replaced_never_wins_a_removal() -> None:
    """The heaviest difference is undetermined, and a 404 stays gone whatever the baseline says."""
    assert _judged(_answer(status=200, change="kind")).verdict == "undetermined"
    assert _judged(_answer(status=404, change="kind")).verdict == "removed"


def test_another_file_of_about_the_size_may_be_an_optimisers() -> None:
    """It has a reason of its own while a sibling that was asked just now is missing."""
    again = {"status": 200, "change": "reencoded", "was_served": True}
    assert _judged(_answer(**again, control="differs", fresh=True)).reason == "suspected_reencoded"
    assert _judged(_answer(**again, control="differs")).reason == "suspected_replaced"


@pytest.mark.parametrize(("named", "reason"), [(True, "reencoded"), (False, "replaced")])
def test_what_lies_in_another_place_is_no_optimisers_work(named: bool, reason: str) -> None:
    """Sent to a file of about the size that does not name the object: it may be a placeholder for many."""
    sent = _answer(
        status=200,
        change="reencoded",
        was_served=True,
        control="differs",
        fresh=True,
        redirect="same_host",
        named=named,
    )
    assert _judged(sent).reason == f"suspected_{reason}"


def test_a_wall_around_the_whole_host_is_no_removal() -> None:
    """What was served, and is now answered as a sibling is for the first time, may be a wall."""
    wall = _judged(_answer(status=200, control="same", was_served=True, fresh=True))
    assert (wall.verdict, wall.reason) == ("undetermined", "suspected_wall")


def test_a_shared_redirect_is_never_online() -> None:
    """What siblings are sent to as well is a soft 404 where that was so while something was served, else undecided."""
    sent = {"status": 200, "redirect": "same_host", "shared": True, "named": True}
    assert _judged(_answer(**sent)).reason == "redirect_shared"
    assert _judged(_answer(**sent, was_served=True, fresh=True)).reason == "redirect_shared"
    assert _judged(_answer(**sent, **_PROVEN)).reason == "soft_404_redirect"


def test_a_redirect_says_what_its_target_says() -> None:
    """A target that is missing is missing; one that is served has to name the object or agree with the baseline."""
    sent = {"redirect": "same_host", "control": "differs"}
    assert _judged(_answer(status=404, **sent)).reason == "not_found"
    assert _judged(_answer(status=200, **sent)).reason == "redirect_unproven"
    assert _judged(_answer(status=200, **sent, named=True)).reason == "served"
    assert _judged(_answer(status=200, **sent, plain=True, was_served=True)).reason == "served"
    assert _judged(_answer(status=200, **sent, change="minor")).reason == "redirect_unproven"
    assert _judged(_answer(status=200, **sent, change="file")).reason == "suspected_replaced"


def test_a_login_is_a_block() -> None:
    """Sent to a login, an age gate or a captcha is neither online nor gone; a picture that lies there is served."""
    found = _judged(_answer(status=302, redirect="login", was_served=True))
    assert (found.verdict, found.reason) == ("undetermined", "blocked_login")
    login = {"status": 200, "redirect": "login", "named": True, "control": "differs"}
    assert _judged(_answer(**login, fingerprint=_PAGE)).reason == "blocked_login"
    assert _judged(_answer(**login, fingerprint=_IMAGE)).reason == "served"


def test_a_dark_host_needs_every_address_dark() -> None:
    """Darkness counts only if no address gave anything else, none was left out, and we are not blind."""
    dark = [_answer(fault="connect_refused"), _answer(status=502)]
    assert _judged(*dark, dark=True).reason == "host_dark"
    assert _judged(*dark).verdict == "undetermined"
    assert _judged(*dark, dark=True, left_out=1).verdict == "undetermined"
    assert _judged(*dark, dark=True, blind=True).reason == "vantage_blind"
    for other in (_answer(status=403), _answer(fault="blocked_reset"), _answer(status=503)):
        assert _judged(*dark, other, dark=True).verdict == "undetermined"
    assert _judged(*dark, _answer(status=200), dark=True).verdict == "online"


def test_the_table_in_the_docs_is_current() -> None:
    """docs/verdicts.md is what the table generates: every reason, its verdict, layer and behaviour."""
    page = (Path(__file__).parents[3] / "docs" / "verdicts.md").read_text()
    assert page == reference()
    assert all(f"| `{reason}` |" in page and row.about for reason, row in REASONS.items())


@pytest.mark.parametrize("trap", ["length stands in the place of a page", "Referer", "HEAD"])
def test_the_page_says_what_one_vantage_cannot_tell(trap: str) -> None:
    """What no header says has a section of its own: who reads a figure has to know it."""
    _, _, section = reference().partition("## What one vantage can't tell")
    rows = section.partition("\n## ")[0].splitlines()
    assert any(trap in row for row in rows if row.startswith("| "))
