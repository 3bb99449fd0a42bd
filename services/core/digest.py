"""Digests of folded cases: equal evidence and methodology, equal digest."""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from schemas.events import Event
from schemas.methodology import Methodology
from services.core.case import Case, Transition
from services.core.fold import fold
from services.core.state import unsealed

# MessagePack, not JSON: it writes an instant as what it is, whatever zone it was said in.
_encoder = msgspec.msgpack.Encoder(order="sorted")


def case_digest(case: Case, transitions: Iterable[Transition]) -> str:
    """SHA-256 over a case, its spells and its transitions in canonical MessagePack.

    The sealed URL is left out: it changes with the active key, goes at an erasure, and is named by the case.
    """
    moved = list(transitions)
    body = unsealed(case, lambda bare: _encoder.encode((bare, moved)))
    return hashlib.sha256(body).hexdigest()


class Combining:
    """One digest over the digests of cases that come in the order of their ids."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()

    def add(self, case_id: str, digest: str) -> None:
        """Take the next case."""
        self._total.update(f"{case_id} {digest}\n".encode())

    @property
    def digest(self) -> str:
        """The digest of all that was taken."""
        return self._total.hexdigest()


def combined(digests: Iterable[tuple[str, str]]) -> str:
    """One digest over (case id, digest) pairs, whatever their order."""
    total = Combining()
    for case_id, digest in sorted(digests):
        total.add(case_id, digest)
    return total.digest


def fold_digest(events_by_case: Mapping[str, Iterable[Event]], methodology: Methodology) -> str:
    """One digest over the fold of every case: what a ledger of the same evidence must have."""
    return combined(
        (case_id, case_digest(*fold(events, methodology)))
        for case_id, events in events_by_case.items()
    )
