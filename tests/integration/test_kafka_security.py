"""A broker that asks for TLS and a login: what is right works to the end, what is wrong is said, no secret shows."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import msgspec
import pytest

from services.runtime.connections import kafka_connection
from services.runtime.embedded import EmbeddedKafka
from services.runtime.installation import Installation
from services.runtime.settings import Database, Http, Kafka, Settings, Topics
from tests.commands import Done, takedown
from tests.securekafka import USER, Authority, SecureListener
from tests.servers import eventually, run_apart, running

PASSWORD = "marker-secret-4c1e"


@dataclass(frozen=True, slots=True)
class Secured:
    """The port of a broker that asks for TLS and a login, and the right settings for it."""

    listener: SecureListener
    settings: Settings

    def changed(self, **kafka: str | None) -> Settings:
        """Give the settings with something else about Kafka."""
        changed = msgspec.structs.replace(self.settings.kafka, **kafka)
        return msgspec.structs.replace(self.settings, kafka=changed)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, jars: Path) -> Iterator[SecureListener]:
    """Run one such broker for this module: a JVM's start is the dear part."""
    folder = tmp_path_factory.mktemp("secured")
    listener = SecureListener(folder, PASSWORD)
    server = EmbeddedKafka(
        folder / "kafka",
        fetch=False,
        listeners=listener.listeners,
        properties=listener.properties,
    )
    with running(server, "Kafka"):
        run_apart(listener.add_scram_user(server.bootstrap_servers, jars))
        yield listener


@pytest.fixture
def secured(broker: SecureListener, tmp_path: Path) -> Secured:
    kafka = Kafka(
        bootstrap_servers=broker.bootstrap_servers,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username=USER,
        sasl_password=PASSWORD,
        ssl_cafile=str(broker.authority.ca_file),
    )
    return Secured(broker, Settings(data_dir=str(tmp_path / "data"), kafka=kafka))


async def test_reports_reach_the_ledger_through_tls_and_a_login(
    secured: Secured, tmp_path: Path
) -> None:
    """Roles and commands log in over TLS, by PLAIN and by SCRAM; the password is in no log, output or repr."""
    settings = msgspec.structs.replace(
        secured.settings, topics=Topics(partitions=3), http=Http(port=0), stop_seconds=10.0
    )
    plain = {"relay": {"TAKEDOWN_KAFKA_SASL_MECHANISM": "PLAIN"}}
    said: list[str] = []
    async with Installation(
        settings, durable=False, fetch=False, environments=plain, say=said.append
    ) as monitor:
        await monitor.ready()
        known = monitor.settings
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            kafka = msgspec.structs.replace(known.kafka, sasl_mechanism=mechanism)
            asked = msgspec.structs.replace(known, kafka=kafka)
            done = await takedown(asked, "submit", "-", "--wait", stdin=report(mechanism))
            assert (done.status, done.out) == (0, "1 event in the ledger\n"), done.err
            said.append(done.err)
        await eventually("the relay publishes", lambda: outbox_is_empty(monitor.dsn))
        shown = await takedown(known, "check-config")
        doctor = await takedown(known, "doctor")
        assert doctor.status == 0, doctor.out
        said += [repr(monitor), repr(known), repr(kafka_connection(known))]
        said += [shown.out, doctor.out, doctor.err]
    said += [path.read_text() for path in (tmp_path / "data" / "logs").iterdir()]
    assert len(said) > 10
    assert not [text for text in said if PASSWORD in text]


def report(path: str) -> bytes:
    """One line for `submit`."""
    event = {
        "type": "takedown.report.filed.v1",
        "time": "2025-01-31T12:00:00Z",
        "data": {
            "reporter": "hotline",
            "url": f"https://host.example/{path}",
            "provider": "giant",
        },
    }
    return json.dumps(event).encode() + b"\n"


async def outbox_is_empty(dsn: str) -> bool:
    session = await asyncpg.connect(dsn)
    try:
        return await session.fetchval("SELECT count(*) FROM outbox") == 0
    finally:
        await session.close()


WRONG: list[tuple[dict[str, str], str]] = [
    ({"sasl_password": "wrong-secret"}, "Kafka refuses the login"),
    ({"sasl_username": "nobody"}, "Kafka refuses the login"),
    ({"sasl_mechanism": "SCRAM-SHA-512"}, "set TAKEDOWN_KAFKA_SASL_MECHANISM"),
]


async def test_a_wrong_login_is_said_in_one_line(secured: Secured) -> None:
    """Exit status 3, what to do, no trace, no address, no password; `doctor` says the same."""
    assert (await takedown(secured.settings, "keys", "new")).status == 0
    for change, told in WRONG:
        settings = secured.changed(**change)
        refused(secured, told, await takedown(settings, "submit", "-", stdin=report("a")))
        refused(secured, told, await takedown(settings, "dead-letters", "list"))
        doctor = await takedown(settings, "doctor", "--json")
        assert doctor.status == 5
        found = {finding["check"]: finding for finding in json.loads(doctor.out)}
        assert found["Kafka"]["state"] == "failed"
        assert told in found["Kafka"]["said"]


def refused(secured: Secured, told: str, done: Done) -> None:
    """Hold a refusal to what people need."""
    assert done.status == 3, done.err
    assert told in done.err
    assert done.err.count("\n") == 1
    assert PASSWORD not in done.err
    assert "wrong-secret" not in done.err
    assert secured.listener.bootstrap_servers not in done.err


async def test_a_role_with_a_wrong_login_ends_and_says_why(
    secured: Secured, postgres_dsn: str
) -> None:
    """A login that is refused is not retried for ever: the process ends with status 3 and the reason."""
    right = msgspec.structs.replace(
        secured.settings, database=Database(url=postgres_dsn), http=Http(port=0)
    )
    assert (await takedown(right, "topics", "create")).status == 0
    assert (await takedown(right, "migrate", "up")).status == 0
    assert (await takedown(right, "keys", "new")).status == 0
    wrong = msgspec.structs.replace(
        right, kafka=msgspec.structs.replace(right.kafka, sasl_password="wrong-secret")
    )
    done = await takedown(wrong, "run", "ledger")
    assert done.status == 3, done.err
    assert "Kafka refuses the login" in done.err
    assert "wrong-secret" not in done.err


async def test_a_certificate_of_a_stranger_is_refused(secured: Secured, tmp_path: Path) -> None:
    """A broker that our authority did not sign for gets no password; the error names the CA file."""
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "stranger")
    settings = secured.changed(ssl_cafile=str(stranger.ca_file))
    done = await takedown(settings, "topics", "verify")
    assert done.status == 3, done.err
    assert "TAKEDOWN_KAFKA_SSL_CAFILE" in done.err
    assert secured.listener.bootstrap_servers not in done.err


def certified(secured: Secured, folder: Path, authority: Authority | None = None) -> Settings:
    """The settings for the port that asks for a certificate, with an encrypted key of the role's own."""
    signer = authority or secured.listener.authority
    key, certificate = signer.files_of(f"role-{folder.name}", PASSWORD)
    return secured.changed(
        bootstrap_servers=f"127.0.0.1:{secured.listener.certified_port}",
        security_protocol="SSL",
        sasl_mechanism=None,
        sasl_username=None,
        sasl_password=None,
        ssl_certfile=str(certificate),
        ssl_key_file=str(key),
        ssl_key_password=PASSWORD,
    )


async def test_a_client_certificate_is_a_login(secured: Secured, tmp_path: Path) -> None:
    """A broker that asks for a certificate takes ours, its key encrypted and the password from a file."""
    settings = certified(secured, tmp_path)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    from_file = msgspec.structs.replace(
        settings, kafka=msgspec.structs.replace(settings.kafka, ssl_key_password=None)
    )
    variables = {"TAKEDOWN_KAFKA_SSL_KEY_PASSWORD_FILE": str(tmp_path / "password")}
    created = await takedown(from_file, "topics", "create", variables=variables)
    verified = await takedown(from_file, "topics", "verify", variables=variables)
    shown = await takedown(from_file, "check-config", variables=variables)
    assert (created.status, verified.status) == (0, 0), created.err + verified.err
    said = [created.out, created.err, verified.out, shown.out, shown.err]
    assert PASSWORD not in "".join([*said, repr(settings), repr(kafka_connection(settings))])


@pytest.mark.parametrize("case", ["none", "stranger", "password"])
async def test_a_wrong_client_certificate_is_said(
    secured: Secured, tmp_path: Path, case: str
) -> None:
    """No certificate, one of another authority, and a key that does not open end in one line without a secret."""
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "stranger") if case == "stranger" else None
    settings = certified(secured, tmp_path, stranger)
    changes = {
        "none": {"ssl_certfile": None, "ssl_key_file": None, "ssl_key_password": None},
        "stranger": {},
        "password": {"ssl_key_password": "wrong-secret"},
    }[case]
    wrong = msgspec.structs.replace(
        settings, kafka=msgspec.structs.replace(settings.kafka, **changes)
    )
    done = await takedown(wrong, "topics", "verify")
    assert done.status in (2, 3), (done.status, done.err)
    assert (
        "certificate for Kafka" if case == "password" else "TAKEDOWN_KAFKA_SSL_CERTFILE"
    ) in done.err
    assert done.err.count("\n") == 1
    assert PASSWORD not in done.err
    assert "wrong-secret" not in done.err
