"""An installation whose servers die goes on: they are started again, and nothing that was sent is lost."""

import socket
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from services.runtime.endpoints import LOCK_NAME
from services.runtime.installation import Installation
from services.runtime.role_children import refuse_taken
from services.runtime.settings import Http, Log, Settings
from tests.servers import eventually


def settings(folder: Path) -> Settings:
    return Settings(data_dir=str(folder), http=Http(port=0), log=Log(format="json"))


async def test_servers_that_die_are_started_again(jars: Path, tmp_path: Path) -> None:
    """Kafka and PostgreSQL killed with -9 come back by themselves, on the same addresses."""
    said: list[str] = []
    async with Installation(
        settings(tmp_path), ["exporter"], durable=False, fetch=False, say=said.append
    ) as installation:
        await installation.ready()
        before = installation.bootstrap_servers, installation.dsn
        assert installation.kafka is not None
        assert installation.postgres is not None
        await installation.kafka.kill()
        await installation.postgres.kill()

        async def back() -> bool:
            return sum("is running again" in line for line in said) == 2

        await eventually("both servers run again", back, seconds=60)
        await installation.ready()
        assert (installation.bootstrap_servers, installation.dsn) == before
    assert (tmp_path / LOCK_NAME).exists()


def test_a_taken_port_is_named(unused_tcp_port: int) -> None:
    """A port that another program has is refused before anything starts, naming the setting."""
    refuse_taken("127.0.0.1", {"exporter": unused_tcp_port})
    with (
        socket.create_server(("127.0.0.1", unused_tcp_port)),
        pytest.raises(ConfigError, match="TAKEDOWN_HTTP_PORT"),
    ):
        refuse_taken("127.0.0.1", {"exporter": unused_tcp_port})
