"""The operator's signing key: an Ed25519 key in PEM, made once, that only its owner may read."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.errors import ConfigError
from schemas.private_file import write_private
from services.runtime.settings import Settings

SIGNING_NAME = "signing.pem"


def signing_path(settings: Settings) -> Path:
    """Return the path of the signing key, whether or not it exists."""
    if settings.signing_key_file is not None:
        return Path(settings.signing_key_file).expanduser()
    return settings.data_path / SIGNING_NAME


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read the key that signs; its content is in no error. Raises `ConfigError`."""
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"there is no signing key at {path}: run `takedown keys signing`, "
            "or set TAKEDOWN_SIGNING_KEY_FILE"
        ) from None
    except OSError as error:
        raise ConfigError(f"the signing key {path} can't be read ({error.strerror})") from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is not an Ed25519 private key in PEM without a password")
    return key


def make_signing_key(path: Path) -> Ed25519PrivateKey:
    """Make a key that only its owner may read, at one stroke; an existing one is never overwritten."""
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_private(path, _pem(key), replace=False)
    except FileExistsError:
        raise ConfigError(f"{path} exists; keys are never overwritten: name another file") from None
    return key


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
