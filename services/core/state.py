"""A folded case as bytes (MessagePack), the form in which the ledger stores it."""

from collections.abc import Callable

import msgspec

from services.core.case import Case

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Case)


def unsealed(case: Case, write: Callable[[Case], bytes]) -> bytes:
    """Write a case without its sealed URL; in place of a copy, which would cost every case of a replay."""
    sealed, case.sealed_url = case.sealed_url, None
    try:
        return write(case)
    finally:
        case.sealed_url = sealed


def encode_case(case: Case) -> bytes:
    """Write a folded case; equal cases give equal bytes."""
    return _encoder.encode(case)


def decode_case(state: bytes) -> Case:
    """Read a folded case."""
    return _decoder.decode(state)
