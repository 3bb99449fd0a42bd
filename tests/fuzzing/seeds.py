"""What each reader is first given: contracts, samples and forms that the tests have already."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from services.probing.dns.messages import question_of
from services.runtime.settings import catalogue
from tests.fuzzing.stories import stories
from tests.mailcorpus import corpus
from tests.unit.attribution.rdap_kit import entity, network

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
SCHEMAS = HERE.parents[1] / "schemas"
URL = "https://host.example/a?b=1"
EVENT = {
    "type": "takedown.report.filed.v1",
    "source": "hotline",
    "time": "2026-03-01T11:00:00Z",
    "data": {"reporter": "hotline", "category": "csam", "url": URL, "provider": "giant"},
}
HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.2\r\nContent-Type: image/jpeg; a=b\r\nContent-Length: 7\r\n"
    b'ETag: "a"\r\nLast-Modified: Sat, 31 Jan 2026 12:00:00 GMT\r\nConnection: keep-alive\r\n\r\n'
)
REDIRECT = (
    b"HTTP/1.1 302\r\nLocation: /a b\xe9\r\nRetry-After: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
)
MAP = """[[provider]]
id = "giant"
asn = [64500]
name = "Giant"
[[provider.prefix]]
cidr = "192.0.2.0/24"
valid_from = 2024-01-01T00:00:00Z
[[provider.reseller]]
id = "small"
cidr = ["192.0.2.0/28"]
accounts = ["c1-c9"]
"""


def _codec() -> Iterator[bytes]:
    for path in sorted((SCHEMAS / "golden" / "v1").glob("*.json")):
        golden = json.loads(path.read_text())
        lines = "\n".join(f"{name}: {text}" for name, text in golden["headers"])
        yield f"{lines}\n\n{json.dumps(golden['value'])}".encode()
    yield json.dumps(EVENT).encode()


def _urls() -> Iterator[bytes]:
    forms = (URL, "hxxps://host[.]example:8443/%7Ea/../b#!x", "http://user:pw@[2001:db8::7]/\u00e9")
    return (
        text.encode() for text in (*forms, "http://b\u00fccher.example.:80", "ftp://a.example/")
    )


def _scart() -> Iterator[bytes]:
    return (path.read_bytes()[:3000] for path in sorted((DATA / "scart").glob("*.csv")))


def _xarf() -> Iterator[bytes]:
    return (path.read_bytes() for path in sorted((DATA / "xarf").glob("v*/*.json")))


def _orders() -> Iterator[bytes]:
    order = {
        "reference": "RO-1",
        "authority": "Authority",
        "urls": [URL],
        "issued_at": "2026-03-01T10:00:00+01:00",
        "received_at": "2026-03-01 09:20:00",
        "removed_at": "2026-03-01",
        "provider": "giant",
    }
    yield json.dumps(order).encode()
    yield json.dumps([order, order]).encode()


def _reasons() -> Iterator[bytes]:
    record = {
        "puid": "p-1",
        "platform_name": "Platform",
        "application_date": "2026-03-01",
        "created_at": "2026-03-01 10:00:00",
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
        "category": "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
    }
    yield json.dumps(record).encode()
    flat = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in record.items()
    }
    yield (",".join(flat) + "\n" + ",".join(f'"{v}"' for v in flat.values()) + "\n").encode()
    yield b"puid,case_id,notice_id\np-1," + b"a" * 32 + b",n-1\n"


def _urlhaus() -> Iterator[bytes]:
    row = ("1", "2026-02-08 12:00:00", URL, "offline", "2026-02-08 13:00:00", "x", "y", "z", "who")
    columns = "id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter"
    quoted = ",".join(f'"{cell}"' for cell in row)
    yield f"# Last updated: 2026-02-09 09:28:18 (UTC) #\n# {columns}\n{quoted}\r\n".encode()
    named = dict(zip(columns.split(","), row, strict=True))
    yield json.dumps({"1": [named]}).encode()


def _reconcile() -> Iterator[bytes]:
    yield (
        b"notice_id;received_at;removed_at;case_id\nn-1;2026-03-01T10:00:00Z;2026-03-02;"
        + b"a" * 32
    )
    yield b'notice_id,received_at\n"n-1","2026-03-01 10:00"\n'


def _door() -> Iterator[bytes]:
    case = {"case_id": "a" * 32, "notice_id": "n-1", "provider": "giant", "channel": "email"}
    yield json.dumps(
        {"url": URL, "reported_at": "2026-03-01T10:00:00Z", "category": "csam"}
    ).encode()
    for name in ("sent_at", "delivered_at", "failed_at", "acknowledged_at"):
        yield json.dumps(case | {name: "2026-03-01T10:00:00Z", "reason": "quota"}).encode()
    yield from _xarf()


def _mail() -> Iterator[bytes]:
    return (one.raw[:4000] for one in corpus()[:60])


def _settings() -> Iterator[bytes]:
    yield b'[kafka]\nbootstrap_servers = "a:1"\n[probe]\nports = [80]\n\n\n\nTAKEDOWN_PROBE_MODE=off'
    lines = [f"{one.variable}={one.default}" for one in catalogue()]
    yield ("\n\n\n" + "\n".join(lines)).encode()


def _methodology() -> Iterator[bytes]:
    return (path.read_bytes() for path in sorted((SCHEMAS / "methodologies").glob("*.toml")))


def _dns() -> Iterator[bytes]:
    # Id, the counts of the three sections, and what follows the question.
    address = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07"
    six = b"\xc0\x0c\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10" + bytes(15) + b"\x01"
    alias = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x01a\xc0\x10"
    other = b"\x01a\xc0\x10\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07"
    opt = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
    yield b"\x00\x07\x00\x01\x00\x00\x00\x00" + address
    yield b"\x00\x07\x00\x01\x00\x00\x00\x00" + six
    yield b"\x00\x07\x00\x02\x00\x00\x00\x01" + alias + other + opt
    yield b"\x00\x07\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00" + question_of("www.host.example", "A")


def _head() -> Iterator[bytes]:
    return iter((HEAD, REDIRECT, b"ICY 206\nContent-Range: bytes 0-0/5\n\n"))


def _rdap() -> Iterator[bytes]:
    yield network(entity("abuse", mail="abuse@host.example"), entity("registrant"))
    yield b'{"services": [[["192.0.2.0/24"], ["https://rdap.example/"]]], "publication": "2026"}'


def _cymru() -> Iterator[bytes]:
    yield b"64500 64501 | 192.0.2.0/24 | NL | ripencc | 2010-07-14\n{64502} | 192.0.0.0/16 | US"


def _map() -> Iterator[bytes]:
    yield MAP.encode()
    yield b"prefix,provider,valid_from,role\n192.0.2.0/24,giant,2024-01-01,edge\n"


SEEDS: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "codec": _codec,
    "urls": _urls,
    "scart": _scart,
    "xarf": _xarf,
    "orders": _orders,
    "reasons": _reasons,
    "urlhaus": _urlhaus,
    "reconcile": _reconcile,
    "door": _door,
    "mail": _mail,
    "settings": _settings,
    "methodology": _methodology,
    "dns": _dns,
    "head": _head,
    "rdap": _rdap,
    "cymru": _cymru,
    "map": _map,
    "sql": stories,
}
"""First inputs by the name of the reader."""
