"""A TLS 1.2 server that asks its client to begin anew: once, or a few times in place of an answer.

Python's `ssl` can't send a HelloRequest, so this speaks just enough of RFC 5246 with one cipher suite
(TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, RFC 5289), and RFC 5746's word that it knows safe renegotiation, without
which OpenSSL 3 refuses it. It checks nothing of what the client says: it is here to be refused.
"""

import asyncio
import hashlib
import hmac
import os
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ASK_SECONDS = 0.2
MOST_ASKS = 3
_TLS12 = b"\x03\x03"
_CIPHER_SPEC, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_CLIENT_HELLO, _CLIENT_KEY, _FINISHED = 1, 16, 20
_SUITE, _KNOWS_RENEGOTIATION = b"\xc0\x2b", b"\x00\x05\xff\x01\x00\x01\x00"
_P256 = b"\x03\x00\x17"
_ECDSA_SHA256 = b"\x04\x03"
_HELLO_REQUEST = b"\x00\x00\x00\x00"
Pair = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def _prf(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """Expand a secret (RFC 5246, 5)."""
    output, link = b"", label + seed
    while len(output) < size:
        link = hmac.digest(secret, link, "sha256")
        output += hmac.digest(secret, link + label + seed, "sha256")
    return output[:size]


def _sized(body: bytes, width: int) -> bytes:
    return len(body).to_bytes(width, "big") + body


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + _sized(body, 3)


class _Sealer:
    """One direction of the encrypted connection: AES-GCM, with the number of each record in its nonce."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        self._box, self._salt, self._count = AESGCM(key), salt, 0

    def _about(self, kind: int, size: int) -> bytes:
        header = self._count.to_bytes(8, "big") + bytes([kind]) + _TLS12 + size.to_bytes(2, "big")
        self._count += 1
        return header

    def seal(self, kind: int, plain: bytes) -> bytes:
        nonce = self._count.to_bytes(8, "big")
        return nonce + self._box.encrypt(self._salt + nonce, plain, self._about(kind, len(plain)))

    def open(self, kind: int, sealed: bytes) -> bytes:
        about = self._about(kind, len(sealed) - 24)
        return self._box.decrypt(self._salt + sealed[:8], sealed[8:], about)


class _Keys:
    """What both sides know once the client has sent its half of the key."""

    def __init__(self, shared: bytes, client: bytes, server: bytes) -> None:
        self.master = _prf(shared, b"master secret", client + server, 48)
        block = _prf(self.master, b"key expansion", server + client, 40)
        self.theirs = _Sealer(block[:16], block[32:36])
        self.ours = _Sealer(block[16:32], block[36:])

    def finished(self, transcript: bytes) -> bytes:
        digest = hashlib.sha256(transcript).digest()
        return _message(_FINISHED, _prf(self.master, b"server finished", digest, 12))


class Asking(asyncio.Protocol):
    """Shakes hands, asks for renegotiation at the first request, and hands what comes to an inner protocol.

    `insists`: it never answers, and asks again, `MOST_ASKS` times with `pause` seconds between. Without `asks` it asks
    for nothing. Without `safe` it is a server from before RFC 5746, which can't say that it renegotiates safely.
    """

    def __init__(
        self,
        pair: Pair,
        inner: Callable[[], asyncio.Protocol],
        *,
        insists: bool,
        asks: bool = True,
        safe: bool = True,
        pause: float = ASK_SECONDS,
    ) -> None:
        self._pair, self._inner, self._insists, self._pause = pair, inner(), insists, pause
        self._left = (MOST_ASKS if insists else 1) if asks else 0
        self._safe = safe
        self._ephemeral = ec.generate_private_key(ec.SECP256R1())
        self._buffer = self._transcript = self._client = b""
        self._server = os.urandom(32)
        self._keys: _Keys | None = None
        self._sealed = self._begun = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the inner protocol gets a transport that seals."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._inner.connection_made(_Sealing(self))

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.transport = None
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take whole records; whoever breaks the protocol is cut off."""
        self._buffer += data
        while len(self._buffer) >= 5 and self.transport is not None:
            end = 5 + int.from_bytes(self._buffer[3:5], "big")
            if len(self._buffer) < end:
                return
            kind, body, self._buffer = self._buffer[0], self._buffer[5:end], self._buffer[end:]
            try:
                self._take(kind, body)
            except Exception:  # whatever a client sends that this can't read
                self.transport.abort()

    def write(self, plain: bytes) -> None:
        """Send application data."""
        for start in range(0, len(plain), 16_000):
            self._send(_DATA, plain[start : start + 16_000])

    # -- records -------------------------------------------------------------------------------

    def _send(self, kind: int, body: bytes) -> None:
        if self.transport is None:
            return
        if self._keys is not None and self._sealed:
            body = self._keys.ours.seal(kind, body)
        self.transport.write(bytes([kind]) + _TLS12 + _sized(body, 2))

    def _take(self, kind: int, body: bytes) -> None:
        if kind == _CIPHER_SPEC:
            self._sealed = True
            return
        if self._sealed and self._keys is not None:
            body = self._keys.theirs.open(kind, body)
        if kind == _HANDSHAKE:
            self._shake(body)
        elif kind == _DATA:
            self._requested(body)

    def _requested(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._ask()
        if not self._insists:
            self._inner.data_received(data)

    def _ask(self) -> None:
        if self.transport is None or not self._left:
            return
        self._left -= 1
        self._send(_HANDSHAKE, _HELLO_REQUEST)
        if self._left:
            asyncio.get_running_loop().call_later(self._pause, self._ask)

    # -- the handshake -------------------------------------------------------------------------

    def _shake(self, messages: bytes) -> None:
        while messages:
            end = 4 + int.from_bytes(messages[1:4], "big")
            one, messages = messages[:end], messages[end:]
            self._transcript += one
            if one[0] == _CLIENT_HELLO:
                self._hello(one)
            elif one[0] == _CLIENT_KEY:
                self._exchange(one[5:])
            elif one[0] == _FINISHED:
                self._finish()

    def _hello(self, hello: bytes) -> None:
        self._client = hello[6:38]
        session = b"\x00"
        parameters = _TLS12 + self._server + session + _SUITE + b"\x00"
        parameters += _KNOWS_RENEGOTIATION if self._safe else b""
        key, certificate = self._pair
        chain = _sized(certificate.public_bytes(Encoding.DER), 3)
        point = self._ephemeral.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        offered = _P256 + _sized(point, 1)
        signed = key.sign(self._client + self._server + offered, ec.ECDSA(hashes.SHA256()))
        for kind, body in (
            (2, parameters),
            (11, _sized(chain, 3)),
            (12, offered + _ECDSA_SHA256 + _sized(signed, 2)),
            (14, b""),
        ):
            self._transcript += _message(kind, body)
            self._send(_HANDSHAKE, _message(kind, body))

    def _exchange(self, point: bytes) -> None:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        shared = self._ephemeral.exchange(ec.ECDH(), theirs)
        self._keys = _Keys(shared, self._client, self._server)

    def _finish(self) -> None:
        assert self._keys is not None
        self._sealed = False
        self._send(_CIPHER_SPEC, b"\x01")
        self._sealed = True
        self._send(_HANDSHAKE, self._keys.finished(self._transcript))


class _Sealing(asyncio.Transport):
    """What the inner protocol writes to."""

    def __init__(self, outer: Asking) -> None:
        super().__init__()
        self._outer = outer

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._outer.write(bytes(data))

    def is_closing(self) -> bool:
        return self._outer.transport is None or self._outer.transport.is_closing()

    def close(self) -> None:
        if self._outer.transport is not None:
            self._outer.transport.close()

    def abort(self) -> None:
        if self._outer.transport is not None:
            self._outer.transport.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (
            default
            if self._outer.transport is None
            else self._outer.transport.get_extra_info(name, default)
        )
