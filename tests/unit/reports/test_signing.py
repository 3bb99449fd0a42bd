"""The signing key: made once, for its owner alone, read back, never shown."""

import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from schemas.errors import ConfigError
from services.reports.evidence_seal import public_pem
from services.runtime import signing
from services.runtime.settings import load


def test_a_key_is_made_once_and_read_back(tmp_path):
    """The file is its owner's alone, nothing is left beside it, and a second one is refused."""
    path = tmp_path / "data" / "signing.pem"
    key = signing.make_signing_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["signing.pem"]
    with pytest.raises(ConfigError, match="never overwritten"):
        signing.make_signing_key(path)
    assert public_pem(signing.load_signing_key(path).public_key()) == public_pem(key.public_key())
    assert [found.name for found in path.parent.iterdir()] == ["signing.pem"]


def test_the_key_is_where_the_settings_say(tmp_path):
    """Without a setting it lies in the data directory."""
    settings = load({"TAKEDOWN_DATA_DIR": str(tmp_path)})
    assert signing.signing_path(settings) == tmp_path / "signing.pem"
    own = tmp_path / "own.pem"
    own.write_text("x")
    settings = load({"TAKEDOWN_SIGNING_KEY_FILE": str(own)})
    assert signing.signing_path(settings) == own


def test_a_missing_key_names_the_way_out(tmp_path):
    """Whoever has no key is told how to make one."""
    with pytest.raises(ConfigError, match="takedown keys signing"):
        signing.load_signing_key(tmp_path / "signing.pem")


def test_what_is_no_signing_key_is_refused(tmp_path):
    """Another kind of key, or what is none, is refused, and nothing of it is repeated."""
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for body in (b"hunter2", other):
        (tmp_path / "signing.pem").write_bytes(body)
        with pytest.raises(ConfigError, match="not an Ed25519") as caught:
            signing.load_signing_key(tmp_path / "signing.pem")
        assert "hunter2" not in str(caught.value)
