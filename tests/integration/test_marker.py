"""A URL with marks in its host, path and query goes through a whole installation and its troubles, and shows nowhere.

Searched are all files, unpacked, of the data directory but the servers' own stores, temporary files, the command lines,
titles and environments of all processes, Kafka's keys and headers, what every page and command says. Where a URL may
stand is named at `STORES`.
"""

import asyncio
import base64
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg
import cramjam
import pytest
from aiokafka import AIOKafkaProducer

from schemas import topics
from schemas.ids import instant
from schemas.urls import canonical
from services.runtime.embedded.server_process import free_port
from services.runtime.installation import Installation
from services.runtime.settings import Http, Log, Probe, RetentionSection, Settings, Topics
from tests.commands import takedown
from tests.integration.lab import Lab
from tests.integration.ledger_kit import clock
from tests.integration.looksites import answer, reset, silent
from tests.servers import eventually
from tests.streams import read_all

HOST = "märkerhost-5e1c"
MARKS = (HOST, "pathmark-77aa", "querymark-91bd")
URL = f"https://{HOST}.example/{MARKS[1]}/a?q={MARKS[2]}"
# Where it may stand: the values of takedown.reports.v1, which takes unsealed URLs, and of its dead letters, whose bytes
# are untouched; so the broker's own store of them. The database's is searched by its tables.
STORES = ("kafka/records", "postgres/cluster")


def forms(mark: str) -> set[bytes]:
    """Give a mark as it is, percent-encoded, in punycode, and in base64 at each of three places."""
    plain = mark.encode()
    written = {plain, quote(mark, safe="").encode(), quote(mark, safe="").lower().encode()}
    written.add(mark.encode("idna"))
    coded = {base64.b64encode(b"x" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)}
    return {one for one in written | coded if len(one) >= 8}


FORMS = frozenset(form for mark in MARKS for form in forms(mark))


def shows(said: bytes | str | None) -> bool:
    """Tell whether a mark stands in something, in any form and either case."""
    raw = said.encode("utf-8", "surrogateescape") if isinstance(said, str) else said or b""
    return any(form in raw or form.lower() in raw.lower() for form in FORMS)


def in_files(folder: Path) -> Iterator[str]:
    """Name the files whose name or content, packed or not, shows a mark, but for the servers' stores."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name.startswith(STORES):
            continue
        if shows(name) or (path.is_file() and any(map(shows, contents(path)))):
            yield f"file {name}"


def contents(path: Path) -> Iterator[bytes | str]:
    """Give what a file holds, as it is and unpacked."""
    yield path.read_bytes()
    if path.suffix == ".zst":
        yield bytes(cramjam.zstd.decompress(path.read_bytes()))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as packed:
            for entry in packed.infolist():
                yield entry.filename
                yield packed.read(entry)


def in_processes(processes: Path = Path("/proc")) -> Iterator[str]:
    """Name what the system tells of processes that shows a mark: titles, command lines, environments, open files."""
    for process in processes.glob("[0-9]*"):
        for name in ("comm", "cmdline", "environ"):
            try:
                said = (process / name).read_bytes()
            except OSError:
                continue
            if shows(said):
                yield f"{name} of a process"


def in_mapping(said: Mapping[str, bytes | str | None]) -> Iterator[str]:
    """Name the entries that show a mark."""
    return (name for name, text in said.items() if shows(name) or shows(text))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_the_search_finds_each_form_in_each_place(form: bytes, tmp_path: Path) -> None:
    """A mark that is planted as a file's content or name, in a process or in an answer is seen."""
    (tmp_path / "7").mkdir()
    for name in ("comm", "cmdline", "environ"):
        (tmp_path / "7" / name).write_bytes(b"a\0" + form + b"\0")
    assert len(list(in_processes(tmp_path))) == 3
    assert len(list(in_files(tmp_path))) == 3
    (tmp_path / "packed.zst").write_bytes(bytes(cramjam.zstd.compress(form)))
    with zipfile.ZipFile(tmp_path / "pack.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("entry", form * 9)
    assert len(list(in_files(tmp_path))) == 5
    (tmp_path / os.fsdecode(form).replace("/", "_")).touch()
    assert len(list(in_files(tmp_path))) == 5 + (b"/" not in form)
    assert list(in_mapping({"page": form, "other": "x"})) == ["page"]


# What comes of a look at each of `hosts_at_fault`, and at a name that no name server has.
REASONS = {"tls_failed", "connect_refused", "blocked_reset", "response_timeout", "dns_timeout"}


async def test_a_url_shows_nowhere(
    tmp_path: Path, jars: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts, servers and roles fail, input is poison, URLs are retained and moved: no output shows a mark."""
    temporary = {path.name for path in Path(tempfile.gettempdir()).iterdir()}
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    faulty, canary = await hosts_at_fault(lab), await lab.site(canary=answer(200))
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        methodology="demo",
        topics=Topics(partitions=3),
        http=Http(port=0),
        stop_seconds=10.0,
        log=Log(level="debug"),
        retention=RetentionSection(url_days=1),
        probe=Probe(
            mode="simulated",
            nameservers=(f"127.0.0.1:{lab.names.port}",),
            canary_url=f"http://canary.example:{canary.port}/canary",
            timeout_seconds=2.0,
            resolution_seconds=0.1,
            # All hosts have one address here.
            address_concurrency=100,
            address_per_second=1000.0,
            network_concurrency=100,
            network_per_second=1000.0,
        ),
    )
    said: dict[str, bytes | str | None] = {}

    async def command(*arguments: str, stdin: bytes = b"") -> None:
        done = await takedown(settings, *arguments, stdin=stdin)
        said[" ".join(arguments[:2])] = done.out + done.err

    terminal: list[str] = []
    async with Installation(settings, durable=False, fetch=False, say=terminal.append) as running:
        await running.ready()
        case_id = running.keyring.case_id(canonical(URL))
        old = int((clock() - timedelta(days=10)).timestamp() * 1000)
        record = [structured(f"{URL}&old", 99)]
        await send(running.bootstrap_servers, record, partition=0, timestamp_ms=old)
        reports = b"".join(map(report, (URL, *faulty)))
        await command("submit", "-", "--wait", stdin=reports)
        assert f"{1 + len(faulty)} events in the ledger" in str(said["submit -"]), said
        await poison(running.bootstrap_servers)
        session = await asyncpg.connect(running.dsn)

        async def looked_at() -> bool:
            rows = await session.fetch("SELECT DISTINCT reason FROM looks")
            return {row["reason"] for row in rows} >= REASONS

        await eventually("a look met each fault", looked_at, 60)
        await session.close()

        async def refused() -> bool:
            await command("dead-letters", "list", "--json")
            return len(json.loads(str(said["dead-letters list"]))) >= len(POISON)

        await eventually("the poison is among the dead letters", refused, 90)
        processes = list(in_processes())
        await servers_away(running)
        await running.kill("ledger")
        await command("probe", stdin=URL.encode())
        await command("import", "xarf", "-", stdin=b'{"url": "%s"}' % URL.encode())
        await command("import", "tco", "-", stdin=b'{"urls": ["%s"]}' % URL.encode())
        for arguments in (
            ("case", "show", case_id, "--json"),
            ("case", "list", "--json"),
            ("report", "--json"),
            ("report", "--html", str(tmp_path / "data" / "report.html")),
            ("status", "--json"),
            ("doctor", "--json"),
            ("audit", "list"),
            ("evidence", "giant", "--out", str(tmp_path / "data" / "giant.zip")),
            ("retention", "--yes"),
        ):
            await command(*arguments)
        for name, port in running.children.ports.items():
            async with aiohttp.ClientSession() as http:
                for page in ("metrics", "healthz", "readyz", "about", "status", "status.json"):
                    try:
                        # With exemplars.
                        headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
                        address = f"http://127.0.0.1:{port}/{page}"
                        async with http.get(address, headers=headers) as page_of:
                            said[f"{name}/{page}"] = await page_of.read()
                    except aiohttp.ClientError as error:
                        said[f"{name}/{page}"] = str(error)
        for record in await read_all(running.bootstrap_servers, topics.all_names()):
            where = f"{record.topic}/{record.partition}/{record.offset}"
            said[f"key of {where}"] = record.key
            said[f"headers of {where}"] = repr(record.headers).encode()
            if not record.topic.startswith(topics.REPORTS.name):
                said[f"value of {where}"] = record.value
        said |= {f"table {name}": rows for name, rows in (await tables(running.dsn)).items()}
        processes += in_processes()
    said |= {f"terminal {number}": line for number, line in enumerate(terminal)}
    new = [path for path in Path(tempfile.gettempdir()).iterdir() if path.name not in temporary]
    files = [
        shown
        for path in new
        if path.is_file() and shows(path.read_bytes())
        for shown in [path.name]
    ]
    folders = (tmp_path / "data", tmp_path / "temporary")
    files += [shown for folder in folders for shown in in_files(folder)]
    assert [*in_mapping(said), *processes, *files] == []
    assert len(said) > 50
    assert "1 record to archives" in str(said["retention --yes"])
    assert list((tmp_path / "data" / "archives").rglob("*.zst"))
    assert "# {case_id=" in str(said["prober/metrics"])


async def hosts_at_fault(lab: Lab) -> list[str]:
    """Give URLs at ports of one host that speak no TLS, refuse, reset and are silent, and of a name without answer."""
    name = f"{HOST}.example".encode("idna").decode()
    lab.names.names |= {name: ["127.0.0.1"], "canary.example": ["127.0.0.1"]}
    lab.names.names[f"silent.{name}"] = "timeout"
    ports = [free_port(frozenset())]
    for script in (reset, silent):
        site = await lab.site()
        site.missing = script
        ports.append(site.port)
    refused, resets, hangs = ports
    # A server that speaks first is no server of TLS.
    site.servers.append(await asyncio.start_server(_say_no, "127.0.0.1", 0))
    plain = site.servers[-1].sockets[0].getsockname()[1]
    path = URL.partition(".example")[2]
    places = (
        f"https://{HOST}.example:{plain}",
        f"http://{HOST}.example:{refused}",
        f"http://{HOST}.example:{resets}",
    )
    return [
        *(f"{place}{path}" for place in (*places, f"http://{HOST}.example:{hangs}")),
        f"http://silent.{HOST}.example{path}",
    ]


async def _say_no(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"no TLS here")
    await writer.drain()
    writer.close()


def structured(url: str, number: int) -> bytes:
    """Give a report as one record."""
    event = json.loads(report(url)) | {"specversion": "1.0", "id": f"{number}", "source": "hotline"}
    return json.dumps(event).encode()


async def send(bootstrap_servers: str, values: Iterable[bytes], **place: int) -> None:
    """Put records on the topic that takes URLs."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers)
    await producer.start()
    headers = [("content-type", b"application/cloudevents+json")]
    for value in values:
        await producer.send_and_wait(topics.REPORTS.name, value, headers=headers, **place)
    await producer.stop()


async def servers_away(running: Installation) -> None:
    """Kill each server while the roles have work of it, and return when both are back."""
    values = [structured(f"{URL}&n={number}", number) for number in range(50)]
    assert running.postgres is not None
    assert running.kafka is not None
    for server, some in ((running.postgres, values[:25]), (running.kafka, values[25:])):
        await send(running.bootstrap_servers, some)
        await server.kill()
        await asyncio.sleep(1.0)
        await running.ready()


async def tables(dsn: str) -> dict[str, str]:
    """Give the text of all rows of every table of ours; sealed columns are ciphertext."""
    session = await asyncpg.connect(dsn)
    try:
        names = [
            row["name"]
            for row in await session.fetch(
                "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' "
                "AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')"
            )
        ]
        return {
            name: repr(await session.fetch(f"SELECT t::text FROM {name} AS t")) for name in names
        }
    finally:
        await session.close()


def report(url: str) -> bytes:
    """One line for `submit`."""
    data = {"reporter": "hotline", "url": url, "provider": "giant"}
    event = {"type": "takedown.report.filed.v1", "time": instant(clock()), "data": data}
    return json.dumps(event).encode() + b"\n"


POISON: tuple[bytes, ...] = (
    URL.encode(),
    json.dumps({"type": URL, "data": {}, "source": URL, "time": URL}).encode(),
    json.dumps(
        {
            "type": "takedown.report.filed.v1",
            "source": "hotline",
            "time": "2025-01-31T12:00:00Z",
            "data": {"reporter": "hotline", "url": URL.replace("/", " "), "category": URL},
        }
    ).encode(),
)


async def poison(bootstrap_servers: str) -> None:
    """Send records that can't be used, each with the URL in it."""
    await send(bootstrap_servers, POISON)
