"""A certificate that no client should trust: self-signed, long expired, and for another name."""

import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Pair = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]
_ISSUED = datetime(2015, 1, 1, tzinfo=UTC)


def careless_context(handshakes: Callable[[str], bool], pair: Pair | None = None) -> ssl.SSLContext:
    """Make the context of a server that cuts the handshake for names of which `handshakes` says so."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.pem"
        path.write_bytes(_pem(pair or careless_pair()))
        context.load_cert_chain(path)

    def choose(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
        refused = name is not None and not handshakes(name)
        return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE if refused else None

    context.sni_callback = choose
    return context


def careless_pair() -> Pair:
    """Make a key and its certificate; the key lives as long as this process."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody.example")])
    paths = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_ISSUED)
        .not_valid_after(_ISSUED + timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    return key, paths


def _pem(pair: Pair) -> bytes:
    key, certificate = pair
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
