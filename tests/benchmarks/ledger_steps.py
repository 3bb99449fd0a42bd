"""What a look needs besides the bare loop, and no ledger can leave out: it is decoded, folded, and its JSON is written.

Each step alone and in its shortest form, in this process: the decoder's one call, a case from its bytes and back
around its looks, the encoder's one call. The least of several passes over one batch, in µs of CPU for an event.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from consumers.record.admission import Admission
from consumers.record.source import RawRecord
from schemas import codec, topics
from schemas.events import Event, LookMade
from schemas.sealing import Keyring
from services.core.fold import extend_by, fold, fold_unique
from services.core.outcomes import outcomes
from services.ledger.changes import by_case
from services.ledger.rows import case_of, state_of
from services.ledger.shadow.writing import Folded, tables_of
from tests.benchmarks.ledger_side import METHOD

SAMPLE = 4000
_PASSES = 7
_decode = msgspec.json.Decoder(tuple[UUID, datetime, LookMade]).decode


def steps(opening: Iterable[Event], looks: Sequence[Event]) -> dict[str, float]:
    """Measure each step for later looks; `opening` are the events of their cases before them."""
    texts, groups, before = list(map(_text, looks)), by_case(looks), by_case(opening)
    states = [(state_of(fold(before[name], METHOD)[0]), group) for name, group in groups.items()]
    count = len(looks)
    return {
        "decoding alone": _least(lambda: [_decode(text) for text in texts], count),
        "folding alone": _least(lambda: [_extended(*case) for case in states], count),
        "JSON alone": _least(lambda: [codec.encode_data(e.data) for e in looks], count),
    }


def whole_cases(events: Iterable[Event]) -> dict[str, float]:
    """Measure what a replay needs of whole cases once their events are there: fold, outcomes, rows and digest."""
    groups = by_case(events)
    count = sum(map(len, groups.values()))
    cases = [(group, *fold_unique(group, METHOD)) for group in groups.values()]
    folded = [Folded(case, moved, outcomes(case, moved, METHOD), own) for own, case, moved in cases]
    return {
        "folding alone": _least(lambda: [fold_unique(own, METHOD) for own, _, _ in cases], count),
        "outcomes alone": _least(
            lambda: [outcomes(case, moved, METHOD) for _, case, moved in cases], count
        ),
        "rows and digest alone": _least(lambda: list(tables_of(folded, False)), count),
    }


def admission(events: Sequence[Event], keyring: Keyring) -> dict[str, float]:
    """Measure what it takes to admit all events but looks, a sealed URL opened for each report."""
    stated = [_record(event) for event in events if not isinstance(event.data, LookMade)]
    admit = Admission(keyring).admit
    return {"admission alone": _least(lambda: [admit(record) for record in stated], len(events))}


def _record(event: Event) -> Any:
    key, value, headers = codec.encode(event)
    return RawRecord(topics.REPORTS.name, 0, 0, 0, 0, key, value, headers)


def _text(event: Event) -> bytes:
    _, value, headers = codec.encode(event)
    by_name = dict(headers)
    return b'["%b","%b",%b]' % (by_name["ce_id"], by_name["ce_time"], value)


def _extended(state: bytes, looks: Sequence[Event]) -> bytes:
    case = case_of(state, None)
    extend_by(case, looks, METHOD)
    return state_of(case)


def _least(work: Callable[[], object], count: int) -> float:
    spent = []
    for _ in range(_PASSES):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return min(spent) / count * 1e6
