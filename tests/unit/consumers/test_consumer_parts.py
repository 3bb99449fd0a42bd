"""The parts of a consumer that decide without a server: brake, back-off, progress, queries, migrations, connections."""

import asyncio
import gc
import itertools
import re
from pathlib import Path

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from consumers.client import outages, retry
from consumers.client.heap import rare_collections
from consumers.client.watchdog import StallDetector
from consumers.ledger.brake import FloodOfUnusable
from schemas import sqlfiles
from schemas.errors import ConfigError
from schemas.sqlfiles import UnknownQuery
from services.ledger import migrate, queries
from services.ledger.migrate import MigrationError
from tests.as_configured import database_at, flood_brake, kafka_at

PLACE = TopicPartition("t", 0)
PACKAGES = ("services", "consumers")


# -- flood brake ---------------------------------------------------------------------------------


def test_single_poison_records_pass() -> None:
    """One in three is a nuisance, not a flood."""
    brake = flood_brake(ratio=0.5, window=20, consecutive=10)
    for _ in range(200):
        brake.unusable("bad_json")
        brake.usable(2)


def test_a_run_trips_the_brake() -> None:
    """The hundredth unusable record in a row stops the line, not the one before."""
    brake = flood_brake(consecutive=100)
    for _ in range(99):
        brake.unusable("bad_json")
    with pytest.raises(FloodOfUnusable, match="100 of them in a row, the last one: bad_json"):
        brake.unusable("bad_json")


def test_a_flood_names_the_first_record_and_what_to_do() -> None:
    """The batch is in no dead letter: the error itself says where the first record stands, and why."""
    brake = flood_brake(consecutive=1)
    with pytest.raises(FloodOfUnusable) as told:
        brake.unusable("bad_json", "topic t, partition 3, offset 7: bad_json, not JSON")
    assert "Its first is topic t, partition 3, offset 7: bad_json, not JSON." in str(told.value)
    assert "TAKEDOWN_LEDGER_FLOOD_BRAKE=false" in str(told.value)


def test_a_ratio_trips_the_brake_once_the_window_is_full() -> None:
    """More than half of a full window stops the line; a short history says nothing yet."""
    brake = flood_brake(ratio=0.5, window=20, consecutive=10)
    for _ in range(9):
        brake.unusable("bad_json")
        brake.usable()
    brake.unusable("bad_json")
    with pytest.raises(FloodOfUnusable, match="11 of the last 20"):
        brake.unusable("bad_json")


def test_usable_records_push_unusable_ones_out_of_the_window() -> None:
    """What left the window counts no more, whether its successors were noted one by one or together."""
    brake = flood_brake(ratio=0.5, window=20, consecutive=10)
    for _ in range(9):
        brake.unusable("bad_json")
    brake.usable(15)
    brake.usable(40)
    brake.usable(0)
    assert repr(brake) == "<FloodBrake unusable=0/20 run=0>"


def test_collections_are_rare_only_while_the_ledger_works() -> None:
    """The collector's thresholds are raised for the time of the work, and then what they were."""
    found = gc.get_threshold()
    before = (700, 10, 10)
    gc.set_threshold(*before)
    try:
        with rare_collections():
            assert gc.get_threshold()[0] > before[0]
        assert gc.get_threshold() == before
    finally:
        gc.set_threshold(*found)


def test_an_operator_can_let_a_flood_pass() -> None:
    """Switched off, nothing trips."""
    brake = flood_brake(enabled=False, consecutive=2)
    for _ in range(1000):
        brake.unusable("bad_json")
    assert "run=1000" in repr(brake)


# -- back-off ------------------------------------------------------------------------------------


def test_waits_grow_to_the_cap() -> None:
    """Waits double up to the cap and never end."""
    assert list(itertools.islice(retry.delays(1, 5), 5)) == [1, 2, 4, 5, 5]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (KafkaConnectionError("away"), True),
        (TopicAuthorizationFailedError("t"), False),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (asyncpg.DeadlockDetectedError("x"), True),
        (asyncpg.CannotConnectNowError("starting"), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.DataError("bad"), False),
        (asyncpg.exceptions._base.InterfaceError("x"), True),
        (asyncpg.UndefinedTableError("x"), False),
        (asyncpg.InsufficientPrivilegeError("x"), False),
        (AssertionError(), False),
    ],
)
def test_what_may_pass_is_told_from_what_stays(error: Exception, passes: bool) -> None:
    """Outages and lost locks are waited out; wrong data, rights and defects are not."""
    assert passes == outages.is_transient(error)


async def test_a_retry_gives_up_what_is_no_longer_worthwhile() -> None:
    """After a rebalance a failed write is not repeated."""
    waiter = outages.OutageRetry("test")

    async def fails() -> None:
        raise ConnectionRefusedError

    assert not await waiter.run(fails, lambda: False)
    assert not waiter.waiting


async def test_a_retry_raises_what_waiting_cannot_mend() -> None:
    """A defect is not repeated for ever."""

    async def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await outages.OutageRetry("test").run(fails, lambda: True)


async def test_a_pause_ends_with_the_stop() -> None:
    """A consumer that waits an outage out can be stopped at once."""
    stop = asyncio.Event()
    stop.set()
    await retry.pause(stop, 3600)


# -- watchdog ------------------------------------------------------------------------------------


def test_lag_without_progress_is_stuck() -> None:
    """Only lag, no movement, no known outage, and the whole limit long."""
    progress = StallDetector(60)
    assert not progress.stuck({PLACE: 5}, 10, excused=False, now=0)
    assert not progress.stuck({PLACE: 5}, 10, excused=False, now=59)
    assert progress.stuck({PLACE: 5}, 10, excused=False, now=60)


@pytest.mark.parametrize(
    ("position", "lag", "excused"), [(6, 10, False), (5, 0, False), (5, 10, True)]
)
def test_progress_no_lag_or_an_outage_start_the_limit_anew(
    position: int, lag: int, excused: bool
) -> None:
    """A consumer that moves, has nothing to do, or waits for Postgres is not stuck."""
    progress = StallDetector(60)
    progress.stuck({PLACE: 5}, 10, excused=False, now=0)
    assert not progress.stuck({PLACE: position}, lag, excused=excused, now=60)
    assert not progress.stuck({PLACE: position}, 10, excused=False, now=119)


# -- queries -------------------------------------------------------------------------------------


def test_every_query_is_used_and_every_used_one_exists() -> None:
    """`queries.sql` holds exactly what the program asks for."""
    root = Path(queries.__file__).parents[2]
    sources = [path for name in PACKAGES for path in (root / name).rglob("*.py")]
    asked = {
        name
        for path in sources
        for name in re.findall(r'query\("([a-z_]+)"\)', path.read_text("utf-8"))
    }
    assert queries.names() == asked


def test_a_query_is_text_without_its_comments() -> None:
    """The name's line and the comments stay in the file."""
    found = sqlfiles.parse("-- head\n-- name: one\n-- why\nSELECT 1;\n\n-- name: two\nSELECT 2;")
    assert found == {"one": "SELECT 1", "two": "SELECT 2"}


def test_a_doubled_or_unknown_name_is_a_defect() -> None:
    """Neither is passed over."""
    with pytest.raises(UnknownQuery):
        sqlfiles.parse("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;")
    with pytest.raises(UnknownQuery):
        queries.query("no_such_query")


# -- migrations ----------------------------------------------------------------------------------


def test_migrations_are_in_order_and_named() -> None:
    """Names out of form and doubled numbers are refused."""
    assert sorted(m.name for m in migrate.shipped()) == [m.name for m in migrate.shipped()]
    with pytest.raises(MigrationError, match="NNNN_pre_name"):
        migrate.parse({"1_first.sql": ""})
    with pytest.raises(MigrationError, match="number 0001"):
        migrate.parse({"0001_pre_a.sql": "", "0001_post_b.sql": ""})


# -- connections ---------------------------------------------------------------------------------


def test_no_secret_is_in_a_repr() -> None:
    """Neither the password nor the database's address can get into a log through `repr`."""
    kafka = kafka_at("127.0.0.1:9092", "SASL_PLAINTEXT", sasl_username="u", sasl_password="hush")
    assert "hush" not in repr(kafka)
    assert "hush" not in repr(database_at("postgresql://u:hush@127.0.0.1/x"))


@pytest.mark.parametrize(
    "options",
    [
        {"security_protocol": "TLS"},
        {"security_protocol": "SASL_SSL"},
        {"sasl_password": "hush"},
    ],
)
def test_contradictory_connections_are_refused(options: dict[str, str]) -> None:
    """A protocol without its credentials, or credentials without their protocol, are errors."""
    with pytest.raises(ConfigError):
        kafka_at("127.0.0.1:9092", **options)


def test_an_unreadable_ca_file_is_a_clear_error(tmp_path: Path) -> None:
    """The message says what to give, and not where it looked."""
    (tmp_path / "ca.pem").write_text("no certificate")
    kafka = kafka_at("127.0.0.1:9092", "SSL", ssl_cafile=str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigError, match="PEM"):
        kafka.consumer_options()


def test_a_database_role_must_be_one_of_ours() -> None:
    """SET ROLE takes no free text."""
    with pytest.raises(ConfigError):
        database_at("postgresql:///x", role="postgres; DROP TABLE cases")


def test_a_pgbouncer_gets_neither_prepared_statements_nor_start_up_settings() -> None:
    """What does not survive a transaction pooler is left out."""
    options = database_at("postgresql:///x", statement_cache=False).options()
    assert options == {"dsn": "postgresql:///x", "statement_cache_size": 0}


def test_no_role_is_taken_on_a_poolers_connection() -> None:
    """SET ROLE would stay there for whoever is given that connection next: the login has to decide."""
    with pytest.raises(ConfigError, match="log in as a user that is a member"):
        database_at("postgresql:///x", statement_cache=False, role="takedown_exporter")
