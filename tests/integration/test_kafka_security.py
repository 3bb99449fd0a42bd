"""A broker that asks for TLS and a login and checks rights: each role does its work with a login of its own."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from consumers.client.role_rights import ROLES_AT_KAFKA, grants
from schemas.ids import instant
from schemas.sealing import Keyring
from schemas.topics import OBSERVATIONS, OUTCOMES, REPORTS, WATCHLIST
from schemas.urls import canonical
from services.cli.support import CHECK_FAILED, REFUSED
from services.intake.reporter_tokens import hashed, new_token, write_tokens
from services.runtime.connections import kafka_connection
from services.runtime.embedded import EmbeddedKafka
from services.runtime.embedded.server_process import free_port
from services.runtime.installation import Installation
from services.runtime.settings import (
    Database,
    Http,
    Kafka,
    Probe,
    RetentionSection,
    Settings,
    Topics,
)
from services.runtime.settings.intake_section import IntakeSection
from tests.commands import Done, takedown
from tests.integration import command_logins
from tests.integration.command_logins import all_of, changing, letter_of, login_for, reading
from tests.integration.lab import Lab
from tests.integration.ledger_kit import clock
from tests.integration.looksites import NameServer
from tests.integration.rights_kit import LOGGED, Decisions, May, attempts
from tests.securekafka import ADMINISTRATOR, USER, Authority, SecureListener
from tests.servers import eventually, run_apart, running

PASSWORD = "marker-secret-4c1e"
# Whoever works at the command line also prepares the topics here.
PRINCIPALS = {role: [f"User:takedown-{role}"] for role in ROLES_AT_KAFKA}
PRINCIPALS |= {role: [f"User:{USER}"] for role in ("operator", "prepare")}
NAMED = [
    word for role in ("operator", "prepare") for word in ("--principal", f"{role}=User:{USER}")
]


@dataclass(frozen=True, slots=True)
class Secured:
    """The port of a broker that asks for TLS and a login, and the right settings for it."""

    listener: SecureListener
    settings: Settings
    own_port: str
    log: Path

    def login(self, name: str) -> Settings:
        """Give the settings of another login."""
        return self.changed(sasl_username=name, sasl_mechanism="PLAIN")

    def changed(self, **kafka: str | None) -> Settings:
        """Give the settings with something else about Kafka."""
        changed = msgspec.structs.replace(self.settings.kafka, **kafka)
        return msgspec.structs.replace(self.settings, kafka=changed)


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that runs; `log` has every decision of its authorizer."""

    listener: SecureListener
    bootstrap_servers: str
    log: Path


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, jars: Path) -> Iterator[Broker]:
    """Run one such broker for this module, its rights granted: a JVM's start is the dear part."""
    folder = tmp_path_factory.mktemp("secured")
    listener = SecureListener(folder, PASSWORD, [f"takedown-{role}" for role in ROLES_AT_KAFKA])
    server = EmbeddedKafka(
        folder / "kafka",
        fetch=False,
        listeners=listener.listeners,
        properties=listener.properties,
        java_options=(LOGGED,),
    )
    with running(server, "Kafka"):
        run_apart(listener.add_scram_user(server.bootstrap_servers, jars))
        made = Broker(listener, server.bootstrap_servers, folder / "kafka" / "kafka.log")
        run_apart(granted(settings_for(made, folder)))
        yield made


def settings_for(broker: Broker, folder: Path) -> Settings:
    """Give the settings of the operator's login."""
    kafka = Kafka(
        bootstrap_servers=broker.listener.bootstrap_servers,
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username=USER,
        sasl_password=PASSWORD,
        ssl_cafile=str(broker.listener.authority.ca_file),
    )
    return Settings(data_dir=str(folder / "data"), kafka=kafka)


@pytest.fixture
def secured(broker: Broker, tmp_path: Path) -> Secured:
    return Secured(
        broker.listener, settings_for(broker, tmp_path), broker.bootstrap_servers, broker.log
    )


def as_administrator(settings: Settings) -> Settings:
    """Give the settings of the login that may grant rights."""
    kafka = msgspec.structs.replace(
        settings.kafka, sasl_username=ADMINISTRATOR, sasl_mechanism="PLAIN"
    )
    return msgspec.structs.replace(settings, kafka=kafka)


async def granted(settings: Settings) -> None:
    """Have the rights granted, and see that every step says so."""
    administrator = as_administrator(settings)
    apply = ("rights", "apply", *NAMED)
    due = await takedown(administrator, *apply, "--dry-run")
    count = len(grants(PRINCIPALS))
    assert (due.status, due.out.count("\n+ ") + due.out.startswith("+ ")) == (5, count), due.err
    done = await takedown(administrator, *apply)
    assert (done.status, f"{count} rights granted" in done.out) == (0, True), done.err
    again = await takedown(administrator, *apply, "--dry-run", "--json")
    assert json.loads(again.out) == {"granted": [], "beyond": [], "dry_run": True, "revoked": False}
    assert again.status == 0


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


MAP = '[[provider]]\nid = "giant"\nname = "Giant"\n[[provider.prefix]]\ncidr = "192.0.2.0/24"\n'
SEEN, OVER = "https://seen.example/page", "https://over.example/page"


class Works:
    """Everything that a monitor does at Kafka, each role with a login of its own."""

    def __init__(self, secured: Secured, folder: Path, names: NameServer) -> None:
        self.token = new_token()
        write_tokens(folder / "tokens.toml", {hashed(self.token): "hotline-nl"})
        (folder / "map.toml").write_text(MAP)
        self.secured, self.said = secured, list[str]()
        self.failed: dict[str, str] = {}
        self.settings = msgspec.structs.replace(
            secured.settings,
            topics=Topics(partitions=1),
            http=Http(port=0),
            stop_seconds=10.0,
            # Its first look is due within a second.
            methodology="demo",
            provider_map=str(folder / "map.toml"),
            retention=RetentionSection(url_days=1),
            intake=IntakeSection(
                tokens_file=str(folder / "tokens.toml"), port=free_port(frozenset())
            ),
            probe=Probe(
                mode="simulated",
                nameservers=(f"127.0.0.1:{names.port}",),
                canary_url="http://canary.example/",
                resolution_seconds=0.1,
            ),
        )

    def installation(self) -> Installation:
        """Give the roles, each with its own login, and the servers but Kafka."""
        plain = {"TAKEDOWN_KAFKA_SASL_MECHANISM": "PLAIN"}
        logins = {
            role: {**plain, "TAKEDOWN_KAFKA_SASL_USERNAME": f"takedown-{role}"}
            for role in ROLES_AT_KAFKA
        }
        return Installation(
            self.settings, durable=False, fetch=False, environments=logins, say=self.said.append
        )

    async def run(
        self, *words: str, stdin: bytes = b"", login: str | None = None, status: int = 0
    ) -> str:
        """Run a command as the operator, or with another login."""
        return (await self.take(*words, stdin=stdin, login=login, status=status)).out

    async def take(
        self,
        *words: str,
        stdin: bytes = b"",
        login: str | None = None,
        dsn: str | None = None,
        status: int = 0,
    ) -> Done:
        """Run a command with these logins at Kafka and Postgres; give what it said."""
        settings = self.settings
        if login is not None:
            kafka = msgspec.structs.replace(
                settings.kafka, sasl_username=login, sasl_mechanism="PLAIN"
            )
            settings = msgspec.structs.replace(settings, kafka=kafka)
        if dsn is not None:
            settings = msgspec.structs.replace(settings, database=Database(url=dsn))
        done = await takedown(settings, *words, stdin=stdin)
        assert done.status == status, (words, done.status, done.out, done.err)
        self.said += [done.out, done.err]
        return done

    async def work(self, case_id: str, folder: Path, dsn: str, keyring: Keyring) -> None:
        """Run every command that touches a server, with a login at Postgres that owns nothing."""
        take = partial(self.take, dsn=dsn)
        await all_of(take, changing(case_id, keyring, folder, clock()))
        await take("keys", "signing")
        views = reading(case_id, folder)
        await all_of(take, [views[::2], views[1::2]])
        listed = await take("dead-letters", "list", "--json")
        raw = ("--raw", str(folder / "raw"), "--purpose", "enquiry")
        await take("dead-letters", "show", letter_of(listed.out), *raw)
        await take("keys", "rotate")
        shown = json.loads((await take("keys", "show", "--json")).out)
        (added,) = set(shown["sealing"]) - {shown["active"]}
        await take("keys", "retire", added)
        doctor = json.loads((await take("doctor", "--json", status=CHECK_FAILED)).out)
        self.failed = {one["check"]: one["said"] for one in doctor if one["state"] == "failed"}

    async def denied(self, case_id: str, folder: Path, reader: str, desk: str) -> None:
        """Try commands with logins of another purpose; each ends in one line that speaks of rights."""
        who = ("--actor", "analyst", "--reason", "a test")
        hold = ("correct", "hold", case_id, "--until", instant(clock() + timedelta(days=1)), *who)
        tries = [
            (("notices", "ingest", str(folder / "box")), "takedown-relay", desk),
            (hold, "takedown-prober", desk),
            (("import", "urlhaus", str(folder / "urlhaus.csv")), "takedown-ledger", desk),
            (("dead-letters", "list"), "takedown-intake", desk),
            (hold, None, reader),
            (("evidence", "giant", "--out", str(folder / "no")), None, reader),
        ]
        for words, login, dsn in tries:
            hidden = words[0] == "dead-letters"
            done = await self.take(*words, login=login, dsn=dsn, status=2 if hidden else 3)
            assert done.err.count("\n") == 1, (words, done.err)
            assert any(word in done.err for word in ("authorise", "right", "permission")), done.err

    async def post(self) -> None:
        """Report a URL at the intake."""
        body = {"url": "https://posted.example/1", "reported_at": instant(clock())}
        address = f"http://127.0.0.1:{self.settings.intake.port}/v1/reports"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(address, json=body) as answer,
        ):
            assert answer.status == 201, await answer.text()


async def old_records(bootstrap_servers: str) -> None:
    """Put on the broker what retention has to move and to delete, as if it were ten days old."""
    at = int((clock() - timedelta(days=10)).timestamp() * 1000)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers)
    await producer.start()
    for name in (REPORTS.name, OBSERVATIONS.name, REPORTS.dlq, OBSERVATIONS.dlq):
        await producer.send_and_wait(name, b"unusable", timestamp_ms=at)
    await producer.stop()


async def watched(secured: Secured) -> None:
    """Ask for the ledger's lag as KEDA does."""
    options = kafka_connection(secured.login("takedown-scaler")).client_options()
    admin, consumer = AIOKafkaAdminClient(**options), AIOKafkaConsumer(**options)
    await admin.start()
    await consumer.start()
    try:
        await admin.list_consumer_group_offsets("takedown-ledger")
        places = [TopicPartition(topic.name, 0) for topic in (REPORTS, OBSERVATIONS)]
        assert len(await consumer.end_offsets(places)) == 2
    finally:
        await consumer.stop()
        await admin.close()


def evidence(seen: str, over: str) -> bytes:
    """Give what was seen after its norm at an address that nobody attributed, and what was retracted long ago."""
    now = clock()
    at = instant(now)
    look = {
        "vantage": "v1", "tick": at, "started_at": at, "finished_at": at, "verdict": "online", "reason": "served",
        "served": [{"address": "192.0.2.1", "online": True}],
    }  # fmt: skip

    def statement(kind: str, days: float, case: str | None, **data: object) -> bytes:
        time = instant(now - timedelta(days=days))
        event = {"type": f"takedown.{kind}.v1", "time": time, "subject": case, "data": data}
        return json.dumps({name: value for name, value in event.items() if value}).encode()

    return b"\n".join(
        (
            statement("report.filed", 0, None, reporter="hotline", url=SEEN),
            statement("notice.sent", 1 / 24, seen, notice_id="n1", provider="giant"),
            statement("look.made", 0, seen, **look),
            statement("report.filed", 11, None, reporter="hotline", url=OVER),
            statement("report.retracted", 10, over, actor="hotline", reason="not illegal"),
        )
    )


async def test_every_role_works_with_its_own_login(
    secured: Secured, lab: Lab, tmp_path: Path
) -> None:
    """Roles and commands do all their work, nobody is denied anything, every right is used, no password shows."""
    # First in this file: on a broker that has no topics yet.
    lab.names.names["seen.example"] = ["127.0.0.1"]
    decisions = Decisions(secured.log)
    works = Works(secured, tmp_path, lab.names)
    async with works.installation() as monitor:
        await monitor.ready()
        case_id, over = (monitor.keyring.case_id(canonical(url)) for url in (SEEN, OVER))
        works.settings = msgspec.structs.replace(
            works.settings, database=Database(url=monitor.dsn), keys_file=str(monitor.keys_file)
        )
        # One after the other: retention moves what is old up to the first record that is not.
        await old_records(secured.own_port)
        await works.post()
        await works.run("submit", "-", "--wait", stdin=evidence(case_id, over))

        async def done() -> bool:
            shown = json.loads(await works.run("case", "show", case_id, "--json"))
            return {look["vantage"] for look in shown["looks"]} == {"v1", "local"}

        await eventually("a look of the prober is in the ledger", done, 60)
        desk = await login_for(monitor.dsn, command_logins.ALL_GROUPS)
        await works.work(case_id, tmp_path, desk, monitor.keyring)
        await asyncio.gather(
            works.run("dead-letters", "retry", "--all", status=REFUSED),
            works.run("archive", "write", str(tmp_path / "archive")),
            works.run("replay", "--name", "again"),
            works.run("topics", "verify"),
            works.run("rights", "apply", *NAMED, "--dry-run", login=ADMINISTRATOR),
            watched(secured),
        )
        await works.take("retention", "--yes", login="takedown-retention", dsn=desk)
        erase = ("correct", "erase", case_id, "--yes", "--actor", "analyst", "--reason", "a test")
        await works.take(*erase, dsn=desk)

        def amiss() -> list[str]:
            return sorted(map(str, decisions.used_grants() ^ grants(PRINCIPALS)))

        async def used() -> bool:
            return not amiss()

        await eventually(lambda: f"every right was used, and no other: {amiss()}", used, 60)
        assert decisions.denials() == set()
        reader = await login_for(monitor.dsn, ["takedown_reader"], "takedown_reading")
        await works.denied(case_id, tmp_path, reader, desk)
    works.said += [path.read_text() for path in (tmp_path / "data" / "logs").iterdir()]
    works.said += [repr(monitor), repr(works.settings), repr(kafka_connection(works.settings))]
    assert not [text for text in works.said if PASSWORD in text]
    # What was imported is years old.
    assert works.failed.keys() == {"retention"}


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
    files = signer.files_of(f"role-{folder.name}", PASSWORD)
    return at_certified_port(secured, *files, ssl_key_password=PASSWORD)


def at_certified_port(secured: Secured, key: Path, certificate: Path, **more: str) -> Settings:
    """The settings for the port that asks for a certificate, without any other login."""
    return secured.changed(
        bootstrap_servers=f"127.0.0.1:{secured.listener.certified_port}",
        security_protocol="SSL",
        sasl_mechanism=None,
        sasl_username=None,
        sasl_password=None,
        ssl_certfile=str(certificate),
        ssl_key_file=str(key),
        **more,
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


GROUPS = ("takedown-ledger", "takedown-attribution", "takedown-prober.nl", "another")


def may(read: str = "", write: str = "", delete: str = "", group: str = "") -> May:
    """Write what a login may do; topics by their letters, dead letters in lower case."""
    letters = {
        "R": REPORTS.name,
        "O": OBSERVATIONS.name,
        "W": WATCHLIST.name,
        "X": OUTCOMES.name,
        "r": REPORTS.dlq,
        "o": OBSERVATIONS.dlq,
    }
    topics = (frozenset(letters[letter] for letter in text) for text in (read, write, delete))
    return May(*topics, frozenset({group} - {""}))


OWN = {
    "ledger": may("RO", "ro", group="takedown-ledger"),
    "relay": may("", "WX"),
    "prober": may("W", "O", group="takedown-prober.nl"),
    "attribution": may("O", "R", group="takedown-attribution"),
    "intake": may("", "R"),
    "retention": may("Rro", "R", "Rro"),
    "operator": may("ROro", "ROro"),
    "prepare": may(),
    "scaler": may(),
}


async def test_no_login_does_what_is_not_its_own(secured: Secured) -> None:
    """Reads, writes, deletions and groups are refused but for a role's own; only retention deletes."""
    assert OWN.keys() == set(ROLES_AT_KAFKA)
    administrator = as_administrator(secured.settings)
    # Logins of their own for the operator and for preparation, which share one elsewhere.
    assert (await takedown(administrator, "topics", "create", "--partitions", "1")).status == 0
    assert (await takedown(administrator, "rights", "apply")).status == 0
    for role, own in OWN.items():
        kafka = kafka_connection(secured.login(f"takedown-{role}"))
        assert await attempts(kafka, GROUPS) == own, role
    certified_as = kafka_connection(by_certificate(secured, "takedown-intake"))
    assert await attempts(certified_as, GROUPS) == may()


async def test_a_certificate_is_a_principal_and_rights_are_taken_back(secured: Secured) -> None:
    """What a certificate's name is granted holds for it alone, and `--revoke` takes back what the table lacks."""
    administrator = as_administrator(secured.settings)
    named = ("--principal", "intake=User:CN=door")
    wide = ("--principal", "prober=User:CN=door")
    assert (await takedown(administrator, "rights", "apply", *named, *wide)).status == 0
    door = kafka_connection(by_certificate(secured, "door"))
    assert (await attempts(door, GROUPS)).read == {WATCHLIST.name}
    narrowed = await takedown(administrator, "rights", "apply", *named, "--revoke")
    assert (narrowed.status, "3 rights taken back" in narrowed.out) == (0, True), narrowed.out
    assert await attempts(door, GROUPS) == may("", "R")


async def test_only_an_administrator_grants(secured: Secured, kafka_bootstrap: str) -> None:
    """A role that asks for rights is refused in one line; so is a broker that checks none."""
    refused_to = await takedown(secured.settings, "rights", "apply")
    assert (refused_to.status, "does not authorise" in refused_to.err) == (3, True), refused_to.err
    open_to_all = Settings(kafka=Kafka(bootstrap_servers=kafka_bootstrap))
    unchecked = await takedown(open_to_all, "rights", "apply")
    assert (unchecked.status, "checks no rights" in unchecked.err) == (2, True), unchecked.err


def by_certificate(secured: Secured, called: str) -> Settings:
    """The settings for the port that asks for a certificate, with one of that name."""
    return at_certified_port(secured, *secured.listener.authority.files_of(called))
