"""The HTTP intake on loopback: who is let in, what is refused and how, and when it is acknowledged."""

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from schemas.errors import ConfigError
from schemas.events import NoticeSent, ReporterRetracted, ReportFiled
from services.intake.door.http_door import OPENAPI_PATH
from services.intake.reporter_tokens import hashed, read_tokens, write_tokens
from services.runtime.door_certificate import DoorCertificate
from tests.integration.certificates import self_signed
from tests.unit.intake.intake_kit import AT, CASE, DATA, KEYRING, URL, Door, door

REPORT = {"url": URL, "reported_at": AT, "provider": "giant", "reference": "r-1"}
NOTICE = {"case_id": CASE, "notice_id": "n-1", "provider": "giant", "sent_at": AT}


async def test_a_report_is_sealed_at_the_door(tmp_path: Path) -> None:
    """The event holds no URL, the reporter is the token's, and the receipt names case and event."""
    async with door(tmp_path) as one:
        status, receipt, _ = await one.post("/v1/reports", REPORT)
        (event,) = one.kafka.events
    assert status == 201
    assert receipt == {
        "case_id": event.case_id,
        "event_id": str(event.id),
        "type": "takedown.report.filed.v1",
    }
    assert isinstance(event.data, ReportFiled)
    assert event.data.url is None
    assert event.data.reporter == "hotline-nl"
    assert KEYRING.open(event.data.sealed_url or "", event.case_id, purpose="look").href == URL


@pytest.mark.parametrize(
    ("path", "body", "type_"),
    [
        ("/v1/notices", NOTICE, "takedown.notice.sent.v1"),
        (
            "/v1/deliveries",
            {"case_id": CASE, "notice_id": "n-1", "delivered_at": AT},
            "takedown.notice.delivered.v1",
        ),
        (
            "/v1/failures",
            {"case_id": CASE, "notice_id": "n-1", "failed_at": AT, "reason": "blocked"},
            "takedown.notice.failed.v2",
        ),
        (
            "/v1/acknowledgements",
            {"case_id": CASE, "notice_id": "n-1", "acknowledged_at": AT},
            "takedown.notice.acknowledged.v1",
        ),
        (
            "/v1/retractions",
            {"case_id": CASE, "retracted_at": AT, "reason": "not illegal"},
            "takedown.report.retracted.v2",
        ),
    ],
)
async def test_the_fate_of_a_notice_is_told(
    tmp_path: Path, path: str, body: dict[str, Any], type_: str
) -> None:
    """Each operation makes one event about the case that it names."""
    async with door(tmp_path) as one:
        status, receipt, _ = await one.post(path, body)
        (event,) = one.kafka.events
    assert (status, receipt["type"], event.type, event.case_id) == (201, type_, type_, CASE)


async def test_a_notice_may_have_a_span(tmp_path: Path) -> None:
    """Where the sender knows no more than the day."""
    body = NOTICE | {"earliest": "2026-02-28T11:00:00Z"}
    async with door(tmp_path) as one:
        await one.post("/v1/notices", body)
        (event,) = one.kafka.events
    assert isinstance(event.data, NoticeSent)
    assert event.earliest is not None
    assert (event.time - event.earliest).days == 1


async def test_a_xarf_report_comes_in_without_its_evidence(tmp_path: Path) -> None:
    """A document with evidence is refused as content; without it, it is a report of the token's reporter."""
    sample = json.loads((DATA / "xarf/v4.2/content-csam.json").read_text())
    async with door(tmp_path) as one:
        status, problem, _ = await one.post("/v1/xarf", sample)
        assert (status, problem["type"]) == (422, "urn:takedown:problem:content")
        sample.pop("evidence")
        assert (await one.post("/v1/xarf", sample))[0] == 201
        (event,) = one.kafka.events
    assert event.data.reporter == "hotline-nl"


def changed(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in (REPORT | changes).items() if v is not None}


@pytest.mark.parametrize(
    ("body", "status", "word", "says"),
    [
        (b"{", 400, "bad_json", "UTF-8"),
        (b'{"url": "\xff"}', 400, "bad_json", "UTF-8"),
        (b"[]", 422, "bad_field", "object"),
        (b"[" * 5_000, 400, "bad_json", "UTF-8"),
        (changed(url=None), 422, "bad_field", "url"),
        (changed(reported_at=None), 422, "bad_field", "reported_at"),
        (changed(reported_at="2026-03-01T11:00:00"), 422, "bad_field", "timezone"),
        (changed(reported_at="2026-03-03T11:00:00Z"), 422, "unusable", "future"),
        (changed(reported_at="1970-01-01T00:00:00Z"), 422, "unusable", "1990"),
        (changed(refrence="x"), 422, "bad_field", "did you mean `reference`"),
        (changed(screenshot="x"), 422, "content", "`screenshot`"),
        (changed(evidence=[{"payload": "x"}]), 422, "content", "`evidence`"),
        (changed(image_base64="x"), 422, "content", "never taken"),
        (changed(category="No Slug"), 422, "bad_field", "small letters, digits"),
        (changed(reported_at="01/03/2026 11:00"), 422, "bad_field", "2026-03-01T12:00:00Z"),
        ([REPORT, REPORT], 422, "bad_field", "one statement a request"),
        (changed(not_measurable="secret"), 422, "bad_field", "one of private"),
        (changed(reference="see https://marker.example/"), 422, "unusable", "reference"),
        (changed(reference="a\x00b"), 422, "unusable", "NUL"),
        (changed(url="data:image/png;base64,AAAA"), 422, "unusable", "host"),
        (changed(url="not a url"), 422, "unusable", "white space"),
        (changed(seen_online_at="2026-03-01T11:30:00Z"), 422, "unusable", "seen_online_at"),
        (changed(earliest="2026-03-01T11:30:00Z"), 422, "unusable", "earliest"),
    ],
)
async def test_a_body_that_can_not_be_used_says_why(
    tmp_path: Path, body: Any, status: int, word: str, says: str
) -> None:
    """As a problem document that names the fault and never repeats a value; nothing is recorded."""
    async with door(tmp_path) as one:
        found, problem, headers = await one.post("/v1/reports", body)
        assert one.kafka.events == []
    assert (found, problem["type"]) == (status, f"urn:takedown:problem:{word}")
    assert headers["Content-Type"] == "application/problem+json"
    assert says in problem["detail"]
    assert "marker" not in json.dumps(problem)
    assert problem["status"] == status


@pytest.mark.parametrize(
    ("headers", "status", "word"),
    [
        ({"Authorization": ""}, 401, "unauthorised"),
        ({"Authorization": "Bearer tkd_unknown"}, 401, "unauthorised"),
        ({"Authorization": "Basic eDp5"}, 401, "unauthorised"),
        ({"Content-Type": "image/png"}, 415, "media_type"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "media_type"),
        ({"Content-Encoding": "gzip"}, 415, "encoding"),
        ({"Idempotency-Key": "a b"}, 422, "bad_field"),
    ],
)
async def test_a_head_that_is_refused(
    tmp_path: Path, headers: dict[str, str], status: int, word: str
) -> None:
    """Unknown reporters, content of any kind, compressed bodies, keys of another form."""
    async with door(tmp_path) as one:
        found, problem, answered = await one.post("/v1/reports", REPORT, headers)
        assert one.kafka.events == []
    assert (found, problem["type"]) == (status, f"urn:takedown:problem:{word}")
    assert ("WWW-Authenticate" in answered) is (status == 401)


async def test_paths_and_methods_are_told(tmp_path: Path) -> None:
    """Another path is 404, another method 405 with what is allowed; the contract is there for everybody."""
    async with door(tmp_path) as one:
        assert (await one.post("/v1/report", REPORT))[0] == 404
        assert (await one.post("/v1/openapi.json", REPORT))[0] == 405
        session = one._session
        async with session.get(f"{one.url}/v1/reports") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        async with session.get(f"{one.url}/v1/openapi.json") as answer:
            assert (await answer.json())["openapi"] == "3.1.0"


async def test_a_key_stands_for_one_body(tmp_path: Path) -> None:
    """The same request again has the same answer and is recorded once; another body is refused."""
    key = {"Idempotency-Key": "k-1"}
    async with door(tmp_path) as one:
        first = await one.post("/v1/reports", REPORT, key)
        again = await one.post("/v1/reports", REPORT, key)
        other = await one.post("/v1/reports", changed(reference="r-2"), key)
        assert len(one.kafka.events) == 1
    assert first[1] == again[1]
    assert again[2]["Idempotency-Replayed"] == "true"
    assert (other[0], other[1]["type"]) == (422, "urn:takedown:problem:key_reused")


async def test_a_reporter_retracts_in_its_own_name(tmp_path: Path) -> None:
    """Whose reports are taken back says the token; a body that names another is refused, and so is a URL."""
    body = {"case_id": CASE, "retracted_at": AT, "reason": "not illegal"}
    async with door(tmp_path) as one:
        assert (await one.post("/v1/retractions", body))[0] == 201
        for wrong in ({"reporter": "another"}, {"reason": f"see {URL}"}):
            status, problem, _ = await one.post("/v1/retractions", body | wrong)
            assert status == 422
            assert "marker" not in str(problem)
        (event,) = one.kafka.events
    assert event.data == ReporterRetracted(reporter="hotline-nl", reason="not illegal")


async def test_the_door_speaks_tls(tmp_path: Path) -> None:
    """With a certificate it answers HTTPS alone, and a renewed one is taken over; a broken one changes nothing."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        self_signed(folder)
    pair, pem = tmp_path / "pair.pem", [(one / "pair.pem").read_bytes() for one in (old, new)]
    pair.write_bytes(pem[0])
    certificate = DoorCertificate(pair, pair)
    async with door(tmp_path, tls=certificate.context) as one:

        async def shown() -> bytes:
            return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", one.port))

        async def status(url: str) -> int:
            async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as answer:
                return answer.status

        assert await status(f"https://127.0.0.1:{one.port}{OPENAPI_PATH}") == 200
        with pytest.raises(aiohttp.ClientError):
            await status(f"http://127.0.0.1:{one.port}{OPENAPI_PATH}")
        first = await shown()
        pair.write_bytes(b"no certificate")
        await certificate.check()
        await certificate.check()
        assert await shown() == first
        pair.write_bytes(pem[1])
        await certificate.check()
        await certificate.check()
        assert await shown() != first


def test_a_certificate_that_can_not_be_used_is_a_wrong_setting(tmp_path: Path) -> None:
    """It is refused at the start, in words that repeat nothing of it."""
    (tmp_path / "pair.pem").write_bytes(b"marker")
    with pytest.raises(ConfigError, match="TAKEDOWN_INTAKE_CERTIFICATE_FILE") as error:
        DoorCertificate(tmp_path / "pair.pem", tmp_path / "pair.pem")
    assert "marker" not in str(error.value)


async def test_the_same_statement_is_the_same_event(tmp_path: Path) -> None:
    """Without a key, or after a restart that forgot it: the ledger takes the event once."""
    async with door(tmp_path, remembered_keys=1) as one:
        for key in ("k-1", "k-2", "k-1"):
            await one.post("/v1/reports", REPORT, {"Idempotency-Key": key})
        assert len({event.id for event in one.kafka.events}) == 1
        assert len(one.kafka.events) == 3


async def test_nothing_is_acknowledged_that_kafka_has_not(tmp_path: Path) -> None:
    """While Kafka does not confirm, the answer is 503 with a time to wait, and the same may be sent again."""
    async with door(tmp_path, acknowledge_seconds=0.05) as one:
        one.kafka.waits = asyncio.Event().wait
        status, problem, headers = await one.post("/v1/reports", REPORT)
        assert (status, problem["type"]) == (503, "urn:takedown:problem:not_recorded")
        assert int(headers["Retry-After"]) >= 1
        one.kafka.waits = None
        assert (await one.post("/v1/reports", REPORT))[0] == 201


async def test_a_fault_of_ours_is_a_problem_document_too(tmp_path: Path) -> None:
    """What breaks inside says nothing of itself, and is not acknowledged."""

    async def broken() -> None:
        raise ValueError(URL)

    async with door(tmp_path) as one:
        one.kafka.waits = broken
        status, problem, _ = await one.post("/v1/reports", REPORT)
    assert (status, problem["type"]) == (500, "urn:takedown:problem:failed")
    assert "marker" not in json.dumps(problem)


async def test_a_reporter_has_a_rate(tmp_path: Path) -> None:
    """Beyond the burst the answer is 429 with a time to wait."""
    async with door(tmp_path, burst=2, requests_per_second=0.1) as one:
        found = [(await one.post("/v1/reports", REPORT))[0] for _ in range(3)]
        _, _, headers = await one.post("/v1/reports", REPORT)
    assert found == [201, 201, 429]
    assert int(headers["Retry-After"]) >= 5


async def test_too_many_at_once_are_told_to_come_back(tmp_path: Path) -> None:
    """What is in hand is finished; the next is answered at once."""
    async with door(tmp_path, concurrency=1) as one:
        gate, entered = asyncio.Event(), asyncio.Event()

        async def waits() -> None:
            entered.set()
            await gate.wait()

        one.kafka.waits = waits
        first = asyncio.create_task(one.post("/v1/reports", REPORT))
        await entered.wait()
        status, problem, _ = await one.post("/v1/reports", REPORT)
        gate.set()
        assert (await first)[0] == 201
    assert (status, problem["type"]) == (503, "urn:takedown:problem:busy")


async def test_tokens_change_while_the_door_is_open(tmp_path: Path) -> None:
    """A token that was taken back is not known any more; one that was added is."""
    path = tmp_path / "tokens.toml"
    async with door(tmp_path) as one:
        write_tokens(path, {hashed("tkd_other"): "hotline-de"})
        assert (await one.post("/v1/reports", REPORT))[0] == 401
        one.token = "tkd_other"
        assert (await one.post("/v1/reports", REPORT))[0] == 201
        path.write_text("broken [")
        assert (await one.post("/v1/notices", NOTICE))[0] == 201
    assert one.kafka.events[0].data.reporter == "hotline-de"


def test_the_file_holds_no_token(tmp_path: Path) -> None:
    """Only hashes, readable by its owner alone."""
    path = tmp_path / "tokens.toml"
    write_tokens(path, {hashed("tkd_secret"): "hotline-nl", hashed("tkd_two"): "hotline-nl"})
    assert "secret" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert set(read_tokens(path).values()) == {"hotline-nl"}


# -- what is no request ------------------------------------------------------------------------------


async def raw(one: Door, sent: bytes, *, end: bool = False) -> tuple[int, dict[str, Any]]:
    """Send bytes, and give status and problem of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
    try:
        writer.write(sent)
        if end:
            writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def head(one: Door, length: int, *more: str) -> bytes:
    fields = [
        "POST /v1/reports HTTP/1.1", "Host: x", f"Authorization: Bearer {one.token}",
        "Content-Type: application/json", f"Content-Length: {length}", *more,
    ]  # fmt: skip
    return "\r\n".join([*fields, "", ""]).encode()


async def test_a_body_above_the_limit_is_not_read(tmp_path: Path) -> None:
    """Announced or not, one byte too many ends in 413."""
    async with door(tmp_path, body_bytes=100) as one:
        assert (await raw(one, head(one, 101)))[0] == 413
        chunked = head(one, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        status, problem = await raw(one, chunked + b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n")
    assert (status, problem["type"]) == (413, "urn:takedown:problem:too_large")


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    """A half-sent body ends in 408 at the limit, and nothing is recorded."""
    async with door(tmp_path, body_seconds=0.05) as one:
        status, problem = await raw(one, head(one, 50) + b'{"url"')
        assert one.kafka.events == []
    assert (status, problem["type"]) == (408, "urn:takedown:problem:too_slow")


async def test_a_head_that_does_not_end_is_not_waited_for(tmp_path: Path) -> None:
    """A half-sent head ends in 408 at the limit."""
    async with door(tmp_path, header_seconds=0.05) as one:
        status, problem = await raw(one, b"POST /v1/reports HTTP/1.1\r\nHost: x\r\n")
    assert (status, problem["type"]) == (408, "urn:takedown:problem:too_slow")


@pytest.mark.parametrize(
    "sent",
    [
        b"NO HTTP AT ALL\r\n\r\n",
        b"POST /v1/reports HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 9_000 + b"\r\n\r\n",
        b"POST /v1/reports HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/reports HTTP/1.1\r\n" + b"A: 1\r\n" * 65 + b"\r\n",
    ],
)
async def test_what_is_no_request_is_a_problem_document(tmp_path: Path, sent: bytes) -> None:
    """A broken line, one that is too long, a length that is none, too many fields."""
    async with door(tmp_path) as one:
        status, problem = await raw(one, sent)
    assert (status, problem["type"]) == (400, "urn:takedown:problem:bad_request")


async def test_more_connections_than_allowed_are_told_so(tmp_path: Path) -> None:
    """Those that are open go on."""
    async with door(tmp_path, connections=1) as one:
        _, held = await asyncio.open_connection("127.0.0.1", one.port)
        status, problem = await raw(one, b"")
        held.close()
    assert (status, problem["type"]) == (503, "urn:takedown:problem:busy")
