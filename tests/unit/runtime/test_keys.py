"""The key file: made once, never overwritten, rotated, never shown."""

import json
import stat

import pytest

from schemas.errors import BadSeal, ConfigError
from schemas.urls import canonical
from services.runtime import keyfile as k
from services.runtime.settings import load

URL = canonical("https://host.example/page")


def test_written_keys_are_read_back(tmp_path):
    """TOML and JSON hold the same keys."""
    keys = k.new_keys()
    for name in ("keys.toml", "keys.json"):
        k.write_keys(tmp_path / name, keys)
        assert k.read_keys(tmp_path / name) == keys


def test_only_the_owner_may_read(tmp_path):
    """A key file is made with mode 0600, and nothing is left beside it."""
    k.write_keys(tmp_path / "keys.toml", k.new_keys())
    assert stat.S_IMODE((tmp_path / "keys.toml").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.toml"]


def test_keys_are_never_overwritten(tmp_path):
    """A second file of the same name is refused, and the first one stays."""
    keys = k.new_keys()
    k.write_keys(tmp_path / "keys.toml", keys)
    with pytest.raises(ConfigError, match="never overwritten"):
        k.write_keys(tmp_path / "keys.toml", k.new_keys())
    assert k.read_keys(tmp_path / "keys.toml") == keys


def test_rotation_keeps_names_and_opens_old_seals():
    """After a rotation a case has the same id, and what was sealed before still opens."""
    old = k.new_keys()
    added = k.rotated(old)
    (name,) = set(added.sealing) - set(old.sealing)
    new = k.activated(added, name)
    case = old.keyring().case_id(URL)
    assert new.keyring().case_id(URL) == case
    assert added.active == old.active
    assert new.active == name
    assert new.keyring().open(old.keyring().seal(URL), case, purpose="look") == URL


def test_a_key_in_use_is_not_retired():
    """The active key stays, as does what is no key; another one goes, and what it sealed opens no more."""
    old = k.new_keys()
    added = k.rotated(old)
    (name,) = set(added.sealing) - set(old.sealing)
    with pytest.raises(ConfigError, match="is in use"):
        k.retired(added, old.active)
    with pytest.raises(ConfigError, match="no sealing key"):
        k.retired(added, "k-none")
    left = k.retired(k.activated(added, name), old.active)
    assert (left.active, set(left.sealing)) == (name, {name})
    with pytest.raises(BadSeal):
        left.keyring().open(old.keyring().seal(URL), old.keyring().case_id(URL), purpose="look")


def test_repr_shows_no_key():
    """Neither a key file nor what is made of it prints its keys."""
    keys = k.new_keys()
    shown = f"{keys!r} {keys.keyring()!r}"
    assert not any(secret in shown for secret in (keys.naming, *keys.sealing.values()))


def test_keys_are_made_once(tmp_path):
    """The first start makes keys in the data directory, the second finds them."""
    settings = load({"TAKEDOWN_DATA_DIR": str(tmp_path)})
    path, made = k.ensure_keys(settings)
    assert (path, made) == (tmp_path / "keys.toml", True)
    assert k.ensure_keys(settings) == (path, False)


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        'naming = "00"\nactive = "a"\n[sealing]\na = "00"\n',
        f'naming = "{"0" * 64}"\nactive = "b"\n[sealing]\na = "{"0" * 64}"\n',
        f'naming = "{"x" * 64}"\nactive = "a"\n[sealing]\na = "{"0" * 64}"\n',
        'naming = "00"\n',
    ],
)
def test_bad_key_file_is_refused(tmp_path, text):
    """What is no key file, or has keys of the wrong size, is refused before anything is sealed."""
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        k.read_keys(path).keyring()


def test_missing_keys_name_the_way_out(tmp_path):
    """Whoever has no keys is told how to make them."""
    settings = load({"TAKEDOWN_DATA_DIR": str(tmp_path)})
    with pytest.raises(ConfigError, match="takedown keys new"):
        k.load_keyring(settings)


def test_json_keys_need_the_suffix(tmp_path):
    """A .json file is read as JSON, whatever else it looks like."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"naming": "0" * 64, "active": "a", "sealing": {"a": "1" * 64}}))
    assert k.read_keys(path).active == "a"
