"""Debian's PgBouncer in transaction mode before the embedded PostgreSQL."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from services.runtime.embedded.server_process import free_port

_READY_SECONDS = 10.0


@contextmanager
def pooling(
    binary: Path,
    folder: Path,
    server_dsn: str,
    users: Mapping[str, str],
    *,
    pool_size: int,
    **more: object,
) -> Iterator[int]:
    """Run a pooler for every database of a server; yield its port.

    `users` are names and passwords that may log in. So few connections to the server that clients
    have to share them is what finds out who relies on a session. `more` are settings of PgBouncer's own.
    """
    port = free_port()
    config = _written(
        folder, server_dsn, users, listen_port=port, default_pool_size=pool_size, **more
    )
    process = _start(binary, config)
    try:
        _wait_until_it_listens(process, port, config.with_suffix(".log"))
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _written(folder: Path, server_dsn: str, users: Mapping[str, str], **more: object) -> Path:
    folder.mkdir()
    server = urlsplit(server_dsn)
    logins = folder / "users.txt"
    logins.write_text("".join(f'"{name}" "{password}"\n' for name, password in users.items()))
    settings = {
        "listen_addr": "127.0.0.1",
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": logins,
        "pool_mode": "transaction",
        "max_client_conn": 100,
        # PgBouncer refuses root; it reads its files before it becomes somebody else.
        **({"user": "nobody"} if os.geteuid() == 0 else {}),
        **more,
    }
    path = folder / "pgbouncer.ini"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    databases = f"[databases]\n* = host={server.hostname} port={server.port}\n"
    path.write_text(databases + "[pgbouncer]\n" + "\n".join(lines) + "\n")
    return path


def _start(binary: Path, config: Path) -> "subprocess.Popen[bytes]":
    with config.with_suffix(".log").open("wb") as log:
        return subprocess.Popen([binary, config], stdout=log, stderr=log)


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"PgBouncer does not listen:\n{log.read_text()}")


def through(port: int, dsn: str, user: str | None = None, password: str | None = None) -> str:
    """Give the address of the same database behind the pooler."""
    parts = urlsplit(dsn)
    login = f"{user or parts.username}:{password or parts.password}"
    return f"postgresql://{login}@127.0.0.1:{port}{parts.path}"
