"""Sign a pack and check one: SHA-256 of every file, an Ed25519 signature over that list, and a zip without freedom.

The list has the form that `sha256sum --check` reads, the signature the one that `openssl pkeyutl -verify -rawin` does.
A zip is stored, not deflated: its bytes then follow from its files, so that a change of any byte is found.
"""

import hashlib
import re
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from schemas.errors import ConfigError, TakedownError

SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._-]*)")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PIECE = 1 << 20
# What the reader of zips raises on a damaged one; a seek to before its start is an OSError.
_DAMAGE = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)


class PackRejected(TakedownError):
    """A pack that is not, byte for byte, what was signed."""

    exit_code = 5


class Verified(Struct, frozen=True):
    """What a pack that holds says: its files with their SHA-256, and the key that signed it."""

    files: dict[str, str]
    key: str


# -- keys ----------------------------------------------------------------------------------------


def fingerprint(public: Ed25519PublicKey) -> str:
    """Name a key: SHA-256 of its 32 bytes, as 64 hex digits."""
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()


def public_pem(public: Ed25519PublicKey) -> str:
    """Write a public key as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode("ascii")


def read_public(pem: bytes) -> Ed25519PublicKey:
    """Read a public key from PEM; raises `ConfigError`."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(
            "the public key is no Ed25519 key in PEM; `takedown keys signing` of whoever made the pack "
            "shows the right one"
        )
    return key


# -- sign ----------------------------------------------------------------------------------------


def sign(folder: Path, key: Ed25519PrivateKey) -> None:
    """Write the list of all files of a folder, and the signature over it."""
    names = sorted(path.name for path in folder.iterdir())
    text = "".join(f"{_digest_of(folder / name)}  {name}\n" for name in names).encode()
    (folder / SUMS).write_bytes(text)
    (folder / SIGNATURE).write_bytes(key.sign(text))


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_zip(folder: Path, target: IO[bytes]) -> None:
    """Write a folder's files as a zip whose bytes are a function of their names and contents."""
    paths = sorted(folder.iterdir())
    _write(target, ((p.name, p.stat().st_size, _reader(p)) for p in paths))


def _reader(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _write(target: IO[bytes], files: Iterable[tuple[str, int, Callable[[], IO[bytes]]]]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, size, opened in files:
            with opened() as source, archive.open(_entry(name, size), "w") as sink:
                shutil.copyfileobj(source, sink, _PIECE)


def _entry(name: str, size: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system, entry.external_attr, entry.file_size = 3, 0o644 << 16, size
    return entry


# -- check ---------------------------------------------------------------------------------------


def verify(pack: Path, public: Ed25519PublicKey) -> Verified:
    """Check a pack, a folder or a zip, against a public key that was got on another way than the pack.

    Raises `PackRejected` where a file is missing, changed or added, where the signature is not of this key, or
    where the zip is not the one that was written.
    """
    try:
        if pack.is_dir():
            return _verify_folder(pack, public)
        with pack.open("rb") as file:
            return _verify_file(file, public)
    except OSError as error:
        raise ConfigError(f"the pack can't be read ({error.strerror})") from None


def _verify_folder(folder: Path, public: Ed25519PublicKey) -> Verified:
    if odd := [p for p in folder.iterdir() if p.is_symlink() or not p.is_file()]:
        raise PackRejected(
            f"there is something in the pack that is no file of it ({len(odd)} entries)"
        )
    names = {path.name for path in folder.iterdir()}
    if not {SUMS, SIGNATURE} <= names:
        raise PackRejected(f"the pack has no {SUMS} or no {SIGNATURE}: it is not signed")
    listed = _listed((folder / SUMS).read_bytes(), (folder / SIGNATURE).read_bytes(), public)
    return _compare(listed, {n: _digest_of(folder / n) for n in names - {SUMS, SIGNATURE}}, public)


def _verify_file(file: IO[bytes], public: Ed25519PublicKey) -> Verified:
    try:
        with zipfile.ZipFile(file) as archive:
            return _verify_zip(file, archive, public)
    except _DAMAGE:
        raise PackRejected("the zip is damaged: ask for the pack again") from None


def _verify_zip(file: IO[bytes], archive: zipfile.ZipFile, public: Ed25519PublicKey) -> Verified:
    names = archive.namelist()
    if any(i.compress_type or i.flag_bits for i in archive.infolist()):
        raise PackRejected(
            "the zip is not one that was written here: its files are not stored as they are"
        )
    if not {SUMS, SIGNATURE} <= set(names) or len(set(names)) != len(names):
        raise PackRejected(f"the pack has no {SUMS} or no {SIGNATURE}, or a file twice")
    listed = _listed(archive.read(SUMS), archive.read(SIGNATURE), public)
    digests = {}
    for name in set(names) - {SUMS, SIGNATURE}:
        with archive.open(name) as inner:
            digests[name] = hashlib.file_digest(inner, "sha256").hexdigest()  # type: ignore[arg-type]
    verified = _compare(listed, digests, public)
    _check_container(file, archive)
    return verified


def _listed(sums: bytes, signature: bytes, public: Ed25519PublicKey) -> dict[str, str]:
    try:
        public.verify(signature, sums)
    except InvalidSignature:
        raise PackRejected(
            "the signature is not of this key over this list of files: the pack was changed, "
            "or the key is another one"
        ) from None
    lines = [_LINE.fullmatch(line) for line in sums.decode("ascii").splitlines()]
    return {match[2]: match[1] for match in lines if match is not None}


def _compare(
    listed: Mapping[str, str], digests: Mapping[str, str], public: Ed25519PublicKey
) -> Verified:
    for what, names in (
        ("is missing from the pack", listed.keys() - digests.keys()),
        ("was added to the pack", digests.keys() - listed.keys()),
        ("was changed", {n for n in listed.keys() & digests.keys() if listed[n] != digests[n]}),
    ):
        if names:
            raise PackRejected(f"{_printable(names)} {what}")
    return Verified(dict(sorted(listed.items())), fingerprint(public))


def _printable(names: Iterable[str]) -> str:
    """Repeat only names that could be ours: anything may be the name of an added file."""
    expected = sorted(name for name in names if re.fullmatch(r"[a-z]+\.[a-z]+", name, re.I))
    return ", ".join(expected) or "a file"


def _check_container(there: IO[bytes], archive: zipfile.ZipFile) -> None:
    """Write the zip anew from its files, and compare: dates, comments and gaps are nowhere signed."""
    with tempfile.TemporaryFile() as again:
        _write(again, ((i.filename, i.file_size, _opener(archive, i)) for i in archive.infolist()))
        again.seek(0)
        there.seek(0)
        while piece := again.read(_PIECE):
            if there.read(len(piece)) != piece:
                break
        else:
            if not there.read(1):
                return
    raise PackRejected(
        "every file of the pack is as it was signed, but the zip around them was changed"
    )


def _opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(entry)
