"""The key file: the naming key, the sealing keys by id, and which of them is in use.

    naming = "<64 hex digits>"
    active = "k-1a2b3c"
    [sealing]
    k-1a2b3c = "<64 hex digits>"

JSON with the same fields is read too. Whoever loses the naming key can't name old cases any more;
whoever loses a sealing key can't open what it sealed.
"""

import json
import secrets
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from schemas.errors import ConfigError
from schemas.private_file import write_private
from schemas.sealing import Keyring
from services.runtime.settings import Settings

KEYS_NAME = "keys.toml"


class KeyFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key file as it is written; every key is 64 hex digits."""

    naming: str
    active: str
    sealing: dict[str, str]

    def __repr__(self) -> str:
        return f"<KeyFile active={self.active!r}, {len(self.sealing)} sealing keys>"

    def keyring(self) -> Keyring:
        """Turn the digits into keys; raises `ConfigError`."""
        try:
            naming = bytes.fromhex(self.naming)
            sealing = {name: bytes.fromhex(key) for name, key in self.sealing.items()}
        except ValueError:
            raise ConfigError(
                "a key of the key file is not hexadecimal; restore its backup"
            ) from None
        return Keyring(naming, sealing, self.active)


def keys_path(settings: Settings) -> Path:
    """Return the path of the key file, whether or not it exists."""
    if settings.keys_file is not None:
        return Path(settings.keys_file).expanduser()
    return settings.data_path / KEYS_NAME


def load_keyring(settings: Settings) -> Keyring:
    """Read the operator's keys; raises `ConfigError`."""
    return read_keys(keys_path(settings)).keyring()


def read_keys(path: Path) -> KeyFile:
    """Read a key file; its content is in no error."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"there are no keys at {path}: start `takedown up` once, run `takedown keys new`, "
            "or set TAKEDOWN_KEYS_FILE"
        ) from None
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"the key file {path} can't be read; check its owner and mode") from None
    try:
        values: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return msgspec.convert(values, KeyFile)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError):
        raise ConfigError(f"the key file {path} is neither TOML nor, as .json, JSON") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"the key file {path}: {error}; see `takedown keys new`") from None


def new_keys() -> KeyFile:
    """Draw a naming key and a first sealing key."""
    name = _new_name()
    return KeyFile(naming=secrets.token_hex(32), active=name, sealing={name: secrets.token_hex(32)})


def rotated(keys: KeyFile) -> KeyFile:
    """Add a sealing key that is not used yet: every reader must have it before anything is sealed with it."""
    sealing = {**keys.sealing, _new_name(): secrets.token_hex(32)}
    return KeyFile(naming=keys.naming, active=keys.active, sealing=sealing)


def activated(keys: KeyFile, name: str) -> KeyFile:
    """Seal with a key from now on; the others still open.

    Raises:
        ConfigError: there is no such key.
    """
    if name not in keys.sealing:
        names = ", ".join(keys.sealing)
        raise ConfigError(f"there is no sealing key {name!r}; there are {names}")
    return KeyFile(naming=keys.naming, active=name, sealing=keys.sealing)


def retired(keys: KeyFile, name: str) -> KeyFile:
    """Take a sealing key out; what it sealed can't be opened any more.

    Raises:
        ConfigError: there is no such key, or it is the one in use.
    """
    if activated(keys, name) == keys:
        raise ConfigError(f"{name} is in use; activate another key before")
    left = {other: key for other, key in keys.sealing.items() if other != name}
    return KeyFile(naming=keys.naming, active=keys.active, sealing=left)


def _new_name() -> str:
    return f"k-{secrets.token_hex(3)}"


def write_keys(path: Path, keys: KeyFile, *, replace: bool = False) -> None:
    """Write a key file that only its owner may read, at one stroke.

    Raises:
        ConfigError: there is a file already, and `replace` is not set: keys are never overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_private(path, _text(keys, path).encode("ascii"), replace=replace)
    except FileExistsError:
        raise ConfigError(f"{path} exists; keys are never overwritten: name another file") from None


def _text(keys: KeyFile, path: Path) -> str:
    if path.suffix == ".json":
        return json.dumps(msgspec.to_builtins(keys), indent=2) + "\n"
    lines = "".join(f'{name} = "{key}"\n' for name, key in keys.sealing.items())
    return (
        "# Keys of takedown-monitor. Back this file up, apart from the data: without it\n"
        "# no case can be named and no sealed URL opened again. Whoever has it can open them.\n"
        f'naming = "{keys.naming}"\nactive = "{keys.active}"\n\n[sealing]\n{lines}'
    )


def ensure_keys(settings: Settings) -> tuple[Path, bool]:
    """Return the key file, created in the data directory if need be, and whether it was created now."""
    path = keys_path(settings)
    if path.exists() or settings.keys_file is not None:
        read_keys(path).keyring()
        return path, False
    write_keys(path, new_keys())
    return path, True
