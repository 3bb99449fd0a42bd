"""One request of a reporter, from its head to its answer: what is refused, in which order, and what is recorded.

Refused is as early as can be: path and method, token, rate, kind and size of the body, all before a byte of it is read.
The answer 201 is given once `record` has returned, that is, once Kafka has the event on all replicas.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec
import structlog
from aiohttp import web

from schemas.errors import ConfigError, UnusableEvent
from schemas.events import Event
from services.exporter import metrics
from services.intake.door.bodies import Receipt
from services.intake.door.door_limits import DoorLimits, Quotas
from services.intake.door.door_operations import OPERATIONS, Operation, statement_of
from services.intake.door.idempotency import RememberedKeys
from services.intake.door.openapi import document
from services.intake.door.problems import DoorRefusal
from services.intake.intake_statements import Admit, incoming
from services.intake.reporter_tokens import ReporterTokens

log = structlog.get_logger(__name__)

OPENAPI_PATH = "/v1/openapi.json"
# A clock may be wrong by a zone; no statement is of next week.
MOST_AHEAD = timedelta(days=1)
_KEY = re.compile(r"[!-~]{1,200}")
_BEARER = re.compile(r"Bearer +([!-~]{1,500})", re.I)
_JSON = re.compile(r"application/(?:[\w.-]+\+)?json", re.I)

Record = Callable[[Event], Awaitable[None]]
"""Returns once the event is on all replicas; raises `TimeoutError` where that takes too long."""


class HttpDoor:
    """Answers requests; everything it needs is passed in."""

    def __init__(
        self,
        tokens: ReporterTokens,
        admit: Admit,
        record: Record,
        limits: DoorLimits,
        clock: Callable[[], datetime],
    ) -> None:
        self._tokens = tokens
        self._admit = admit
        self._record = record
        self._limits = limits
        self._clock = clock
        self._quotas = Quotas(limits)
        self._keys = RememberedKeys(limits.remembered_keys)
        self._in_hand = 0
        self._document = msgspec.json.encode(document())

    def __repr__(self) -> str:
        return f"<HttpDoor {self._in_hand} in hand>"

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer a request; a refusal is a problem document."""
        try:
            response = await self._answer(request)
        except DoorRefusal as refusal:
            metrics.INTAKE_REQUESTS.labels(refusal.word).inc()
            return refused(refusal)
        metrics.INTAKE_REQUESTS.labels("accepted").inc()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path == OPENAPI_PATH:
            return self._contract(request)
        operation = _operation(request)
        reporter = self._reporter(request)
        self._quotas.take(reporter, asyncio.get_running_loop().time())
        if self._in_hand >= self._limits.concurrency:
            raise DoorRefusal("busy", "send it again in a moment", retry_after=1)
        self._in_hand += 1
        try:
            return await self._taken(request, operation, reporter)
        finally:
            self._in_hand -= 1

    def _contract(self, request: web.BaseRequest) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            raise DoorRefusal("method", "the contract is read with GET", allow=("GET", "HEAD"))
        return web.Response(body=self._document, content_type="application/json")

    def _reporter(self, request: web.BaseRequest) -> str:
        self._reread_tokens()
        match = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        reporter = None if match is None else self._tokens.reporter(match[1])
        if reporter is None:
            raise DoorRefusal(
                "unauthorised",
                "send your token as `Authorization: Bearer ...`; the operator gives one to reporters that it knows",
            )
        return reporter

    def _reread_tokens(self) -> None:
        try:
            self._tokens.refresh()
        except ConfigError:
            # The reporters that were known go on; nobody is locked out by a file that is being written.
            log.warning("intake.tokens_unreadable")

    async def _taken(
        self, request: web.BaseRequest, operation: Operation, reporter: str
    ) -> web.Response:
        key = _idempotency_key(request)
        body = await self._body(request)
        place = (reporter, operation.path, key or "")
        if key is not None and (before := self._before(place, body)) is not None:
            return _created(before, replayed=True)
        event = self._event(operation, body, reporter)
        await self._recorded(event)
        receipt = Receipt(case_id=event.case_id, event_id=event.id, type=event.type)
        answer = msgspec.json.encode(receipt)
        if key is not None:
            self._keys.keep(place, body, answer)
        return _created(answer)

    def _before(self, place: tuple[str, str, str], body: bytes) -> bytes | None:
        try:
            return self._keys.answer(place, body)
        except KeyError:
            raise DoorRefusal(
                "key_reused", "take a new `Idempotency-Key` for every new statement"
            ) from None

    def _event(self, operation: Operation, body: bytes, reporter: str) -> Event:
        statement = statement_of(operation, body, reporter)
        if statement.time.latest > self._clock() + MOST_AHEAD:
            raise DoorRefusal("unusable", "its time lies more than a day in the future")
        source = f"takedown:intake:{reporter}"
        try:
            return self._admit(incoming(statement, source, statement.case_id))
        except UnusableEvent as error:
            raise DoorRefusal("unusable", str(error)) from None
        except OverflowError:
            raise DoorRefusal("unusable", "a time is beyond the calendar in UTC") from None

    async def _recorded(self, event: Event) -> None:
        try:
            async with asyncio.timeout(self._limits.acknowledge_seconds):
                await self._record(event)
        except TimeoutError:
            log.warning("intake.not_recorded", case_id=event.case_id)
            raise DoorRefusal(
                "not_recorded",
                "Kafka has not confirmed it; send the same again, it is counted once",
                retry_after=5,
            ) from None

    async def _body(self, request: web.BaseRequest) -> bytes:
        """Read the body, so much and so long of it as is allowed."""
        _check_kind(request)
        most = self._limits.body_bytes
        if (request.content_length or 0) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await _read(request, most)
        except TimeoutError:
            raise DoorRefusal(
                "too_slow", f"the body has to arrive within {self._limits.body_seconds:g} s"
            ) from None
        except (web.RequestPayloadError, ConnectionError):
            raise DoorRefusal("bad_request", "the body ended before its end") from None


async def _read(request: web.BaseRequest, most: int) -> bytes:
    parts, size = [], 0
    while part := await request.content.readany():
        parts.append(part)
        size += len(part)
        if size > most:
            raise _too_large(most)
    return b"".join(parts)


def _too_large(most: int) -> DoorRefusal:
    return DoorRefusal("too_large", f"a statement has at most {most} bytes, and no content in it")


def _check_kind(request: web.BaseRequest) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise DoorRefusal("encoding", "send the body as it is, without Content-Encoding")
    if _JSON.fullmatch(request.content_type) is None:
        raise DoorRefusal(
            "media_type",
            "send JSON as `Content-Type: application/json`; pictures, pages and files are never taken",
        )


def _operation(request: web.BaseRequest) -> Operation:
    operation = OPERATIONS.get(request.path)
    if operation is None:
        raise DoorRefusal("not_found", f"the paths are {', '.join(OPERATIONS)}, {OPENAPI_PATH}")
    if request.method != "POST":
        raise DoorRefusal("method", "statements are sent with POST", allow=("POST",))
    return operation


def _idempotency_key(request: web.BaseRequest) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and _KEY.fullmatch(key) is None:
        raise DoorRefusal("bad_field", "`Idempotency-Key` has 1 to 200 visible characters of ASCII")
    return key


def _created(answer: bytes, *, replayed: bool = False) -> web.Response:
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    return web.Response(status=201, body=answer, content_type="application/json", headers=headers)


def refused(refusal: DoorRefusal) -> web.Response:
    """Make the response of a refusal."""
    response = web.Response(status=refusal.status, body=refusal.body(), headers=refusal.headers())
    if refusal.closes:
        response.force_close()
    return response
