"""The addresses of a running `takedown up`: written by it, read by every other command.

The file lies in the data directory and holds the database's password: only its owner may read it.
It counts only while the lock beside it is held: what a crash left behind misleads nobody.
"""

import fcntl
from pathlib import Path

import msgspec
from msgspec import Struct

from schemas.errors import ConfigError, TakedownError
from schemas.private_file import write_private
from services.runtime.settings import Settings

LOCK_NAME = "up.lock"
_NAME = "endpoints.json"


class NotRunning(TakedownError):
    """No server is configured and no `takedown up` runs on this data directory."""

    exit_code = 3


class Endpoints(Struct, frozen=True, kw_only=True):
    """The addresses of one running installation; `http` is `host:port` by process."""

    bootstrap_servers: str
    database_url: str
    http: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Endpoints kafka={self.bootstrap_servers} http={self.http}>"


def write_endpoints(data_dir: Path, endpoints: Endpoints) -> None:
    """Publish the addresses to the other commands of the same user."""
    write_private(data_dir / _NAME, msgspec.json.encode(endpoints))


def remove_endpoints(data_dir: Path) -> None:
    """Remove the addresses."""
    (data_dir / _NAME).unlink(missing_ok=True)


def published(data_dir: Path) -> bool:
    """Tell whether addresses stand there, of a monitor that runs or of one that was killed."""
    return (data_dir / _NAME).exists()


def read_endpoints(data_dir: Path) -> Endpoints | None:
    """Return the addresses of the installation that runs on a data directory; None: none runs."""
    try:
        body = (data_dir / _NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{data_dir / _NAME} can't be read ({error.strerror})") from None
    return msgspec.json.decode(body, type=Endpoints) if _locked(data_dir / LOCK_NAME) else None


def _locked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def connected(settings: Settings, *, database: bool = True, kafka: bool = True) -> Settings:
    """Fill addresses that are needed and not set from the running installation.

    Raises `NotRunning` where one is neither set nor to be found.
    """
    needs = [(database, "database", settings.database.url)]
    needs.append((kafka, "kafka", settings.kafka.bootstrap_servers))
    missing = [name for is_needed, name, value in needs if is_needed and value is None]
    if not missing:
        return settings
    endpoints = read_endpoints(settings.data_path)
    if endpoints is None:
        raise NotRunning(_message(settings, missing))
    return with_addresses(settings, endpoints, missing)


def with_addresses(settings: Settings, endpoints: Endpoints, names: list[str]) -> Settings:
    """Set the addresses of the named servers."""
    database, kafka = settings.database, settings.kafka
    if "database" in names:
        database = msgspec.structs.replace(database, url=endpoints.database_url)
    if "kafka" in names:
        kafka = msgspec.structs.replace(kafka, bootstrap_servers=endpoints.bootstrap_servers)
    return msgspec.structs.replace(settings, database=database, kafka=kafka)


def _message(settings: Settings, missing: list[str]) -> str:
    variables = {
        "database": "TAKEDOWN_DATABASE_URL",
        "kafka": "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS",
    }
    return (
        f"no `takedown up` runs on {settings.data_path}, and "
        f"{' and '.join(variables[name] for name in missing)} {'is' if len(missing) == 1 else 'are'} "
        "not set: start `takedown up` in another "
        "terminal, or set the address of your own server"
    )
