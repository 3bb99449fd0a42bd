"""The readers of foreign bytes, each with what it may raise; anything else that comes out of one is a fault of ours.

Where two readers of ours, or one of ours and a library, must say the same, that is held here too.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args
from zoneinfo import ZoneInfo

import dns.exception
import dns.message

from consumers.record.admission import Admission
from schemas import topics
from schemas.codec import payload
from schemas.errors import BadUrl, ConfigError, TakedownError, UnusableEvent
from schemas.methodology import parse
from schemas.urls import canonical
from services.attribution.cymru import OriginFault, read_origin
from services.attribution.providermap import ProviderMap
from services.attribution.rdap.abuse import abuse_mailboxes
from services.attribution.rdap.bootstrap import parse_bootstrap
from services.attribution.rdap.fault import RdapFault
from services.attribution.rdap.rdap_answer import read_rdap
from services.cli.import_dsa import NoDump, records_of
from services.intake.decision_subjects import BadSubjects, read_subjects
from services.intake.documents import NoDocuments, documents
from services.intake.door.door_operations import OPERATIONS, statement_of
from services.intake.door.problems import DoorRefusal
from services.intake.entries import IntakeEntry
from services.intake.hoster_names import HosterNames
from services.intake.intake_statements import incoming
from services.intake.named_entries import Naming
from services.intake.removal_orders import order_entries
from services.intake.scart import BadExport, file_numbers, read_export, read_table
from services.intake.statements_of_reasons import SubjectOfDecision, reasons_entries
from services.intake.xarf import xarf_entries
from services.notices.mail_reading import read_mail
from services.notices.mail_sources import mails_of
from services.probing.dns.answers import QueryAnswer, read_answer
from services.probing.dns.messages import answers, question_of, read_plain
from services.probing.http.exchange import Method, _reply
from services.probing.http.head import BadHead, begins_like_head, read_head, read_plain_head
from services.reports.reconcile_list import BadList, ListLayout, read_list
from services.reports.urlhaus.dump import rows
from services.reports.urlhaus.dumpfile import BadDump
from services.reports.urlhaus.entry import RefusedRow
from services.runtime.settings import constraints, examine
from tests.fuzzing.records import KEYRING, record_of

ZONE = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADDRESS = "192.0.2.7"
HOST = "www.host.example"
_ADMISSION = Admission(KEYRING)
_HOSTERS = HosterNames({"giant hosting": "giant"}, {})
_SUBJECTS = {"p-1": SubjectOfDecision(case_id="a" * 32)}
_FOLDER = TemporaryDirectory(prefix="fuzzing-")
# What comes with the program is no input: reading it once makes the reader of settings thirty times as fast.
constraints.shipped = cache(constraints.shipped)  # type: ignore[attr-defined]
SHAPES = {"A": question_of(HOST, "A"), "AAAA": question_of(HOST, "AAAA")}


class Shown(AssertionError):
    """A message for people, or a log, that repeats a URL which it was given."""


def _silent(text: object) -> None:
    if "://" in str(text):
        raise Shown(str(text))


def codec(raw: bytes) -> None:
    """Read a record in both modes on every topic, name it, and read its data alone, which must agree."""
    for topic in topics.TOPICS:
        record = record_of(raw, topic.name)
        try:
            event = _ADMISSION.admit(record)
        except UnusableEvent as error:
            _silent(error)
        else:
            _silent(repr(event.case_id))
        try:
            payload(record.value, record.headers, topic)
        except UnusableEvent as error:
            _silent(error)


def urls(raw: bytes) -> None:
    """Canonicalise a URL: the same again gives the same, and no refusal repeats it."""
    text = raw.decode("utf-8", "surrogateescape")
    try:
        url = canonical(text)
    except BadUrl as error:
        _silent(error)
        return
    again = canonical(url.href)
    assert (again.href, again.host, again.port) == (url.href, url.host, url.port)
    assert KEYRING.open(KEYRING.seal(url), KEYRING.case_id(url), purpose="look") == again


def _entries(listed: Iterable[IntakeEntry]) -> None:
    """Name what an import reads; whatever is refused is said without the URL."""
    for named in Naming(_ADMISSION.name, "fuzzing", {}).named(listed):
        _silent(named.entry.why)
        _silent(named.entry.claims)


def scart(raw: bytes) -> None:
    """Read an export of SCART."""
    try:
        table = read_table(raw.decode("utf-8", "replace"))
        file_numbers(table)
        _entries(read_export(table, ZONE, _HOSTERS))
    except BadExport as error:
        _silent(error)


def xarf(raw: bytes) -> None:
    """Read XARF documents."""
    try:
        _entries(xarf_entries(documents(raw)))
    except NoDocuments as error:
        _silent(error)


def orders(raw: bytes) -> None:
    """Read removal orders."""
    try:
        _entries(order_entries(documents(raw), ZONE, _HOSTERS))
    except NoDocuments as error:
        _silent(error)


def reasons(raw: bytes) -> None:
    """Read statements of reasons, JSON or CSV, and the table of what they are about."""
    try:
        listed = records_of(_written(raw))
        _entries(reasons_entries(listed(), _SUBJECTS, ZONE, "platform"))
    except (NoDocuments, NoDump) as error:
        _silent(error)
    try:
        read_subjects(io.StringIO(raw.decode("utf-8", "replace"), newline=""))
    except BadSubjects as error:
        _silent(error)


def urlhaus(raw: bytes) -> None:
    """Read a dump of URLhaus, packed or not."""
    try:
        for row in rows(_written(raw), KEYRING, now=NOW):
            _silent(row.message if isinstance(row, RefusedRow) else "")
    except BadDump as error:
        _silent(error)


def reconcile(raw: bytes) -> None:
    """Read a provider's own list."""
    text = io.StringIO(raw.decode("utf-8", "surrogateescape"), newline="")
    try:
        read_list(text, ZONE, ListLayout())
    except BadList as error:
        _silent(error)


def _written(raw: bytes) -> Path:
    path = Path(_FOLDER.name) / "input"
    path.write_bytes(raw)
    return path


def door(raw: bytes) -> None:
    """Read the body of a request at every operation of the intake, and name what it states."""
    for operation in OPERATIONS.values():
        try:
            _ADMISSION.name(incoming(statement_of(operation, raw, "hotline"), "fuzzing"))
        except (DoorRefusal, UnusableEvent) as error:
            _silent(error)


def mail(raw: bytes) -> None:
    """Read a mailbox, and every mail in it."""
    for one in mails_of(io.BytesIO(raw)):
        read_mail(one.raw)
    read_mail(raw)


def settings(raw: bytes) -> None:
    """Read settings: a file first, and after an empty line the environment."""
    toml, _, lines = raw.partition(b"\n\n\n")
    path = _written(toml)
    environment = {"TAKEDOWN_CONFIG": str(path)} if toml else {}
    for line in lines.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition("=")
        # Which files there are is no matter of parsing.
        if name.startswith("TAKEDOWN_") and not name.endswith("_FILE"):
            environment[name] = value
    found, problems = examine(environment)
    assert all(isinstance(problem, str) for problem in problems)
    repr(found)


def methodology(raw: bytes) -> None:
    """Read a methodology."""
    _refusing(ConfigError, lambda: parse(raw.decode("utf-8", "replace"), "fuzzing"))


def _refusing(kind: type[TakedownError], work: Callable[[], object]) -> None:
    try:
        work()
    except kind as error:
        str(error)


def dns_answers(raw: bytes) -> None:
    """Read a datagram as an answer to our question; where the fast reader takes it, dnspython says the same."""
    for question in SHAPES.values():
        data = raw[:2] + b"\x81\x80\x00\x01" + raw[2:8] + question + raw[8:]
        for datagram in (data, raw):
            if len(datagram) >= 4 and answers(datagram, int.from_bytes(datagram[:2]), question):
                _read_alike(datagram, question)


def _read_alike(data: bytes, question: bytes) -> None:
    plain = read_plain(data, HOST, question)
    try:
        message = dns.message.from_wire(data, ignore_trailing=False, raise_on_truncation=False)
        answer, end = read_answer(message, HOST)
    except (dns.exception.DNSException, ValueError, IndexError):
        assert plain is None
        return
    if plain is not None and _is_asked_for(message):
        assert _plainly(answer, end) == tuple(plain), (answer, end, plain)


def _is_asked_for(message: dns.message.Message) -> bool:
    return len(message.question) == 1


def _plainly(answer: QueryAnswer, end: str) -> tuple[object, ...]:
    return answer.values, answer.chain, answer.ttl, end


def head(raw: bytes) -> None:
    """Read a header block; where the fast reader takes it, the other says the same."""
    begins_like_head(raw)
    block = raw if raw.endswith((b"\n\r\n", b"\n\n")) else raw + b"\r\n\r\n"
    plain = read_plain_head(block)
    try:
        read = read_head(block)
    except BadHead:
        assert plain is None
        return
    assert plain is None or plain == read
    for method in get_args(Method):
        reply = _reply(method, read, {})
        json.dumps([reply.content_type, reply.location, reply.server_class, reply.last_modified])
        assert reply.location is None or reply.location.isascii()


def rdap(raw: bytes) -> None:
    """Read what a registry answers, and its table of registries."""
    try:
        abuse_mailboxes(read_rdap(raw))
    except RdapFault as error:
        str(error)
    try:
        parse_bootstrap(raw)
    except RdapFault as error:
        str(error)


def cymru(raw: bytes) -> None:
    """Read the records of an origin answer."""
    _refusing(OriginFault, lambda: read_origin(raw.decode("utf-8", "replace").split("\n"), ADDRESS))


def provider_map(raw: bytes) -> None:
    """Read a provider map, TOML or CSV, and ask it."""
    try:
        parsed = ProviderMap.parse(raw.decode("utf-8", "replace"))
    except ConfigError as error:
        str(error)
        return
    parsed.provider_at(ADDRESS, NOW)
    for fault in parsed.faults:
        str(fault.text)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "codec": codec,
    "urls": urls,
    "scart": scart,
    "xarf": xarf,
    "orders": orders,
    "reasons": reasons,
    "urlhaus": urlhaus,
    "reconcile": reconcile,
    "door": door,
    "mail": mail,
    "settings": settings,
    "methodology": methodology,
    "dns": dns_answers,
    "head": head,
    "rdap": rdap,
    "cymru": cymru,
    "map": provider_map,
}
"""Every reader by the name that the command line knows."""
