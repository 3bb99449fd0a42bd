"""An .mmdb file (MaxMind DB) of prefixes and their AS numbers, with the prefix that was matched as evidence."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import maxminddb
from maxminddb.errors import InvalidDatabaseError

from schemas.errors import ConfigError
from services.attribution.addresses import bits_of, numeric, prefix_text
from services.attribution.as_numbers import LARGEST, read_as_number

# GeoLite2-ASN and DB-IP write the first, ipinfo the second, ip-location-db the first.
_NUMBER_FIELDS = ("autonomous_system_number", "asn")
# Such files alias Teredo to the relay's IPv4 address, which is nobody's host, and hold IPv4 where addresses were once
# compatible with it.
_TEREDO = 0x20010000


class AsnRecord(NamedTuple):
    """The AS number of an address, as of the day on which the file was made."""

    as_number: int
    prefix: str
    built_at: datetime


class AsnDatabase:
    """Find the AS number of an address in a file that stays on the disk."""

    def __init__(self, reader: maxminddb.Reader) -> None:
        self._reader = reader
        metadata = reader.metadata()
        self.built_at = datetime.fromtimestamp(metadata.build_epoch, UTC)
        self._ip_version = metadata.ip_version

    def __repr__(self) -> str:
        return f"<AsnDatabase of {self.built_at:%Y-%m-%d}>"

    @classmethod
    def open(cls, path: Path) -> "AsnDatabase":
        """Open a file; raises `ConfigError`."""
        try:
            return cls(maxminddb.open_database(str(path)))
        except OSError as error:
            raise ConfigError(
                f"{path}: can't be read ({error.strerror}); name an .mmdb file"
            ) from None
        except (InvalidDatabaseError, ValueError, TypeError, OverflowError):
            raise ConfigError(f"{path}: no MaxMind DB; name an .mmdb file of AS numbers") from None

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def find(self, address: str) -> AsnRecord | None:
        """Find the AS number of an address; None where the file has none, and where it is out of the ordinary."""
        number = numeric(address)
        if number is None or (number.version == 6 and self._ip_version == 4):
            return None
        if number.version == 6 and (number.value >> 96 == _TEREDO or number.value >> 32 == 0):
            return None
        plain = address if number.wrapping is None else number.text
        try:
            content, length = self._reader.get_with_prefix_len(plain)
        except InvalidDatabaseError:
            return None
        as_number = as_number_of(content)
        if as_number is None or not isinstance(content, dict):
            return None
        spare = bits_of(number.version) - length
        prefix = prefix_text(number.version, number.value >> spare << spare, length)
        return AsnRecord(as_number, prefix, self.built_at)


def as_number_of(content: object) -> int | None:
    """Read the AS number of a record; ipinfo writes it as text, AS64500. None where it has none."""
    if not isinstance(content, dict):
        return None
    for name in _NUMBER_FIELDS:
        value = content.get(name)
        value = read_as_number(value) if isinstance(value, str) else value
        # Of the type itself: `true` is an integer too.
        if type(value) is int and 0 < value <= LARGEST:
            return value
    return None
