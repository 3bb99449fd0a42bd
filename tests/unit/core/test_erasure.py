"""Erasures and reports of one case: which URL is kept, in any order of arrival, and that no digest knows it."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from schemas import events as ev
from schemas.events import Event, ReportFiled
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.core.case import Case
from services.core.compare import Fold, differences
from services.core.digest import case_digest
from services.core.fold import extend, fold, may_extend, order
from services.core.state import decode_case, encode_case
from services.core.watch_entry import entry_of
from services.ledger.changes import erased_urls
from tests.strategies import NL, START, claims, event, look, methodologies

HOUR = timedelta(hours=1)


def filed(hour: int, sealed: str | None = None, **fields: object) -> Event:
    data = ev.ReportFiled(reporter="hotline", sealed_url=sealed or f"s1.k.{hour}", **fields)  # type: ignore[arg-type]
    return event(START + hour * HOUR, data)


def erased(hour: int) -> Event:
    return event(START + hour * HOUR, ev.CaseErased(actor="officer", reason="retention"))


def stripped(events: list[Event]) -> list[Event]:
    """Give a log as an erasure leaves it."""
    gone = erased_urls(events)
    return [
        structs.replace(e, data=structs.replace(e.data, sealed_url=None)) if e.id in gone else e
        for e in events
    ]


@pytest.mark.parametrize(
    ("events", "url", "is_erased"),
    [
        ([filed(0), erased(5)], None, True),
        ([filed(0), erased(5), filed(6)], "s1.k.6", False),
        ([filed(0), erased(5), filed(6), filed(7)], "s1.k.6", False),
        ([filed(0), erased(5), filed(6), erased(7)], None, True),
        ([filed(0), filed(3), erased(5)], None, True),
        ([erased(5)], None, True),
        ([filed(0), filed(1)], "s1.k.0", False),
    ],
)
def test_a_report_after_an_erasure_is_a_new_claim(
    events: list[Event], url: str | None, is_erased: bool
) -> None:
    """It is watched again under its own URL; what was reported before the erasure stays erased."""
    case, _ = fold(events, NL)
    assert (case.sealed_url, case.erased) == (url, is_erased)
    assert (entry_of(case, NL) is not None) == (url is not None)


def test_an_erasure_and_a_report_of_one_instant_are_ordered_by_id() -> None:
    """The order of the fold, time and then id, decides what an erasure reaches."""
    pair = sorted([filed(5), erased(5)], key=order)
    case, _ = fold([filed(0), *pair], NL)
    assert case.erased == isinstance(pair[-1].data, ev.CaseErased)


def last_claim(events: list[Event]) -> tuple[str | None, bool]:
    """Say by plain search which URL is kept, and whether the case stands erased."""
    ordered = sorted(events, key=order)
    at = max((n for n, e in enumerate(ordered) if isinstance(e.data, ev.CaseErased)), default=-1)
    after = [e.data for e in ordered[at + 1 :] if isinstance(e.data, ReportFiled)]
    return (after[0].sealed_url if after else None), at >= 0 and not after


@given(claims, methodologies, st.randoms(use_true_random=False))
def test_what_is_kept_is_a_function_of_the_set(
    events: list[Event], methodology: object, rng: random.Random
) -> None:
    """Law 1 with erasures: in any order, with duplicates, with the log stripped on the way, one case comes out."""
    arriving = [*events, *rng.sample(events, len(events) // 2)]
    rng.shuffle(arriving)
    log: dict[object, Event] = {}
    case: Case | None = None
    for incoming in arriving:
        if incoming.id in log:
            continue
        log[incoming.id] = incoming
        if case is not None and may_extend(case, incoming):
            sealed = case.sealed_url
            case = decode_case(encode_case(case))
            case.sealed_url = sealed
            extend(case, incoming, methodology)  # type: ignore[arg-type]
        else:
            case, _ = fold(log.values(), methodology)  # type: ignore[arg-type]
        log = {e.id: e for e in stripped(list(log.values()))}
    assert case == fold(events, methodology)[0]  # type: ignore[arg-type]
    unique = list({e.id: e for e in events}.values())
    assert (case.sealed_url, case.erased) == last_claim(unique)
    last = max((order(e) for e in unique if isinstance(e.data, ev.CaseErased)), default=None)
    kept = {e.id for e in log.values() if isinstance(e.data, ReportFiled) and e.data.sealed_url}
    assert kept == {
        e.id
        for e in unique
        if isinstance(e.data, ReportFiled) and (last is None or last < order(e))
    }


def test_no_digest_knows_the_sealing_key() -> None:
    """Two keyrings with other sealing keys, and a log without URLs, give one digest and no difference."""
    url = canonical("http://host.example/a")
    folds = []
    for key in (b"1" * 32, b"2" * 32, None):
        sealed = None
        if key is not None:
            sealed = Keyring(naming=b"n" * 32, sealing={"k": key}, active="k").seal(url)
        first = filed(0, "s1.k.x", provider="giant")
        data = structs.replace(first.data, sealed_url=sealed)
        told = [structs.replace(first, data=data), look(START + HOUR, "online")]
        case, moved = fold(told, NL)
        assert case.sealed_url == sealed
        digest = case_digest(case, moved)
        assert case.sealed_url == sealed, "the digest leaves the case as it is"
        folds.append((digest, Fold(case, moved, NL)))
    assert len({digest for digest, _ in folds}) == 1
    assert differences(folds[0][1], folds[1][1]) == differences(folds[0][1], folds[2][1]) == []


def test_that_a_case_is_erased_is_part_of_its_digest() -> None:
    """An erasure is evidence like any other, and a difference has its name."""
    one, other = fold([filed(0)], NL), fold([filed(0), erased(10)], NL)
    assert case_digest(*one) != case_digest(*other)
    found = {d.kind for d in differences(Fold(*one, NL), Fold(*other, NL))}
    assert found == {"erased", "last_event"}
