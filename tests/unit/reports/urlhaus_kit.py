"""Dumps of URLhaus as they are published, small ones: written by hand, with hosts that are none."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from schemas.sealing import Keyring

KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"s" * 32}, active="k1")
DATED = "2026-03-09 09:28:18"
COLUMNS = (
    "id", "dateadded", "url", "url_status", "last_online", "threat", "tags", "urlhaus_link", "reporter",
)  # fmt: skip
Row = Mapping[str, str]


def row(number: int, **cells: str) -> dict[str, str]:
    """Give one row, served for an hour and gone since, but for what is said otherwise."""
    standing = {
        "id": str(number),
        "dateadded": "2026-03-08 12:00:00",
        "url": f"http://h{number}.example/bin.sh",
        "url_status": "offline",
        "last_online": "2026-03-08 13:00:00",
        "threat": "malware_download",
        "tags": "elf,mips",
        "urlhaus_link": f"https://urlhaus.example/url/{number}/",
        "reporter": "reporter-1",
    }
    return standing | cells


ROWS: Sequence[Row] = (
    row(5, url="https://h5.example/a,b;c?d=%22e%22", url_status="online", last_online=DATED),
    row(4, last_online="", tags="None"),
    row(3, url="http://192.0.2.7:8080/i", reporter="reporter-2"),
    row(2, url="http://[2001:db8::7]/i", url_status="online", last_online="2026-03-09 08:00:00"),
    row(1),
)


def box(words: str) -> str:
    """Write one line of the banner, which begins and ends in `#`."""
    return f"# {words:<61}#"


def header(columns: Iterable[str] = COLUMNS) -> str:
    """Write the line that names the columns, a comment."""
    return f"# {','.join(columns)}"


def banner(dated: str | None = DATED, kind: str = "recent URLs only") -> list[str]:
    """Write the box that stands before the rows."""
    inside = [box(f"abuse.ch URLhaus Database Dump (CSV - {kind})")]
    inside += [box(f"Last updated: {dated} (UTC)")] if dated else []
    return ["#" * 64, *inside, box(""), box("words about the terms of use"), "#" * 64, "#"]


def line(cells: Row, columns: Iterable[str] = COLUMNS) -> str:
    """Write one row, every cell in quotes."""
    return ",".join('"' + cells[name].replace('"', '""') + '"' for name in columns)


def published(
    rows: Iterable[Row] = ROWS, columns: Sequence[str] = COLUMNS, dated: str | None = DATED
) -> str:
    """Write a dump as it is published."""
    body = [line(cells, columns) for cells in rows]
    return "\r\n".join([*banner(dated), header(columns), *body, ""])


def record(cells: Row) -> dict[str, object]:
    """Write one row as the JSON dump has it: instants with their zone, null for nothing, tags as a list."""
    found: dict[str, object] = {name: text for name, text in cells.items() if name != "id"}
    for name in ("dateadded", "last_online"):
        found[name] = f"{cells[name]} UTC" if cells[name] else None
    found["tags"] = None if cells["tags"] == "None" else cells["tags"].split(",")
    return found


def as_json(rows: Iterable[Row] = ROWS) -> str:
    """Write the JSON dump: an object of id -> list of one record."""
    return json.dumps({cells["id"]: [record(cells)] for cells in rows}, indent=4)


def zipped(text: str, *names: str) -> bytes:
    """Pack a dump as the site offers it, `csv.txt` in a zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as members:
        for name in names or ("csv.txt",):
            members.writestr(name, text)
    return packed.getvalue()


def saved(folder: Path, dump: str | bytes, name: str = "csv.txt") -> Path:
    """Save a dump under a name, which says nothing of its form."""
    path = folder / name
    path.write_bytes(dump if isinstance(dump, bytes) else dump.encode("utf-8", "surrogateescape"))
    return path


def gzipped(text: str) -> bytes:
    """Pack a dump as the committed one is."""
    return gzip.compress(text.encode())
