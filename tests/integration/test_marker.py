"""A URL with marks in its host, path and query goes through a whole installation and its troubles, and shows nowhere.

Searched are all files of the data directory but the servers' own stores, the command lines, titles and environments of
all processes, Kafka's keys and headers, what every page and command says. Where a URL may stand is named at `STORES`.
"""

import base64
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from schemas import topics
from schemas.ids import instant
from schemas.urls import canonical
from services.runtime.installation import Installation
from services.runtime.settings import Http, Settings, Topics
from tests.commands import takedown
from tests.integration.ledger_kit import clock
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
    """Name the files whose name or content shows a mark, but for the servers' stores."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name.startswith(STORES):
            continue
        if shows(name) or (path.is_file() and shows(path.read_bytes())):
            yield f"file {name}"


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
    (tmp_path / os.fsdecode(form).replace("/", "_")).touch()
    assert len(list(in_files(tmp_path))) == 3 + (b"/" not in form)
    assert list(in_mapping({"page": form, "other": "x"})) == ["page"]


async def test_a_url_shows_nowhere(tmp_path: Path, jars: Path) -> None:
    """A report, poison, refused imports, a look without a name server and a killed role: no output shows a mark."""
    temporary = {path.name for path in Path(tempfile.gettempdir()).iterdir()}
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        topics=Topics(partitions=3),
        http=Http(port=0),
        stop_seconds=10.0,
    )
    said: dict[str, bytes | str | None] = {}

    async def command(*arguments: str, stdin: bytes = b"") -> None:
        done = await takedown(settings, *arguments, stdin=stdin)
        said[" ".join(arguments[:2])] = done.out + done.err

    terminal: list[str] = []
    async with Installation(settings, durable=False, fetch=False, say=terminal.append) as running:
        await running.ready()
        case_id = running.keyring.case_id(canonical(URL))
        await command("submit", "-", "--wait", stdin=report())
        assert "1 event in the ledger" in str(said["submit -"]), said
        await poison(running.bootstrap_servers)

        async def refused() -> bool:
            await command("dead-letters", "list", "--json")
            return len(json.loads(str(said["dead-letters list"]))) >= len(POISON)

        await eventually("the poison is among the dead letters", refused, 90)
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
        ):
            await command(*arguments)
        for name, port in running.children.ports.items():
            async with aiohttp.ClientSession() as session:
                for page in ("metrics", "healthz", "readyz", "about", "status", "status.json"):
                    try:
                        async with session.get(f"http://127.0.0.1:{port}/{page}") as answer:
                            said[f"{name}/{page}"] = await answer.read()
                    except aiohttp.ClientError as error:
                        said[f"{name}/{page}"] = str(error)
        for record in await read_all(running.bootstrap_servers, topics.all_names()):
            where = f"{record.topic}/{record.partition}/{record.offset}"
            said[f"key of {where}"] = record.key
            said[f"headers of {where}"] = repr(record.headers).encode()
            if not record.topic.startswith(topics.REPORTS.name):
                said[f"value of {where}"] = record.value
        said |= {f"table {name}": rows for name, rows in (await tables(running.dsn)).items()}
        processes = list(in_processes())
    said |= {f"terminal {number}": line for number, line in enumerate(terminal)}
    new = [path for path in Path(tempfile.gettempdir()).iterdir() if path.name not in temporary]
    files = [
        shown
        for path in new
        if path.is_file() and shows(path.read_bytes())
        for shown in [path.name]
    ]
    shown = [*in_mapping(said), *in_files(tmp_path / "data"), *processes, *files]
    assert shown == []
    assert len(said) > 50


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


def report() -> bytes:
    """One line for `submit`."""
    data = {"reporter": "hotline", "url": URL, "provider": "giant"}
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
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers)
    await producer.start()
    structured = [("content-type", b"application/cloudevents+json")]
    for value in POISON:
        await producer.send_and_wait(topics.REPORTS.name, value, headers=structured)
    await producer.stop()
