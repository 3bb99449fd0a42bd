"""A folded case as bytes (MessagePack), the form in which the ledger stores it."""

import msgspec

from services.core.case import Case

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Case)


def encode_case(case: Case) -> bytes:
    """Write a folded case; equal cases give equal bytes."""
    return _encoder.encode(case)


def decode_case(state: bytes) -> Case:
    """Read a folded case."""
    return _decoder.decode(state)
