"""Digests of folded cases: equal evidence and methodology, equal digest."""

import hashlib
from collections.abc import Iterable

import msgspec

from services.core.case import Case, Transition

_encoder = msgspec.json.Encoder(order="sorted")


def case_digest(case: Case, transitions: Iterable[Transition]) -> str:
    """SHA-256 over a case, its spells and its transitions in canonical JSON."""
    body = _encoder.encode((case, list(transitions)))
    return hashlib.sha256(body).hexdigest()


def combined(digests: Iterable[tuple[str, str]]) -> str:
    """One digest over (case id, digest) pairs, whatever their order."""
    total = hashlib.sha256()
    for case_id, digest in sorted(digests):
        total.update(f"{case_id} {digest}\n".encode())
    return total.hexdigest()
